"""What all networks here have in common: stages, some of which answer."""

from collections.abc import Sequence
from typing import TypeVar

from anytime_perception.networks.stage import count_stage_costs, run_stages, Stage
from torch import nn, Tensor

_Module = TypeVar('_Module', bound=nn.Module)


class StagedNetwork(nn.Module):
    """
    A network that is run stage by stage; subclasses say what the stages are.

    Attributes
    ----------
    config: keywords of its class that make a network like it; a sequence has none.
    stages: in the order in which they are run.
    depth: units of the deepest stage.
    num_classes: size of each answer.
    input_size: pixels a side of the (square) input.
    image_shape: (1, channels, input_size, input_size).

    """

    config: dict
    stages: Sequence[Stage]
    depth: int
    num_classes: int
    input_size: int
    image_shape: tuple[int, ...]

    @property
    def exits(self) -> list[Stage]:
        """The stages that answer, in order."""
        return [stage for stage in self.stages if stage.head is not None]

    @property
    def heads(self) -> list[nn.Module]:
        """The heads of the stages that answer, in order."""
        return [stage.head for stage in self.stages if stage.head is not None]

    @property
    def members(self) -> list['StagedNetwork']:
        """The networks that are run one after the other: those of a sequence, or itself alone."""
        return [self]

    def _set_stages(self, stages: Sequence[Stage], num_classes: int,
                    image_shape: tuple[int, ...]) -> None:
        """Set all attributes, and what the stages cost; `stages` may be a module."""
        self.stages = stages
        self.depth = stages[-1].depth
        self.num_classes = num_classes
        self.image_shape = image_shape
        self.input_size = image_shape[-1]
        count_stage_costs(stages, image_shape)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Map images (N, channels, H, W) to logits (N, num_classes) of every exit, in order."""
        return list(run_stages(self.stages, images))


def registered(modules: Sequence[_Module]) -> Sequence[_Module]:
    """Return `modules` as a ModuleList, which makes them part of the module that holds it."""
    return nn.ModuleList(modules)  # type: ignore[return-value]  # its stub forgets their type
