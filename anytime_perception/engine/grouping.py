"""Which stages answer together, where reporting each costs more than it is worth."""

from collections.abc import Sequence
from typing import Protocol, TypeVar


class _Staged(Protocol):

    @property
    def head(self) -> object:
        """None in a stage that does not answer."""


_Stage = TypeVar('_Stage', bound=_Staged)


def group_stages(stages: Sequence[_Stage], seconds: Sequence[float],
                 beyond: float) -> list[list[_Stage]]:
    """
    Join consecutive stages into groups, each at most `beyond` seconds longer than its longest.

    A stop has to wait for the stage in flight anyway; `beyond` is how much longer it may take
    because of the group. The first exit answers alone, so that it comes early. `seconds` is how
    long each stage takes.
    """
    first = next(index for index, stage in enumerate(stages) if stage.head is not None)
    groups: list[list[_Stage]] = []
    total = longest = 0.0
    for index, (stage, taken) in enumerate(zip(stages, seconds, strict=True)):
        total, longest = total + taken, max(longest, taken)
        if not groups or index == first + 1 or total - longest > beyond:
            groups.append([])
            total = longest = taken
        groups[-1].append(stage)
    return groups
