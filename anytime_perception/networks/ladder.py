"""
A ladder beside the trunk: what exits see is carried on from exit to exit.

A ladder side network (Sung et al., NeurIPS 2022) between the exits of an anytime network, on
coarse features as in MSDNet (Huang et al., 2018): what a later exit needs of earlier features need
not be kept in the trunk, and what an earlier exit found out is not lost.
"""

from collections.abc import Sequence

from anytime_perception.networks.layers import conv3x3, Exit, look
from anytime_perception.networks.stage import Stage
from torch import nn, Tensor


class Ladder(nn.Module):
    """
    The trunk of a stage, and what its exit sees.

    An exit sees a look at the stage's features, plus `rung` of what the exit before saw; plus that
    itself, too, if the rung `keeps` its shape.

    Maps features (N, C, H, W), or with a rung (features, seen before), to (features, seen).
    """

    def __init__(self, trunk: nn.Module, look: nn.Module, rung: nn.Module | None, keeps: bool):
        super().__init__()
        self.trunk = trunk
        self.look = look
        self.rung = rung
        self.keeps = keeps

    def forward(self, features: Tensor | tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        if self.rung is None:
            output = self.trunk(features)
            return output, self.look(output)
        features, before = features
        output = self.trunk(features)
        seen = self.look(output) + self.rung(before)
        return output, seen + before if self.keeps else seen


class LadderExit(Exit):
    """A prediction head on what the ladder has seen, in place of the features."""

    # It takes the place of a head in stages whose trunk, a ladder, gives it a pair.
    def forward(self, features: tuple[Tensor, Tensor]) -> Tensor:  # type: ignore[override]
        return super().forward(features[1])


def add_ladder(stages: Sequence[Stage], blocks: Sequence[int]) -> None:
    """
    Put a ladder beside `stages`, which end in these `blocks` (from 0) and have ladder exits.

    Exits see (N, C, H/4, W/4), rounded up, of features (N, C, H, W). A rung is ReLU, conv3x3, BN,
    strided from block to block.
    """
    channels_before, block_before = None, 0
    for stage, block in zip(stages, blocks):
        if isinstance(stage.head, LadderExit):
            channels = stage.head.fc.in_features
            seeing = look(channels)  # made first: a seed gives the same weights as it always did
            rung = None if channels_before is None else nn.Sequential(
                nn.ReLU(), conv3x3(channels_before, channels, stride=2 ** (block - block_before)),
                nn.BatchNorm2d(channels))
            keeps = channels == channels_before and block == block_before
            stage.trunk = Ladder(stage.trunk, seeing, rung, keeps)
            channels_before, block_before = channels, block
