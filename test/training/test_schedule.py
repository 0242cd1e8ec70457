"""Learning rates at the epochs of the authors' code."""

from anytime_training.schedule import SCHEDULES
import pytest


@pytest.mark.parametrize('epoch, lr', [(0, 0.1), (81, 0.1), (82, 0.01), (122, 0.01), (123, 0.001),
                                       (249, 0.001), (250, 0.0002), (299, 0.0002)])
def test_paper_schedule_over_300_epochs(epoch, lr):
    assert 0.1 * SCHEDULES['paper'](epoch / 300) == pytest.approx(lr)


@pytest.mark.parametrize('name, factors', [
    ('cosine', {0: 1, 1 / 3: 0.75, 1 / 2: 0.5, 2 / 3: 0.25, 1: 0}),
    ('one_cycle', {0: 0.05, 0.1: 0.5, 0.2: 1, 0.6: 0.5, 1: 0})])
def test_other_schedules_fall_to_zero(name, factors):
    assert {at: SCHEDULES[name](at) for at in factors} == pytest.approx(factors)


@pytest.mark.parametrize('name', SCHEDULES)
def test_rates_are_positive_and_peak_at_one(name):
    factors = [SCHEDULES[name](step / 1000) for step in range(1000)]
    assert min(factors) > 0 and max(factors) == pytest.approx(1, abs=0.01)
