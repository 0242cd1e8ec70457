"""
From a picture of any size to a network's input.

The same code prepares training images and camera images.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor


def square(image: np.ndarray, size: int) -> np.ndarray:
    """
    Return the largest centred square of `image` (H, W, 3) uint8, scaled to (size, size, 3).

    Shrinks by area averaging, enlarges by bilinear interpolation.

    Raises
    ------
    ValueError: for an image of another type or shape, or without pixels.

    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8:
        kind = getattr(image, 'dtype', type(image).__name__)
        raise ValueError(f'the image is of type {kind}; it must be a NumPy array of uint8')
    if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(f'the image has shape {image.shape}; '
                         'it must be (height, width, 3), not empty')
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    image = image[top:top + side, left:left + side]
    if side == size:
        return image.copy()  # torch warns of a view of a message, which is read-only
    return cv2.resize(
        image, (size, size), interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR)


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """
    How a network wants its input: a square of `size` pixels a side, then (pixel - mean) / scale.

    Attributes
    ----------
    size: pixels a side.
    mean: float32 tensor (3, 1, 1) per channel or (3, size, size) per pixel (the paper's), in
        0..255.
    scale: divisor, in 0..255 (128 in the authors' code).

    """

    size: int
    mean: Tensor
    scale: float

    def __post_init__(self):
        if tuple(self.mean.shape) not in {(3, 1, 1), (3, self.size, self.size)}:
            raise ValueError(f'the mean has shape {tuple(self.mean.shape)}; '
                             f'it must be (3, 1, 1) or (3, {self.size}, {self.size})')
        if not (self.scale > 0 and np.isfinite(self.scale)) or not torch.isfinite(self.mean).all():
            raise ValueError(f'the scale is {self.scale}, and the mean from {self.mean.min()} to '
                             f'{self.mean.max()}; they must be finite, and the scale above 0')

    @classmethod
    def default(cls, size: int) -> 'Preprocessing':
        """Return the preprocessing that only maps 0..255 to -1..1."""
        return cls(size, torch.full((3, 1, 1), 127.5), 127.5)

    def normalise(self, pixels: Tensor) -> Tensor:
        """Map pixels (N, 3, size, size) in 0..255 to network inputs, on the device of `pixels`."""
        return (pixels.float() - self.mean.to(pixels.device)) / self.scale

    def __call__(self, image: np.ndarray) -> Tensor:
        """
        Map an RGB image of any size to a network input on the CPU.

        The image is (H, W, 3) uint8, the input (1, 3, size, size).
        """
        pixels = torch.from_numpy(square(image, self.size))
        return self.normalise(pixels.permute(2, 0, 1).unsqueeze(0))
