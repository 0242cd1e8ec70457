"""Training of one anytime network: phases of epochs that each end in a checkpoint."""

from collections.abc import Callable, Sequence
import math
from pathlib import Path
import time

from anytime_perception.images.preprocessing import Preprocessing
from anytime_perception.networks import (
    AnytimeBackbone, AnytimeNetwork, AnytimePyramid, StagedNetwork)
from anytime_training import distributed
from anytime_training.averaging import MovingAverage
from anytime_training.calibrate import uncalibrated
from anytime_training.checkpoint import load_checkpoint, save_checkpoint
from anytime_training.config import TrainConfig
from anytime_training.data import Augmentation, ImageSet, steps_per_epoch, training_batches
from anytime_training.epoch import EpochResult, Learner, train_epoch
from anytime_training.evaluate import evaluate
from anytime_training.log import per_exit, write_log
from anytime_training.optimiser import make_optimiser
from anytime_training.phases import Phase
from anytime_training.random_state import derived_seed
from anytime_training.sampling import Fixed
from anytime_training.step import make_step
from anytime_training.strategies import make_sampler
from anytime_training.teacher import Teacher
import torch
from torch import Tensor

CHECKPOINT = 'checkpoint.pt'
EVALUATIONS = 20  # about how many times a phase looks at the held-out images, for the log


class TrainingDiverged(RuntimeError):
    """The loss or a weight is no longer a number; the last good checkpoint is intact."""


