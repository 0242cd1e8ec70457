"""Stochastic gradient descent as the paper's, with its three kinds of weight decay."""

from collections import defaultdict

from anytime_perception.networks import AnytimeNetwork
from anytime_training.config import TrainConfig
from anytime_training.phases import Phase
import torch
from torch import nn


def make_optimiser(network: AnytimeNetwork, phase: Phase, config: TrainConfig) -> torch.optim.SGD:
    """
    Return SGD over what `phase` trains, with the authors' weight decay.

    Convolutions are decayed in full, BN and biases not at all, and a head's fully connected layer
    in proportion to its loss weight B_i: where its loss counts little, it is held back little.
    """
    decays: dict[float, list[nn.Parameter]] = defaultdict(list)

    def add(part: nn.Module, linear_decay: float) -> None:
        for module in part.modules():
            full = {nn.Conv2d: config.weight_decay, nn.Linear: linear_decay}.get(type(module), 0.0)
            for name, parameter in module.named_parameters(recurse=False):
                decays[full if name == 'weight' else 0.0].append(parameter)

    exits = network.exits
    for stage in network.stages[phase.first_trained:]:
        if stage.depth <= exits[phase.exits[-1]].depth:
            add(stage.trunk, config.weight_decay)
    for index, weight in zip(phase.exits, phase.weights.tolist()):
        add(exits[index].head, config.weight_decay * weight)
    groups = [{'params': parameters, 'weight_decay': decay}
              for decay, parameters in decays.items()]
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum,
                           nesterov=config.nesterov, fused=True)


def set_learning_rate(optimiser: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of every parameter."""
    for group in optimiser.param_groups:
        group['lr'] = lr
