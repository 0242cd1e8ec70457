"""Alternating strategies: what they choose, and how much they raise it (paper, section 3.2)."""

import math

from anytime_training import weights
from anytime_training.adaloss import AdaLoss
from anytime_training.config import TrainConfig
from anytime_training.sampling import (
    Alternating, Avgl, Exp3, Fixed, Milestone, rewards, Rwm)
from anytime_training.strategies import make_sampler
from hypothesis import given, settings, strategies as st
import pytest
import torch

STEPS = 6000


def chosen_in(sampler, steps):
    return torch.stack([chosen_at(sampler, step) for step in range(steps)])


def chosen_at(sampler, step):
    sampler.weights(step)
    return sampler.chosen


def test_fixed_never_raises_anything():
    base = weights.sieve(7)
    sampler = Fixed(base)
    for step in range(3):
        torch.testing.assert_close(sampler.weights(step), base)
        assert sampler.chosen is None


@settings(max_examples=20)
@given(st.integers(1, 30), st.floats(0.1, 3), st.integers(0, 1000), st.integers(0, 10**6))
def test_one_weight_is_raised_by_tau_of_the_total(count, tau, seed, step):
    base = 3 * weights.linear(count)  # any total, not only 1
    raised = Alternating(base, tau=tau, seed=seed).weights(step) - base
    assert raised.sum().item() == pytest.approx(3 * tau, rel=1e-4)
    assert (raised.abs() > 1e-4).sum() == 1


@pytest.mark.parametrize('scheme', [weights.sieve, weights.constant, weights.linear])
def test_exits_are_chosen_in_proportion_to_their_weights(scheme):
    base = scheme(9)
    sampler = Alternating(base, seed=3)
    torch.testing.assert_close(sampler.probabilities, base)
    frequency = torch.bincount(chosen_in(sampler, STEPS), minlength=9) / STEPS
    deviation = (base * (1 - base) / STEPS).sqrt()
    assert ((frequency - base).abs() < 4.5 * deviation).all()


def test_exits_without_weight_are_never_chosen():
    assert (chosen_in(Alternating(weights.optimal(5, 2)), 500) == 2).all()


def test_draws_depend_on_seed_and_step_alone():
    sampler = Alternating(weights.constant(10), seed=1)
    steps = [5000, 3, 9000, 3, 5000]  # across blocks of draws, back and forth
    first = [int(chosen_at(sampler, step)) for step in steps]
    again = [int(chosen_at(Alternating(weights.constant(10), seed=1), step)) for step in steps]
    assert first == again
    other = Alternating(weights.constant(10), seed=2)
    assert (chosen_in(sampler, 50) != chosen_in(other, 50)).any()


def test_milestones_get_half_of_the_choices():
    shares = Milestone(weights.sieve(27)).probabilities
    milestones = [5, 12, 19, 26]
    assert shares[milestones].tolist() == pytest.approx([1 / 8] * 4)
    others = [index for index in range(27) if index not in milestones]
    assert shares[others].tolist() == pytest.approx([0.5 / 23] * 23)
    assert Milestone(weights.sieve(3), milestones=[0, 1, 2]).probabilities.tolist() == \
        pytest.approx([1 / 3] * 3)


@given(st.lists(st.floats(0.01, 5), min_size=2, max_size=20), st.floats(0, 1))
def test_rewards_are_equation_4(losses, eta):
    expected = [(losses[i] - losses[i + 1]) / losses[i] for i in range(len(losses) - 1)]
    expected.append(eta * max(0, max(expected)))
    assert rewards(torch.tensor(losses), eta).tolist() == pytest.approx(expected, abs=1e-4)


LEARNED = [Exp3, Rwm, Avgl]


@pytest.mark.parametrize('kind', LEARNED)
def test_learned_strategies_choose_uniformly_while_warming_up(kind):
    sampler = kind(weights.sieve(4), warm_up=5)
    for step in range(6):
        uniform = torch.allclose(sampler.probabilities, torch.full((4,), 0.25))
        assert uniform == (step < 5)
        sampler.weights(step)
        sampler.update(torch.tensor([3.0, 2.0, 0.5, 0.5]))
    assert sampler.probabilities.sum().item() == pytest.approx(1)


def test_exp3_is_the_formula_of_appendix_d3():
    count, gamma, eta = 5, 0.3, 0.8
    losses = torch.rand(40, count, generator=torch.Generator().manual_seed(0)) + 0.1
    sampler = Exp3(weights.sieve(count), seed=4)
    v = [1 / count] * count
    for step in range(40):
        p = [(1 - gamma) * value + gamma / count for value in v]
        assert sampler.probabilities.tolist() == pytest.approx(p, abs=1e-5)
        sampler.weights(step)
        sampler.update(losses[step])
        i = int(sampler.chosen)
        v[i] *= math.exp(gamma * rewards(losses[step], eta)[i].item() / (count * p[i]))
        v = [value / sum(v) for value in v]


