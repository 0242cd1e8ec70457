"""The budget: how long a refinement may take."""

from dataclasses import dataclass
import math

_ENDLESS = 1e9  # seconds, thirty years: longer is inf, which every message can hold


@dataclass(frozen=True)
class Budget:
    """
    A duration, an absolute deadline, or both (the earlier counts).

    Attributes
    ----------
    seconds: from the image's arrival, or from when `submit` is told; inf means until complete.
    deadline: on the clock of `time.monotonic`; inf means none.

    Raises
    ------
    ValueError: for a duration that is negative, zero or NaN, or a deadline that is NaN.

    """

    seconds: float = math.inf
    deadline: float = math.inf

    def __post_init__(self):
        if not self.seconds > 0:
            raise ValueError(f'the budget is {self.seconds} s; it must be positive '
                             '(inf: until complete)')
        if math.isnan(self.deadline):
            raise ValueError('the deadline is NaN; it must be a time on the clock of '
                             'time.monotonic, or inf')

    @classmethod
    def of(cls, value: 'float | Budget | None') -> 'Budget':
        """Return `value` as a Budget: seconds, None for until complete, or a Budget as it is."""
        if isinstance(value, Budget):
            return value
        return cls() if value is None else cls(float(value))

    def deadline_for(self, start: float) -> float:
        """Return the absolute deadline where it counts from `start` (`time.monotonic`)."""
        deadline = min(start + self.seconds, self.deadline)
        return deadline if deadline - start < _ENDLESS else math.inf
