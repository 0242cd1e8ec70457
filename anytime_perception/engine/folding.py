"""
Folding batch normalisation into convolutions for evaluation.

The function stays the same, with fewer passes over memory.
"""

import copy
from typing import NamedTuple

from anytime_perception.networks import StagedNetwork
from anytime_perception.networks.layers import Unit
import torch
from torch import nn, Tensor
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_weights


class FoldedUnit(nn.Module):
    """
    A unit whose second and third normalisation live in its convolutions.

    The first stays: it comes before a zero-padded convolution, so its shift does not reach the
    border. The unit itself must not be used any more.
    """

    def __init__(self, unit: Unit):
        super().__init__()
        self.norm = unit.norm1
        self.conv1 = _fuse(unit.conv1, unit.norm2)
        self.conv2 = _fuse(unit.conv2, unit.norm3)

    def forward(self, features: Tensor) -> Tensor:
        hidden = functional.relu(self.conv1(self.norm(features)), inplace=True)
        return features + self.conv2(hidden)


def fold(module: nn.Module) -> nn.Module:
    """
    Return a copy of `module`, in evaluation mode, that computes the same with less work.

    Modules with nothing to fold are copied as they are; `module` itself is not changed.
    """
    return _fold(copy.deepcopy(module)).eval()


class FoldedStage(NamedTuple):
    """A stage of a network, folded; as `Stage` has it."""

    trunk: nn.Module
    head: nn.Module | None
    takes_image: bool


def fold_stages(network: StagedNetwork, device: torch.device,
                dtype: torch.dtype) -> list[FoldedStage]:
    """Return each stage of `network` folded, on `device`, in `dtype` and channels-last."""
    def placed(module: nn.Module) -> nn.Module:
        # The stub of Module.to knows nothing of memory_format.
        return fold(module).to(  # type: ignore[call-overload]
            device, dtype, memory_format=torch.channels_last)

    return [FoldedStage(placed(stage.trunk), None if stage.head is None else placed(stage.head),
                        stage.takes_image) for stage in network.stages]


def _fold(module: nn.Module) -> nn.Module:
    """Fold `module` in place and return it; for a unit, return what replaces it."""
    if isinstance(module, Unit):
        return FoldedUnit(module)
    for name, child in module.named_children():
        setattr(module, name, _fold(child))
    if isinstance(module, nn.Sequential):
        return _fold_row(module)
    for number in range(1, 4):  # in a block of torchvision's ResNet bn1 follows conv1, and so on
        conv, norm = (getattr(module, f'{name}{number}', None) for name in ('conv', 'bn'))
        if conv is not None and norm is not None:
            _fuse(conv, norm)
            setattr(module, f'bn{number}', nn.Identity())
    return module


def _fold_row(row: nn.Sequential) -> nn.Sequential:
    layers: list[nn.Module] = []
    for layer in row:
        if isinstance(layer, nn.BatchNorm2d) and layers and isinstance(layers[-1], nn.Conv2d):
            _fuse(layers[-1], layer)
        else:
            layers.append(layer)
    return nn.Sequential(*layers)


def _fuse(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """Fold `norm` into `conv` and return it; torch's own refuses modules in training mode."""
    assert norm.running_mean is not None and norm.running_var is not None
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight,
        norm.bias)
    return conv
