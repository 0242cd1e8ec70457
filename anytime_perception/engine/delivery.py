"""Telling a listener of what several threads add: in order, and of each once."""

from collections.abc import Callable, Sequence
import logging
import threading

from anytime_perception.engine.refinement import Refinement

_logger = logging.getLogger(__name__)


class Delivery:
    """
    Hands a growing history over to its listener, if there is one.

    No thread waits for another that is handing over: that one goes on with what others have added
    meanwhile.
    """

    def __init__(self, history: Sequence[Refinement],
                 listener: Callable[[Refinement], None] | None):
        self._history = history
        self._listener = listener
        self._delivered = 0
        self._delivering = threading.Lock()

    def deliver(self) -> None:
        """Hand over what is new, unless another thread is doing so."""
        if self._listener is None:
            return
        while self._delivered < len(self._history):
            if not self._delivering.acquire(blocking=False):
                return
            try:
                self._hand_over(self._listener)
            finally:
                self._delivering.release()

    def settle(self) -> None:
        """Wait until the listener has heard of everything; a listener must not call this."""
        if self._listener is None:
            return
        with self._delivering:
            self._hand_over(self._listener)
        self.deliver()  # what was added while the lock was still held

    def _hand_over(self, listener: Callable[[Refinement], None]) -> None:
        """Call `listener` with what it has not heard of; `_delivering` must be held."""
        while self._delivered < len(self._history):
            refinement = self._history[self._delivered]
            self._delivered += 1
            try:
                listener(refinement)
            except Exception:
                _logger.exception('a listener of refinements failed')
