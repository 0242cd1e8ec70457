"""Pictures where no robot's camera is at hand: from files, videos and webcams."""

from collections.abc import Iterator
import os
from pathlib import Path
import re

from anytime_perception.images.compressed import decode
from anytime_perception.images.webcam import Webcam
import cv2
import numpy as np

SUFFIXES = ('.bmp', '.jfif', '.jpe', '.jpeg', '.jpg', '.pgm', '.png', '.ppm', '.tif', '.tiff',
            '.webp')
UNREAD_SUFFIXES = ('.avif', '.gif', '.heic', '.heif', '.jxl')  # pictures that OpenCV does not read
# Buffers of a webcam's driver: one is read while the other is filled. With one alone, frames are
# lost meanwhile; the four that OpenCV asks for hold old frames where the reader is slow.
_BUFFERS = 2


def find_pictures(source: str | Path, suffixes: tuple[str, ...] = SUFFIXES) -> list[Path]:
    """
    Return the picture files at `source`, a file or a folder of any depth, sorted.

    By default those that can be read, else those whose names end in one of `suffixes`.

    Names are sorted by their numbers, so 10.png follows 9.png, and names that tell the time are in
    its order. What is hidden in a folder is left out: thumbnails, checkpoints of notebooks.
    """
    if not str(source):
        return []  # and not those of the working directory, which is Path('')
    path = Path(source)
    found = path.rglob('*') if path.is_dir() else [path] if path.is_file() else []
    return sorted((file for file in found if file.suffix.lower() in suffixes and not any(
        part.startswith('.') for part in file.relative_to(path).parts)), key=_by_number)


def _by_number(path: Path) -> tuple[list[list[str | int]], Path]:
    """Return the key to sort paths by: of each part, its texts and numbers in turns."""
    parts = [[int(text) if index % 2 else text
              for index, text in enumerate(re.split(r'(\d+)', part))] for part in path.parts]
    return parts, path  # which decides between 1.png and 01.png


def read_picture(path: Path) -> np.ndarray:
    """
    Return the picture in a file as RGB, (H, W, 3) uint8.

    Raises
    ------
    ValueError: if it is no picture, is cut short, or cannot be read.

    """
    try:
        # Not cv2.imread: it cannot open every file name on every platform.
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise ValueError(f'{path} cannot be read: {error}') from error
    return decode(data, str(path))


def film(source: str) -> Iterator[np.ndarray]:
    """
    Return the frames of a video or of a webcam (by its number) as RGB, (H, W, 3) uint8.

    Of a video it is every frame; of a webcam the newest each time that one is asked for.

    Raises
    ------
    ValueError: if it shows nothing.

    """
    capture = cv2.VideoCapture()
    if source.isdecimal():
        capture.open(int(source))
        capture.set(cv2.CAP_PROP_BUFFERSIZE, _BUFFERS)
    elif os.path.isfile(source):
        capture.open(source)
    read, picture = capture.read()
    if not read and source.isdecimal():
        raise ValueError(f'{source!r} shows nothing: there is no webcam of that number, or '
                         'another program has it')
    if not read:
        raise ValueError(f'{source!r} shows nothing: it must be a picture ('
                         f'{", ".join(SUFFIXES)}), a folder with pictures, a video, or the number '
                         'of a webcam')
    return Webcam(capture, picture) if source.isdecimal() else _rest(capture, picture)


def _rest(capture: cv2.VideoCapture, picture: np.ndarray) -> Iterator[np.ndarray]:
    read = True
    while read:
        yield picture[:, :, ::-1]
        read, picture = capture.read()
    capture.release()
