"""Choosing the device to compute on."""

import torch


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
