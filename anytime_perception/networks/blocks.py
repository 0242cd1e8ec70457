"""How the units of a network are shared among its blocks, and how wide these are."""

from collections.abc import Sequence
from typing import NamedTuple

BLOCKS = 3  # of the paper's networks


class Block(NamedTuple):
    """Units that work at one resolution with as many channels."""

    units: int
    channels: int


def make_blocks(units_per_block: int | Sequence[int], channels: int | Sequence[int],
                ) -> tuple[Block, ...]:
    """
    Return the blocks of a network, as `AnytimeNetwork` describes them.

    Raises
    ------
    ValueError: for no blocks, a last block without units, negative numbers of units, channels that
        are not positive, or channels for another number of blocks.

    """
    if isinstance(units_per_block, Sequence):
        units = list(units_per_block)
        if not units or not all(_is_count(count, 0) for count in units) or not units[-1]:
            raise ValueError(f'units_per_block is {units}; of the units of each block none may be '
                             'negative, and the last block must have one')
    else:
        check_count('units_per_block', units_per_block)
        units = [units_per_block] * BLOCKS
    if not isinstance(channels, Sequence):
        check_count('channels', channels)
        channels = [channels * 2 ** index for index in range(len(units))]
    if len(channels) != len(units) or not all(map(_is_count, channels)):
        raise ValueError(f'channels is {list(channels)}; it must be positive and one number, or '
                         f'one for each of {len(units)} blocks')
    return tuple(map(Block, units, channels))


def check_counts(counts: dict) -> None:
    """Raise ValueError for the first of `counts`, by name, that is not a positive integer."""
    for name, value in counts.items():
        check_count(name, value)


def check_count(name: str, value: object) -> None:
    """Raise ValueError if `value` is not a positive integer."""
    if not _is_count(value):
        raise ValueError(f'{name} is {value!r}; it must be a positive integer')


def _is_count(value: object, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least
