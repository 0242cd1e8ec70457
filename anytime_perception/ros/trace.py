"""When what happened to an image."""

import contextlib
import csv
from pathlib import Path
import queue
import threading
import time

from anytime_perception import engine
from anytime_perception.msg import Trace
import numpy as np
from std_msgs.msg import Header

_CLOSE_SECONDS = 2.0  # that a stalled disk may hold up the node's end
_MOST_WAITING = 10_000  # lines; further ones are lost while a disk stalls


class ImageTrace:
    """
    The times of one image, filled in as it goes its way; it is the tag of its refinements.

    Attributes
    ----------
    header: of its message.
    age: seconds from its stamp to its arrival, on the node's clock.
    picture: kept only while somebody wants to see it.

    """

    def __init__(self, header: Header, arrival: float = 0.0, age: float = 0.0):
        self.header = header
        self.age = age
        self.picture: np.ndarray | None = None
        self._arrival = arrival
        self._started = self._decoded = self._published = 0.0
        self._exits: list[float] = []
        self._answer: int | None = None

    def started(self) -> None:
        """Note that work on the image begins."""
        self._started = time.monotonic() - self._arrival

    def decoded(self) -> None:
        """Note that the picture is there."""
        self._decoded = time.monotonic() - self._arrival

    def is_fresh(self, refinement: engine.Refinement) -> bool:
        """Return whether this is an exit's answer, not yet noted, and not the one before again."""
        return refinement.exit_index >= len(self._exits)

    def answered(self, refinement: engine.Refinement) -> bool:
        """Note an answer; return whether it differs from the one before."""
        if self.is_fresh(refinement):
            self._exits.append(refinement.elapsed)
        changed = refinement.class_index != self._answer
        self._answer = refinement.class_index
        return changed

    def published(self) -> None:
        """Note that the last answer was published."""
        self._published = time.monotonic() - self._arrival

    @property
    def waited(self) -> float:
        """Seconds from arrival to start."""
        return self._started

    def message(self, refinement: engine.Refinement) -> Trace:
        """Return the message, given the image's final refinement."""
        return Trace(
            header=self.header, age_ms=self.age * 1e3, start_ms=self._started * 1e3,
            decoded_ms=self._decoded * 1e3, exit_ms=[1e3 * seconds for seconds in self._exits],
            published_ms=self._published * 1e3, budget_ms=refinement.budget * 1e3,
            status=int(refinement.status))


class TraceFile:
    """
    Traces as CSV, a line for each image; opened anew, so it holds one run.

    Lines are written by a thread of its own: a disk that stalls must not stall the answers.
    """

    COLUMNS = ('stamp', 'frame_id', 'age_ms', 'start_ms', 'decoded_ms', 'exits', 'first_exit_ms',
               'last_exit_ms', 'published_ms', 'budget_ms', 'status')

    def __init__(self, path: str):
        self._file = open(_expanded(path), 'w', newline='', buffering=1, encoding='utf-8')
        self._lines: queue.Queue[tuple | None] = queue.Queue(_MOST_WAITING)
        self._lines.put(self.COLUMNS)
        self._thread = threading.Thread(target=self._write, name='anytime_trace', daemon=True)
        self._thread.start()

    def write(self, trace: Trace) -> None:
        """Add the line of one image, soon."""
        stamp = f'{trace.header.stamp.sec}.{trace.header.stamp.nanosec:09d}'
        times = (trace.age_ms, trace.start_ms, trace.decoded_ms)
        ends = (trace.exit_ms[0], trace.exit_ms[-1], trace.published_ms, trace.budget_ms)
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait((
                stamp, trace.header.frame_id, *(f'{value:.3f}' for value in times),
                len(trace.exit_ms), *(f'{value:.3f}' for value in ends), trace.status))

    def close(self) -> None:
        """Write what is left and close the file, if the disk takes it in some seconds."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=_CLOSE_SECONDS)
        self._thread.join(_CLOSE_SECONDS)

    def _write(self) -> None:
        writer = csv.writer(self._file)
        while (line := self._lines.get()) is not None:
            with contextlib.suppress(OSError):  # the disk is full
                writer.writerow(line)
        with contextlib.suppress(OSError):
            self._file.close()


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # of a user that is not there
        raise ValueError(f'trace_file is {path!r}: {error}') from error
