"""
The anytime network (ANN): a residual network that answers at many depths.

See sections 3.1 and 4.1 of the paper.
"""

import itertools

from anytime_perception.networks import layers
from anytime_perception.networks.ladder import add_ladder, LadderExit
from anytime_perception.networks.stage import count_stage_costs, cut_stages, run_stages, Stage
from torch import nn, Tensor

BLOCKS = 3
HEADS = {**layers.HEADS, 'ladder': LadderExit}


class AnytimeNetwork(nn.Module):
    """
    Three blocks of `units_per_block` residual units with an exit every `period` units.

    Channels double and resolution halves between blocks, so every unit costs the same, in
    whichever block it is. Exits sit at depths L, L - s, L - 2s, … (paper, appendix B), so always
    after the last unit, and are left out above `first_exit`.

    Parameters
    ----------
    units_per_block: the paper's n; the network is 3n units deep.
    channels: the paper's c, channels of the first block.
    num_classes: size of each answer.
    period: the paper's s, units from one exit to the next.
    first_exit: no exit before this depth; 1 keeps all. Members of an EANN need none at or before
        the depth of their predecessor.
    input_size: pixels a side of the (square) input.
    in_channels: of the input, 3 for RGB.
    head: kind of the exits: pool (the paper's), coarse (see `layers.CoarseExit`), or ladder (see
        `ladder.Ladder`).
    early_units: units of each of the first two blocks, where not as many as in the paper; the
        last block has the rest of the 3n. With few of them, exits at a quarter of the cost look at
        the coarse features that an answer takes, rather than at fine ones.

    Raises
    ------
    ValueError: for a size that is not a positive integer, a `first_exit` deeper than the network,
        more `early_units` than `units_per_block`, or an unknown `head`.

    """

    def __init__(self, units_per_block: int, channels: int, num_classes: int, period: int = 1,
                 first_exit: int = 1, input_size: int = 32, in_channels: int = 3,
                 head: str = 'pool', early_units: int | None = None):
        super().__init__()
        self.config = {
            'units_per_block': units_per_block, 'channels': channels, 'num_classes': num_classes,
            'period': period, 'first_exit': first_exit, 'input_size': input_size,
            'in_channels': in_channels}
        # What is not given is left out, so that files of the paper's networks stay the same.
        if early_units is not None:
            self.config['early_units'] = early_units
        for name, value in self.config.items():
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f'{name} is {value!r}; it must be a positive integer')
        if head not in HEADS:
            raise ValueError(f'head is {head!r}; it must be one of {", ".join(HEADS)}')
        if early_units is not None and early_units > units_per_block:
            raise ValueError(f'early_units is {early_units}; it must not be greater than '
                             f'units_per_block, {units_per_block}')
        if head != 'pool':
            self.config['head'] = head
        self.depth = BLOCKS * units_per_block
        self.num_classes = num_classes
        self.input_size = input_size
        self.image_shape = (1, in_channels, input_size, input_size)
        self.stages = nn.ModuleList(self._build_stages())
        count_stage_costs(self.stages, self.image_shape)

    def _build_stages(self) -> list[Stage]:
        config = self.config
        head = config.get('head', 'pool')
        early = config.get('early_units', config['units_per_block'])
        channels = [config['channels'] * 2 ** block
                    for block, units in enumerate((early, early, self.depth - 2 * early))
                    for _ in range(units)]
        units = [[layers.stem(config['in_channels'], channels[0], config['input_size']),
                  layers.Unit(channels[0])]]
        for before, after in itertools.pairwise(channels):
            starts_block = [layers.transition(before)] if after > before else []
            units.append([*starts_block, layers.Unit(after)])
        stages = cut_stages(
            units, lambda depth: HEADS[head](channels[depth - 1], config['num_classes']),
            config['period'], config['first_exit'])
        if head == 'ladder':
            add_ladder(stages)
        return stages

    @property
    def exits(self) -> list[Stage]:
        """The stages that answer, in order."""
        return [stage for stage in self.stages if stage.head is not None]

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (N, in_channels, H, W) to logits (N, num_classes) of every exit, in order."""
        return list(run_stages(self.stages, images))
