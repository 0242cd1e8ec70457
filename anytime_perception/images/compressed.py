"""From encoded bytes, such as those of a JPEG or PNG file, to RGB."""

from anytime_perception.images import jpeg, png
from anytime_perception.images.encodings import BadImageError
import cv2
import numpy as np


def decode(data: np.ndarray, name: str, least: int = 0) -> np.ndarray:
    """
    Return the encoded picture `data` (n,) uint8 as RGB, (height, width, 3) uint8.

    JPEG is decoded at the smallest scale that leaves its shorter side `least` pixels (0: at full
    scale). `name` is what an error calls the picture.

    Raises
    ------
    BadImageError: if it is no picture, too large for OpenCV, or cut short.

    """
    # OpenCV 4.10, and before, invents the rest of a JPEG picture. 4.14 takes, and fills, as much
    # memory as a PNG picture says that it has: up to 4 GB where one byte of it is damaged.
    if jpeg.is_cut_short(data) or png.is_cut_short(data):
        raise BadImageError('truncated', f'{name} is cut short: a picture without its end')
    try:
        pixels = cv2.imdecode(data, jpeg.reduction(data, least)) if len(data) else None
    except cv2.error:  # more pixels than OpenCV takes
        pixels = None
    if pixels is None:
        raise BadImageError('undecodable', f'{name} is no picture, or too large a one')
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
