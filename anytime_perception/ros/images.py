"""From image messages to RGB arrays, without cv_bridge for the encodings cameras send most."""

from collections.abc import Callable

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

# encoding: (bytes per pixel, conversion to RGB of an array (height, width, bytes per pixel))
_ENCODINGS: dict[str, tuple[int, Callable[[np.ndarray], np.ndarray]]] = {
    'rgb8': (3, lambda pixels: pixels),
    'bgr8': (3, lambda pixels: cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)),
    'rgba8': (4, lambda pixels: cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB)),
    'bgra8': (4, lambda pixels: cv2.cvtColor(pixels, cv2.COLOR_BGRA2RGB)),
    'mono8': (1, lambda pixels: cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB)),
    # Of two bytes, the high one.
    'mono16': (2, lambda pixels: cv2.cvtColor(pixels[:, :, 1:], cv2.COLOR_GRAY2RGB)),
}


class BadImageError(ValueError):
    """
    An image that can't be used.

    `kind` is a short name of the reason, the same for every image that is bad in the same way.
    """

    def __init__(self, kind: str, text: str):
        super().__init__(text)
        self.kind = kind


def check_image(message: Image | CompressedImage) -> None:
    """
    Raise BadImageError if `message` is empty, truncated, or in an encoding we can't read.

    Looks at sizes and names only, so it is quick enough for a subscription callback.
    """
    if isinstance(message, CompressedImage):
        if not message.data:
            raise BadImageError('empty', 'the compressed image has no data')
        return
    if message.height == 0 or message.width == 0:
        raise BadImageError('empty', f'the image is {message.width}x{message.height} pixels')
    if message.encoding not in _ENCODINGS:
        if _bridge() is None:
            raise BadImageError(f'encoding {message.encoding}', _unreadable(message.encoding))
        return
    row = message.width * _ENCODINGS[message.encoding][0]
    if message.step < row:
        raise BadImageError(
            'step', f'the step is {message.step} bytes, but a row of {message.width} '
                    f'{message.encoding} pixels takes {row}')
    # The last row may come without its padding.
    needed = (message.height - 1) * message.step + row
    if len(message.data) < needed:
        raise BadImageError(
            'truncated', f'the image has {len(message.data)} bytes, but {message.width}x'
                         f'{message.height} {message.encoding} pixels take {needed}')


def to_rgb(message: Image | CompressedImage) -> np.ndarray:
    """
    Return a checked image message as (height, width, 3) uint8 RGB.

    Where possible, that is a view of its data.

    Raises
    ------
    BadImageError: if compressed data can't be decoded, or cv_bridge fails on an encoding of its
        own.

    """
    data = np.frombuffer(message.data, np.uint8)
    if isinstance(message, CompressedImage):
        pixels = cv2.imdecode(data, cv2.IMREAD_COLOR)
        if pixels is None:
            raise BadImageError(
                'undecodable', f'{len(data)} bytes of format {message.format!r} are no picture')
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    if message.encoding not in _ENCODINGS:
        return _bridge_to_rgb(message)
    depth, convert = _ENCODINGS[message.encoding]
    row = message.width * depth
    pixels = np.lib.stride_tricks.as_strided(
        data, (message.height, message.width, depth), (message.step, depth, 1), writeable=False)
    if message.step != row:
        pixels = np.ascontiguousarray(pixels)
    if message.encoding == 'mono16' and message.is_bigendian:
        pixels = pixels[:, :, ::-1]
    return convert(pixels)


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
        raise BadImageError(f'encoding {message.encoding}',
                            f'{_unreadable(message.encoding)}: {error}') from error


def _unreadable(encoding: str) -> str:
    return (f'the encoding {encoding!r} can\'t be read; allowed: {", ".join(_ENCODINGS)}, '
            'and with cv_bridge installed whatever that converts to rgb8')
