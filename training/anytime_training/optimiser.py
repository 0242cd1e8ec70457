"""Stochastic gradient descent as the paper's, with its three kinds of weight decay."""

from collections import defaultdict

from anytime_perception.networks import AnytimeNetwork
import torch
from torch import nn, Tensor


def make_optimiser(network: AnytimeNetwork, weights: Tensor, lr: float, momentum: float,
                   weight_decay: float) -> torch.optim.SGD:
    """
    Return SGD whose weight decay is the authors': convolutions in full, BN and biases not at all.

    A head is decayed in proportion to its weight in `weights`, the B_i (exits,): where its loss
    counts little, it is held back little.
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
    groups = [{'params': parameters, 'weight_decay': decay}
              for decay, parameters in decays.items()]
    return torch.optim.SGD(groups, lr=lr, momentum=momentum, fused=True)


def set_learning_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of every parameter."""
    for group in optimiser.param_groups:
        group['lr'] = lr
