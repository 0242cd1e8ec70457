"""What the network of a run is, and what it is called."""

from typing import NamedTuple

from anytime_training.config import TrainConfig


class Architecture(NamedTuple):
    """What the network of a run is; a backbone has neither units per block nor channels."""

    units_per_block: tuple[int | tuple[int, ...], ...]
    channels: int | tuple[int, ...]
    period: tuple[int, ...]
    backbone: str = ''
    side_channels: tuple[int, ...] = ()

    @classmethod
    def of(cls, config: TrainConfig) -> 'Architecture':
        """Return what the network of `config` is."""
        return cls(config.units_per_block, config.channels, config.period, config.backbone,
                   config.side_channels)

    @property
    def title(self) -> str:
        """
        The name that the paper would write, such as n=25, c=32, s=3.

        If blocks differ in their units, these are written as a sum, as in n=1+1+4.
        """
        parts = [self.backbone] if self.backbone else [
            f'n={",".join(map(_by_block, self.units_per_block))}', f'c={_by_block(self.channels)}']
        if self.side_channels:
            parts.append(f'side c={_by_block(self.side_channels)}')
        if set(self.period) - {1}:
            parts.append(f's={",".join(map(str, self.period))}')
        return ', '.join(parts)

    @property
    def file_name(self) -> str:
        """The name for use in file names, without the period, such as n25_c32."""
        return self.backbone or '_'.join([
            f'n{"-".join(map(_by_block, self.units_per_block))}', f'c{_by_block(self.channels)}',
            *([f'side{_by_block(self.side_channels)}'] if self.side_channels else [])])


def _by_block(number: int | tuple[int, ...]) -> str:
    return '+'.join(map(str, number)) if isinstance(number, tuple) else str(number)
