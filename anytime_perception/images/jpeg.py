"""What a JPEG picture says of itself: its size, to decode it at a smaller one, and its end."""

from collections.abc import Iterator

import cv2
import numpy as np

_REDUCTIONS = ((8, cv2.IMREAD_REDUCED_COLOR_8), (4, cv2.IMREAD_REDUCED_COLOR_4),
               (2, cv2.IMREAD_REDUCED_COLOR_2))
# Start-of-frame markers of all kinds of JPEG; the numbers left out mark something else.
_FRAMES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START, _SCAN, _END = b'\xff\xd8', b'\xff\xda', b'\xff\xd9'


def reduction(data: np.ndarray, least: int) -> int:
    """
    Return OpenCV's flag for the smallest scale that leaves the shorter side `least` pixels.

    `data` holds the encoded bytes (n,). Only JPEG is decoded faster at a reduced scale; anything
    else, and `least` 0, is decoded at full scale.
    """
    size = jpeg_size(data) if least else None
    if size is not None:
        for factor, flag in _REDUCTIONS:
            if min(size) >= least * factor:
                return flag
    return cv2.IMREAD_COLOR


def jpeg_size(data: np.ndarray) -> tuple[int, int] | None:
    """Return (height, width) of the JPEG picture in the bytes `data` (n,), None for no JPEG."""
    if not _is_jpeg(data):
        return None
    at = next((at for marker, at in _segments(data) if marker in _FRAMES), None)
    if at is None or at + 9 > len(data):
        return None
    height, width = (int(data[i]) << 8 | int(data[i + 1]) for i in (at + 5, at + 7))
    return height, width


def is_cut_short(data: np.ndarray) -> bool:
    """
    Return whether the bytes `data` (n,) are a JPEG picture without its end.

    The end marker of what comes before the picture, such as a small preview, does not count.
    Anything may follow the picture's own, such as a film.
    """
    if not _is_jpeg(data):
        return False
    encoded = data.tobytes()
    end = encoded.rfind(_END)  # mostly the last two bytes, with no scan behind them
    if end < 0 or encoded.find(_SCAN, end) < 0:
        return end < 0
    scan = next((at for marker, at in _segments(data) if marker == _SCAN[1]), len(data))
    return encoded.find(_END, scan) < 0


def _is_jpeg(data: np.ndarray) -> bool:
    return data[:2].tobytes() == _START


def _segments(data: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield marker and place of each segment of a JPEG picture, up to its first scan."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = int(data[at + 1])
        if marker == 0xFF:  # padding
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:  # without content
            at += 2
        else:
            yield marker, at
            if marker == _SCAN[1]:
                return
            at += 2 + (int(data[at + 2]) << 8 | int(data[at + 3]))
