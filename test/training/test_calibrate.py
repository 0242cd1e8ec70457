"""Calibration: better confidences, the same answers; and exits that answer together."""

import copy

from anytime_perception.networks import AnytimeNetwork, AnytimeSequence
from anytime_perception.preprocessing import Preprocessing
from anytime_training.calibrate import calibrate, fit_factors, uncalibrated
from anytime_training.data import ImageSet
from anytime_training.evaluate import predict
from hypothesis import given, settings, strategies as st
import pytest
import torch
from torch.nn import functional


@settings(max_examples=8, deadline=None)
@given(st.floats(0.3, 4), st.integers(0, 100))
def test_the_factor_is_the_one_answers_were_heated_with(temperature, seed):
    draws = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(20000, 4, generator=draws)
    labels = torch.multinomial(logits.softmax(1), 1, generator=draws).flatten()
    factor, = fit_factors(temperature * logits[None], labels)
    assert factor == pytest.approx(1 / temperature, rel=0.08)

    def entropy(at):
        return functional.cross_entropy((logits * temperature).double() * at, labels).item()
    assert entropy(factor) <= min(entropy(factor * 1.01), entropy(factor / 1.01)) + 1e-9


def test_two_factors_are_those_that_labels_were_drawn_with():
    draws = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(2, 20000, 4, generator=draws)
    drawn_with = (1.5 * logits[0] + 0.4 * logits[1]).softmax(1)
    labels = torch.multinomial(drawn_with, 1, generator=draws).flatten()
    assert fit_factors(logits, labels) == pytest.approx([1.5, 0.4], rel=0.1)


def test_answers_that_are_all_right_or_all_wrong_keep_a_usable_factor():
    logits = 5 * torch.eye(3)[None]
    assert 1 < fit_factors(logits, torch.arange(3))[0] <= 20
    assert fit_factors(logits, torch.tensor([1, 2, 0])) == pytest.approx([0.05], rel=1e-3)


def too_sure(sequence):
    """Return a network whose answers are related to the labels of the data, but far too sure."""
    torch.manual_seed(0)
    networks = [AnytimeNetwork(n, 4, 3, input_size=8).eval() for n in (1, 2)]
    network = AnytimeSequence(networks) if sequence else networks[0]
    with torch.no_grad():
        for stage in network.exits:
            stage.head.fc.weight *= 50
    images = torch.randint(256, (1000, 3, 8, 8), dtype=torch.uint8)
    data = ImageSet(images, torch.zeros(1000, dtype=torch.int64))
    answers = predict(network, Preprocessing.default(8), data)
    flatter = answers[[0, 1, -1]].clamp(min=1e-9).log().mean(dim=0).div(8).softmax(dim=1)
    return network, ImageSet(images, torch.multinomial(flatter, 1).flatten())


def entropies(network, data, exponents=()):
    answers = predict(network, Preprocessing.default(8), data, exponents).clamp(min=1e-30)
    return [functional.nll_loss(answer.log(), data.labels).item() for answer in answers]


@pytest.mark.parametrize('sequence', [False, True])
def test_a_calibrated_network_answers_the_same_and_fits_better(sequence):
    network, data = too_sure(sequence)
    preprocessing = Preprocessing.default(8)
    before, unfit = predict(network, preprocessing, data), entropies(network, data)
    assert calibrate(network, 'none', preprocessing, data) == ()
    assert torch.equal(before.argmax(2), predict(network, preprocessing, data).argmax(2))
    assert all(new < old for new, old in zip(entropies(network, data), unfit))


@pytest.mark.parametrize('sequence', [False, True])
def test_a_fitted_product_beats_the_plain_one_and_every_exit_alone(sequence):
    network, data = too_sure(sequence)
    plain = entropies(network, data, uncalibrated('product', len(network.exits)))
    alone = copy.deepcopy(network)
    calibrate(alone, 'none', Preprocessing.default(8), data)
    exponents = calibrate(network, 'product', Preprocessing.default(8), data)
    fitted = entropies(network, data, exponents)
    assert len(exponents) == len(network.exits)
    # An exit that only does harm keeps the smallest weight there is.
    assert all(fit <= other + 0.01 for fit, other in zip(fitted, entropies(alone, data)))
    assert all(fit <= other + 1e-3 for fit, other in zip(fitted, plain))
    assert fitted[-1] < min(plain[-1], entropies(alone, data)[-1])


def test_what_was_boosted_keeps_its_answers():
    network, data = too_sure(sequence=False)
    weights, preprocessing = copy.deepcopy(network.state_dict()), Preprocessing.default(8)
    ones = uncalibrated('boosted', 3)
    before, unfit = predict(network, preprocessing, data, ones), entropies(network, data, ones)
    exponents = calibrate(network, 'boosted', preprocessing, data)
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
    after = predict(network, preprocessing, data, exponents)
    assert torch.equal(before.argmax(2), after.argmax(2))
    assert all(new < old for new, old in zip(entropies(network, data, exponents), unfit))
