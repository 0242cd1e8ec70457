"""SVHN, cropped digits (Netzer et al. 2011), from the files that torchvision downloads."""

from pathlib import Path

from anytime_training.data.image_set import ImageSet
import numpy as np
import torch

CLASS_IDS = tuple(str(digit) for digit in range(10))


def load(folder: str | Path, download: bool = False) -> tuple[ImageSet, ImageSet]:
    """
    Return training images (train and extra, 604,388 as the paper uses) and test images.

    Raises
    ------
    ValueError: for a file that is missing or not SVHN's; it names the file.

    """
    folder = Path(folder)
    if download:
        from torchvision.datasets import SVHN
        for split in ('train', 'extra', 'test'):
            SVHN(str(folder), split, download=True)
    parts = [_read(folder / f'{split}_32x32.mat') for split in ('train', 'extra')]
    train = ImageSet(torch.cat([part.images for part in parts]),
                     torch.cat([part.labels for part in parts]))
    return train, _read(folder / 'test_32x32.mat')


def _read(path: Path) -> ImageSet:
    """Return the images of a .mat file: X (32, 32, 3, N) uint8, y (N, 1), 10 for the digit 0."""
    from scipy.io import loadmat  # slow to import, and only needed here
    if not path.exists():
        raise ValueError(f'there is no {path}; name its folder with --data, or add --download')
    try:
        content = loadmat(path)
        pixels = np.ascontiguousarray(content['X'].transpose(3, 2, 0, 1))
        labels = content['y'].astype(np.int64).ravel() % 10
        if pixels.dtype != np.uint8 or pixels.shape != (len(labels), 3, 32, 32):
            raise ValueError(f'images of shape {pixels.shape}')
    except (OSError, KeyError, TypeError, ValueError, NotImplementedError) as error:
        raise ValueError(f'{path} is not a file of SVHN: {error!r}') from error
    return ImageSet(torch.from_numpy(pixels), torch.from_numpy(labels))
