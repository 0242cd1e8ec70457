"""What changes the weights: gradient descent as the paper's, or Muon, which learns faster."""

from collections import defaultdict

from anytime_perception.networks import StagedNetwork
from anytime_training.config import TrainConfig
from anytime_training.muon import Muon
from anytime_training.phases import Phase
import torch
from torch import nn


class Together:
    """Several optimisers, each of its own parameters, as one."""

    def __init__(self, *optimisers: torch.optim.Optimizer):
        self._optimisers = optimisers

    @property
    def param_groups(self) -> list[dict]:
        """Parameter groups of all."""
        return [group for optimiser in self._optimisers for group in optimiser.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all."""
        for optimiser in self._optimisers:
            optimiser.zero_grad(set_to_none)

    def step(self) -> None:
        """Run a step of each."""
        for optimiser in self._optimisers:
            optimiser.step()

    def state_dict(self) -> dict:
        """Return the states of all, for `load_state_dict`."""
        return {'together': [optimiser.state_dict() for optimiser in self._optimisers]}

    def load_state_dict(self, state: dict) -> None:
        """Go on from `state`, which may be of another device."""
        for optimiser, own in zip(self._optimisers, state['together'], strict=True):
            capturable = [group.get('capturable') for group in optimiser.param_groups]
            optimiser.load_state_dict(own)
            for group, here in zip(optimiser.param_groups, capturable):
                if here is not None:
                    group['capturable'] = here


Optimiser = torch.optim.Optimizer | Together
_ADAM_BETAS = 0.9, 0.99


def make_optimiser(network: StagedNetwork, phase: Phase, config: TrainConfig) -> Optimiser:
    """
    Return what trains the parameters of `phase`.

    'sgd' is the paper's, with the authors' weight decay: convolutions are decayed in full, BN and
    biases not at all, and a head's fully connected layer in proportion to its loss weight B_i, so
    that decay does not outweigh a loss that counts little.

    'muon' is Muon for convolutions and Adam for all else, without weight decay. Both take steps
    whose size does not depend on the gradient's, so heads of exits with little loss weight learn
    as fast as others (down to a weight of about 1e-6, where Adam's eps begins to count).
    """
    parameters = _parameters(network, phase)
    if config.optimiser == 'muon':
        convolutions = [weight for weight, _, kind in parameters if kind is nn.Conv2d]
        others = [weight for weight, _, kind in parameters if kind is not nn.Conv2d]
        adam = torch.optim.Adam(others, config.lr, betas=_ADAM_BETAS, fused=True,
                                capturable=phase.weights.is_cuda)  # in a CUDA graph
        if not convolutions:  # if only heads are trained
            return Together(adam)
        return Together(Muon(convolutions, config.lr, config.momentum, config.nesterov), adam)
    decays: dict[float, list[nn.Parameter]] = defaultdict(list)
    for weight, share, _ in parameters:
        decays[config.weight_decay * share].append(weight)
    groups = [{'params': weights, 'weight_decay': decay} for decay, weights in decays.items()]
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum,
                           nesterov=config.nesterov, fused=True)


def _parameters(network: StagedNetwork,
                phase: Phase) -> list[tuple[nn.Parameter, float, type | None]]:
    """Return what `phase` trains: parameter, share of the weight decay, layer of a weight."""
    parameters: list[tuple[nn.Parameter, float, type | None]] = []

    def add(part: nn.Module, linear_share: float) -> None:
        shares = {nn.Conv2d: 1.0, nn.Linear: linear_share}
        for module in part.modules():
            for name, parameter in module.named_parameters(recurse=False):
                share = shares.get(type(module), 0.0) if name == 'weight' else 0.0
                parameters.append((parameter, share, type(module) if name == 'weight' else None))

    exits, heads = network.exits, network.heads
    for stage in network.stages[phase.first_trained:]:
        if stage.depth <= exits[phase.exits[-1]].depth:
            add(stage.trunk, 1.0)
    for index, weight in zip(phase.exits, phase.weights.tolist()):
        add(heads[index], weight)
    return parameters


def set_learning_rate(optimiser: Optimiser, lr: float) -> None:
    """Set the learning rate of every parameter."""
    for group in optimiser.param_groups:
        group['lr'] = lr
