"""The latency profile turns budgets into exits, and notices when the machine changes."""

from anytime_perception.engine import LatencyProfile
from anytime_perception.engine import profile as profile_module
from hypothesis import given, settings, strategies as st
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def refresh_at_once(monkeypatch):
    monkeypatch.setattr(profile_module, '_REFRESH_SECONDS', -1.0)


def passes(count, steps, factor=1.0):
    noise = np.random.default_rng(0).uniform(0.98, 1.02, (count, len(steps)))
    return np.cumsum(np.array(steps) * noise * factor, axis=1)


@given(steps=st.lists(st.floats(1e-4, 1e-2), min_size=1, max_size=20), seconds=st.floats(0, 0.1))
@settings(max_examples=50)
def test_a_budget_reaches_the_last_exit_that_fits(steps, seconds):
    profile = LatencyProfile(passes(50, steps))
    fits = [index for index, latency in enumerate(profile.p99) if latency <= seconds]
    assert profile.exit_within(seconds) == (fits[-1] if fits else None)
    assert (np.diff(profile.p99) >= 0).all() and (profile.p99 >= profile.median * 0.999).all()


def test_it_starts_from_what_was_measured():
    steps = [3e-3, 1e-3, 2e-3]
    profile = LatencyProfile(passes(100, steps))
    assert np.allclose(profile.median, np.cumsum(steps), rtol=0.03)
    assert np.allclose(profile.step[1:], steps[1:], rtol=0.05)


def test_what_is_promised_holds_in_99_of_100_cases():
    steps = np.full((100, 3), 1e-3)
    steps[::10] = 3e-3  # every tenth image
    profile = LatencyProfile(np.cumsum(steps, axis=1))
    assert np.allclose(profile.median, [1e-3, 2e-3, 3e-3])
    assert profile.exit_within(2.5e-3) is None and profile.exit_within(9.1e-3) == 2
    assert np.allclose(profile.step[1:], 3e-3)


def test_the_pace_of_a_first_exit_leaves_out_what_was_waited_and_prepared():
    profile = LatencyProfile(passes(100, [2e-3, 1e-3]), np.full(100, 1e-3))
    for _ in range(100):
        profile.learn([0.5 + 0.1 + 1e-3], queued=0.5, prepared=0.5 + 0.1)
    assert profile.step[1] == pytest.approx(1e-3, rel=0.1)


def test_a_slower_machine_is_noticed_at_exits_that_are_no_longer_reached():
    steps = [1e-3] * 10
    profile = LatencyProfile(passes(100, steps))
    for row in passes(30, steps, factor=3.0):
        profile.learn(row[:4])
    assert profile.p99[-1] == pytest.approx(30e-3, rel=0.1)
    assert profile.step[9] == pytest.approx(3e-3, rel=0.1)
    for row in passes(300, steps):
        profile.learn(row)
    assert profile.p99[-1] == pytest.approx(10e-3, rel=0.1)


def test_the_quickest_first_exit_is_the_quickest_ever_seen():
    profile = LatencyProfile(np.full((20, 2), 0.010))
    assert profile.quickest == 0.010
    profile.learn([0.012, 0.013])
    profile.learn([0.009, 0.010], queued=0.005)
    assert profile.quickest == pytest.approx(0.004)


def test_passes_without_an_answer_teach_nothing():
    profile = LatencyProfile(passes(20, [1e-3, 1e-3]))
    before = profile.p99.copy()
    profile.learn([])
    assert (profile.p99 == before).all()


def test_after_a_slow_spell_in_which_only_the_first_exit_was_reached_steps_are_tried_again():
    steps = [1e-3, 6e-3, 6e-3]
    profile = LatencyProfile(passes(100, steps))
    for row in passes(60, steps, factor=1.6):
        profile.learn(row)
    assert 1e-3 + profile.step[1] > 10e-3  # so a budget of 10 ms stops at the first exit
    for row in passes(100, steps):
        profile.learn(row[:1])
    assert 1e-3 + profile.step[1] < 10e-3
    for row in passes(100, steps, factor=9.0):
        profile.learn(row[:1])
    assert profile.step[1] > 40e-3  # and a slow-down is noticed at exits that are not reached


