"""What ros_soak.py watches: answers under their headers, images accounted for, nothing grows."""

import array
import collections
from pathlib import Path
import time

from anytime_perception.msg import Refinement
import numpy as np
from sensor_msgs.msg import Image

_TOLERANCE = 1e-3       # of probabilities: another size of pieces may round otherwise
_GROWTH_MB = 30.0       # of memory, from the second quarter of the run to the last
_SAMPLE_SECONDS = 2.0


def kinds_of_images() -> dict[str, Image]:
    """Return images of several sizes and encodings, each a picture of its own."""
    generator, kinds = np.random.default_rng(0), {}
    for encoding, depth in (('rgb8', 3), ('bgr8', 3), ('mono8', 1), ('rgba8', 4)):
        for height, width in ((48, 64), (480, 640), (301, 77)):
            coarse = generator.integers(0, 256, (4, 4, depth), dtype=np.uint8)
            rows, columns = np.arange(height) * 4 // height, np.arange(width) * 4 // width
            pixels = coarse[rows][:, columns]
            kinds[f'{encoding} {width}x{height}'] = Image(
                height=height, width=width, encoding=encoding, step=width * depth,
                data=array.array('B', pixels.tobytes()))
    return kinds


class Answers:
    """
    Compares answers with those that a quiet engine gives to the same images.

    An image's kind is the frame_id of its header, so an answer under another image's header is
    noticed.

    Parameters
    ----------
    kinds: images by name.
    expected: of each, the probabilities (classes,) of every exit.

    Attributes
    ----------
    wrong: what was found, as texts, each with its number of times.

    """

    def __init__(self, kinds: dict[str, Image], expected: dict[str, list[np.ndarray]]):
        self.kinds = kinds
        self.heard = 0
        self.accounted = 0
        self.wrong: collections.Counter[str] = collections.Counter()
        self._expected = expected

    def check(self, answer: Refinement, published: bool = True) -> None:
        """Compare an answer's probabilities with those of the image that its header names."""
        self.heard += published
        expected = self._expected.get(answer.header.frame_id)
        if expected is None:
            self.wrong['an answer about an image that was never sent'] += 1
            return
        best = np.sort(expected[answer.exit_index])[::-1][:len(answer.scores)]
        same = np.allclose(best, answer.scores, atol=_TOLERANCE) and all(
            abs(expected[answer.exit_index][int(class_id)] - score) < _TOLERANCE
            for class_id, score in zip(answer.class_ids, answer.scores))
        self.wrong['an answer under the header of another image'] += not same

    def account(self, health: dict[str, str]) -> None:
        """Check that the counts of an idle node add up."""
        count = {key: int(value) for key, value in health.items()
                 if key.startswith('images_') or key.endswith(' images')}
        ended = sum(value for key, value in count.items() if key.startswith('exit '))
        self.accounted += count['images_received']
        self.wrong['received is not started, replaced and bad together'] += (
            count['images_received'] != count['images_started'] + count['images_replaced']
            + count['images_bad'])
        self.wrong['an image was started and did not end'] += count['images_started'] != ended
        self.wrong['an image failed'] += count['images_failed']


class Process:
    """Memory, threads and open files of a process, sampled now and then."""

    def __init__(self, number: int):
        self._folder = Path('/proc', str(number))
        self._due = 0.0
        self.memory_mb: list[float] = []
        self.threads: list[int] = []
        self.files: list[int] = []

    def sample(self) -> None:
        """Look, if the last time was long enough ago."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _SAMPLE_SECONDS
        status = dict(line.split(':', 1) for line in
                      (self._folder / 'status').read_text().splitlines())
        self.memory_mb.append(int(status['VmRSS'].split()[0]) / 1024)
        self.threads.append(int(status['Threads']))
        self.files.append(len(list((self._folder / 'fd').iterdir())))

    def summary(self) -> dict:
        """Return each in the second and the last quarter of the samples: median and maximum."""
        quarter = len(self.memory_mb) // 4
        parts = {'second_quarter': slice(quarter, 2 * quarter),
                 'last_quarter': slice(-quarter, None)}
        return {name: {part: {'median': round(float(np.median(values[which])), 1),
                              'max': round(float(max(values[which])), 1)}
                       for part, which in parts.items()} if quarter else {}
                for name, values in (('memory_mb', self.memory_mb), ('threads', self.threads),
                                     ('files', self.files))}

    def grown(self) -> list[str]:
        """Return what has grown from the second quarter to the last; the first warms up."""
        summary, found = self.summary(), []
        for name, more in (('memory_mb', _GROWTH_MB), ('threads', 0.0), ('files', 2.0)):
            medians = [part['median'] for part in summary[name].values()]
            if medians and medians[1] > medians[0] + more:
                found.append(f'{name} has grown from {medians[0]} to {medians[1]}')
        return found
