"""The refinement: the answer of one exit for one image."""

from dataclasses import dataclass
import enum
from typing import Any

import numpy as np


class Status(enum.IntEnum):
    """Why a refinement is, or is not, the last of its image."""

    REFINING = 0      # a better answer may follow
    COMPLETE = 1      # the last exit
    BUDGET_SPENT = 2  # no further exit fits the budget
    PREEMPTED = 3     # somebody asked for the answer now
    CONFIDENT = 4     # the confidence threshold was reached
    SUPERSEDED = 5    # a newer image took over

    @property
    def final(self) -> bool:
        """Whether nothing follows for this image."""
        return self is not Status.REFINING


@dataclass(frozen=True, eq=False)
class Refinement:
    """
    The answer of one exit for one image.

    Attributes
    ----------
    exit_index: 0-based, over all exits that are reported; `exit_count` of them exist.
    network_index, depth: which network of a sequence, and how many units deep in it.
    cost: multiply-adds of everything run for this answer; `cost_fraction` of the whole pass.
    probabilities: float32 (num_classes,), summing to 1.
    class_index: the answer: the most likely class, or with hysteresis one that is held.
    class_id: its label.
    confidence: its probability.
    elapsed: seconds from the image's arrival to this answer; `arrival` is on `time.monotonic`.
    budget: seconds from the image's arrival to its deadline, as known when this was answered, or,
        of the last one, when the image ended; inf for none. Negative where the deadline was over
        when it arrived, as it may be of a budget that counts from before.
    status: whether, and why, it is the last of its image.
    tag: what was handed in with the image, untouched.

    """

    exit_index: int
    exit_count: int
    network_index: int
    depth: int
    cost: int
    cost_fraction: float
    probabilities: np.ndarray
    class_index: int
    class_id: str
    elapsed: float
    arrival: float
    budget: float
    status: Status
    tag: Any = None

    def ended(self, status: Status, budget: float) -> 'Refinement':
        """Return the same answer with another status; quicker than dataclasses.replace."""
        other = object.__new__(Refinement)
        other.__dict__.update(self.__dict__, status=status, budget=budget)
        return other

    @property
    def confidence(self) -> float:
        """The probability of the class that is answered."""
        return float(self.probabilities[self.class_index])
