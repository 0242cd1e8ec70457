"""An epoch, step by step: loss weights, learning rate, mixtures, average, and the descent."""

import copy

from anytime_perception.networks import AnytimeNetwork
from anytime_training.averaging import MovingAverage
from anytime_training.config import TrainConfig
from anytime_training.epoch import Learner, train_epoch
from anytime_training.objective import exit_losses
from anytime_training.optimiser import make_optimiser
from anytime_training.phases import plan, run_phase, set_phase
from anytime_training.sampling import Alternating, Avgl, Exp3, Fixed, Milestone, Rwm
from anytime_training.step import Step
from anytime_training.weights import sieve
import pytest
import torch

EXITS, STEPS, EPOCH = 6, 5, 2
FIRST = EPOCH * STEPS  # number of the epoch's first step


def make_learner(step, sampler=None, average=None, **values):
    """Return what learns by `step`, and its configuration."""
    torch.manual_seed(0)
    config = TrainConfig(units_per_block=(2,), channels=3, epochs=4, **values)
    network = AnytimeNetwork(2, 3, 5, input_size=8)
    phase, = plan('joint', network, sieve(EXITS))
    return Learner(network, phase, make_optimiser(network, phase, config),
                   sampler or Fixed(phase.weights), step,
                   average and MovingAverage(network, average)), config


def run_epoch(learner, config, epoch=EPOCH, seed=0):
    """Run an epoch on images whose pixels are their labels."""
    labels = torch.arange(5).repeat(2)
    images = labels.float()[:, None, None, None].expand(10, 3, 8, 8)
    return train_epoch(learner, [(images, labels)] * STEPS, config, epoch, STEPS, seed,
                       lambda count: None)


@pytest.mark.parametrize('kind', [Alternating, Milestone, Exp3, Rwm, Avgl])
def test_every_step_has_the_weights_of_its_strategy_which_learns_from_its_losses(kind):
    draws = torch.Generator().manual_seed(1)
    losses, errors = torch.rand(2, STEPS, EXITS, generator=draws) + 0.1
    sampler, reference = (kind(sieve(EXITS), seed=3) for _ in range(2))
    given = []

    def step(images, labels, weights):
        given.append(weights)
        return losses[len(given) - 1], errors[len(given) - 1]
    result = run_epoch(*make_learner(step, sampler))
    chosen = [0] * EXITS
    for index in range(STEPS):
        assert torch.equal(given[index], reference.weights(FIRST + index))
        chosen[int(reference.chosen)] += 1
        reference.update(losses[index])
    assert torch.equal(sampler.probabilities, reference.probabilities)
    assert result.chosen == chosen
    assert result.losses == pytest.approx(losses.mean(dim=0).tolist())
    assert result.errors == pytest.approx(errors.mean(dim=0).tolist())


def test_the_learning_rate_is_that_of_the_step():
    rates = []

    def step(images, labels, weights):
        rates.append({group['lr'] for group in learner.optimiser.param_groups})
        return torch.zeros(EXITS), torch.zeros(EXITS)
    learner, config = make_learner(step, lr=0.5, schedule='one_cycle')
    run_epoch(learner, config)  # the third of four: from a half of the run, 3/8 after the peak
    assert [rate for rate, in rates] == pytest.approx(
        [0.5 * (1 - (FIRST + index) / 20) / 0.8 for index in range(STEPS)])


def test_the_average_follows_from_step_to_step():
    def step(images, labels, weights):
        with torch.no_grad():
            weight.add_(1)
        return torch.zeros(EXITS), torch.zeros(EXITS)
    learner, config = make_learner(step, average=0.999)
    weight = learner.network.exits[0].head.fc.weight
    expected = start = weight.detach().clone()
    run_epoch(learner, config)
    for index in range(STEPS):
        decay = (1 + FIRST + index) / (10 + FIRST + index)
        expected = decay * expected + (1 - decay) * (start + index + 1)
    torch.testing.assert_close(learner.average.network.exits[0].head.fc.weight, expected)


def mixtures(epoch, seed, **values):
    """Return the images of an epoch's steps, and what else they were given but the weights."""
    given = []

    def step(images, labels, weights, *mixed):
        given.append((images[:, 0, 0, 0], labels, *mixed))
        return torch.zeros(EXITS), torch.zeros(EXITS)
    run_epoch(*make_learner(step, **values), epoch, seed)
    return given


def test_mixtures_are_drawn_for_every_step_of_every_epoch():
    given = mixtures(0, 0, mixup=0.4)
    for images, labels, others, share in given:
        torch.testing.assert_close(images, share * labels + (1 - share) * others)
    images = [torch.stack([images for images, *_ in mixtures(*drawn, mixup=0.4)])
              for drawn in ((0, 0), (0, 0), (1, 0), (0, 1))]
    assert torch.equal(images[0], images[1])
    assert not any(torch.equal(images[0], other) for other in images[2:])
    assert not torch.equal(images[0][0], images[0][1])
    for *_, share in mixtures(0, 0, mixup=100.0):  # Beta(100, 100) is about a half
        assert (share - 0.5).abs().max() < 0.25
    for images, labels in mixtures(0, 0):  # without the setting none are
        assert torch.equal(images, labels.float())


@pytest.mark.parametrize('settings, of_losses', [
    ({}, {}), ({'label_smoothing': 0.3}, {'smoothing': 0.3}),
    ({'distillation': 0.5}, {'distillation': 0.5}), ({'boosted': True}, {'boosted': True}),
    ({'gradient_equilibrium': True}, {}), ({'mixup': 0.4}, {})], ids=str)
def test_a_step_descends_the_losses_that_are_configured(settings, of_losses):
    learner, config = make_learner(None, weight_decay=0.0, **settings)
    network, phase, draws = learner.network, learner.phase, torch.Generator().manual_seed(2)
    set_phase(network, phase)
    before = copy.deepcopy(network)
    images = torch.randn(8, 3, 8, 8, generator=draws)
    share = torch.rand(8, generator=draws)
    labels, others = torch.randint(5, (2, 8), generator=draws)
    weights = torch.rand(EXITS, generator=draws)
    mixed = (others, share) if 'mixup' in settings else ()
    losses, errors = Step(config, network, phase, learner.optimiser)(
        images, labels, weights, *mixed)
    logits = run_phase(before, phase, images, equilibrium='gradient_equilibrium' in settings)
    expected, wrong = exit_losses(logits, labels, mixed=mixed or None, **of_losses)
    torch.testing.assert_close(losses, expected)
    assert torch.equal(errors, wrong)
    (weights * expected).sum().backward()
    for was, parameter in zip(before.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(parameter, was - config.lr * was.grad, rtol=1e-4, atol=1e-5)
