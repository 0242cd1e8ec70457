"""Telling a listener of what several threads add, in order, each once."""

from collections.abc import Callable, Sequence
import logging
import threading

from anytime_perception.engine.refinement import Refinement

_logger = logging.getLogger(__name__)


class Delivery:
    """
    Hands over a history that grows to the one who listens to it, if there is one.

    No thread waits for another that is handing over: whoever does so goes on with what others
    have added meanwhile.
    """

    def __init__(self, history: Sequence[Refinement],
                 listener: Callable[[Refinement], None] | None):
        self._history = history
        self._listener = listener
        self._delivered = 0
        self._delivering = threading.Lock()

    def deliver(self) -> None:
        """Hand over what has not been, unless another thread is at it."""
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
        """Wait until the listener has heard of everything so far; not for a listener."""
        if self._listener is None:
            return
        with self._delivering:
            self._hand_over(self._listener)
        self.deliver()  # what was added while the lock was still held

    def _hand_over(self, listener: Callable[[Refinement], None]) -> None:
        """Call `listener`, holding the lock for that, with what it has not heard of."""
        while self._delivered < len(self._history):
            refinement = self._history[self._delivered]
            self._delivered += 1
            try:
                listener(refinement)
            except Exception:
                _logger.exception('a listener of refinements failed')
