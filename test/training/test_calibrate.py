"""Temperature calibration: better confidences, the same answers."""

from anytime_perception.networks import AnytimeNetwork
from anytime_perception.preprocessing import Preprocessing
from anytime_training.calibrate import best_temperature, calibrate
from anytime_training.data import ImageSet
from anytime_training.evaluate import predict
from hypothesis import given, settings, strategies as st
import pytest
import torch
from torch.nn import functional


@settings(max_examples=8, deadline=None)
@given(st.floats(0.3, 4), st.integers(0, 100))
def test_the_temperature_is_the_one_answers_were_heated_with(temperature, seed):
    draws = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(20000, 4, generator=draws)
    labels = torch.multinomial(logits.softmax(1), 1, generator=draws).flatten()
    found = best_temperature(logits * temperature, labels)
    assert found == pytest.approx(temperature, rel=0.08)

    def entropy(at):
        return functional.cross_entropy((logits * temperature).double() / at, labels).item()
    assert entropy(found) <= min(entropy(found * 1.01), entropy(found / 1.01)) + 1e-9


def test_answers_of_a_calibrated_network_stay_and_fit_better():
    torch.manual_seed(0)
    network = AnytimeNetwork(1, 4, 3, input_size=8).eval()
    with torch.no_grad():
        for stage in network.exits:
            stage.head.fc.weight *= 50  # far too sure
    images = torch.randint(256, (400, 3, 8, 8), dtype=torch.uint8)
    data = ImageSet(images, torch.randint(3, (400,)))
    preprocessing = Preprocessing.default(8)
    before = predict(network, preprocessing, data)
    temperatures = calibrate(network, preprocessing, data)
    after = predict(network, preprocessing, data)
    assert len(temperatures) == 3 and min(temperatures) > 1
    assert torch.equal(before.argmax(2), after.argmax(2))
    for old, new in zip(before, after):
        assert functional.nll_loss(new.clamp(min=1e-30).log(), data.labels) < functional.nll_loss(
            old.clamp(min=1e-30).log(), data.labels)


def test_answers_that_are_all_right_or_all_wrong_keep_a_usable_temperature():
    logits = torch.eye(3) * 5
    assert 0.04 < best_temperature(logits, torch.arange(3)) < 0.2
    assert best_temperature(logits, torch.tensor([1, 2, 0])) == pytest.approx(20, rel=1e-3)
