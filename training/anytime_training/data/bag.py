"""From a robot's recording, a rosbag2, to class folders; needs no ROS 2."""

from collections import Counter
from collections.abc import Iterator
import contextlib
from pathlib import Path
from typing import Any

from anytime_perception.images.compressed import decode
from anytime_perception.images.encodings import BadImageError, check_pixels, pixels_to_rgb
from anytime_training.data.export import write_png
from anytime_training.data.intervals import (
    GAP, Interval, OUTSIDE, read_intervals, split, TEST, TRAIN)
import cv2
import numpy as np
from tqdm import tqdm

_TYPES = ('sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage')
_FOLDERS = {TRAIN: 'train', TEST: 'test'}


def from_bag(bag: str | Path, topic: str, labels: str | Path, folder: str | Path,
             absolute: bool = False, gap: float = 1.0, quiet: bool = False) -> str:
    """
    Write train/<label>/NNNN.png and test/<label>/NNNN.png under `folder`; return what was done.

    `labels` is a CSV file of intervals, see intervals.py; their times are those at which messages
    were recorded, in seconds since the recording began or, if `absolute`, since 1970. Pictures
    keep their size, and NNNN is the place of a picture on its topic. What cannot be read as a
    picture is skipped and counted.

    Raises
    ------
    ValueError: for a bag or labels that cannot be read, a topic that holds no images, a folder
        that is not empty, or a label that would have no training or no test pictures.
    OSError: if a picture cannot be written.

    """
    intervals = read_intervals(labels)
    if not 0 <= gap < float('inf'):
        raise ValueError(f'the gap is {gap}; it must be a number of seconds, 0 or more')
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f'{folder} is not empty; choose another --output, or remove it')
    with _opened(Path(bag)) as reader:
        messages = _Messages(reader, Path(bag), topic, quiet)
        origin = 0 if absolute else reader.start_time
        times = [(stamp - origin) / 1e9 for stamp, _ in messages.read('looking')]
        fate, place = split(times, intervals, gap)
        if not (fate == TEST).any():
            raise ValueError(_nothing(times, intervals, absolute))
        _check_labels({(fate[i], intervals[place[i]].label) for i in range(len(times))},
                      intervals, f'the gap of {gap:g} s and the recording leave it none; label '
                      'more of the recording, or choose a smaller --gap')
        written: Counter[tuple[int, str]] = Counter()
        bad: Counter[str] = Counter()
        width = max(4, len(str(len(times) - 1)))
        for index, (_, message) in enumerate(messages.read('writing')):
            if fate[index] not in _FOLDERS:
                continue
            label = intervals[place[index]].label
            path = folder / _FOLDERS[fate[index]] / label / f'{index:0{width}}.png'
            try:
                bgr = _to_bgr(message())
            except BadImageError as error:
                bad[str(error)] += 1
                continue
            write_png(path, bgr)
            written[fate[index], label] += 1
    reasons = ''.join(f'\nskipped {count}: {text}' for text, count in bad.most_common(5))
    _check_labels(set(written), intervals,
                  f'its pictures cannot be read:{reasons}'.replace('\n', ' '))
    totals = {kind: sum(count for (side, _), count in written.items() if side == kind)
              for kind in _FOLDERS}
    return (f'wrote {totals[TRAIN]} training and {totals[TEST]} test images to {folder}; of '
            f'{len(times)}, {(fate == OUTSIDE).sum()} lie in no interval, {(fate == GAP).sum()} '
            f'too near to test images, and {bad.total()} cannot be read{reasons}')


class _Messages:
    """The messages of one topic of images, as often as needed."""

    def __init__(self, reader: Any, bag: Path, topic: str, quiet: bool):
        self._reader, self._bag, self._quiet = reader, bag, quiet
        images = [found for found in reader.connections if found.msgtype in _TYPES]
        self._connections = [found for found in images if found.topic == topic]
        if not self._connections:
            names = ', '.join(sorted({found.topic for found in images})) or 'none'
            raise ValueError(f'{bag} has no images on the topic {topic!r}; topics with images: '
                             f'{names}')

    def read(self, what: str) -> Iterator[tuple[int, Any]]:
        """Yield when each was recorded, in ns, and a function that returns the message."""
        messages = self._reader.messages(connections=self._connections)
        total = sum(found.msgcount for found in self._connections)
        with tqdm(total=total, desc=what, unit='image', disable=self._quiet,
                  dynamic_ncols=True) as bar:
            while True:
                try:
                    connection, stamp, data = next(messages)
                except StopIteration:
                    return
                except Exception as error:  # of SQLite, of the compression, of the format
                    raise ValueError(f'{self._bag} is damaged after {bar.n} images: {error}'
                                     ) from error
                yield stamp, lambda: self._parse(data, connection.msgtype)
                bar.update()

    def _parse(self, data: bytes, kind: str) -> Any:
        try:
            return self._reader.deserialize(data, kind)
        except Exception as error:  # a damaged message may raise anything
            raise BadImageError('damaged', 'the message is damaged') from error


@contextlib.contextmanager
def _opened(bag: Path) -> Iterator[Any]:
    """Open `bag`, a folder or one of its files, sqlite3 or MCAP."""
    try:
        from rosbags.highlevel import AnyReader
        from rosbags.typesys import get_typestore, Stores
    except ImportError as error:
        raise ValueError('reading recordings needs the library rosbags; install it with '
                         'pip install rosbags') from error
    if not bag.exists():
        raise ValueError(f'there is no {bag}; name the folder of a rosbag2')
    try:
        # Bags of Humble and older do not hold the definitions of their messages.
        reader = AnyReader([bag], default_typestore=get_typestore(Stores.ROS2_HUMBLE))
        reader.open()
    except Exception as error:  # of SQLite, of YAML, of the format
        raise ValueError(f'{bag} cannot be read as a rosbag2: {error}; a recording that was cut '
                         'off can be mended with ros2 bag reindex or mcap recover') from error
    with contextlib.closing(reader):
        yield reader


def _to_bgr(message: Any) -> np.ndarray:
    """Return an image message as (height, width, 3) uint8, as OpenCV writes it."""
    if hasattr(message, 'encoding'):
        check_pixels(message)
        pixels = pixels_to_rgb(message)
    else:
        pixels = decode(np.frombuffer(message.data, np.uint8),
                        f'an image of format {message.format!r}')
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)


def _check_labels(found: set, intervals: list[Interval], reason: str) -> None:
    for label in sorted({interval.label for interval in intervals}):
        for kind, name in _FOLDERS.items():
            if (kind, label) not in found:
                raise ValueError(f'the label {label!r} has no {name} images: {reason}')


def _nothing(times: list[float], intervals: list[Interval], absolute: bool) -> str:
    """Return the message for labels that miss the recording."""
    if not times:
        return 'the topic has no messages'
    hint = ('leave out --absolute if they count from the start of the recording' if absolute else
            'add --absolute if they are stamps (seconds since 1970)')
    return (f'all {len(times)} images lie outside of the intervals: they were recorded from '
            f'{min(times):.3f} s to {max(times):.3f} s, and the labels go from '
            f'{intervals[0].start:.3f} s to {intervals[-1].end:.3f} s; {hint}')
