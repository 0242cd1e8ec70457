"""The planner's score is what happened."""

import math
import sys
import threading

from anytime_perception.ros.planner.scorecard import Scorecard
import numpy as np
import pytest


def test_accuracy_by_exit_and_budget():
    card = Scorecard(['a', 'b'], exit_count=3)
    for key, truth in ((1, 'a'), (2, 'b'), (3, 'unheard of'), (4, 'a')):
        card.add_truth(key, truth)
    card.add_refinement(1, 0, 'b', 1.0, 5.0, final=False, preempted=False)
    card.add_refinement(1, 1, 'a', 2.0, 5.0, final=False, preempted=False)
    card.add_refinement(1, 1, 'a', 2.0, 5.0, final=True, preempted=False)  # says its answer again
    card.add_refinement(2, 0, 'b', 6.0, 5.0, final=True, preempted=False)
    card.add_refinement(3, 0, 'a', 1.0, 5.0, final=True, preempted=False)
    card.add_refinement(4, 0, 'a', 1.0, math.inf, final=True, preempted=True)
    summary = card.summary()
    assert summary['images'] == 4 and summary['images_shown'] == 4 and summary['refinements'] == 6
    assert summary['accuracy_by_exit'] == [pytest.approx(2 / 3), 1.0, None]
    assert summary['elapsed_ms_by_exit'] == [1.0, 2.0, None]
    assert summary['budgets'] == [{
        'budget_ms': 5.0, 'images': 3, 'mean_exit': pytest.approx(1 / 3), 'accuracy': 1.0,
        'answered_in_time': pytest.approx(2 / 3)}]


def test_exits_are_compared_on_the_images_that_reached_all_of_them():
    card = Scorecard(['a', 'b'], exit_count=2)
    for key, answers in ((1, 'ba'), (2, 'aa'), (3, 'b'), (4, 'ab')):
        card.add_truth(key, 'a' if key < 4 else 'unheard of')
        for index, answer in enumerate(answers):
            card.add_refinement(key, index, answer, 1.0 + index, math.inf,
                                final=index + 1 == len(answers), preempted=False)
    summary = card.summary()
    assert summary['refined_to_the_end'] == {
        'images': 2, 'accuracy_by_exit': [0.5, 1.0], 'elapsed_ms_by_exit': [1.0, 2.0]}
    assert summary['accuracy_by_exit'] == [pytest.approx(1 / 3), 1.0]
    empty = Scorecard(['a'], exit_count=2).summary()['refined_to_the_end']
    assert empty == {'images': 0, 'accuracy_by_exit': [None] * 2, 'elapsed_ms_by_exit': [None] * 2}


def test_latencies_are_quantiles():
    card = Scorecard([], 1)
    seconds = np.random.default_rng(0).uniform(0, 0.01, 500)
    for value in seconds:
        card.add_call('preempt', value)
    preempt = card.summary()['preempt']
    assert preempt['calls'] == 500
    assert preempt['p99_ms'] == pytest.approx(np.sort(seconds)[494] * 1e3, rel=0.01)
    assert card.summary()['set_budget'] == {
        'calls': 0, 'p50_ms': None, 'p99_ms': None, 'max_ms': None}


def test_summing_up_while_another_thread_adds():
    card = Scorecard(['a'], 1)

    def add():
        for key in range(5000):
            card.add_truth(key, 'a')
            card.add_refinement(key, 0, 'a', 1.0, 5.0, final=True, preempted=False)

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # threads take turns in the middle of everything
    try:
        thread = threading.Thread(target=add)
        thread.start()
        while thread.is_alive():
            card.summary()
        thread.join()
    finally:
        sys.setswitchinterval(usual)
    assert card.summary()['images'] == 5000