def stop_at_budget(profile, row, budget):
    """Learn from the part of a pass that a budget has time for; return its last exit."""
    last = 0
    while last + 1 < len(row) and row[last] + profile.step[last + 1] < budget:
        last += 1
    profile.learn(row[:last + 1])
    return last


def test_delays_that_are_much_for_a_short_first_exit_do_not_keep_steps_from_being_tried():
    steps = np.array([0.3e-3, 1e-3, 1e-3])
    random = np.random.default_rng(0)
    rows = np.cumsum(steps + 0.3e-3 * (random.random((2000, 3)) < 0.06), axis=1)
    profile = LatencyProfile(rows[:50])
    reached = [stop_at_budget(profile, row, 0.3e-3 + 1.35e-3) for row in rows[50:]]
    assert np.mean(np.array(reached) >= 1) > 0.85
    assert all(np.mean(part) > 0.7 for part in np.split(np.array(reached[:1900]) >= 1, 19))


def test_delays_of_short_steps_do_not_keep_a_long_one_from_being_tried():
    """Seven exits of a millisecond and one of 20, on a core that others use now and then."""
    steps = np.array([1e-3] * 7 + [20e-3])
    random = np.random.default_rng(0)
    rows = np.cumsum(steps + 8e-3 * (random.random((1000, 8)) < 0.06), axis=1)
    profile = LatencyProfile(rows[:50])
    reached = np.array([stop_at_budget(profile, row, 0.1) for row in rows[50:]])
    assert np.mean(reached == 7) > 0.98
    assert 19.9e-3 < profile.step[7] < 32e-3 and profile.exit_within(0.1) == 7


def test_a_long_step_of_many_lengths_does_not_keep_a_short_one_from_being_tried():
    steps = np.array([1e-3, 1e-3, 20e-3])
    factor = np.where(np.random.default_rng(0).random((1000, 1)) < 0.2, 1.5, 1.0)
    profile = LatencyProfile(np.cumsum(steps * factor, axis=1))
    assert profile.step[1] == pytest.approx(1.5e-3) and profile.step[2] == pytest.approx(30e-3)


def test_steps_are_tried_again_soon_after_a_slow_spell():
    steps = [1e-3] * 5
    profile = LatencyProfile(passes(100, steps))
    for row in passes(6, steps, factor=2.0):
        stop_at_budget(profile, row, 2.9e-3)
    reached = [stop_at_budget(profile, row, 2.9e-3) for row in passes(30, steps)]
    assert set(reached[11:]) == {1}


def test_waiting_for_other_images_says_nothing_of_the_device():
    profile = LatencyProfile(passes(100, [1e-3, 1e-3]))
    before = profile.p99.copy()
    for row in passes(100, [1e-3, 1e-3]):
        profile.learn(row + 0.5, queued=0.5)
    assert np.allclose(profile.p99, before, rtol=0.05)


def test_images_that_take_long_to_prepare_do_not_make_steps_look_slow():
    """A camera's large JPEG images, where the profile was measured with small raw ones."""
    steps, decoding, budget = [1e-3, 0.3e-3, 0.3e-3, 0.3e-3], 5e-3, 7.2e-3
    profile = LatencyProfile(passes(100, steps))

    def reached(spell):
        """Return how many exits a pass comes to, and learn from it."""
        row = passes(1, steps)[0] + decoding + spell
        last = 0
        while last + 1 < len(row) and row[last] + profile.step[last + 1] < budget:
            last += 1
        profile.learn(row[:last + 1], prepared=decoding + spell)
        return last
    before = [reached(0.0) for _ in range(50)]
    slow = [reached(2e-3) for _ in range(20)]
    assert set(before) == {3} and set(slow) == {0}
    assert [reached(0.0) for _ in range(50)] == before


@given(values=st.lists(st.floats(1e-4, 1.0), min_size=1, max_size=300))
def test_bounds_are_numpy_s_quantile_for_the_next_value(values):
    expected = np.quantile(values, 0.99, method='weibull')
    assert profile_module._bound(values) == pytest.approx(expected, rel=1e-9)
