"""The building blocks of an anytime residual network (paper, sections 3.1 and 4.1)."""

from collections.abc import Callable
import functools
import math

import torch
from torch import nn, Tensor
from torch.nn import functional


class Unit(nn.Module):
    """
    One residual bottleneck unit `f_i`: BN, conv3x3, BN, ReLU, conv3x3, BN, added to its input.

    The pyramidal unit of Han et al. (2017) that the paper uses: two convolutions, no ReLU after
    the first BN nor after the addition. Maps (N, channels, H, W) to the same shape.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.conv1 = conv3x3(channels, channels)
        self.norm2 = nn.BatchNorm2d(channels)
        self.conv2 = conv3x3(channels, channels)
        self.norm3 = nn.BatchNorm2d(channels)

    def forward(self, features: Tensor) -> Tensor:
        hidden = self.conv1(self.norm1(features))
        hidden = functional.relu(self.norm2(hidden), inplace=True)
        return features + self.norm3(self.conv2(hidden))


class Exit(nn.Module):
    """
    A prediction head: ReLU, global average pool, fully connected.

    Maps (N, C, H, W) to logits (N, classes). The ReLU is of the authors' code; section 3.1 names
    the other two.
    """

    def __init__(self, channels: int, num_classes: int):
        super().__init__()
        self.activation: nn.Module = nn.ReLU()
        self.fc = nn.Linear(channels, num_classes)

    def forward(self, features: Tensor) -> Tensor:
        return self.fc(self.activation(features).mean(dim=(2, 3)))


class CoarseExit(Exit):
    """
    A prediction head on coarse features: two strided convolutions, then as `Exit`.

    A pooled fine map says little about what is where, so early answers gain most (as in MSDNet,
    Huang et al. 2018). Its cost counts as that of any head.
    """

    def __init__(self, channels: int, num_classes: int):
        super().__init__(channels, num_classes)
        self.look = look(channels)

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(self.look(features))


HEADS = {'pool': Exit, 'coarse': CoarseExit}


def look(channels: int) -> nn.Sequential:
    """Return two strided convolutions: (N, C, H, W) to (N, C, H/4, W/4), rounded up."""
    return nn.Sequential(
        nn.ReLU(), conv3x3(channels, channels, stride=2), nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True), conv3x3(channels, channels, stride=2), nn.BatchNorm2d(channels))


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """Return a padded 3x3 convolution without bias, He-initialised by its fan-out."""
    return convolution(in_channels, out_channels, 3, stride)


def convolution(in_channels: int, out_channels: int, kernel: int, stride: int) -> nn.Conv2d:
    """Return a convolution as `conv3x3` is; an even `kernel` sees a pixel less of the border."""
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride=stride, padding=(kernel - 1) // 2,
                     bias=False)
    if not conv.weight.is_meta:  # there PyTorch would import its compiler for it, in 2 s
        nn.init.kaiming_normal_(conv.weight, mode='fan_out', nonlinearity='relu')
    return conv


def halving(in_channels: int, channels: int, input_size: int,
            activation: Callable[[], nn.Module]) -> list[nn.Module]:
    """Return strided conv3x3, BN, activation, until an input is at most 64 pixels a side."""
    found: list[nn.Module] = []
    for _ in range(max(0, math.ceil(math.log2(input_size / 64)))):
        found += [conv3x3(in_channels, channels, stride=2), nn.BatchNorm2d(channels), activation()]
        in_channels = channels
    return found


def stem(in_channels: int, channels: int, input_size: int) -> nn.Sequential:
    """
    Return the layers before the first unit.

    Up to 64x64 pixels this is the paper's bare 3x3 convolution. Larger inputs are first halved by
    strided convolutions (conv3x3, BN, ReLU) until they are at most 64 pixels a side, as ResNets
    do for 224x224.
    """
    before = halving(in_channels, channels, input_size, functools.partial(nn.ReLU, inplace=True))
    return nn.Sequential(*before, conv3x3(channels if before else in_channels, channels))


def empty_block(channels: int) -> nn.Sequential:
    """
    Return what a block without units has: BN, ReLU, conv3x3, BN, ReLU.

    The convolutions before and after it would be a single linear map otherwise. It costs half as
    much as a unit.
    """
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True),
                         conv3x3(channels, channels), nn.BatchNorm2d(channels),
                         nn.ReLU(inplace=True))


def transition(in_channels: int, out_channels: int) -> nn.Conv2d:
    """Return the strided 3x3 convolution between two blocks: resolution halves."""
    return conv3x3(in_channels, out_channels, stride=2)


def probabilities(logits: Tensor) -> Tensor:
    """Return the class probabilities of logits (N, classes), in the same shape and in float32."""
    return torch.softmax(logits.float(), dim=-1)
