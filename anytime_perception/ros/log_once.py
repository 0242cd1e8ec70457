"""What is worth a line in the log, and no second one."""

from rclpy.impl.rcutils_logger import RcutilsLogger


class LogOnce:
    """Logs each kind of thing once; may be called from any thread."""

    def __init__(self, logger: RcutilsLogger):
        self._logger = logger
        self._said: set[str] = set()

    # One call per severity: rclpy lets no line of code log at two.

    def warning(self, kind: str, text: str) -> None:
        """Warn, unless something of this kind was said before."""
        if self._is_first(kind):
            self._logger.warning(text)

    def error(self, kind: str, text: str) -> None:
        """Log an error, unless something of this kind was said before."""
        if self._is_first(kind):
            self._logger.error(text)

    def forget(self) -> None:
        """Begin anew: everything may be said once more."""
        self._said.clear()

    def _is_first(self, kind: str) -> bool:
        first = kind not in self._said
        self._said.add(kind)
        return first
