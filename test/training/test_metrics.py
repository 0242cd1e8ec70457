"""Metrics against scikit-learn and definitions computed the slow way."""

import json
import math

from anytime_perception.networks import AnytimeNetwork, AnytimeSequence
from anytime_training import card, metrics
from anytime_training.evaluate import Evaluation, measure
from hypothesis import given, strategies as st
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, recall_score
import torch


def random_answers(images, classes, seed):
    draws = torch.Generator().manual_seed(seed)
    scores = 3 * torch.randn(images, classes, generator=draws)
    return scores.softmax(1), torch.randint(classes, (images,), generator=draws)


@given(st.integers(1, 300), st.integers(2, 20), st.integers(0, 10**6))
def test_top1_error_is_one_minus_accuracy(images, classes, seed):
    answers, labels = random_answers(images, classes, seed)
    expected = 1 - accuracy_score(labels.numpy(), answers.argmax(1).numpy())
    assert metrics.top1_error(answers.argmax(1), labels) == pytest.approx(expected)


@given(st.integers(1, 300), st.integers(2, 20), st.integers(1, 20), st.integers(0, 10**6))
def test_calibration_error_bin_by_bin(images, classes, bins, seed):
    answers, labels = random_answers(images, classes, seed)
    confidence, guesses = answers.double().max(1)
    expected = 0.0
    for number in range(bins):
        inside = (confidence > number / bins) & (confidence <= (number + 1) / bins)
        if inside.any():
            accuracy = (guesses[inside] == labels[inside]).double().mean()
            gap = abs(accuracy - confidence[inside].mean())
            expected += (inside.double().mean() * gap).item()
    result = metrics.expected_calibration_error(answers.max(1).values, guesses == labels, bins)
    assert result == pytest.approx(expected, abs=1e-9)


def test_calibration_error_of_the_surely_right_and_the_surely_wrong():
    certain, right = torch.ones(4), torch.ones(4, dtype=torch.bool)
    assert metrics.expected_calibration_error(certain, right) == 0
    assert metrics.expected_calibration_error(certain, ~right) == 1


@pytest.mark.filterwarnings('ignore:.*y_true')
@given(st.integers(1, 300), st.integers(2, 20), st.integers(0, 10**6))
def test_class_errors_are_one_minus_recall_and_their_mean_is_the_balanced_error(
        images, classes, seed):
    answers, labels = random_answers(images, classes, seed)
    labels = labels.clamp(max=classes - 2) if seed % 2 else labels  # the last class is empty
    guesses, there = answers.argmax(1), labels.unique()
    found = metrics.class_errors(guesses, labels, classes)
    recall = recall_score(labels, guesses, labels=there, average=None, zero_division=0)
    assert [found[label] for label in there] == pytest.approx(list(1 - recall))
    assert [label for label in range(classes) if not math.isnan(found[label])] == there.tolist()
    balanced = balanced_accuracy_score(labels, guesses)
    assert metrics.balanced_error(found) == pytest.approx(1 - balanced)


def test_every_exits_error_by_class_is_written_and_read_back(tmp_path):
    network = AnytimeNetwork(1, 2, 3, input_size=8)
    right, wrong = [0.8, 0.1, 0.1], [0.1, 0.8, 0.1]
    # Three images of class 0, one of class 1, none of class 2.
    answers = torch.tensor([[right] * 4, [right, right, wrong, wrong], [wrong] * 4])
    evaluation = measure(network, answers, torch.tensor([0, 0, 0, 1]), 'some')
    written = json.loads(json.dumps(evaluation.to_dict()))
    assert written['class_error'] == [
        [0.0, 1.0, None], [pytest.approx(1 / 3), 0.0, None], [1.0, 0.0, None]]
    again = Evaluation.from_dict(written)
    assert again.by_class('abc') == evaluation.by_class('abc') == (
        'error of the last exit by class: mean 50.00% (balanced error), worst 100.00% (a)')
    assert json.loads(json.dumps(again.to_dict())) == written
    del written['class_error']  # as in files of older versions
    assert Evaluation.from_dict(written).class_error == ()


def test_milestones_of_the_papers_stacks():
    # 27 units: a quarter is 6.75 units, so the exit of unit 6 answers with period 1.
    every = list(range(1, 28))
    assert metrics.milestone_exits(every) == [5, 12, 19, 26]
    # n=7, s=5 (appendix B): exits at 1, 6, 11, 16, 21; a quarter of 21 is just before the second.
    assert metrics.milestone_exits([1, 6, 11, 16, 21]) == [0, 1, 2, 4]
    assert metrics.milestone_exits([12, 24]) == [None, 0, 0, 1]


def test_error_before_any_answer_is_not_a_number():
    errors = metrics.milestone_errors([0.3, 0.1], [12, 24])
    assert math.isnan(errors[0]) and errors[1:] == [0.3, 0.3, 0.1]


def test_milestones_are_those_of_the_units_and_those_of_the_cost():
    pyramid = Evaluation('some', 4, depth=(1, 2, 3), units=(1, 2, 3), cost=(62, 79, 100),
                         error=(0.5, 0.25, 0.0), calibration_error=(0.1, 0.2, 0.3))
    written = json.loads(json.dumps(pyramid.to_dict()))
    assert list(written['milestones_by_units'].values()) == [None, 0.5, 0.25, 0.0]
    assert list(written['milestones_by_cost'].values()) == [None, None, 0.5, 0.0]
    assert json.loads(json.dumps(Evaluation.from_dict(written).to_dict())) == written
    told = pyramid.table()
    assert 'by units: 1/4 no answer  1/2 50.00%  3/4 25.00%  1 0.00%\n' in told
    assert 'by cost: 1/4 no answer  1/2 no answer  3/4 50.00%  1 0.00%\n' in told
    told = card._milestones(pyramid)
    assert '| of the cost | no answer | no answer | 50.00% | 0.00% |' in told
    assert '| of the units | no answer | 50.00% | 25.00% | 0.00% |' in told


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=40))
def test_a_milestone_is_the_latest_exit_not_after_it(steps):
    positions = torch.tensor(steps).cumsum(0).tolist()
    for share, found in zip(metrics.MILESTONES, metrics.milestone_exits(positions)):
        in_time = [index for index, position in enumerate(positions)
                   if position / positions[-1] <= share + 1e-12]
        assert found == (in_time[-1] if in_time else None)


@given(st.integers(1, 6), st.integers(1, 40), st.integers(0, 10**6))
def test_a_lost_answer_was_right_once_and_wrong_later(exits, images, seed):
    answers, labels = random_answers(exits * images, 3, seed)
    answers, labels = answers.view(exits, images, 3), labels[:images]
    lost = 0
    for image, label in enumerate(labels):
        right = [answers[index, image].argmax() == label for index in range(exits)]
        lost += any(right[index] and not all(right[index:]) for index in range(exits))
    assert metrics.lost_answers(answers.argmax(2) == labels) == pytest.approx(lost / images)


def test_average_error_is_the_mean():
    assert metrics.average_error([0.5, 0.25, 0.0]) == 0.25


def test_units_of_a_sequence_count_its_earlier_networks():
    def network(units):
        return AnytimeNetwork(units, 2, 3, input_size=8)
    assert metrics.unit_positions(network(2)) == [1, 2, 3, 4, 5, 6]
    # Depth 3 answers at 1, 2, 3; then depth 6 only where it is deeper: 3 + 4, 3 + 5, 3 + 6.
    assert metrics.unit_positions(AnytimeSequence([network(1), network(2)])) == [1, 2, 3, 7, 8, 9]
