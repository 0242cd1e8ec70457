"""Choosing the device, with an error instead of a silent fallback."""

import re

import torch


class DeviceError(ValueError):
    """A device was asked for that this machine, or this build of torch, does not have."""


def choose_device(name: str) -> torch.device:
    """
    Return the device called `name`: 'cpu', 'cuda', 'cuda:N' or 'auto' (a GPU if there is one).

    Raises
    ------
    DeviceError: if the name is unknown or the device is missing; never falls back to another.

    """
    if name == 'auto':
        return torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')
    if name == 'cpu':
        return torch.device('cpu')
    cuda = re.fullmatch('cuda(:([0-9]+))?', name)
    if cuda is None:
        raise DeviceError(f'device {name!r} is unknown; allowed: auto, cpu, cuda, cuda:N')
    index, count = int(cuda[2] or 0), torch.cuda.device_count()
    if index >= count:
        why = ('this build of torch has no CUDA' if torch.version.cuda is None
               else f'torch sees {count} GPUs')
        raise DeviceError(f'device {name!r} is missing: {why}; '
                          'use device auto or cpu to run without it')
    return torch.device('cuda', index)
