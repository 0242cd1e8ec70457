"""Refine what a webcam, a video, a picture or a folder shows, without ROS 2."""

import argparse
from collections.abc import Iterator
import os
from pathlib import Path
import sys

from anytime_perception.engine import AnytimeEngine, DeviceError
from anytime_perception.images.pictures import film, find_pictures, read_picture
from anytime_perception.model_file import load, ModelFileError
import numpy as np

_SHIPPED = Path(__file__).resolve().parent.parent / 'models' / 'cifar10-aann.safetensors'


def pictures(source: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yield by name what a webcam (its number), a video, a file or a folder shows, as RGB."""
    files, shown = find_pictures(source), False
    for file in files:
        try:
            yield str(file), read_picture(file)
            shown = True
        except ValueError as error:
            print(f'{error}; it is left out', file=sys.stderr)
    if files and not shown:
        raise ValueError(f'no picture of {source!r} can be read')
    if not files:
        for number, picture in enumerate(film(source)):
            yield f'frame {number}', picture


def main() -> int:
    """Print every refinement of every picture; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('source', help='number of a webcam, video, picture or folder of pictures')
    parser.add_argument('--model', default=str(_SHIPPED),
                        help='model file (default: the one that ships, for the ten everyday '
                             'classes of CIFAR-10)')
    parser.add_argument('--budget-ms', type=float, help='per picture (default: until complete)')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N (%(default)s)')
    parser.add_argument('--confidence', type=float, help='stop refining at this probability')
    parser.add_argument('--hysteresis', type=float, default=1.0,
                        help='how many times as likely a class must be as the answer before to '
                             'replace it (%(default)s)')
    arguments = parser.parse_args()
    budget = None if arguments.budget_ms is None else arguments.budget_ms / 1e3
    try:
        model = load(arguments.model)
        with AnytimeEngine(model, arguments.device, budget=budget,
                           confidence=arguments.confidence,
                           hysteresis=arguments.hysteresis) as engine:
            for name, picture in pictures(arguments.source):
                print(name)
                for answer in engine.refine(picture):
                    print(f'  {answer.elapsed * 1e3:7.2f} ms  exit {answer.exit_index + 1:>2} of '
                          f'{answer.exit_count}  {answer.class_id:<16} '
                          f'{answer.confidence:6.1%}  {answer.status.name.lower()}', flush=True)
    except (DeviceError, ModelFileError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever reads has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing to flush at exit
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
