"""Answers that build on the one before, against definitions computed the slow way."""

import math

from anytime_perception.carried_answer import CarriedAnswer
from hypothesis import given, strategies as st
import numpy as np
import pytest
from scipy.special import log_softmax, softmax


def random_logits(exits, images, classes, seed):
    return 4 * np.random.default_rng(seed).standard_normal((exits, images, classes))


def answers_of(logits, carry):
    carried = CarriedAnswer(carry)
    return [carried.add(softmax(alone, axis=-1).astype(np.float32)) for alone in logits]


SIZES = (st.integers(1, 12), st.integers(1, 5), st.integers(2, 9), st.integers(0, 10**6))


@given(*SIZES)
def test_all_carried_over_it_is_the_softmax_of_the_sum_of_all_logits(exits, images, classes, seed):
    logits = random_logits(exits, images, classes, seed)
    for index, answer in enumerate(answers_of(logits, (1.0,) * exits)):
        expected = softmax(logits[:index + 1].sum(axis=0), axis=-1)
        assert answer.dtype == np.float32
        assert np.allclose(answer, expected, atol=1e-4)


@given(*SIZES)
def test_nothing_carried_over_each_exit_answers_alone(exits, images, classes, seed):
    logits = random_logits(exits, images, classes, seed)
    assert np.allclose(answers_of(logits, (0.0,) * exits), softmax(logits, axis=-1), atol=1e-6)


@given(*SIZES, st.data())
def test_the_one_before_to_a_power_times_the_exit_s_own(exits, images, classes, seed, data):
    logits = random_logits(exits, images, classes, seed)
    carry = data.draw(st.lists(st.floats(0, 2), min_size=exits, max_size=exits))
    for index, answer in enumerate(answers_of(logits, carry)):
        # What is left of each exit so far; powers themselves would underflow, and not come back.
        powers = [math.prod(carry[exit_index + 1:index + 1]) for exit_index in range(index + 1)]
        logs = log_softmax(logits[:index + 1], axis=-1)
        expected = softmax(np.tensordot(powers, logs, 1), axis=-1)
        assert np.allclose(answer, expected, atol=1e-4)


def test_what_was_all_but_excluded_comes_back_where_little_is_carried_over():
    sure = np.array([1 - 2e-6, 1e-6, 1e-6], np.float32)
    carried = CarriedAnswer([0.0, *[2.0] * 8, 1 / 256])
    for _ in range(9):
        carried.add(sure)
    answer = carried.add(np.full(3, 1 / 3, np.float32))
    # The powers add up to 511, of which a 256th is left; 1e-6 ** 511 is no number of float64.
    assert answer[1] == pytest.approx(1e-6 ** (511 / 256), rel=1e-2)


@given(*SIZES)
def test_confidence_never_falls_while_exits_agree(exits, images, classes, seed):
    logits = random_logits(exits, images, classes, seed)
    logits[..., 0] = logits.max(axis=-1) + 0.01  # class 0 is what every exit names
    confidences = [answer[..., 0] for answer in answers_of(logits, (1.0,) * exits)]
    for before, after in zip(confidences, confidences[1:]):
        assert (after >= before - 1e-6).all()


def test_a_class_that_one_exit_excludes_can_come_back():
    excluded, sure = np.float32([[0, 1]]), np.float32([[1, 0]])
    carried = CarriedAnswer((1.0,) * 3)
    assert carried.add(excluded)[0] == pytest.approx([0, 1])
    assert carried.add(sure)[0] == pytest.approx([0.5, 0.5])
    assert carried.add(sure)[0] == pytest.approx([1, 0])


def test_many_exits_and_classes_keep_their_precision():
    logits = random_logits(75, 1, 1000, 0)
    assert np.allclose(answers_of(logits, (1.0,) * 75)[-1], softmax(logits.sum(axis=0), axis=-1),
                       atol=1e-3)
