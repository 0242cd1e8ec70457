"""The latency profile: how long each exit takes on this very device, as it is now."""

import collections
from collections.abc import Sequence
import time

import numpy as np

_WINDOW = 300            # passes that the profile remembers
_RECENT = 100            # of which, and how many steps, these say what is usual at present
_PATIENCE = 10           # passes in a row without a step until what is known of steps is too old
_REFRESH_SECONDS = 0.1   # between two looks at what was learned
_STEP_QUANTILE = 0.95


class LatencyProfile:
    """
    Time from an image's arrival to each exit: measured at start, then learned from every pass.

    Exits keep the proportions measured at start; what is learned is how late the first exit comes
    and by how much everything after it is slower or quicker. So a machine that slows down is
    noticed at every exit, also at those that no budget has reached for a while. Where none after
    the first has been reached for some passes, how slow the first is stands for the steps, too,
    and so they are tried again: what made them slow may be over.

    Attributes
    ----------
    median: seconds from arrival to each exit (exits,).
    p99: what the next image is within in 99 of 100 cases (exits,).
    step: seconds from the previous exit to each exit, 95th percentile (exits,).
    quickest: seconds that the first exit has taken at best so far.

    """

    def __init__(self, elapsed: np.ndarray, prepared: np.ndarray | None = None):
        """
        Start from `elapsed` (passes, exits), seconds from arrival to each exit.

        After `prepared` (passes,) of these the image was prepared and the network began.
        """
        prepared = np.zeros(len(elapsed)) if prepared is None else prepared
        typical = np.median(elapsed, axis=0)
        self.quickest = float(np.min(elapsed[:, 0]))
        self._since_first = typical - typical[0]
        # What the network alone takes: a camera's images may take much longer to prepare than
        # those that were measured at start, without any step being slower for it.
        self._typical_first = max(float(np.median(elapsed[:, 0] - prepared)), 1e-9)
        # Exits that are reported together have no step between them.
        self._typical_step = np.diff(typical, prepend=0.0)
        self._is_step = self._typical_step > 0
        self._first: collections.deque[float] = collections.deque(maxlen=_WINDOW)
        self._pace: collections.deque[float] = collections.deque([1.0], maxlen=_WINDOW)
        # What steps have taken, and what they take typically.
        self._steps: collections.deque[tuple[float, float]] = collections.deque(maxlen=_RECENT)
        # Of the first exit, in passes that have taken no step since the last that has.
        self._first_pace: collections.deque[float] = collections.deque(maxlen=_PATIENCE)
        for row, begun in zip(elapsed, prepared):
            self._remember(row, begun)
        self._refresh()

    def learn(self, elapsed: Sequence[float] | np.ndarray, queued: float = 0.0,
              prepared: float | None = None) -> None:
        """
        Learn from one pass: seconds from arrival to each of the exits it reached, in order.

        `queued` seconds of these it waited for other images; they say nothing of this device.
        After `prepared`, by default `queued`, the image was prepared and the network began.
        """
        if len(elapsed):
            elapsed = np.asarray(elapsed) - queued
            self.quickest = min(self.quickest, float(elapsed[0]))
            self._remember(elapsed, 0.0 if prepared is None else prepared - queued)
            if time.monotonic() > self._refreshed + _REFRESH_SECONDS:
                self._refresh()

    def exit_within(self, seconds: float) -> int | None:
        """
        Return the last exit that answers within `seconds` of arrival (p99).

        None if even the first does not.
        """
        reached = int(np.searchsorted(self.p99, seconds, side='right'))
        return reached - 1 if reached else None

    def _remember(self, elapsed: np.ndarray, prepared: float) -> None:
        last = len(elapsed) - 1
        self._first.append(elapsed[0])
        if self._since_first[last] == 0:
            self._first_pace.append((elapsed[0] - prepared) / self._typical_first)
            if len(self._first_pace) == _PATIENCE:
                # Not each by itself: a delay is a greater part of a short first exit than of a
                # step, and would keep steps from being tried.
                pace = float(np.median(self._first_pace))
                self._pace.append(pace)
                self._steps.clear()
                self._remember_steps(pace * self._typical_step)
        else:
            self._first_pace.clear()
            self._pace.append((elapsed[last] - elapsed[0]) / self._since_first[last])
            self._remember_steps(np.diff(elapsed, prepend=elapsed[0]))

    def _remember_steps(self, taken: np.ndarray) -> None:
        steps = self._is_step[:len(taken)]
        self._steps.extend(zip(taken[steps], self._typical_step[:len(taken)][steps]))

    def _refresh(self) -> None:
        self.median = _usual(self._first) + _usual(self._pace) * self._since_first
        self.p99 = _bound(self._first) + _bound(self._pace) * self._since_first
        self.step = self._bound_of_steps()
        self._refreshed = time.monotonic()

    def _bound_of_steps(self) -> np.ndarray:
        """
        Return what each step exceeds in 1 of 20 cases, as steps of all lengths tell it.

        Some are slow by a factor (a processor at a lower clock), some by a delay (one that others
        use, too). A factor seen at a short step says too much of a long one, and a delay seen at a
        long step too much of a short one, so the lesser of both counts.
        """
        if not self._steps:
            return self._typical_step  # there are none
        taken, typical = np.array(self._steps).T
        pace = taken / typical
        usual = float(np.median(pace))
        delay = np.quantile(taken - usual * typical, _STEP_QUANTILE)
        bound = np.minimum(np.quantile(pace, _STEP_QUANTILE) * self._typical_step,
                           usual * self._typical_step + max(delay, 0.0))
        return np.where(self._is_step, bound, 0.0)


def _usual(values: Sequence[float]) -> float:
    return float(np.median(list(values)[-_RECENT:]))


def _bound(values: Sequence[float]) -> float:
    """
    Return what the next value does not exceed in 99 of 100 cases.

    The 99th percentile of these values themselves would be too low for the next one, the more so
    the fewer they are.
    """
    # np.quantile has this as method='weibull', but not in the NumPy of Ubuntu 22.04.
    place = 0.99 * (len(values) + 1) - 1
    return float(np.interp(place, np.arange(len(values)), np.sort(values)))
