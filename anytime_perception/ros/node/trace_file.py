"""The traces of a run, as a file."""

import contextlib
import csv
import logging
from pathlib import Path
import queue
import threading

from anytime_perception.msg import Trace

_logger = logging.getLogger(__name__)
_CLOSE_SECONDS = 2.0  # that a stalled disk may hold up the node's end
_MOST_WAITING = 10_000  # lines; further ones are lost while a disk stalls


class TraceFile:
    """
    Traces as CSV, a line for each image; opened anew, so it holds one run.

    A separate thread writes the lines: a disk that stalls must not stall the answers.
    """

    COLUMNS = ('stamp', 'frame_id', 'image_topic', 'age_ms', 'start_ms', 'decoded_ms', 'exits',
               'first_exit_ms', 'last_exit_ms', 'published_ms', 'budget_ms', 'status')

    def __init__(self, path: str):
        self._file = open(_expanded(path), 'w', newline='', buffering=1, encoding='utf-8')
        self._losing = False
        self._lines: queue.Queue[tuple | None] = queue.Queue(_MOST_WAITING)
        self._lines.put(self.COLUMNS)
        self._thread = threading.Thread(target=self._write, name='anytime_trace', daemon=True)
        self._thread.start()

    def write(self, trace: Trace) -> None:
        """Add the line of one image, soon."""
        stamp = f'{trace.header.stamp.sec}.{trace.header.stamp.nanosec:09d}'
        times = (trace.age_ms, trace.start_ms, trace.decoded_ms)
        ends = (trace.exit_ms[0], trace.exit_ms[-1], trace.published_ms, trace.budget_ms)
        try:
            self._lines.put_nowait((
                stamp, trace.header.frame_id, trace.image_topic,
                *(f'{value:.3f}' for value in times), len(trace.exit_ms),
                *(f'{value:.3f}' for value in ends), trace.status))
        except queue.Full:
            self._lose('the disk is too slow')

    def close(self) -> None:
        """Write what is left and close the file, if the disk takes it in some seconds."""
        with contextlib.suppress(queue.Full):
            self._lines.put(None, timeout=_CLOSE_SECONDS)
        self._thread.join(_CLOSE_SECONDS)

    def _write(self) -> None:
        writer = csv.writer(self._file)
        while (line := self._lines.get()) is not None:
            try:
                writer.writerow(line)
            except OSError as error:
                self._lose(error)
        with contextlib.suppress(OSError):
            self._file.close()

    def _lose(self, reason: object) -> None:
        if not self._losing:
            self._losing = True
            _logger.warning('%s lacks lines: %s (said once)', self._file.name, reason)


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError as error:  # ~user of an unknown user
        raise ValueError(f'trace_file is {path!r}: {error}') from error
