"""From image messages to RGB arrays, without cv_bridge for the encodings cameras send most."""

from dataclasses import dataclass

from anytime_perception.ros.jpeg import reduction
import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image


@dataclass(frozen=True)
class _Encoding:
    """How pixels lie in a message: channels of 1 or 2 bytes, and OpenCV's conversion to RGB."""

    channels: int
    conversion: int | None
    bytes_per_channel: int = 1
    even_width: bool = False


_ENCODINGS: dict[str, _Encoding] = {
    'rgb8': _Encoding(3, None),
    'bgr8': _Encoding(3, cv2.COLOR_BGR2RGB),
    'rgba8': _Encoding(4, cv2.COLOR_RGBA2RGB),
    'bgra8': _Encoding(4, cv2.COLOR_BGRA2RGB),
    'mono8': _Encoding(1, cv2.COLOR_GRAY2RGB),
    'mono16': _Encoding(1, cv2.COLOR_GRAY2RGB, 2),
    '8UC1': _Encoding(1, cv2.COLOR_GRAY2RGB),
    '8UC3': _Encoding(3, cv2.COLOR_BGR2RGB),
    '16UC1': _Encoding(1, cv2.COLOR_GRAY2RGB, 2),
    'yuv422': _Encoding(2, cv2.COLOR_YUV2RGB_UYVY, even_width=True),
    'uyvy': _Encoding(2, cv2.COLOR_YUV2RGB_UYVY, even_width=True),
    'yuv422_yuy2': _Encoding(2, cv2.COLOR_YUV2RGB_YUYV, even_width=True),
    'yuyv': _Encoding(2, cv2.COLOR_YUV2RGB_YUYV, even_width=True),
    # OpenCV names Bayer patterns after the second row.
    **{f'bayer_{pattern}{8 * size}': _Encoding(1, conversion, size) for size in (1, 2)
       for pattern, conversion in (
           ('rggb', cv2.COLOR_BayerBG2RGB), ('bggr', cv2.COLOR_BayerRG2RGB),
           ('gbrg', cv2.COLOR_BayerGR2RGB), ('grbg', cv2.COLOR_BayerGB2RGB))},
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
    encoding = _ENCODINGS.get(message.encoding)
    if encoding is None:
        if _bridge() is None:
            raise BadImageError(f'encoding {message.encoding}', _unreadable(message.encoding))
        return
    if encoding.even_width and message.width % 2:
        raise BadImageError('width', f'the image is {message.width} pixels wide, but '
                                     f'{message.encoding} stores pixels in pairs')
    row = message.width * encoding.channels * encoding.bytes_per_channel
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


def to_rgb(message: Image | CompressedImage, least: int = 0) -> np.ndarray:
    """
    Return a checked image message as (height, width, 3) uint8 RGB.

    Where possible, that is a view of its data. A JPEG picture is decoded at a reduced scale, as
    far as its shorter side keeps `least` pixels (0: at full scale).

    Raises
    ------
    BadImageError: if compressed data can't be decoded, or cv_bridge fails on an encoding of its
        own.

    """
    data = np.frombuffer(message.data, np.uint8)
    if isinstance(message, CompressedImage):
        pixels = cv2.imdecode(data, reduction(data, least))
        if pixels is None:
            raise BadImageError(
                'undecodable', f'{len(data)} bytes of format {message.format!r} are no picture')
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
    encoding = _ENCODINGS.get(message.encoding)
    if encoding is None:
        return _bridge_to_rgb(message)
    depth = encoding.channels * encoding.bytes_per_channel
    pixels = np.lib.stride_tricks.as_strided(
        data, (message.height, message.width, depth), (message.step, depth, 1), writeable=False)
    if encoding.bytes_per_channel == 2:  # of two bytes, the high one
        pixels = pixels[:, :, 0 if message.is_bigendian else 1::2]
    if not pixels.flags.c_contiguous:
        pixels = np.ascontiguousarray(pixels)
    return pixels if encoding.conversion is None else cv2.cvtColor(pixels, encoding.conversion)


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
