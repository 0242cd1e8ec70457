"""Cost in multiply-adds (MACs), counted by running shapes through a network without any data."""

import copy

import torch
from torch import nn


def count_macs(module: nn.Module, input_shape: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """
    Return the multiply-adds of `module` for one input of `input_shape`, and its output's shape.

    Counts convolutions and fully connected layers, as the paper and its field do; normalisation,
    activation and pooling are left out. `input_shape` includes the batch dimension.
    """
    total = 0

    def count(layer: nn.Module, _inputs: tuple, output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            taps = layer.kernel_size[0] * layer.kernel_size[1] * layer.in_channels // layer.groups
        else:
            taps = layer.in_features
        total += output.numel() * taps

    shadow = copy.deepcopy(module).to('meta').eval()
    for layer in shadow.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_hook(count)
    with torch.no_grad():
        output = shadow(torch.empty(input_shape, device='meta'))
    return total, tuple(output.shape)
