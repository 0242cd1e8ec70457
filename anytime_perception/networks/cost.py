"""Cost in multiply-adds (MACs), counted by running a batch of 0 images through a network."""

import copy
import math
from typing import Any

import torch
from torch import nn, Tensor

Shape = tuple[Any, ...]  # of a tensor, or of each tensor of a tuple, as the module has it


def count_macs(module: nn.Module, input_shape: Shape) -> tuple[int, Shape]:
    """
    Return the multiply-adds of `module` for one input of `input_shape`, and its output's shape.

    Counts convolutions and fully connected layers, as the paper and its field do; normalisation,
    activation and pooling are left out. Shapes are (1, channels, H, W), or tuples of such.
    """
    total = 0

    def count(layer: nn.Conv2d | nn.Linear, _inputs: tuple, output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            taps = layer.kernel_size[0] * layer.kernel_size[1] * layer.in_channels // layer.groups
        else:
            taps = layer.in_features
        total += math.prod(output.shape[1:]) * taps

    # Not on the device meta: for many layers PyTorch imports its compiler there, in 2 s. Memory
    # that is not touched costs nothing, and no image touches the weights.
    shadow = copy.deepcopy(module).to_empty(device='cpu').eval()
    for layer in shadow.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_hook(count)
    with torch.no_grad():
        output = shadow(_none(input_shape))
    return total, _shape(output)


def _none(shape: Shape) -> Tensor | tuple[Any, ...]:
    if isinstance(shape[0], tuple):
        return tuple(_none(each) for each in shape)
    return torch.empty((0, *shape[1:]), device='cpu')


def _shape(output: Tensor | tuple[Any, ...]) -> Shape:
    if isinstance(output, tuple):
        return tuple(_shape(each) for each in output)
    return 1, *output.shape[1:]
