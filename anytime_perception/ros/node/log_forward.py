"""What the engine logs, in the log of the node."""

import logging

from rclpy.impl.rcutils_logger import RcutilsLogger


class LogForward(logging.Handler):
    """
    Passes warnings and errors of this package's Python loggers on to a node's logger.

    These loggers are the whole process's: each of several nodes in it logs what all engines say.
    """

    def __init__(self, logger: RcutilsLogger):
        super().__init__(logging.WARNING)
        self._logger = logger
        self._source = logging.getLogger('anytime_perception')
        self._source.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record. One call per severity: in rclpy a line of code can log at one only."""
        try:
            text = self.format(record)
            if record.levelno >= logging.ERROR:
                self._logger.error(text)
            else:
                self._logger.warning(text)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Stop passing records on."""
        self._source.removeHandler(self)
        super().close()
