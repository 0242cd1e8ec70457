"""The product of exits, against definitions computed the slow way."""

from anytime_perception.combination import RunningProduct
from hypothesis import given, strategies as st
import numpy as np
import pytest
from scipy.special import log_softmax, softmax


def random_logits(exits, images, classes, seed):
    return 4 * np.random.default_rng(seed).standard_normal((exits, images, classes))


def product_of(logits, exponents):
    product = RunningProduct(exponents)
    return [product.add(softmax(alone, axis=-1).astype(np.float32)) for alone in logits]


SIZES = (st.integers(1, 12), st.integers(1, 5), st.integers(2, 9), st.integers(0, 10**6))


@given(*SIZES)
def test_it_is_the_softmax_of_the_sum_of_all_logits_so_far(exits, images, classes, seed):
    logits = random_logits(exits, images, classes, seed)
    for index, answer in enumerate(product_of(logits, (1.0,) * exits)):
        expected = softmax(logits[:index + 1].sum(axis=0), axis=-1)
        assert answer.dtype == np.float32
        assert np.allclose(answer, expected, atol=1e-4)


@given(*SIZES, st.floats(0.05, 3))
def test_exponents_sharpen_one_answer_and_not_the_next(exits, images, classes, seed, exponent):
    logits = random_logits(exits, images, classes, seed)
    plain = product_of(logits, (1.0,) * exits)
    sharpened = product_of(logits, (exponent,) + (1.0,) * (exits - 1))
    powers = plain[0].astype(float) ** exponent
    assert np.allclose(sharpened[0], powers / powers.sum(axis=-1, keepdims=True), atol=1e-4)
    assert np.allclose(sharpened[1:], plain[1:])


@given(*SIZES)
def test_confidence_never_falls_while_exits_agree(exits, images, classes, seed):
    logits = random_logits(exits, images, classes, seed)
    logits[..., 0] = logits.max(axis=-1) + 0.01  # class 0 is what every exit names
    confidences = [answer[..., 0] for answer in product_of(logits, (1.0,) * exits)]
    for before, after in zip(confidences, confidences[1:]):
        assert (after >= before - 1e-6).all()


def test_a_class_that_one_exit_excludes_can_come_back():
    excluded, sure = np.float32([[0, 1]]), np.float32([[1, 0]])
    product = RunningProduct((1.0,) * 3)
    assert product.add(excluded)[0] == pytest.approx([0, 1])
    assert product.add(sure)[0] == pytest.approx([0.5, 0.5])
    assert product.add(sure)[0] == pytest.approx([1, 0])


def test_logits_of_many_classes_keep_their_precision():
    logits = random_logits(75, 1, 1000, 0)
    expected = softmax(np.sum([log_softmax(alone, axis=-1) for alone in logits], axis=0), axis=-1)
    assert np.allclose(product_of(logits, (1.0,) * 75)[-1], expected, atol=1e-3)
