"""Alternating strategies: what they choose, and how much they raise it (paper, section 3.2)."""

from anytime_training import weights
from anytime_training.sampling import Alternating, Fixed
from hypothesis import given, settings, strategies as st
import pytest
import torch

STEPS = 6000


def chosen_in(sampler, steps):
    return torch.stack([sampler.chosen(step) for step in range(steps)])


def test_fixed_never_raises_anything():
    base = weights.sieve(7)
    sampler = Fixed(base)
    for step in range(3):
        torch.testing.assert_close(sampler.weights(step), base)
        assert sampler.chosen(step) is None


@settings(max_examples=20, deadline=None)
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
    first = [int(sampler.chosen(step)) for step in steps]
    again = [int(Alternating(weights.constant(10), seed=1).chosen(step)) for step in steps]
    assert first == again
    other = Alternating(weights.constant(10), seed=2)
    assert (chosen_in(sampler, 50) != chosen_in(other, 50)).any()
