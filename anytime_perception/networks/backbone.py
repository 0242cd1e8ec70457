"""An anytime network from a torchvision backbone, for camera images of 224x224."""

from typing import Any

from anytime_perception.networks import layers
from anytime_perception.networks.blocks import check_counts
from anytime_perception.networks.cost import count_macs
from anytime_perception.networks.stage import cut_stages
from anytime_perception.networks.staged import registered, StagedNetwork
from torch import nn, Tensor

BACKBONES = ('resnet18', 'resnet34', 'resnet50', 'mobilenet_v3_small', 'mobilenet_v3_large',
             'convnext_tiny', 'convnext_small')


class AnytimeBackbone(StagedNetwork):
    """
    A torchvision network with an exit every `period` blocks, and always after the last.

    A unit is a residual block (ResNet, ConvNeXt) or an inverted residual (MobileNetV3); layers
    before the first belong to it. torchvision is needed only to make one of these networks.

    Parameters
    ----------
    backbone: one of BACKBONES.
    num_classes: size of each answer.
    period, first_exit, head: as in AnytimeNetwork.
    input_size: pixels a side of the (square) RGB input.
    weights: a state dict of torchvision's network to start from; its classifier is not used.

    Raises
    ------
    ValueError: for an unknown backbone or head, impossible sizes, or weights of another network.
    ImportError: if torchvision is not installed.

    """

    def __init__(self, backbone: str, num_classes: int, period: int = 1, first_exit: int = 1,
                 input_size: int = 224, head: str = 'pool',
                 weights: dict[str, Tensor] | None = None):
        super().__init__()
        if backbone not in BACKBONES:
            raise ValueError(f'backbone is {backbone!r}; it must be one of {", ".join(BACKBONES)}')
        if head not in layers.HEADS:
            raise ValueError(f'head is {head!r}; it must be one of {", ".join(layers.HEADS)}')
        counts = {'num_classes': num_classes, 'period': period, 'first_exit': first_exit,
                  'input_size': input_size}
        check_counts(counts)
        self.config = {'backbone': backbone, **counts, 'head': head}
        units = _units(_torchvision_network(backbone, weights))
        image_shape = 1, 3, input_size, input_size
        channels, shape = [], image_shape
        for unit in units:
            shape = count_macs(nn.Sequential(*unit), shape)[1]
            channels.append(shape[1])
        self._set_stages(registered(cut_stages(
            units, lambda depth: layers.HEADS[head](channels[depth - 1], num_classes), period,
            first_exit)), num_classes, image_shape)


def _torchvision_network(name: str, weights: dict[str, Tensor] | None) -> Any:
    from torchvision import models
    network = getattr(models, name)(weights=None)
    if weights is not None:
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(f'the weights are not those of {name} of torchvision: '
                             f'{str(error).splitlines()[0]}') from error
    return network


def _units(network: Any) -> list[list[nn.Module]]:
    """Return the modules of each unit; those before the first block belong to the first unit."""
    units: list[list[nn.Module]] = []
    before: list[nn.Module] = []
    if hasattr(network, 'layer1'):  # ResNet
        before = [network.conv1, network.bn1, network.relu, network.maxpool]
        blocks = [block for layer in (network.layer1, network.layer2, network.layer3,
                                      network.layer4) for block in layer]
    else:
        # MobileNetV3: a list of blocks. ConvNeXt: stages of blocks, with a downsampling between.
        blocks = [block for feature in network.features for block in (
            feature if _is_stage(feature) else [feature])]
    for block in blocks:
        if hasattr(block, 'block') or hasattr(block, 'conv1'):  # residual: what counts as a unit
            units.append([*before, block])
            before = []
        else:
            before.append(block)
    units[-1] += before  # MobileNetV3 ends with a convolution
    return units


def _is_stage(module: nn.Module) -> bool:
    """Return whether `module` is a row of residual blocks, as ConvNeXt has them."""
    return isinstance(module, nn.Sequential) and all(hasattr(part, 'block') for part in module)
