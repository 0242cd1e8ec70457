"""
What is trained when: the training modes (paper, section 4.2) as lists of phases.

A phase trains some exits and some units while all earlier units are frozen. Joint training is one
phase. `midfeat` trains the network for its last exit alone, then every other head on frozen
features. `no_grad` goes through the network exit by exit, each with all before it frozen. `mixed`
is not the paper's: the last exit alone first, then all jointly (the mixed regime).
"""

from dataclasses import dataclass

from anytime_perception.networks import StagedNetwork
import torch
from torch import Tensor

ONE_BY_ONE = 'midfeat', 'no_grad'  # the modes that never train exits together
MODES = ('joint', *ONE_BY_ONE, 'mixed')


@dataclass(frozen=True, eq=False)
class Phase:
    """
    One phase of training.

    Attributes
    ----------
    exits: indices of the exits that are trained; what lies after the last of them is not run.
    first_trained: index of the first stage whose units are trained; all before are frozen.
    weights: loss weights of `exits`, (len(exits),).
    alternates: whether the alternating strategy applies.

    """

    exits: tuple[int, ...]
    first_trained: int
    weights: Tensor
    alternates: bool = False


def plan(mode: str, network: StagedNetwork, weights: Tensor) -> list[Phase]:
    """
    Return the phases of training `network` in `mode` with the loss weights B, (exits,).

    Exits of weight 0 are not trained at all: if only one exit has weight (OPT), the network behind
    it is never run. The modes that train exits one by one do not use B.
    """
    count = len(weights)
    heads = [index for index, stage in enumerate(network.stages) if stage.head is not None]
    alone = torch.ones(1, device=weights.device)
    exits = weights.nonzero().flatten().tolist()
    # A single exit has none to alternate with: its loss would be raised in every iteration.
    together = Phase(tuple(exits), 0, weights[exits], alternates=len(exits) > 1)
    if mode == 'joint':
        return [together]
    final = Phase((count - 1,), 0, alone)
    if mode == 'mixed':
        return [final, together]
    if mode == 'midfeat':
        others = Phase(tuple(range(count - 1)), len(network.stages), alone.repeat(count - 1))
        return [final, *([others] if count > 1 else [])]
    starts = [0, *(index + 1 for index in heads)]
    return [Phase((index,), starts[index], alone) for index in range(count)]


def set_phase(network: StagedNetwork, phase: Phase) -> None:
    """Put what `phase` trains into training mode and freeze the rest, running means included."""
    heads = network.heads
    network.eval().requires_grad_(False)
    for stage in network.stages[phase.first_trained:]:
        stage.trunk.train().requires_grad_(True)
    for index in phase.exits:
        heads[index].train().requires_grad_(True)


def run_phase(network: StagedNetwork, phase: Phase, images: Tensor,
              equilibrium: bool = False) -> list[Tensor]:
    """
    Return the logits (N, classes) of the exits of `phase`, running nothing that they do not need.

    With `equilibrium` the gradients of all exits have an equal share in every unit (gradient
    equilibrium, Li et al., ICCV 2019): of K exits, the gradient of what enters head i (from 0) is
    scaled by 1/(K - i), that of what goes on along the trunk by (K - i - 1)/(K - i).
    """
    logits, features, exit_index, left = [], images, -1, len(phase.exits)
    for index, stage in enumerate(network.stages):
        with torch.set_grad_enabled(torch.is_grad_enabled() and index >= phase.first_trained):
            features = stage.trunk(features)
        exit_index += stage.head is not None
        if stage.head is None or exit_index not in phase.exits:
            continue
        if equilibrium and features.requires_grad:
            entering = scale_gradient(features, 1 / left)
            features = scale_gradient(features, (left - 1) / left)
        else:
            entering = features
        logits.append(stage.head(entering))
        left -= 1
        if left == 0:
            break
    return logits


def scale_gradient(tensor: Tensor, factor: float) -> Tensor:
    """Return `tensor` unchanged; its gradient, going back, is multiplied by `factor`."""
    if factor == 1:
        return tensor
    fixed = tensor.detach()
    return fixed + factor * (tensor - fixed)  # in any precision: the difference is exactly zero
