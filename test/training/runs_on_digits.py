"""What the tests of whole runs share: tiny runs, what is left in their folders, and processes."""

import contextlib
import csv
import os
from pathlib import Path

from anytime_perception import model_file
from anytime_training import checkpoint, cli
import pytest
import torch

# Options of a run that takes a fraction of a second; those that follow them count instead.
TINY = ['--dataset', 'digits', '--input-size', '8', '--channels', '4', '--units-per-block', '1',
        '--batch-size', '128', '--epochs', '2', '--device', 'cpu', '--quiet']


def train(folder, *options):
    """Train a tiny network, or what `options` say, into `folder`; return the exit status."""
    return cli.main(['train', '--output', str(folder), *TINY, *map(str, options)])


def resume(folder, *options):
    """Go on with the run in `folder`, of which nothing else need be said."""
    return cli.main(['train', '--resume', '--quiet', '--output', str(folder),
                     *map(str, options)])


@contextlib.contextmanager
def interrupted_after_an_epoch():
    """Have Ctrl-C end every run in here once it has saved an epoch; yield what was saved."""
    real, saved = checkpoint.save_checkpoint, []

    def save_and_interrupt(path, state):
        real(path, state)
        saved.append(path)
        raise KeyboardInterrupt
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr('anytime_training.train.save_checkpoint', save_and_interrupt)
        yield saved


def weights_of(folder):
    """Return the weights in the model file of a run."""
    return model_file.load(folder / 'model.safetensors').network.state_dict()


def same_weights(one, other):
    """Return whether the networks of two runs are the same, bit for bit."""
    first, second = weights_of(one), weights_of(other)
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first)


def rows_of(folder, network='n1'):
    """Return the rows of the log of one of a run's networks."""
    with open(folder / network / 'log.csv', newline='') as file:
        return list(csv.DictReader(file))


def environment(**more):
    """Return the environment for a process that runs `python -m anytime_training`."""
    paths = [str(Path(module.__file__).parents[1]) for module in (cli, model_file)]
    paths.append(os.environ.get('PYTHONPATH', ''))
    return {**os.environ, 'PYTHONPATH': os.pathsep.join(paths), **more}
