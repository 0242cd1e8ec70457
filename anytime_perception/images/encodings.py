"""How pixels lie in ROS 2's sensor_msgs/Image, and how they become RGB; needs no ROS 2."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np


@dataclass(frozen=True)
class Encoding:
    """How pixels lie in a message: channels of 1 or 2 bytes, and OpenCV's conversion to RGB."""

    channels: int
    conversion: int | None
    bytes_per_channel: int = 1
    even_width: bool = False
    least_side: int = 1  # in pixels; OpenCV makes smaller Bayer images black
    colour_below: bool = False  # below, half as many rows: a colour for every four pixels

    def rows(self, height: int) -> int:
        """Return how many rows of bytes an image of so many pixels has."""
        return height + height // 2 if self.colour_below else height


ENCODINGS: dict[str, Encoding] = {
    'rgb8': Encoding(3, None),
    'bgr8': Encoding(3, cv2.COLOR_BGR2RGB),
    'rgba8': Encoding(4, cv2.COLOR_RGBA2RGB),
    'bgra8': Encoding(4, cv2.COLOR_BGRA2RGB),
    'rgb16': Encoding(3, None, 2),
    'bgr16': Encoding(3, cv2.COLOR_BGR2RGB, 2),
    'rgba16': Encoding(4, cv2.COLOR_RGBA2RGB, 2),
    'bgra16': Encoding(4, cv2.COLOR_BGRA2RGB, 2),
    'mono8': Encoding(1, cv2.COLOR_GRAY2RGB),
    'mono16': Encoding(1, cv2.COLOR_GRAY2RGB, 2),
    '8UC1': Encoding(1, cv2.COLOR_GRAY2RGB),
    '8UC3': Encoding(3, cv2.COLOR_BGR2RGB),
    '16UC1': Encoding(1, cv2.COLOR_GRAY2RGB, 2),
    'yuv422': Encoding(2, cv2.COLOR_YUV2RGB_UYVY, even_width=True),
    'uyvy': Encoding(2, cv2.COLOR_YUV2RGB_UYVY, even_width=True),
    'yuv422_yuy2': Encoding(2, cv2.COLOR_YUV2RGB_YUYV, even_width=True),
    'yuyv': Encoding(2, cv2.COLOR_YUV2RGB_YUYV, even_width=True),
    'nv12': Encoding(1, cv2.COLOR_YUV2RGB_NV12, even_width=True, colour_below=True),
    'nv21': Encoding(1, cv2.COLOR_YUV2RGB_NV21, even_width=True, colour_below=True),
    # OpenCV names Bayer patterns after the second row.
    **{f'bayer_{pattern}{8 * size}': Encoding(1, conversion, size, least_side=3) for size in (1, 2)
       for pattern, conversion in (
           ('rggb', cv2.COLOR_BayerBG2RGB), ('bggr', cv2.COLOR_BayerRG2RGB),
           ('gbrg', cv2.COLOR_BayerGR2RGB), ('grbg', cv2.COLOR_BayerGB2RGB))},
}


class BadImageError(ValueError):
    """
    An image that can't be used.

    `kind` is a short name of the reason, the same for every image that is bad in the same way:
    one of a few, and nothing that an image says.
    """

    def __init__(self, kind: str, text: str):
        super().__init__(text)
        self.kind = kind


def shown(text: str, longest: int = 60) -> str:
    """Return a text that came with a message, and so may be anything, as a log can show it."""
    return repr(text if len(text) <= longest else f'{text[:longest]}...')


def check_pixels(message: Any) -> None:
    """
    Raise BadImageError if the raw image `message` is empty, truncated, or not of ENCODINGS.

    `message` has the fields of sensor_msgs/Image, from whichever library.
    """
    if message.height == 0 or message.width == 0:
        raise BadImageError('empty', f'the image is {message.width}x{message.height} pixels')
    encoding = ENCODINGS.get(message.encoding)
    if encoding is None:
        raise BadImageError('encoding',
                            f'the encoding {shown(message.encoding)} cannot be read; allowed: '
                            f'{", ".join(ENCODINGS)}, and in a node whatever an installed '
                            'cv_bridge converts to rgb8')
    if encoding.even_width and message.width % 2:
        raise BadImageError('width', f'the image is {message.width} pixels wide, but '
                                     f'{message.encoding} stores pixels in pairs')
    if encoding.colour_below and message.height % 2:
        raise BadImageError('height', f'the image is {message.height} pixels high, but '
                                      f'{message.encoding} stores the colour of rows in pairs')
    if min(message.width, message.height) < encoding.least_side:
        raise BadImageError('small', f'the image is {message.width}x{message.height} pixels, but '
                                     f'{message.encoding} takes {encoding.least_side} a side')
    row = message.width * encoding.channels * encoding.bytes_per_channel
    if message.step < row:
        raise BadImageError(
            'step', f'the step is {message.step} bytes, but a row of {message.width} '
                    f'{message.encoding} pixels takes {row}')
    # The last row may come without its padding.
    needed = (encoding.rows(message.height) - 1) * message.step + row
    if len(message.data) < needed:
        raise BadImageError(
            'truncated', f'the image has {len(message.data)} bytes, but {message.width}x'
                         f'{message.height} {message.encoding} pixels take {needed}')


def pixels_to_rgb(message: Any) -> np.ndarray:
    """Return a checked raw image as (height, width, 3) uint8 RGB, a view where possible."""
    data = np.frombuffer(message.data, np.uint8)
    encoding = ENCODINGS[message.encoding]
    depth = encoding.channels * encoding.bytes_per_channel
    pixels = np.lib.stride_tricks.as_strided(
        data, (encoding.rows(message.height), message.width, depth), (message.step, depth, 1),
        writeable=False)
    if encoding.bytes_per_channel == 2:  # keep the high byte
        pixels = pixels[:, :, 0 if message.is_bigendian else 1::2]
    if not pixels.flags.c_contiguous:
        pixels = np.ascontiguousarray(pixels)
    return pixels if encoding.conversion is None else cv2.cvtColor(pixels, encoding.conversion)
