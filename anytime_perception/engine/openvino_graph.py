"""Building OpenVINO graphs of the layers that anytime networks are made of."""

from typing import TypeAlias

from anytime_perception.engine.folding import FoldedUnit
from anytime_perception.networks.ladder import Ladder, LadderExit
from anytime_perception.networks.layers import CoarseExit, Exit
import numpy as np
import openvino
from openvino import Node
from openvino import opset13 as ops
import torch
from torch import nn


Features: TypeAlias = Node | tuple[Node, Node]  # with a ladder, features and what was seen


def add_layers(module: nn.Module, features: Features) -> Features:
    """
    Return the node that computes the folded `module` on `features` (1, C, H, W).

    Our own layers are built directly, which takes milliseconds; those of torchvision's backbones
    are converted by OpenVINO, which takes up to a second each.

    Raises
    ------
    NotImplementedError: for any other layer.

    """
    if isinstance(module, nn.Sequential):
        for layer in module:
            features = add_layers(layer, features)
        return features
    if isinstance(module, FoldedUnit):
        hidden = add_layers(module.conv1, add_layers(module.norm, features))
        return ops.add(features, add_layers(module.conv2, ops.relu(hidden)))
    if isinstance(module, nn.Conv2d):
        return _convolution(module, features)
    if isinstance(module, nn.BatchNorm2d):
        return _normalisation(module, features)
    if isinstance(module, nn.ReLU):
        return ops.relu(features)
    if isinstance(module, nn.GELU):
        return ops.gelu(features, module.approximate.replace('none', 'erf'))
    if isinstance(module, Ladder):
        return _ladder(module, features)
    if isinstance(module, Exit):
        if isinstance(module, LadderExit):
            features = features[1]
        if isinstance(module, CoarseExit):
            features = add_layers(module.look, features)
        features = add_layers(module.activation, features)
        pooled = ops.reduce_mean(features, np.array([2, 3]), keep_dims=False)
        logits = ops.matmul(pooled, _numbers(module.fc.weight), False, True)
        return ops.add(logits, _numbers(module.fc.bias[None]))
    if type(module).__module__.startswith(('torch.nn.', 'torchvision.')):
        return _converted(module, features)
    raise NotImplementedError(f'there is no OpenVINO graph of a {type(module).__name__}')


def _ladder(ladder: Ladder, features: Features) -> tuple[Node, Node]:
    if ladder.rung is None:
        features = add_layers(ladder.trunk, features)
        return features, add_layers(ladder.look, features)
    features, before = features
    features = add_layers(ladder.trunk, features)
    seen = ops.add(add_layers(ladder.look, features), add_layers(ladder.rung, before))
    return features, ops.add(seen, before) if ladder.keeps else seen


def _convolution(conv: nn.Conv2d, features: Node) -> Node:
    if conv.groups != 1 or isinstance(conv.padding, str):
        return _converted(conv, features)
    padding = list(conv.padding)
    result = ops.convolution(features, _numbers(conv.weight), list(conv.stride), padding, padding,
                             list(conv.dilation))
    if conv.bias is None:
        return result
    return ops.add(result, _numbers(conv.bias.reshape(1, -1, 1, 1)))


def _converted(module: nn.Module, features: Node) -> Node:
    shape = list(features.output(0).shape)
    model = openvino.convert_model(module, example_input=torch.zeros(shape), input=[shape])
    model.inputs[0].get_node().output(0).replace(features.output(0))
    return model.outputs[0].get_node().input_value(0).get_node()


def _normalisation(norm: nn.BatchNorm2d, features: Node) -> Node:
    assert norm.running_mean is not None and norm.running_var is not None
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    shift = norm.bias - norm.running_mean * scale
    scaled = ops.multiply(features, _numbers(scale.reshape(1, -1, 1, 1)))
    return ops.add(scaled, _numbers(shift.reshape(1, -1, 1, 1)))


def _numbers(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().cpu().float().numpy()
