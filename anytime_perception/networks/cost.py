"""Cost in multiply-adds (MACs), counted by running shapes through a network without any data."""

import copy

import torch
from torch import nn, Tensor

Shape = tuple[int, ...] | tuple[tuple[int, ...], ...]  # of a tensor, or of a tuple of tensors


def count_macs(module: nn.Module, input_shape: Shape) -> tuple[int, Shape]:
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
        output = shadow(_empty(input_shape))
    return total, _shape(output)


def _empty(shape: Shape) -> Tensor | tuple[Tensor, ...]:
    if isinstance(shape[0], tuple):
        return tuple(_empty(each) for each in shape)
    return torch.empty(shape, device='meta')


def _shape(output: Tensor | tuple[Tensor, ...]) -> Shape:
    if isinstance(output, tuple):
        return tuple(_shape(each) for each in output)
    return tuple(output.shape)
