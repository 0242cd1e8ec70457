"""Choosing the device to compute on, and how many threads of it."""

from collections.abc import Iterator
import contextlib
import os

from anytime_perception.networks import AnytimeNetwork
import torch

_MIN_SHARED_MACS = 200e6  # of one convolution on one batch; below, threads are no use


def choose_device(name: str) -> torch.device:
    """
    Return the device called `name`: 'cpu', 'cuda', 'cuda:N', or 'auto' for a GPU if there is one.

    Raises
    ------
    ValueError: for another name, or a GPU that is not there.

    """
    if name == 'auto':
        return torch.device('cuda', 0) if torch.cuda.is_available() else torch.device('cpu')
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f'the device is {name!r}; it must be auto, cpu or cuda:N') from error
    if device.type not in ('cpu', 'cuda'):
        raise ValueError(f'the device is {name!r}; it must be auto, cpu or cuda:N')
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == 'cuda' and (device.index or 0) >= count:
        raise ValueError(f'the device is {name!r}, but PyTorch sees {count} CUDA GPUs here; '
                         'use --device cpu')
    return device


@contextlib.contextmanager
def fitting_threads(network: AnytimeNetwork, batch_size: int) -> Iterator[None]:
    """
    Use one thread of the CPU for a network so small that more would only wait for each other.

    Measured on two cores: a batch of 64 of the digits network takes 50 ms with one thread and 100
    to 900 ms with two as soon as another process needs a core. What is chosen depends on network
    and batch only, as the last bits of the weights depend on it. OMP_NUM_THREADS overrides it.
    """
    threads = torch.get_num_threads()
    per_convolution = network.exits[-1].cost * batch_size / (2 * network.depth)
    if per_convolution < _MIN_SHARED_MACS and 'OMP_NUM_THREADS' not in os.environ:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
