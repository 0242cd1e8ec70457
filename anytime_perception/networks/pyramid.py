"""
The anytime pyramid: a plain network that is coarse soon, so that its first answer is good.

Ours, not the paper's. An answer needs coarse features, and multiply-adds at a fine resolution add
little to these (docs/experiments.md, 14). Plain networks that become coarse as soon are those that
learn fastest on CIFAR-10 (Jordan 2024, arXiv 2404.00498).
"""

from collections.abc import Sequence

from anytime_perception.networks import layers
from anytime_perception.networks.blocks import Block, check_count, check_counts, make_blocks
from anytime_perception.networks.ladder import Ladder, LadderExit
from anytime_perception.networks.stage import cut_stages, Stage
from anytime_perception.networks.staged import registered, StagedNetwork
from torch import nn


class AnytimePyramid(StagedNetwork):
    """
    Blocks of plain units, and a side network at the last block's resolution that has the exits.

    The stem is a strided conv4x4, BN, GELU (larger inputs are halved before, as in
    `layers.stem`); a unit is conv3x3, BN, GELU, the first of each later block strided. So a block
    has half the resolution of the one before, and the first half of the input's.

    The side network is a ladder (see `ladder.Ladder`). The first exit's look at the trunk is a
    small network of its own, with two convolutions for each block that it goes down; the looks of
    later exits have one for each.

    Parameters
    ----------
    units_per_block, channels: as in AnytimeNetwork, but each block has a unit or more, as in
        (1, 2, 1), and there are two blocks or more.
    side_channels: of the side network at the resolution of each block but the first.
    num_classes, period, first_exit, input_size, in_channels: as in AnytimeNetwork.

    Raises
    ------
    ValueError: for a size that is not a positive integer, fewer than two blocks, one without
        units, another number of channels than there are blocks for, an input of one pixel, or a
        `first_exit` or `period` that the network is not deep enough for.

    """

    def __init__(self, units_per_block: int | Sequence[int], channels: int | Sequence[int],
                 side_channels: Sequence[int], num_classes: int, period: int = 1,
                 first_exit: int = 1, input_size: int = 32, in_channels: int = 3):
        super().__init__()
        counts = {'num_classes': num_classes, 'period': period, 'first_exit': first_exit,
                  'input_size': input_size, 'in_channels': in_channels}
        check_counts(counts)
        self.blocks = pyramid_blocks(units_per_block, channels, side_channels, input_size)
        self.config = {'units_per_block': units_per_block, 'channels': channels,
                       'side_channels': side_channels, **counts}
        self.side_channels = tuple(side_channels)
        self._set_stages(registered(self._build_stages()), num_classes,
                         (1, in_channels, input_size, input_size))

    def _build_stages(self) -> list[Stage]:
        config = self.config
        units, blocks = [], []  # of each unit: its modules, and the index of its block
        channels = self.blocks[0].channels
        before = _stem(config['in_channels'], channels, config['input_size'])
        for index, block in enumerate(self.blocks):
            for number in range(block.units):
                stride = 2 if index and not number else 1
                units.append([*before, *_convolution(channels, block.channels, stride), nn.GELU()])
                blocks.append(index)
                before, channels = [], block.channels
        stages = cut_stages(
            units, lambda depth: PyramidExit(self.side_channels[-1], config['num_classes']),
            config['period'], config['first_exit'])
        rung = None
        for stage in stages:
            if stage.head is not None:
                look = self._look(blocks[stage.depth - 1], (2,) if rung else (2, 1))
                stage.trunk = Ladder(stage.trunk, look, rung, keeps=bool(rung))
                rung = nn.Sequential(
                    nn.GELU(), *_convolution(self.side_channels[-1], self.side_channels[-1]))
        return stages

    def _look(self, index: int, strides: Sequence[int]) -> nn.Sequential:
        """Return a look from block `index` down to the last, by `strides` for each block."""
        channels = self.blocks[index].channels
        found: list[nn.Module] = []
        for width in self.side_channels[index:]:
            for stride in strides:
                found += [nn.GELU(), *_convolution(channels, width, stride)]
                channels = width
        # The trunk's features come from a GELU already.
        return nn.Sequential(*(found[1:] or _convolution(channels, self.side_channels[-1])))


class PyramidExit(LadderExit):
    """A prediction head as that of a ladder, with GELU."""

    def __init__(self, channels: int, num_classes: int):
        super().__init__(channels, num_classes)
        self.activation = nn.GELU()


def pyramid_blocks(units_per_block: int | Sequence[int], channels: int | Sequence[int],
                   side_channels: Sequence[int], input_size: int) -> tuple[Block, ...]:
    """Return the blocks of a pyramid; raise ValueError if it is an impossible one."""
    blocks = make_blocks(units_per_block, channels)
    if not all(block.units for block in blocks) or len(blocks) < 2:
        raise ValueError(f'units_per_block is {units_per_block!r}; a pyramid has two blocks or '
                         'more, each of one unit or more')
    if len(side_channels) != len(blocks) - 1:
        raise ValueError(f'side_channels is {list(side_channels)}; it must have a number for each '
                         f'of {len(blocks)} blocks but the first')
    for width in side_channels:
        check_count('each of side_channels', width)
    if input_size < 2:
        raise ValueError(f'input_size is {input_size}; a pyramid, which halves it first, takes 2 '
                         'pixels a side or more')
    return blocks


def _stem(in_channels: int, channels: int, input_size: int) -> list[nn.Module]:
    before = layers.halving(in_channels, channels, input_size, nn.GELU)
    return [*before, layers.convolution(channels if before else in_channels, channels, 4, 2),
            nn.BatchNorm2d(channels), nn.GELU()]


def _convolution(in_channels: int, out_channels: int, stride: int = 1) -> list[nn.Module]:
    return [layers.conv3x3(in_channels, out_channels, stride), nn.BatchNorm2d(out_channels)]
