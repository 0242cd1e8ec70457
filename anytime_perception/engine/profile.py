"""The latency profile: how long each exit takes on this very device."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class LatencyProfile:
    """
    Time from an image's arrival to each exit, measured with nothing else to do.

    Attributes
    ----------
    median, p99: seconds from arrival to each exit (exits,).
    step: seconds from the previous exit to each exit, 99th percentile (exits,); for the first, its p99.

    """

    median: np.ndarray
    p99: np.ndarray
    step: np.ndarray

    @classmethod
    def of(cls, elapsed: np.ndarray) -> 'LatencyProfile':
        """Return the profile of `elapsed` (passes, exits), seconds from arrival to each exit."""
        steps = np.diff(elapsed, axis=1, prepend=0.0)
        return cls(np.median(elapsed, axis=0), np.quantile(elapsed, 0.99, axis=0),
                   np.quantile(steps, 0.99, axis=0))

    def exit_within(self, seconds: float) -> int | None:
        """Return the last exit that answers within `seconds` of arrival (p99), None if even the first does not."""
        reached = int(np.searchsorted(np.maximum.accumulate(self.p99), seconds, side='right'))
        return reached - 1 if reached else None
