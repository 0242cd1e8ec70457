"""The 1797 scanned handwritten digits, 8x8 pixels, that scikit-learn carries."""

from anytime_training.data.image_set import (
    from_pictures, ImageSet, stratified_split, TEST_FRACTION)
import numpy as np
import torch

CLASS_IDS = tuple(str(digit) for digit in range(10))


def load(size: int) -> tuple[ImageSet, ImageSet]:
    """Return training and test images (a fixed stratified fifth) of `size` pixels a side."""
    from sklearn.datasets import load_digits  # slow to import, and only needed here
    digits = load_digits()
    grey = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    pictures = np.repeat(grey[..., None], 3, axis=3)
    everything = ImageSet(from_pictures(list(pictures), size),
                          torch.from_numpy(digits.target).long())
    train, test = stratified_split(everything.labels, TEST_FRACTION)
    return everything.subset(train), everything.subset(test)
