"""How good the answers of an anytime network are (paper, section 4.1)."""

from collections.abc import Sequence
import math

from anytime_perception.networks import StagedNetwork
import torch
from torch import Tensor

MILESTONES = (0.25, 0.5, 0.75, 1.0)
_TINY = 1e-9  # so that a milestone which an exit reaches exactly is not missed by rounding


def top1_error(answers: Tensor, labels: Tensor) -> float:
    """Return the share of wrong answers, in 0..1; answers and labels (N,) are classes."""
    return (answers != labels).double().mean().item()


def class_errors(answers: Tensor, labels: Tensor, classes: int) -> list[float]:
    """
    Return the share of wrong answers to the images of each class, in 0..1.

    Answers and labels (N,) are classes; a class without images has nan.
    """
    images = labels.bincount(minlength=classes).double()
    return (labels[answers != labels].bincount(minlength=classes) / images).tolist()


def balanced_error(errors: Sequence[float]) -> float:
    """Return the mean of the classes' errors, each class counting alike; nan is left out."""
    return average_error([error for error in errors if not math.isnan(error)])


def expected_calibration_error(confidence: Tensor, right: Tensor, bins: int = 15) -> float:
    """
    Return the expected calibration error, in 0..1: how far confidence is from accuracy.

    It is averaged over equally wide bins of confidence (Guo et al. 2017): Σ |bin|/N ·
    |accuracy(bin) - confidence(bin)|. `confidence` (N,) are the probabilities of the answers,
    `right` (N,) says whether they are right.
    """
    confidence = confidence.double()
    place = (confidence * bins).ceil().long().clamp(1, bins) - 1
    gaps = torch.zeros(bins, dtype=torch.float64, device=place.device)
    gaps.index_add_(0, place, right.double() - confidence)
    return (gaps.abs().sum() / len(right)).item()


def lost_answers(right: Tensor) -> float:
    """
    Return the share of images, in 0..1, answered rightly at an exit and wrongly at a later one.

    `right` (exits, N) says whether each answer is right.
    """
    was_right = right.int().cummax(dim=0).values.bool()
    return (was_right & ~right).any(dim=0).double().mean().item()


def average_error(errors: Sequence[float]) -> float:
    """Return AE, the mean over the exits; it cannot be compared across periods."""
    return sum(errors) / len(errors)


def milestone_exits(positions: Sequence[float]) -> list[int | None]:
    """
    Return the latest exit at or before each milestone, None where there is none yet.

    `positions` are those of the exits, in order, in units (as the paper counts) or in cost.
    """
    whole = positions[-1]
    passed = [sum(position <= share * whole * (1 + _TINY) for position in positions)
              for share in MILESTONES]
    return [count - 1 if count else None for count in passed]


def exit_at(share: float, depths: Sequence[int]) -> int:
    """
    Return the exit that OPT trains for a share of the units, as the authors' code has it.

    It is the last one up to depth round(share · L), or the first if there is none.
    """
    target = round(share * depths[-1])
    return max(sum(depth <= target for depth in depths) - 1, 0)


def milestone_errors(errors: Sequence[float], positions: Sequence[float]) -> list[float]:
    """Return the error at each milestone; nan where nothing has been answered yet."""
    return [math.nan if index is None else errors[index] for index in milestone_exits(positions)]


def unit_positions(network: StagedNetwork) -> list[int]:
    """Return how many units, of all networks, have been run at each exit."""
    positions, before, depth, index = [], 0, 0, 0
    for stage in network.stages:
        if stage.network_index != index:
            before, index = before + depth, stage.network_index
        depth = stage.depth
        if stage.head is not None:
            positions.append(before + depth)
    return positions
