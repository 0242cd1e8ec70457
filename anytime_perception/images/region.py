"""The part of a camera's picture that a network is to see."""

from dataclasses import dataclass
import math

import numpy as np


@dataclass(frozen=True)
class Region:
    """
    A part of every picture, whatever its size.

    Attributes
    ----------
    left, top: of its upper left corner, in 0..1 of the picture's width and height.
    width, height: of itself, likewise.

    """

    left: float = 0.0
    top: float = 0.0
    width: float = 1.0
    height: float = 1.0

    @classmethod
    def parse(cls, text: str) -> 'Region':
        """
        Return the region that `text` names: left, top, width and height; '' for all of a picture.

        Raises
        ------
        ValueError: for another count of numbers, or a region that is empty or reaches out of the
            picture.

        """
        if not text.strip():
            return cls()
        try:
            left, top, width, height = map(float, text.split(','))
            # Above 1 is what rounding leaves, as of 0.1 + 0.9000000000000001.
            within = all(at >= 0 and length > 0 and at + length <= 1 + 1e-9
                         for at, length in ((left, width), (top, height)))
        except ValueError:  # another count, or no numbers
            within = False
        if not within:
            raise ValueError(f'region is {text!r}; it must be left, top, width and height, each '
                             'in 0 to 1 of the picture and all within it, such as '
                             '0, 0.25, 1, 0.5 for the middle half of its height')
        return cls(left, top, width, height)

    def crop(self, image: np.ndarray) -> np.ndarray:
        """Return this part of `image` (H, W, 3), every pixel that it touches: a view."""
        height, width = image.shape[:2]
        rows = _pixels(self.top, self.height, height)
        return image[rows, _pixels(self.left, self.width, width)]

    def least(self, size: int) -> int:
        """Return how long a picture's shorter side must be for this part's to have `size`."""
        return math.ceil(size / min(self.width, self.height))


def _pixels(at: float, length: float, count: int) -> slice:
    first = min(int(at * count + 1e-6), count - 1)
    return slice(first, max(first + 1, math.ceil((at + length) * count - 1e-6)))
