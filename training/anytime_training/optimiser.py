"""Stochastic gradient descent as the paper's, with its three kinds of weight decay."""

from collections import defaultdict

import torch
from torch import nn, Tensor

from anytime_perception.networks import AnytimeNetwork


def make_optimiser(network: AnytimeNetwork, weights: Tensor, lr: float, momentum: float,
                   weight_decay: float) -> torch.optim.SGD:
    """
    Return SGD that decays convolutions, leaves BN and biases alone, and decays each FC by its exit's weight.

    `weights` are the B_i (exits,): a head whose loss counts little is held back little (the authors' code).
    """
    decays: dict[float, list[nn.Parameter]] = defaultdict(list)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            decays[weight_decay].append(module.weight)
        elif isinstance(module, nn.BatchNorm2d):
            decays[0.0] += [module.weight, module.bias]
    for stage, weight in zip(network.exits, weights.tolist()):
        decays[weight_decay * weight].append(stage.head.fc.weight)
        decays[0.0].append(stage.head.fc.bias)
    groups = [{'params': parameters, 'weight_decay': decay} for decay, parameters in decays.items()]
    return torch.optim.SGD(groups, lr=lr, momentum=momentum, fused=True)


def set_learning_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of every parameter."""
    for group in optimiser.param_groups:
        group['lr'] = lr
