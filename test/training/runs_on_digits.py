"""What the tests of whole runs share: what is left in a run's folder, and other processes."""

import csv
import os
from pathlib import Path

from anytime_perception import model_file
from anytime_training import cli
import torch


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