def test_rwm_learns_from_every_exit_at_once():
    sampler = Rwm(weights.sieve(3), gamma=0.3, eta=0.8)
    sampler.weights(0)
    sampler.update(torch.tensor([2.0, 1.0, 1.0]))  # rewards 1/2, 0, 0.8/2
    v = [math.exp(0.3 * reward / 3) for reward in (0.5, 0.0, 0.4)]
    expected = [0.7 * value / sum(v) + 0.1 for value in v]
    assert sampler.probabilities.tolist() == pytest.approx(expected, abs=1e-6)


def test_avgl_chooses_in_proportion_to_the_moving_average():
    sampler = Avgl(weights.sieve(3), momentum=0.9, eta=0.5)
    average = [0.0] * 3
    for step, losses in enumerate([[4.0, 2.0, 1.0], [1.0, 2.0, 1.0], [2.0, 1.0, 1.0]]):
        sampler.weights(step)
        sampler.update(torch.tensor(losses))
        signal = rewards(torch.tensor(losses), 0.5).tolist()
        average = [0.9 * old + 0.1 * new for old, new in zip(average, signal)]
    positive = [max(value, 0) for value in average]
    expected = [value / sum(positive) for value in positive]
    assert sampler.probabilities.tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize('kind', LEARNED)
def test_a_restored_strategy_goes_on_as_if_never_stopped(kind):
    losses = torch.rand(30, 4, generator=torch.Generator().manual_seed(1)) + 0.1
    whole, half = kind(weights.sieve(4), warm_up=3), kind(weights.sieve(4), warm_up=3)
    for step in range(30):
        if step == 15:
            rest = kind(weights.sieve(4), warm_up=3)
            rest.load_state_dict(half.state_dict())
            half = rest
        assert torch.equal(whole.weights(step), half.weights(step))
        whole.update(losses[step])
        half.update(losses[step])
    assert torch.equal(whole.probabilities, half.probabilities)


@pytest.mark.parametrize('strategy, kind, settings_', [
    ('none', Fixed, {}), ('aann', Alternating, {}),
    # Of exits at 2, 4, 10, 17, 18 and 20 units, the last not after 5, 10, 15 and 20.
    ('milestone', Milestone, {'milestones': [1, 2, 2, 5]}),
    ('exp3', Exp3, {'gamma': 0.1, 'eta': 0.4, 'warm_up': 3}),
    ('rwm', Rwm, {'gamma': 0.1, 'eta': 0.4, 'warm_up': 3}),
    ('avgl', Avgl, {'momentum': 0.6, 'eta': 0.4, 'warm_up': 3})])
def test_a_strategy_has_the_settings_of_its_configuration(strategy, kind, settings_):
    config = TrainConfig(strategy=strategy, tau=2.0, gamma=0.1, eta=0.4, avgl_momentum=0.6)
    base, depths = weights.sieve(6), [2, 4, 10, 17, 18, 20]
    sampler = make_sampler(config, base, depths, steps_per_epoch=3, seed=7)
    expected = Fixed(base) if kind is Fixed else kind(base, tau=2.0, seed=7, **settings_)
    losses = torch.rand(12, 6, generator=torch.Generator().manual_seed(2)) + 0.1
    for step in range(12):
        assert torch.equal(sampler.probabilities, expected.probabilities)
        assert torch.equal(sampler.weights(step), expected.weights(step))
        sampler.update(losses[step])
        expected.update(losses[step])


def test_delta_of_a_configuration_is_adalosss():
    config = TrainConfig.of({'strategy': 'adaloss', 'delta': 0.5})
    sampler = make_sampler(config, weights.constant(3), [1, 2, 3], 10, 0)
    sampler.update(torch.ones(3))
    # Losses are alike, so a is 1, 1 and 1.5, over 1.5; of each but 0.07 counts.
    early = 0.93 / 1.5 + 0.07
    expected = torch.tensor([early, early, 1]) / (2 * early + 1)
    torch.testing.assert_close(sampler.weights(100), expected)


def test_adaloss_weighs_by_the_inverse_of_the_mean_loss():
    sampler = AdaLoss(weights.sieve(3), gamma=0.07, delta=0.5, momentum=0.9, interval=2)
    torch.testing.assert_close(sampler.weights(0), weights.sieve(3))
    sampler.update(torch.tensor([4.0, 2.0, 1.0]))
    sampler.weights(1)
    sampler.update(torch.tensor([2.0, 2.0, 1.0]))
    mean = [0.9 * 4 + 0.1 * 2, 2.0, 1.0]
    shares = [1 / value for value in mean]
    shares[2] += 0.5
    shares = [0.93 * share / shares[2] + 0.07 for share in shares]
    expected = [share / sum(shares) for share in shares]
    assert sampler.weights(2).tolist() == pytest.approx(expected, abs=1e-6)
