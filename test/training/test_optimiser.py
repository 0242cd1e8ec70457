"""What trains which parameters, and how: the paper's gradient descent, and Muon with Adam."""

from anytime_perception.networks import AnytimeNetwork
from anytime_training.config import TrainConfig
from anytime_training.optimiser import make_optimiser
from anytime_training.phases import MODES, plan, run_phase, set_phase
from anytime_training.weights import optimal, sieve
import pytest
import torch
from torch import nn

EXITS = 6


def make(mode='joint', weights=None, number=0, **values):
    """Return a network, a phase of training it, and what does so."""
    network = AnytimeNetwork(2, 3, 5, input_size=8, head='coarse')
    phase = plan(mode, network, sieve(EXITS) if weights is None else weights)[number]
    return network, phase, make_optimiser(network, phase, TrainConfig.of(values))


def test_a_head_is_held_back_in_proportion_to_the_weight_of_its_loss():
    network, phase, optimiser = make(weight_decay=0.5, momentum=0.8, nesterov=True, lr=0.3)
    assert isinstance(optimiser, torch.optim.SGD)
    expected = {id(parameter): 0.0 for parameter in network.parameters()}
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            expected[id(module.weight)] = 0.5
    for stage, weight in zip(network.exits, sieve(EXITS).tolist()):
        expected[id(stage.head.fc.weight)] = 0.5 * weight
    found = {}
    for group in optimiser.param_groups:
        assert (group['lr'], group['momentum'], group['nesterov']) == (0.3, 0.8, True)
        for parameter in group['params']:
            assert id(parameter) not in found
            found[id(parameter)] = group['weight_decay']
    assert found == pytest.approx(expected)
    assert not any(group['nesterov'] for group in make(nesterov=False)[2].param_groups)


def test_muon_turns_the_convolutions_and_adam_moves_the_rest():
    network, phase, optimiser = make(optimiser='muon', lr=0.03, momentum=0.8, nesterov=False)
    muon, adam = optimiser.param_groups
    convolutions = {id(module.weight) for module in network.modules()
                    if isinstance(module, nn.Conv2d)}
    assert set(map(id, muon['params'])) == convolutions
    others = {id(parameter) for parameter in network.parameters()} - convolutions
    assert set(map(id, adam['params'])) == others and len(adam['params']) == len(others)
    assert (muon['lr'], muon['momentum'], muon['nesterov']) == (0.03, 0.8, False)
    assert (adam['lr'], adam['betas'], adam['weight_decay']) == (0.03, (0.9, 0.99), 0)
    assert not adam['capturable']  # that is for CUDA graphs, and slower


@pytest.mark.parametrize('optimiser', ['sgd', 'muon'])
@pytest.mark.parametrize('mode, weights', [*((mode, sieve(EXITS)) for mode in MODES),
                                           ('joint', optimal(EXITS, 2))])
def test_what_is_optimised_is_what_a_phase_trains(mode, weights, optimiser):
    network = make()[0]
    for number in range(len(plan(mode, network, weights))):
        network, phase, found = make(mode, weights, number, optimiser=optimiser)
        set_phase(network, phase)
        sum(run_phase(network, phase, torch.randn(4, 3, 8, 8))).sum().backward()
        trained = [id(parameter) for parameter in network.parameters()
                   if parameter.grad is not None]
        assert sorted(id(parameter) for group in found.param_groups
                      for parameter in group['params']) == sorted(trained)
