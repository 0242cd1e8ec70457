"""Refine what a webcam, a video, a picture or a folder shows, without ROS 2."""

import argparse
from collections.abc import Iterator
from pathlib import Path
import sys

from anytime_perception.engine import AnytimeEngine, DeviceError
from anytime_perception.model_file import load, ModelFileError
import cv2
import numpy as np

_SUFFIXES = {'.png', '.jpg', '.jpeg', '.bmp', '.webp'}


def pictures(source: str) -> Iterator[tuple[str, np.ndarray]]:
    """
    Yield what a webcam (its number), a video, a file or a folder shows, by name.

    Each is RGB, (H, W, 3) uint8.

    Raises
    ------
    ValueError: if there is no such thing, or nothing in it.

    """
    path = Path(source)
    if path.is_dir():
        files = sorted(file for file in path.rglob('*') if file.suffix.lower() in _SUFFIXES)
    else:
        files = [path] if path.suffix.lower() in _SUFFIXES else []
    for file in files:
        picture = cv2.imread(str(file))
        if picture is None:
            print(f'{file} is no picture; it is left out', file=sys.stderr)
        else:
            yield str(file), picture[:, :, ::-1]
    if files:
        return
    capture = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    read, picture = capture.read()
    if not read:
        raise ValueError(f'{source!r} shows nothing: it must be the number of a webcam, a video, '
                         f'a picture or a folder of pictures ({", ".join(sorted(_SUFFIXES))})')
    number = 0
    while read:
        yield f'frame {number}', picture[:, :, ::-1]
        number += 1
        read, picture = capture.read()
    capture.release()


def main() -> int:
    """Print every refinement of every picture; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('model', help='model file')
    parser.add_argument('source', help='number of a webcam, video, picture or folder of pictures')
    parser.add_argument('--budget-ms', type=float, help='per picture (default: until complete)')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N (%(default)s)')
    parser.add_argument('--confidence', type=float, help='stop refining at this probability')
    arguments = parser.parse_args()
    budget = None if arguments.budget_ms is None else arguments.budget_ms / 1e3
    try:
        model = load(arguments.model)
        with AnytimeEngine(model, arguments.device, budget=budget,
                           confidence=arguments.confidence) as engine:
            for name, picture in pictures(arguments.source):
                print(name)
                for answer in engine.refine(picture):
                    print(f'  {answer.elapsed * 1e3:7.2f} ms  exit {answer.exit_index + 1:>2} of '
                          f'{answer.exit_count}  {model.class_ids[answer.class_index]:<16} '
                          f'{answer.confidence:6.1%}  {answer.status.name.lower()}')
    except (DeviceError, ModelFileError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
