"""What the node counts, and its diagnostics message."""

import collections
import os
import resource
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np


class Statistics:
    """
    Counts of one node since it was activated.

    Attributes
    ----------
    received: images that arrived, bad ones included.
    bad: number of images dropped, by reason.
    stale: images that were older than a camera period when they were started.
    oldest_start: greatest age of an image, by its stamp, when it was started, in seconds.

    """

    def __init__(self):
        self.received = 0
        self.bad: collections.Counter[str] = collections.Counter()
        self.stale = 0
        self.oldest_start = 0.0
        self.refinements = 0
        self._preempt_seconds: collections.deque[float] = collections.deque(maxlen=10_000)
        self._period: float | None = None
        self._last_arrival: float | None = None

    def count_arrival(self, arrival: float) -> None:
        """Count an image, arrived at `arrival` (`time.monotonic`); learn the camera's period."""
        self.received += 1
        if self._last_arrival is not None:
            gap = arrival - self._last_arrival
            self._period = gap if self._period is None else 0.9 * self._period + 0.1 * gap
        self._last_arrival = arrival

    def count_start(self, age: float) -> None:
        """Count an image that was `age` seconds old, by its stamp, when it was started."""
        self.oldest_start = max(self.oldest_start, age)
        self.stale += self._period is not None and age > self._period

    def count_preempt(self, seconds: float) -> None:
        """Count a preempt request that was answered within `seconds` of being taken up."""
        self._preempt_seconds.append(seconds)

    def diagnostics(self, name: str, hardware_id: str, level: bytes, summary: str, counts,
                    stamp) -> DiagnosticArray:
        """Return the message for /diagnostics; `counts` are the engine's, None without one."""
        preempts = np.array(self._preempt_seconds) * 1e3
        values = {
            'images_received': self.received,
            'images_bad': sum(self.bad.values()),
            **{f'images_bad ({kind})': number for kind, number in self.bad.items()},
            'images_replaced': counts.replaced if counts else 0,
            'images_started': counts.started if counts else 0,
            'images_failed': counts.failed if counts else 0,
            'images_stale': self.stale,
            'oldest_start_ms': f'{self.oldest_start * 1e3:.2f}',
            'camera_period_ms': f'{(self._period or 0) * 1e3:.2f}',
            'refinements': self.refinements,
            'preempts': len(preempts),
            'preempt_p50_ms': f'{np.median(preempts):.3f}' if len(preempts) else '',
            'preempt_p99_ms': f'{np.quantile(preempts, 0.99):.3f}' if len(preempts) else '',
            'memory_mb': f'{_memory_mb():.1f}',
            'peak_memory_mb': f'{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.1f}',
        }
        status = DiagnosticStatus(
            level=level, name=name, message=summary, hardware_id=hardware_id,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()])
        message = DiagnosticArray(status=[status])
        message.header.stamp = stamp
        return message


class LogOnce:
    """Says each thing once."""

    def __init__(self):
        self._said: set[str] = set()

    def __call__(self, log, kind: str, text: str) -> None:
        """Call `log` with `text` unless something of this kind was said before."""
        if kind not in self._said:
            self._said.add(kind)
            log(text)


def now() -> float:
    """Return the time that images' arrivals are given in, in seconds; never jumps."""
    return time.monotonic()


def _memory_mb() -> float:
    """Return the memory this process holds now, in MiB."""
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 2**20
