"""From image messages to RGB arrays, without cv_bridge for the encodings cameras send most."""

import functools

from anytime_perception.images.compressed import decode
from anytime_perception.images.encodings import (
    BadImageError, check_pixels, ENCODINGS, pixels_to_rgb, shown)
import numpy as np
from sensor_msgs.msg import CompressedImage, Image


def check_image(message: Image | CompressedImage) -> None:
    """
    Raise BadImageError if `message` is empty, truncated, or in an encoding we can't read.

    Looks at sizes and names only, so it is quick enough for a subscription callback.
    """
    if isinstance(message, CompressedImage):
        if not message.data:
            raise BadImageError('empty', 'the compressed image has no data')
        return
    empty = 0 in (message.height, message.width)
    if message.encoding in ENCODINGS or empty or _bridge() is None:
        check_pixels(message)


def to_rgb(message: Image | CompressedImage, least: int = 0) -> np.ndarray:
    """
    Return a checked image message as (height, width, 3) uint8 RGB.

    Where possible, that is a view of its data. A JPEG picture is decoded at a reduced scale, as
    far as its shorter side keeps `least` pixels (0: at full scale).

    Raises
    ------
    BadImageError: if compressed data can't be decoded or are cut short, or cv_bridge fails on an
        encoding of its own.

    """
    if isinstance(message, CompressedImage):
        return decode(np.frombuffer(message.data, np.uint8),
                      f'a compressed image of format {shown(message.format)}', least)
    if message.encoding not in ENCODINGS:
        return _bridge_to_rgb(message)
    return pixels_to_rgb(message)


@functools.cache  # a failed import looks for the module anew each time
def _bridge():
    """Return ROS 2's cv_bridge, or None where it is missing or unusable."""
    try:
        from cv_bridge import CvBridge
    except Exception:  # an ABI mismatch with NumPy raises more than ImportError
        return None
    return CvBridge()


def _bridge_to_rgb(message: Image) -> np.ndarray:
    try:
        return _bridge().imgmsg_to_cv2(message, 'rgb8')
    except Exception as error:
        raise BadImageError('encoding',
                            f'cv_bridge cannot convert the encoding {shown(message.encoding)} to '
                            f'rgb8: {shown(str(error), 300)}') from error
