"""Logging what is worth one line, once."""

from collections.abc import Iterable

from rclpy.impl.rcutils_logger import RcutilsLogger


class LogOnce:
    """Logs each kind of thing once; may be called from any thread."""

    def __init__(self, logger: RcutilsLogger):
        self._logger = logger
        self._said: set[str] = set()

    # One call per severity: in rclpy a line of code can log at one only.

    def warning(self, kind: str, text: str) -> None:
        """Warn, unless something of this kind was said before."""
        if self._is_first(kind):
            self._logger.warning(text)

    def error(self, kind: str, text: str) -> None:
        """Log an error, unless something of this kind was said before."""
        if self._is_first(kind):
            self._logger.error(text)

    def over(self, kinds: Iterable[str], text: str) -> None:
        """If these kinds were logged, log that they are over; they may then be logged again."""
        if not self._said.isdisjoint(kinds):
            self._said.difference_update(kinds)
            self._logger.info(text)

    def forget(self) -> None:
        """Begin anew: everything may be logged once more."""
        self._said.clear()

    def _is_first(self, kind: str) -> bool:
        first = kind not in self._said
        self._said.add(kind)
        return first
