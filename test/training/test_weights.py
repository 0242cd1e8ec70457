"""Weight schemes against their definitions, computed the slow way (paper, section 3.2)."""

from dataclasses import replace

from anytime_training import weights
from anytime_training.config import TrainConfig
from anytime_training.strategies import make_weights
from hypothesis import given, strategies as st
import pytest
import torch

counts = st.integers(1, 200)


def valuation_by_loop(number):
    power = 0
    while number % 2 == 0:
        number //= 2
        power += 1
    return power


@given(st.sampled_from(sorted(weights.SCHEMES)), counts)
def test_every_scheme_sums_to_one(name, count):
    result = weights.SCHEMES[name](count)
    assert result.shape == (count,)
    assert result.dtype == torch.float32
    assert (result >= 0).all()
    assert result.sum().item() == pytest.approx(1, abs=1e-5)


@given(st.integers(2, 200))
def test_sieve_is_proportional_to_one_plus_the_valuation(count):
    result = weights.sieve(count).double()
    shares = [1 + valuation_by_loop(count - i) for i in range(1, count)]
    expected = torch.tensor([share / sum(shares) / 2 for share in shares] + [0.5])
    torch.testing.assert_close(result, expected.double(), rtol=1e-5, atol=1e-7)


def test_sieve_of_15_is_figure_2f():
    # The heights in the figure, in units of the smallest.
    expected = [2, 1, 3, 1, 2, 1, 4, 1, 2, 1, 3, 1, 2, 1]
    result = weights.sieve(15)
    torch.testing.assert_close(result[:-1] / result[-2], torch.tensor(expected).float())
    assert result[-1].item() == pytest.approx(result[:-1].sum().item())


@given(counts)
def test_linear_and_constant(count):
    linear = weights.linear(count)
    torch.testing.assert_close(linear / linear[0], torch.arange(1., count + 1))
    assert weights.constant(count).tolist() == pytest.approx([1 / count] * count)


@given(st.integers(2, 200))
def test_half_end(count):
    expected = [0.5 / (count - 1)] * (count - 1) + [0.5]
    assert weights.half_end(count).tolist() == pytest.approx(expected)


@given(st.integers(2, 60), st.floats(0.3, 3))
def test_exponential_grows_by_its_base(count, base):
    result = weights.exponential(count, base).double()
    kept = result > 1e-30
    ratios = (result[1:] / result[:-1])[kept[1:] & kept[:-1]]
    torch.testing.assert_close(ratios, torch.full_like(ratios, base), rtol=1e-4, atol=0)


def test_exponential_does_not_overflow():
    assert weights.exponential(2000, 2.0).isfinite().all()


@given(counts, st.data())
def test_optimal_counts_one_exit_only(count, data):
    index = data.draw(st.integers(0, count - 1))
    result = weights.optimal(count, index)
    assert result[index] == 1 and result.sum() == 1
    assert weights.optimal(count)[-1] == 1


def test_a_configuration_has_its_base_and_its_exit():
    depths = list(range(2, 28, 5))  # exits of n = 9 and period 5: at 2, 7, 12, 17, 22 and 27
    found = make_weights(TrainConfig(weights='exponential', weights_base=3.0), depths)
    torch.testing.assert_close(found, torch.tensor([1., 3., 9., 27., 81., 243.]) / 364)
    for share, exit_index in ((0.01, 0), (0.25, 1), (0.5, 2), (0.75, 3), (1.0, 5)):
        found = make_weights(TrainConfig(weights='optimal', exit_share=share), depths)
        assert torch.equal(found, weights.optimal(6, exit_index))


@given(st.sampled_from(sorted(set(weights.SCHEMES) - {'optimal'})), counts, st.floats(0.01, 0.99))
def test_the_last_exit_can_get_another_share_and_the_others_stay_in_proportion(name, count, share):
    scheme = weights.SCHEMES[name](count)
    config = TrainConfig(weights=name, last_share=share)
    found = make_weights(config, list(range(1, count + 1)))
    assert found.sum().item() == pytest.approx(1, abs=1e-5)
    if count > 1:
        assert found[-1].item() == pytest.approx(share, rel=1e-5)
        torch.testing.assert_close(found[:-1] * (1 - scheme[-1]), scheme[:-1] * (1 - share),
                                   rtol=1e-4, atol=1e-7)
    optimal = make_weights(replace(config, weights='optimal'), [1, 2])
    assert optimal.tolist() == [0, 1]  # has one exit only


@pytest.mark.parametrize('call', [
    lambda: weights.sieve(0), lambda: weights.optimal(3, 3), lambda: weights.exponential(3, 0.0),
    lambda: weights.exponential(3, float('nan'))])
def test_what_makes_no_sense_is_an_error(call):
    with pytest.raises(ValueError, match='exits|base'):
        call()
