"""Training of one anytime network: epochs that each end in a checkpoint."""

from collections.abc import Callable
import math
from pathlib import Path
import time

from anytime_perception.networks import AnytimeNetwork
from anytime_perception.preprocessing import Preprocessing
from anytime_training.checkpoint import load_checkpoint, save_checkpoint
from anytime_training.config import TrainConfig
from anytime_training.data import ImageSet, steps_per_epoch, training_batches
from anytime_training.evaluate import evaluate
from anytime_training.log import per_exit, write_log
from anytime_training.optimiser import make_optimiser, set_learning_rate
from anytime_training.random_state import derived_seed
from anytime_training.sampling import Fixed
from anytime_training.schedule import SCHEDULES
from anytime_training.strategies import make_sampler, make_weights
import torch
from torch import Tensor
from torch.nn import functional

EVALUATIONS = 20  # about how many times a run looks at the held-out images, for the log


class TrainingDiverged(RuntimeError):
    """The loss is no longer a number; the last good checkpoint is intact."""


def train_network(config: TrainConfig, units: int, num_classes: int, preprocessing: Preprocessing,
                  train: ImageSet, held_out: ImageSet, folder: Path,
                  progress: Callable[[int, str], None]) -> AnytimeNetwork:
    """
    Train the network with `units` per block, from the checkpoint in `folder` if there is one.

    `train` and `held_out` are on the device to train on. Each epoch ends with checkpoint.pt and
    log.csv written anew. Every random draw depends on the seed and the epoch, so a run that is
    killed and goes on gives the same weights as one that is not. `progress` is called with the
    images done since the last call and a short text.

    Raises
    ------
    TrainingDiverged: when a loss is not finite.
    OSError: when a file cannot be written.
    ValueError: for a damaged checkpoint.

    """
    device = train.images.device
    seed = derived_seed(config.seed, 'network', units)
    network = _new_network(config, units, num_classes, seed).to(device)
    weights = make_weights(config, len(network.exits)).to(device)
    sampler = make_sampler(config, weights, seed)
    optimiser = make_optimiser(network, weights, config.lr, config.momentum, config.weight_decay)
    rows: list[dict] = []
    state = load_checkpoint(folder / 'checkpoint.pt')
    if state is not None:
        network.load_state_dict(state['network'])
        optimiser.load_state_dict(state['optimiser'])
        sampler.load_state_dict({name: value.to(device)
                                 for name, value in state['sampler'].items()})
        rows = state['rows']
        write_log(folder / 'log.csv', rows)  # it is behind after a kill between the two
    steps = steps_per_epoch(len(train), config.batch_size)
    progress(len(rows) * steps * config.batch_size, '')
    for epoch in range(len(rows), config.epochs):
        batches = training_batches(train, preprocessing, config.batch_size, config.flip, seed,
                                   epoch)
        start = time.perf_counter()
        losses, errors, chosen = train_epoch(network, optimiser, sampler, batches, config, steps,
                                             epoch, progress)
        seconds = time.perf_counter() - start
        odd = [loss for loss in losses if not math.isfinite(loss)]
        if odd:
            kept = f'; {folder / "checkpoint.pt"} holds epoch {epoch}' if epoch else ''
            raise TrainingDiverged(f'the loss of an exit became {odd[0]} in epoch '
                                   f'{epoch + 1}{kept}. Train anew with a smaller --lr')
        row = {'epoch': epoch + 1, 'lr': optimiser.param_groups[0]['lr'],
               'images_per_s': round(steps * config.batch_size / seconds, 1),
               **per_exit('loss', losses), **per_exit('error', errors),
               **per_exit('chosen', chosen),
               **per_exit('probability', sampler.probabilities.tolist())}
        due = (epoch + 1) % max(1, config.epochs // EVALUATIONS) == 0 or epoch + 1 == config.epochs
        measured = [math.nan] * len(losses)
        if due:
            measured = evaluate(network, preprocessing, held_out, '').error
        rows.append({**row, **per_exit('held_out_error', measured)})
        save_checkpoint(folder / 'checkpoint.pt', {
            'network': network.state_dict(), 'optimiser': optimiser.state_dict(),
            'sampler': sampler.state_dict(), 'rows': rows})
        write_log(folder / 'log.csv', rows)
    return network.eval()


def train_epoch(network: AnytimeNetwork, optimiser: torch.optim.Optimizer, sampler: Fixed, batches,
                config: TrainConfig, steps: int, epoch: int, progress: Callable[[int, str], None],
                ) -> tuple[list[float], list[float], list[int]]:
    """Train for one epoch; return mean loss, error and times chosen of each exit."""
    network.train()
    schedule = SCHEDULES[config.schedule]
    exits = len(network.exits)
    device = sampler.probabilities.device
    totals = torch.zeros(2, exits, device=device)
    chosen = torch.zeros(exits, device=device)
    for index, (images, labels) in enumerate(batches):
        step = epoch * steps + index
        set_learning_rate(optimiser, config.lr * schedule(step / (config.epochs * steps)))
        losses, errors = exit_losses(network(images), labels)
        weights = sampler.weights(step)
        optimiser.zero_grad(set_to_none=True)
        (weights * losses).sum().backward()
        optimiser.step()
        sampler.update(losses.detach())
        totals += torch.stack([losses.detach(), errors])
        amplified = sampler.chosen(step)
        if amplified is not None:
            chosen[amplified] += 1
        progress(len(labels), '')
    losses, errors = (totals / steps).tolist()
    progress(0, f'epoch {epoch + 1}, error {errors[0]:.1%} (first exit) {errors[-1]:.1%} (last)')
    return losses, errors, [int(count) for count in chosen.tolist()]


def exit_losses(logits: list[Tensor], labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return cross-entropy and top-1 error (exits,), averaged over the batch."""
    stacked = torch.stack(logits).float()
    exits, images, classes = stacked.shape
    losses = functional.cross_entropy(stacked.view(-1, classes), labels.repeat(exits),
                                      reduction='none')
    errors = (stacked.detach().argmax(dim=2) != labels).float().mean(dim=1)
    return losses.view(exits, images).mean(dim=1), errors


def _new_network(config: TrainConfig, units: int, num_classes: int, seed: int) -> AnytimeNetwork:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, 'weights'))
        network = AnytimeNetwork(units, config.channels, num_classes, config.period,
                                 input_size=config.input_size)
    return network.to(memory_format=torch.channels_last)
