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
UNREAD_SUFFIXES = ('.avif', '.gif', '.heic', '.heif', '.jxl')  # pictures, too, but not to OpenCV
# Of a webcam's driver: one that is read and one that is filled. With one alone frames are lost
# while it is read; the four that OpenCV asks for hold old ones where the reader is held up.
_BUFFERS = 2


def find_pictures(source: str | Path, suffixes: tuple[str, ...] = SUFFIXES) -> list[Path]:
    """
    Return the picture files at `source`, a file or a folder of any depth, sorted.

    By default those that can be read, else those whose names end in one of `suffixes`.

    Numbers in names count as such, so 10.png follows 9.png: where names tell the time, so does the
    order. What is hidden in a folder is left out: thumbnails, checkpoints of notebooks.
    """
    if not str(source):
        return []  # and not those of the working directory, which a Path of it would be
    path = Path(source)
    found = path.rglob('*') if path.is_dir() else [path] if path.is_file() else []
    return sorted((file for file in found if file.suffix.lower() in suffixes and not any(
        part.startswith('.') for part in file.relative_to(path).parts)), key=_by_number)


def _by_number(path: Path) -> tuple[list[list[str | int]], Path]:
    """Return what to sort paths by: for each part its text and its numbers, in turns."""
    parts = [[int(text) if index % 2 else text
              for index, text in enumerate(re.split(r'(\d+)', part))] for part in path.parts]
    return parts, path  # which decides between 1.png and 01.png


def read_picture(path: Path) -> np.ndarray:
    """
    Return the picture in a file as RGB, (H, W, 3) uint8.

    Raises
    ------
    ValueError: if it is none, cut short, or cannot be read.

    """
    try:
        # Not cv2.imread: it cannot open every file name on every platform.
        data = np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise ValueError(f'{path} cannot be read: {error}') from error
    return decode(data, str(path))


def film(source: str) -> Iterator[np.ndarray]:
    """
    Return what a webcam (by its number) or a video shows as RGB, (H, W, 3) uint8, to its end.

    Every frame of a video; of a webcam the newest whenever the next one is asked for.

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
