"""Who goes next: nobody waits for ever."""

import itertools
import math
import time

from anytime_perception.engine import Budget, ImagePass
from anytime_perception.engine.places import Places
import pytest


@pytest.mark.parametrize('budgets', [(math.inf, math.inf), (0.05, 0.05), (0.02, math.inf)])
def test_cameras_in_phase_share_an_engine_that_is_slower_than_they_are(budgets):
    places, taken, free_at = Places(), {'a': 0, 'b': 0}, 0.0
    for frame in range(600):
        for stream, offset, budget in (('a', 0.0, budgets[0]), ('b', 0.001, budgets[1])):
            arrival = frame * 0.033 + offset
            while free_at <= arrival and places:
                taken[places.take().stream] += 1
                free_at += 0.040  # to the first exit: longer than a period
            free_at = max(free_at, arrival)
            places.put(ImagePass(None, arrival, Budget(budget), stream=stream))
    least = 0.4 if budgets[0] == budgets[1] else 0.02
    assert min(taken.values()) >= least * sum(taken.values())


def test_an_exclusive_image_goes_first():
    places = Places()
    places.put(ImagePass(None, 0.0, Budget(1e-3), stream='camera'))
    places.put(ImagePass(None, 1.0, Budget(), stream='goal', exclusive=True))
    assert [places.take().stream for _ in range(2)] == ['goal', 'camera']
    assert not places


@pytest.mark.parametrize('goals', [1, 2, 5])
def test_cameras_have_a_turn_between_goals_however_many_there_are(goals):
    places, taken = Places(), []
    places.put(ImagePass(None, 0.0, Budget(), stream='camera'))
    for turn in range(12):
        for goal in range(goals):
            places.put(ImagePass(None, 1.0 + turn, Budget(1e-3), stream=goal, exclusive=True))
        taken.append(places.take().stream)
        places.put(ImagePass(None, 1.0 + turn, Budget(1e-3), stream='camera'))
    assert taken.count('camera') == 6


@pytest.mark.parametrize('goals', [2, 8])
def test_a_frame_that_comes_while_a_goal_runs_is_next(goals):
    places, taken, now, frame = Places(), [], 0.0, 0.0
    for goal in range(goals):
        places.put(ImagePass(None, 0.0, Budget(), stream=goal, exclusive=True))
    while places:
        stream = places.take().stream
        taken.append(stream)
        now += 0.005 if stream == 'camera' else 0.040
        while frame + 0.033 < now and len(taken) < 2 * goals:
            frame += 0.033
            places.put(ImagePass(None, frame, Budget(), stream='camera'))
    for one, following in itertools.pairwise(taken):
        assert 'camera' in (one, following)  # never two goals in a row


@pytest.mark.parametrize('started, deadline, over', [(-100, 1000, False), (-1000, 100, True)])
def test_another_stream_s_deadline_leaves_the_image_in_flight_half_of_the_time(
        started, deadline, over):
    now, places = time.monotonic(), Places()
    current = ImagePass(None, now + started, Budget(), stream='front')
    assert not places.supersede(current, now + started)
    places.put(ImagePass(None, now, Budget(deadline), stream='rear'))
    assert places.supersede(current, now + started) == over


def test_newer_images_may_be_told_to_wait_and_those_of_others_are_not():
    now, places = time.monotonic(), Places()
    places.newer_ends = False
    current = ImagePass(None, now, Budget(), stream='front')
    places.put(ImagePass(None, now, Budget(), stream='front'))
    assert not places.supersede(current, now)
    places.put(ImagePass(None, now, Budget(), stream='rear'))
    assert places.supersede(current, now)


@pytest.mark.parametrize('waiting, gives_way, also_if_exclusive', [
    ({'stream': 'front'}, True, True), ({'stream': 'rear'}, True, False),
    ({'stream': 'rear', 'budget': Budget(1000)}, False, False),
    ({'stream': 'goal', 'budget': Budget(1000), 'exclusive': True}, True, False)])
def test_who_the_image_in_flight_gives_way_to_at_once(waiting, gives_way, also_if_exclusive):
    now, places = time.monotonic(), Places()
    places.put(ImagePass(None, now, **{'budget': Budget(), **waiting}))
    for exclusive, expected in ((False, gives_way), (True, also_if_exclusive)):
        current = ImagePass(None, now, Budget(), stream='front', exclusive=exclusive)
        assert places.supersede(current, now) == expected
