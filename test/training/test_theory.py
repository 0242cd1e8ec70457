"""Cost inflation: the formulas of proposition 3.1 and appendix A against going through budgets."""

import math

from anytime_training.theory import cost_inflation, ordinary_cost_inflation, simulate
from hypothesis import given, settings, strategies as st
import pytest


def walk_through_all_budgets(base, networks, anytime):
    """Return C of every budget of each network, unit by unit, as section 3.3 describes it."""
    depths = [base ** index for index in range(networks)]
    spent, walked = 0, []
    for index, depth in enumerate(depths):
        previous = depths[index - 1] if index else 0
        ratios = []
        for unit in range(1, depth + 1):
            spent += 1
            if anytime:
                matched = unit if unit > previous else previous
            else:
                # A network that is complete counts from the next unit on: the worst is right
                # before.
                matched = previous or depth
            ratios.append(spent / matched)
        walked.append(ratios)
    return walked


def mean(ratios):
    return sum(ratios) / len(ratios)


@pytest.mark.parametrize('base', [2, 3, 4, 7])
def test_formulas_are_the_limit_of_whole_units(base):
    networks = 1 + round(math.log(20000) / math.log(base))
    for anytime, formula in ((True, cost_inflation), (False, ordinary_cost_inflation)):
        *before, last = walk_through_all_budgets(base, networks, anytime)
        assert max(last) == pytest.approx(formula(base).worst, rel=2e-3)
        assert mean(last) == pytest.approx(formula(base).expected, rel=2e-3)
        # Many budgets are of networks before, whose mean is the same but for the first few.
        earlier = sum(before, [])
        assert len(earlier) > 0.9 * len(last) / (base - 1)
        assert mean(earlier) == pytest.approx(formula(base).expected, rel=1e-2)


def test_budgets_that_end_within_a_network_cost_more_in_the_mean():
    *before, last = walk_through_all_budgets(4, 8, anytime=True)
    early = last[:4 ** 6]  # no deeper than the network before
    assert mean(sum(before, [])) == pytest.approx(1.67, abs=0.01)
    assert mean(sum(before, early)) == pytest.approx(1.74, abs=0.01)


@settings(max_examples=30)
@given(st.floats(1.2, 8))
def test_formulas_are_the_limit_of_the_simulation(base):
    networks = 2 + math.ceil(math.log(50000) / math.log(base))
    for inside, formula in ((True, cost_inflation), (False, ordinary_cost_inflation)):
        found, limit = simulate(base, networks, inside), formula(base)
        assert found.worst == pytest.approx(limit.worst, rel=1e-3)
        assert found.expected == pytest.approx(limit.expected, rel=1e-3)


@settings(max_examples=30)
@given(st.floats(1.1, 8), st.integers(2, 12))
def test_short_sequences_stay_below_the_limits(base, networks):
    found = simulate(base, networks, budgets=1000)
    assert found.worst <= cost_inflation(base).worst
    assert found.expected <= cost_inflation(base).expected * (1 + 1e-5)  # sliced budgets


def test_numbers_that_the_paper_states():
    assert cost_inflation(2).expected == pytest.approx(2.44, abs=0.005)  # section 4.6
    assert cost_inflation(1.4).expected < 4  # appendix C
    assert cost_inflation(2).worst == 3
    # Appendix A: at least 4 and 1.5 + sqrt(2), tight at base 2 and at 1 + sqrt(2).
    assert ordinary_cost_inflation(2).worst == 4
    assert ordinary_cost_inflation(1 + math.sqrt(2)).expected == pytest.approx(1.5 + math.sqrt(2))


@given(st.floats(1.01, 1000))
def test_ordinary_networks_are_never_better_than_the_stated_bounds(base):
    assert ordinary_cost_inflation(base).worst >= 4 - 1e-9
    assert ordinary_cost_inflation(base).expected >= 1.5 + math.sqrt(2) - 1e-9
    assert ordinary_cost_inflation(base).worst > cost_inflation(base).worst
    assert cost_inflation(base).worst > 2 and cost_inflation(base).expected > 1


def test_inflation_shrinks_to_two_and_to_one_as_the_base_grows():
    assert cost_inflation(1e6).worst == pytest.approx(2, abs=1e-3)
    assert cost_inflation(1e6).expected == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize('base', [1, 0.5, math.nan, math.inf])
def test_a_base_that_makes_no_sequence_is_an_error(base):
    for formula in (cost_inflation, ordinary_cost_inflation, lambda base: simulate(base, 3)):
        with pytest.raises(ValueError, match='greater than 1'):
            formula(base)
