"""
The anytime network (ANN): a residual network that answers at many depths.

See sections 3.1 and 4.1 of the paper.
"""

from collections.abc import Sequence

from anytime_perception.networks import layers
from anytime_perception.networks.blocks import check_counts, make_blocks
from anytime_perception.networks.ladder import add_ladder, LadderExit
from anytime_perception.networks.stage import cut_stages, Stage
from anytime_perception.networks.staged import registered, StagedNetwork
from torch import nn

HEADS = {**layers.HEADS, 'ladder': LadderExit}


class AnytimeNetwork(StagedNetwork):
    """
    Blocks of residual units with an exit every `period` units.

    Resolution halves from block to block. In the paper's three blocks channels double there, so
    that every unit costs the same. Exits sit at depths L, L - s, L - 2s, … (paper, appendix B), so
    always after the last unit, and are left out above `first_exit`.

    Parameters
    ----------
    units_per_block: the paper's n: units in each of three blocks; or how many each block has, such
        as (0, 1, 5). With few units before the last block, early exits see the coarse features
        that an answer needs, rather than fine ones. A block without units has one
        convolution (see `layers.empty_block`).
    channels: the paper's c: channels of the first block, doubled from block to block; or how many
        each block has.
    num_classes: size of each answer.
    period: the paper's s, units from one exit to the next.
    first_exit: no exit before this depth; 1 keeps all. Members of an EANN need none at or before
        the depth of their predecessor.
    input_size: pixels a side of the (square) input.
    in_channels: of the input, 3 for RGB.
    head: kind of the exits: pool (the paper's), coarse (see `layers.CoarseExit`), or ladder (see
        `ladder.Ladder`).

    Raises
    ------
    ValueError: for a size that is not a positive integer, a last block without units, channels for
        another number of blocks, a `first_exit` or `period` that the network is not deep enough
        for, or an unknown `head`.

    """

    def __init__(self, units_per_block: int | Sequence[int], channels: int | Sequence[int],
                 num_classes: int, period: int = 1, first_exit: int = 1, input_size: int = 32,
                 in_channels: int = 3, head: str = 'pool'):
        super().__init__()
        self.blocks = make_blocks(units_per_block, channels)
        counts = {'num_classes': num_classes, 'period': period, 'first_exit': first_exit,
                  'input_size': input_size, 'in_channels': in_channels}
        check_counts(counts)
        self.config = {'units_per_block': units_per_block, 'channels': channels, **counts}
        if head not in HEADS:
            raise ValueError(f'head is {head!r}; it must be one of {", ".join(HEADS)}')
        if head != 'pool':  # left out otherwise, so that files of the paper's networks stay alike
            self.config['head'] = head
        self._set_stages(registered(self._build_stages(head)), num_classes,
                         (1, in_channels, input_size, input_size))

    def _build_stages(self, head: str) -> list[Stage]:
        config = self.config
        units, blocks = [], []  # of each unit: its modules, and the index of its block
        before: list[nn.Module] = [layers.stem(
            config['in_channels'], self.blocks[0].channels, config['input_size'])]
        for index, block in enumerate(self.blocks):
            if index:
                before.append(layers.transition(self.blocks[index - 1].channels, block.channels))
            if not block.units:
                before.append(layers.empty_block(block.channels))
            for _ in range(block.units):
                units.append([*before, layers.Unit(block.channels)])
                blocks.append(index)
                before = []
        stages = cut_stages(
            units, lambda depth: HEADS[head](self.blocks[blocks[depth - 1]].channels,
                                             config['num_classes']),
            config['period'], config['first_exit'])
        if head == 'ladder':
            add_ladder(stages, [blocks[stage.depth - 1] for stage in stages])
        return stages
