"""Answers that are held until another class is clearly more likely, against the rule spelt out."""

from anytime_perception.held_answer import check_hysteresis, HeldAnswer
from hypothesis import given, strategies as st
import numpy as np
import pytest
from scipy.special import softmax

SIZES = (st.integers(1, 12), st.integers(1, 5), st.integers(2, 9), st.integers(0, 10**6))


def random_answers(exits, images, classes, seed):
    draws = np.random.default_rng(seed)
    return softmax(draws.standard_normal((exits, images, classes)), axis=-1).astype(np.float32)


def held(answers, hysteresis):
    rule = HeldAnswer(hysteresis)
    return np.stack([rule.add(answer) for answer in answers])


@given(*SIZES, st.floats(1, 20))
def test_only_a_class_that_is_so_many_times_as_likely_replaces_it(exits, images, classes, seed,
                                                                  hysteresis):
    answers = random_answers(exits, images, classes, seed)
    found = held(answers, hysteresis)
    for image in range(images):
        answer = answers[0, image].argmax()
        for index in range(exits):
            best = answers[index, image].argmax()
            if answers[index, image, best] > hysteresis * answers[index, image, answer]:
                answer = best
            assert found[index, image] == answer


@given(*SIZES)
def test_at_one_it_is_the_most_likely_class_and_at_infinity_the_first(exits, images, classes,
                                                                      seed):
    answers = random_answers(exits, images, classes, seed)
    assert np.array_equal(held(answers, 1.0), answers.argmax(-1))
    assert (held(answers, float('inf')) == answers[0].argmax(-1)).all()


@given(*SIZES, st.floats(1, 20))
def test_one_image_at_a_time_is_answered_as_among_others(exits, images, classes, seed, hysteresis):
    answers = random_answers(exits, images, classes, seed)
    together = held(answers, hysteresis)
    for image in range(images):
        assert np.array_equal(held(answers[:, image], hysteresis), together[:, image])


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('hysteresis', [2.0, 1e39, 1e308, float('inf')])
def test_an_answer_that_became_impossible_is_given_up_where_anything_can_be(hysteresis):
    rule = HeldAnswer(hysteresis)
    rule.add(np.float32([1, 0]))
    assert rule.add(np.float32([0, 1])) == (0 if hysteresis == float('inf') else 1)


@pytest.mark.parametrize('value', [0.5, -1, float('nan')])
def test_an_impossible_hysteresis_is_refused(value):
    with pytest.raises(ValueError, match='at least 1'):
        check_hysteresis(value)
    assert check_hysteresis(1) == 1
