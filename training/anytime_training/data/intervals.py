"""What was in view when: labelled intervals of a recording, and their split by time."""

from collections.abc import Sequence
import csv
from dataclasses import dataclass
from pathlib import Path

from anytime_training.data.image_set import TEST_FRACTION
import numpy as np

OUTSIDE, TRAIN, TEST, GAP = range(4)
_COLUMNS = ('start', 'end', 'label')


@dataclass(frozen=True)
class Interval:
    """From `start` up to but not including `end`, in seconds, `label` was to be seen."""

    start: float
    end: float
    label: str


def read_intervals(path: str | Path) -> list[Interval]:
    """
    Return the intervals of a CSV file with the columns start, end and label, in order of time.

    Raises
    ------
    ValueError: for a file that cannot be read or holds no interval, and, naming the line, for what
        is no number, an end that is not after its start, a label that cannot name a folder, or
        intervals that overlap.

    """
    try:
        with open(path, newline='', encoding='utf-8-sig') as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise ValueError(f'{path} has no column {missing[0]!r}; its first line must be '
                                 f'{",".join(_COLUMNS)}')
            lines = [(reader.line_num, _interval(f'{path}, line {reader.line_num}', row))
                     for row in reader]
    except OSError as error:
        raise ValueError(f'cannot read the labels {path}: {error.strerror}') from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f'{path} is no CSV file: {error}') from error
    if not lines:
        raise ValueError(f'{path} holds no interval; each line is start,end,label')
    lines.sort(key=lambda line: line[1].start)
    for (number, interval), (after, following) in zip(lines, lines[1:]):
        if following.start < interval.end:
            raise ValueError(f'{path}: the intervals of lines {number} and {after} overlap; a '
                             'picture can have one label only')
    return [interval for _, interval in lines]


def _interval(place: str, row: dict) -> Interval:
    label = (row['label'] or '').strip()
    if not label or label.startswith('.') or set('/\\\0') & set(label):
        raise ValueError(f'{place}: the label is {label!r}; it must be the name of a folder')
    try:
        start, end = float(row['start']), float(row['end'])
    except (TypeError, ValueError) as error:
        raise ValueError(f'{place}: start and end are {row["start"]!r} and {row["end"]!r}; they '
                         'must be numbers, in seconds') from error
    if not start < end:
        raise ValueError(f'{place}: it ends at {end:g} s, which is not after its start, '
                         f'{start:g} s')
    return Interval(start, end, label)


def split(times: Sequence[float] | np.ndarray, intervals: Sequence[Interval],
          gap: float) -> tuple[np.ndarray, np.ndarray]:
    """
    Return what becomes of each frame, and the index of its interval; (frames,) each.

    `times` are those of the frames, in seconds and any order. The last fifth, in time, of the
    frames of every label is TEST. Of the others, those less than `gap` seconds from any TEST
    frame, whatever its label, are GAP and the rest TRAIN: neighbours, which look alike, are never
    on both sides. A frame in no interval is OUTSIDE.
    """
    times = np.asarray(times, dtype=np.float64)
    starts = np.array([interval.start for interval in intervals])
    ends = np.array([interval.end for interval in intervals])
    place = np.searchsorted(starts, times, side='right') - 1
    inside = (place >= 0) & (times < ends[place])
    labels = np.array([interval.label for interval in intervals])
    fate = np.full(len(times), OUTSIDE)
    for label in set(labels):
        members = np.flatnonzero(inside & (labels[place] == label))
        members = members[np.argsort(times[members], kind='stable')]
        count = round(TEST_FRACTION * len(members))
        fate[members] = TRAIN
        fate[members[len(members) - max(count, 1):]] = TEST
    tests = np.sort(times[fate == TEST])
    if len(tests):
        after = np.searchsorted(tests, times).clip(max=len(tests) - 1)
        distance = np.minimum(abs(tests[after] - times), abs(times - tests[after - 1]))
        fate[(fate == TRAIN) & (distance < gap)] = GAP
    return fate, place
