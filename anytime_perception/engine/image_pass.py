"""The pass over one image: its refinements so far, and how it ends."""

from collections.abc import Callable, Hashable, Iterator
import logging
import math
import threading
import time
from typing import Any

from anytime_perception.engine.budget import Budget
from anytime_perception.engine.delivery import Delivery
from anytime_perception.engine.refinement import Refinement, Status

_logger = logging.getLogger(__name__)


class ImagePass:
    """
    What happens to one image, from its arrival to its one final status.

    The worker adds refinements; any thread may stop it or change its budget. The first exit is
    always waited for: a stop before it takes effect there, so that every image that is started
    gets an answer.

    Attributes
    ----------
    newest: the newest refinement, None before the first exit; reading it never waits.
    status: REFINING until the pass has ended. SUPERSEDED without any answer if a newer image took
        its place before it was started, or if it failed: then there is an `error`.
    error: what went wrong, if the pass ended because something did.

    """

    def __init__(self, image: Any, arrival: float, budget: Budget, tag: Any = None,
                 on_refinement: Callable[[Refinement], None] | None = None,
                 on_failure: Callable[[BaseException], None] | None = None,
                 stream: Hashable = '', exclusive: bool = False,
                 budget_from: float | None = None):
        self.image = image
        self.arrival = arrival
        self.tag = tag
        self.stream = stream
        self.exclusive = exclusive
        self._budget_from = arrival if budget_from is None else budget_from
        self.deadline = budget.deadline_for(self._budget_from)
        self.newest: Refinement | None = None
        self.status = Status.REFINING
        self.error: BaseException | None = None
        self._stop_at_first: Status | None = None
        self._history: list[Refinement] = []
        self._delivery = Delivery(self._history, on_refinement)
        self._changed = threading.Condition(threading.Lock())
        self._on_failure = on_failure

    @property
    def _budget(self) -> float:
        """Seconds from arrival to the deadline, as it is now."""
        return self.deadline - self.arrival

    @property
    def ended(self) -> bool:
        """Whether the pass has its final status; nothing is added to it any more."""
        return self.status.final

    def add(self, *refinements: Refinement) -> None:
        """Take the worker's next refinements, in order; ignored once the pass has ended."""
        with self._changed:
            for refinement in refinements:
                if self.status.final:
                    break
                if self._stop_at_first is not None and refinement.status is not Status.COMPLETE:
                    refinement = refinement.ended(self._stop_at_first, self._budget)
                elif refinement.status is Status.BUDGET_SPENT and \
                        refinement.budget < self._budget:  # it was raised meanwhile
                    refinement = refinement.ended(Status.REFINING, self._budget)
                self._append(refinement)
            self._changed.notify_all()
        self._delivery.deliver()

    def stop(self, status: Status) -> None:
        """
        End the pass with its newest refinement as the answer.

        A pass before its first exit ends there.
        """
        with self._changed:
            self._stop(status)
        self._delivery.deliver()

    def run_out(self, now: float) -> bool:
        """Stop the pass if its deadline has passed at `now`; return whether it has."""
        with self._changed:
            over = now > self.deadline
            if over:
                self._stop(Status.BUDGET_SPENT)
        self._delivery.deliver()
        return over

    def _stop(self, status: Status) -> None:
        """Do what `stop` does; the lock must be held."""
        if self.status.final:
            return
        if self.newest is None:
            self._stop_at_first = self._stop_at_first or status
            return
        self._append(self.newest.ended(status, self._budget))
        self._changed.notify_all()

    def settle(self) -> None:
        """Wait until the listener has heard of all refinements; a listener must not call this."""
        self._delivery.settle()

    def drop(self, error: BaseException | None = None) -> None:
        """
        End the pass without a further refinement.

        It was never started (superseded), or failed with `error`.
        """
        with self._changed:
            if self.status.final:
                return
            self.error = error
            self._end(Status.SUPERSEDED)
            self._changed.notify_all()
        if error is not None and self._on_failure is not None:
            try:
                self._on_failure(error)
            except Exception:
                _logger.exception('a listener of failures failed')

    def set_budget(self, budget: Budget) -> bool:
        """
        Change the budget of this image; it still counts from where the one before did.

        Returns whether that was possible: whether the pass had neither ended nor been told to.
        """
        with self._changed:
            if self.status.final or self._stop_at_first is not None:
                return False
            self.deadline = budget.deadline_for(self._budget_from)
            self._changed.notify_all()
            return True

    def refinements(self) -> Iterator[Refinement]:
        """
        Yield the refinements as they come, the last of them at the deadline at the latest.

        Leaving the loop early preempts the pass.

        Raises
        ------
        Exception: what the worker met, if the pass failed.

        """
        seen = 0
        try:
            while True:
                with self._changed:
                    self._wait_for_more(seen)
                    if seen == len(self._history):
                        break
                    refinement = self._history[seen]
                self._delivery.deliver()  # what the deadline added while waiting
                seen += 1
                yield refinement
        finally:
            self.stop(Status.PREEMPTED)
        if self.error is not None:
            raise self.error

    def _wait_for_more(self, seen: int) -> None:
        """Wait for more than `seen` refinements or the end of the pass; the lock must be held."""
        while seen == len(self._history) and not self.status.final:
            remaining = self.deadline - time.monotonic()
            if remaining > 0:
                self._changed.wait(
                    None if math.isinf(remaining) else min(remaining, threading.TIMEOUT_MAX))
            elif self.newest is not None:
                self._stop(Status.BUDGET_SPENT)
            else:
                self._changed.wait()  # the first exit is always waited for

    def _append(self, refinement: Refinement) -> None:
        """Record a refinement; the lock must be held."""
        self.newest = refinement
        self._history.append(refinement)
        if refinement.status.final:
            self._end(refinement.status)

    def _end(self, status: Status) -> None:
        self.status = status
        self.image = None  # may be large, and somebody may keep the pass
