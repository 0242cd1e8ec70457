"""Calibration: better confidences, the same answers; also where exits build on each other."""

import copy
import itertools

from anytime_perception.images.preprocessing import Preprocessing
from anytime_perception.networks import AnytimeNetwork, AnytimeSequence
from anytime_training.calibrate import calibrate, fit_factor, uncalibrated
from anytime_training.config import TrainConfig
from anytime_training.data import ImageSet
from anytime_training.evaluate import predict, predict_logits
from hypothesis import given, settings, strategies as st
import pytest
import torch
from torch.nn import functional

ALONE, CARRIED, ALL, BOOSTED = (TrainConfig(**values) for values in (
    {}, {'carry': 0.4}, {'carry': 1.0}, {'boosted': True}))


@settings(max_examples=8)
@given(st.floats(0.3, 4), st.floats(0, 2), st.integers(0, 100))
def test_the_factor_is_the_one_that_labels_were_drawn_with(expected, share, seed):
    draws = torch.Generator().manual_seed(seed)
    logits, given_ = 2 * torch.randn(2, 40000, 4, generator=draws, dtype=torch.float64)
    given_ = share * given_
    drawn_with = (given_ + expected * logits).softmax(1)
    labels = torch.multinomial(drawn_with, 1, generator=draws).flatten()
    factor = fit_factor(logits, labels, given_)
    assert factor == pytest.approx(expected, rel=0.1)

    def entropy(at):
        return functional.cross_entropy(given_ + logits * at, labels).item()
    assert entropy(factor) <= min(entropy(factor * 1.01), entropy(factor / 1.01)) + 1e-9


def test_answers_that_are_all_right_or_all_wrong_keep_a_usable_factor():
    logits = 5 * torch.eye(3, dtype=torch.float64)
    assert 5 < fit_factor(logits, torch.arange(3)) <= 20
    assert fit_factor(logits, torch.tensor([1, 2, 0])) == pytest.approx(0.05, rel=1e-2)


def too_sure(sequence):
    """Return a network whose answers are related to the labels of the data, but far too sure."""
    torch.manual_seed(0)
    networks = [AnytimeNetwork(n, 4, 3, input_size=8).eval() for n in (1, 2)]
    network = AnytimeSequence(networks) if sequence else networks[0]
    with torch.no_grad():
        for stage in network.exits:
            stage.head.fc.weight *= 15
    images = torch.randint(256, (1000, 3, 8, 8), dtype=torch.uint8)
    data = ImageSet(images, torch.zeros(1000, dtype=torch.int64))
    logits = predict_logits(network, Preprocessing.default(8), data)
    fair = sum(alone / alone.std() for alone in logits[[0, 1, 2, -1]])
    return network, ImageSet(images, torch.multinomial(fair.softmax(dim=1), 1).flatten())


def entropies(answers, data):
    return [functional.nll_loss(answer.clamp(min=1e-30).log(), data.labels).item()
            for answer in answers]


@pytest.mark.parametrize('config, sequence', [
    (ALONE, False), (ALONE, True), (CARRIED, False), (CARRIED, True), (ALL, True),
    (BOOSTED, False)])
def test_confidences_of_a_calibrated_network_fit_better(config, sequence):
    network, data = too_sure(sequence)
    preprocessing = Preprocessing.default(8)
    before = predict(network, preprocessing, data, uncalibrated(config, network))
    carry = calibrate(config, network, preprocessing, data)
    after = predict(network, preprocessing, data, carry)
    assert len(carry) == (len(network.exits) if config is not ALONE else 0)
    assert all(new < old for new, old in zip(entropies(after, data), entropies(before, data)))
    if config in (ALONE, BOOSTED):
        assert torch.equal(before.argmax(2), after.argmax(2))


def test_an_answer_is_fitted_on_top_of_what_is_carried_over():
    network, data = too_sure(sequence=False)
    preprocessing = Preprocessing.default(8)
    carry = calibrate(CARRIED, network, preprocessing, data)
    fitted = entropies(predict(network, preprocessing, data, carry), data)
    # Exit 1 of this network speaks against the others, so its factor is the smallest there is.
    for index, factor in itertools.product((0, 2), (0.95, 1.05)):
        other = copy.deepcopy(network)
        with torch.no_grad():
            other.exits[index].head.fc.weight *= factor
            other.exits[index].head.fc.bias *= factor
        worse = entropies(predict(other, preprocessing, data, carry), data)
        assert worse[index] > fitted[index] - 1e-6
        assert worse[:index] == fitted[:index]