def train_network(config: TrainConfig, network: StagedNetwork, phases: list[Phase],
                  preprocessing: Preprocessing, train: ImageSet, held_out: ImageSet,
                  folder: Path, seed: int, progress: Callable[[int, str], None],
                  graph: bool = True, teacher: Teacher | None = None) -> StagedNetwork:
    """
    Train `network` through `phases`, from the checkpoint in `folder` if any, and return it.

    All are on the device to train on. Each epoch ends with checkpoint.pt and log.csv written anew.
    Every random draw depends on `seed` and the epoch, so a run that is killed and goes on gives
    the same weights as one that is not. `progress` is called with the images done since the last
    call and a short text. `graph` and `teacher` are as of `make_step`.

    Raises
    ------
    TrainingDiverged: when a loss or a weight is not finite.
    OSError: when a file cannot be written.
    ValueError: for a damaged checkpoint.

    """
    path = folder / CHECKPOINT
    state = load_checkpoint(path)
    rows = [] if state is None else state['rows']
    if rows and distributed.is_main():
        write_log(folder / 'log.csv', rows)  # it is behind after a kill between the two
    steps = steps_per_epoch(len(train), config.batch_size)
    images_per_epoch = steps * min(config.batch_size, len(train))
    augmentation = Augmentation(config.flip, config.alternate_flip, config.padding,
                                config.lighting, config.cutout)
    progress(len(rows) * images_per_epoch, '')

    def start_phase(number: int) -> Learner:
        return _start_phase(config, network, phases[number], steps, seed + number, graph, teacher)
    if state is not None:
        learner = _restore(config, network, start_phase, state, path)
    for done in range(len(rows), len(phases) * config.epochs):
        number, epoch = divmod(done, config.epochs)
        if epoch == 0:
            if done and learner.average is not None:
                # The next phase freezes, or goes on with, what answers: the average.
                network.load_state_dict(learner.average.network.state_dict())
            learner = start_phase(number)
        batches = training_batches(train, preprocessing, config.batch_size, augmentation, seed,
                                   done)
        # ConvNeXt leaves out blocks at random, by draws from PyTorch's own generator, which each
        # process makes for its own images.
        torch.manual_seed(derived_seed(seed, 'network', done, *distributed.own_number()))
        start = time.perf_counter()
        result = train_epoch(learner, batches, config, epoch, steps, seed + number,
                             lambda images: progress(images, ''))
        speed = images_per_epoch / (time.perf_counter() - start)
        odd = [f'the loss of an exit became {loss}' for loss in result.losses
               if not math.isfinite(loss)]
        if not odd and not _is_finite(network):  # by the last step, after its loss
            odd = ['a weight became infinite or no number']
        if odd:
            kept = f'; {path} holds epoch {done}' if done else ''
            raise TrainingDiverged(f'{odd[0]} in epoch {done + 1}{kept}. Train anew with a '
                                   'smaller --lr and another --output')
        due = (epoch + 1) % max(1, config.epochs // EVALUATIONS) == 0 or epoch + 1 == config.epochs
        measured: Sequence[float | None] = [None] * len(network.exits)
        if due and distributed.is_main():
            carry = uncalibrated(config, network)
            measured = evaluate(_result_of(learner), preprocessing, held_out, '', carry).error
        rows.append(_row(done + 1, number, speed, learner, result, measured))
        if distributed.is_main():
            save_checkpoint(path, _state(learner, rows))
            write_log(folder / 'log.csv', rows)
        progress(0, f'epoch {done + 1}, training error {result.errors[0]:.1%} (first exit) '
                    f'{result.errors[-1]:.1%} (last)')
    return _result_of(learner).eval()


def _start_phase(config: TrainConfig, network: StagedNetwork, phase: Phase, steps: int, seed: int,
                 graph: bool, teacher: Teacher | None = None) -> Learner:
    network.zero_grad(set_to_none=True)  # also of what only the phase before has trained
    depths = [network.exits[index].depth for index in phase.exits]
    sampler = Fixed(phase.weights)
    if phase.alternates:
        sampler = make_sampler(config, phase.weights, depths, steps, seed)
    average = MovingAverage(network, config.average) if config.average else None
    optimiser = make_optimiser(network, phase, config)
    return Learner(network, phase, optimiser, sampler,
                   make_step(config, network, phase, optimiser, graph, teacher), average)


def _result_of(learner: Learner) -> StagedNetwork:
    """Return the network that answers: the averaged one where there is one."""
    return learner.network if learner.average is None else learner.average.network


def _is_finite(network: StagedNetwork) -> bool:
    """Return whether all weights, and the statistics of batch normalisation, are finite."""
    return bool(torch.stack([tensor.isfinite().all() for tensor in network.state_dict().values()])
                .all())


def _state(learner: Learner, rows: list[dict]) -> dict:
    average = None if learner.average is None else learner.average.network.state_dict()
    return {'rows': rows, 'network': learner.network.state_dict(), 'average': average,
            'optimiser': learner.optimiser.state_dict(), 'sampler': learner.sampler.state_dict()}


def _restore(config: TrainConfig, network: StagedNetwork, start_phase: Callable[[int], Learner],
             state: dict, path: Path) -> Learner:
    """Return the learner as it was after the last epoch of a checkpoint's `state`."""
    try:
        network.load_state_dict(state['network'])
        learner = start_phase((len(state['rows']) - 1) // config.epochs)
        if learner.average is not None:
            learner.average.network.load_state_dict(state['average'])
        learner.optimiser.load_state_dict(state['optimiser'])
        device = learner.phase.weights.device
        learner.sampler.load_state_dict({name: value.to(device)
                                         for name, value in state['sampler'].items()})
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f'{path} is not a checkpoint of this run; remove it to start over'
                         ) from error
    return learner


def _row(number: int, phase: int, speed: float, learner: Learner, result: EpochResult,
         measured: Sequence[float | None]) -> dict:
    """Return the log's row of an epoch; exits that the phase does not train have empty places."""
    def spread(values: Sequence[float]) -> list[float | None]:
        at = dict(zip(learner.phase.exits, values))
        return [at.get(index) for index in range(len(learner.network.exits))]
    return {'epoch': number, 'phase': phase + 1, 'lr': learner.optimiser.param_groups[0]['lr'],
            'images_per_s': round(speed, 1), **per_exit('loss', spread(result.losses)),
            **per_exit('error', spread(result.errors)),
            **per_exit('chosen', spread(result.chosen)),
            **per_exit('probability', spread(learner.sampler.probabilities.tolist())),
            **per_exit('held_out_error', measured)}


def new_network(config: TrainConfig, number: int, num_classes: int, seed: int,
                pretrained: dict[str, Tensor] | None = None) -> StagedNetwork:
    """
    Return network `number` (from 0) of `config`, initialised from `seed`, else untrained.

    `pretrained` are weights for the trunk of a backbone, see backbone_weights.py.
    """
    period = config.period[number % len(config.period)]  # one for all, or one for each
    first_exit = config.depths[number - 1] + 1 if config.late_exits and number else 1
    common = {'period': period, 'first_exit': first_exit, 'input_size': config.input_size}
    network: StagedNetwork
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, 'weights'))
        if config.backbone:
            network = AnytimeBackbone(config.backbone, num_classes, weights=pretrained,
                                      head=config.head, **common)
        elif config.side_channels:
            network = AnytimePyramid(config.units_per_block[number], config.channels,
                                     config.side_channels, num_classes, **common)
        else:
            network = AnytimeNetwork(config.units_per_block[number], config.channels, num_classes,
                                     head=config.head, **common)
    # The stub of Module.to knows nothing of memory_format.
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
