"""The stage: the smallest piece of a network that is run whole."""

from collections.abc import Callable, Iterable, Iterator

from anytime_perception.networks.cost import count_macs
from torch import nn, Tensor


class Stage(nn.Module):
    """
    The units after one exit up to and including the next, and that exit's head.

    A stage without a head (`head is None`) only computes features; computation can be stopped
    after it.

    Attributes
    ----------
    depth: units from the network's input to the end of this stage.
    cost: multiply-adds of one image up to and including this stage, heads included.
    network_index: which network of a sequence it belongs to, 0 for a single network.
    takes_image: whether its input is the image, not the previous stage's features.

    """

    def __init__(self, trunk: nn.Module, head: nn.Module | None, depth: int,
                 network_index: int = 0, takes_image: bool = False):
        super().__init__()
        self.trunk = trunk
        self.head = head
        self.depth = depth
        self.network_index = network_index
        self.takes_image = takes_image
        self.cost = 0

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the features for the next stage and this exit's logits (None without a head)."""
        features = self.trunk(features)
        return features, None if self.head is None else self.head(features)


def cut_stages(units: list[list[nn.Module]], make_head: Callable[[int], nn.Module], period: int,
               first_exit: int) -> list[Stage]:
    """
    Return stages that end after every depth L, L - s, L - 2s and so on (paper, appendix B).

    `units` holds the modules of each of the L units, s is `period`; `make_head(depth)` gives the
    head of an exit, and there is none before depth `first_exit`.

    Raises
    ------
    ValueError: for a period or first exit that the network is not deep enough for.

    """
    for name, value in (('first_exit', first_exit), ('period', period)):
        if value > len(units):
            raise ValueError(f'{name} is {value}, but the network is only {len(units)} units deep')
    stages: list[Stage] = []
    trunk: list[nn.Module] = []
    for depth, unit in enumerate(units, start=1):
        trunk += unit
        if (len(units) - depth) % period == 0:
            head = make_head(depth) if depth >= first_exit else None
            stages.append(Stage(nn.Sequential(*trunk), head, depth, takes_image=not stages))
            trunk = []
    return stages


def count_stage_costs(stages: Iterable[Stage], image_shape: tuple[int, ...]) -> None:
    """Fill in each stage's `cost` for one image of `image_shape` (1, channels, H, W)."""
    total, shape = 0, image_shape
    for stage in stages:
        trunk_macs, shape = count_macs(stage.trunk, image_shape if stage.takes_image else shape)
        exit_macs = 0 if stage.head is None else count_macs(stage.head, shape)[0]
        total += trunk_macs + exit_macs
        stage.cost = total


def run_stages(stages: Iterable[Stage], images: Tensor) -> Iterator[Tensor]:
    """Yield the logits (N, classes) of each exit, computing no further than is asked for."""
    features = images
    for stage in stages:
        features, logits = stage(images if stage.takes_image else features)
        if logits is not None:
            yield logits
