"""One epoch of stochastic gradient descent, which waits for the device only at its end."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from anytime_perception.networks import StagedNetwork
from anytime_training import distributed
from anytime_training.averaging import MovingAverage
from anytime_training.config import TrainConfig
from anytime_training.graphed import StepFunction
from anytime_training.objective import mix
from anytime_training.optimiser import Optimiser, set_learning_rate
from anytime_training.phases import Phase, set_phase
from anytime_training.random_state import generator
from anytime_training.sampling import Fixed
from anytime_training.schedule import SCHEDULES
import torch
from torch import Tensor


@dataclass(frozen=True)
class EpochResult:
    """Means over the epoch for each exit of the phase, and how often the strategy chose it."""

    losses: list[float]
    errors: list[float]
    chosen: list[int]


@dataclass(frozen=True)
class Learner:
    """What an epoch changes: the network, and what holds its state of learning in a phase."""

    network: StagedNetwork
    phase: Phase
    optimiser: Optimiser
    sampler: Fixed
    step: StepFunction
    average: MovingAverage | None = None


def train_epoch(learner: Learner, batches: Iterable[tuple[Tensor, Tensor]], config: TrainConfig,
                epoch: int, steps: int, seed: int, progress: Callable[[int], None]) -> EpochResult:
    """
    Train for epoch number `epoch` of the phase, which has `steps` iterations.

    `progress` is called with the number of images after every iteration. `seed` is for
    what is drawn besides the batches.
    """
    network, phase, sampler = learner.network, learner.phase, learner.sampler
    set_phase(network, phase)
    schedule = SCHEDULES[config.schedule]
    device = phase.weights.device
    draws = generator(seed, 'mixing', epoch)
    totals = torch.zeros(3, len(phase.exits), device=device)
    numbers = torch.arange(len(phase.exits), device=device)
    for index, (images, labels) in enumerate(batches):
        count = len(labels)
        step = epoch * steps + index
        set_learning_rate(learner.optimiser, config.lr * schedule(step / (config.epochs * steps)))
        mixed: list[Tensor] = []
        if config.mixup:
            images, second = mix(images, labels, config.mixup, draws)
            mixed = distributed.own_part(*second)
        images, labels = distributed.own_part(images, labels)
        share = len(labels) * distributed.count() / count  # 1, where parts are of the same size
        losses, errors = learner.step(images, labels, share * sampler.weights(step), *mixed)
        losses, errors = losses * share, errors * share
        distributed.average([losses, errors])
        chosen = torch.zeros_like(losses) if sampler.chosen is None else numbers == sampler.chosen
        totals += torch.stack([losses, errors, chosen])
        sampler.update(losses)
        if learner.average is not None:
            learner.average.update(step)
        progress(count)
    losses, errors, chosen = totals.tolist()
    return EpochResult([loss / steps for loss in losses], [error / steps for error in errors],
                       [round(count) for count in chosen])
