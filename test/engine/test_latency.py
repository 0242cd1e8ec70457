"""Exits are measured before the first image comes, on a machine that has warmed up."""

from anytime_perception.engine import latency
from anytime_perception.images.preprocessing import Preprocessing
from anytime_perception.model import Model
from anytime_perception.networks import AnytimeNetwork
import numpy as np
import pytest


@pytest.fixture
def passes(monkeypatch):
    """Return the numbers of the passes made; each takes its number of seconds, in its own time."""
    made = []

    def time_one(*_):
        made.append(len(made))
        return [made[-1], made[-1] + 0.5], made[-1] / 10
    monkeypatch.setattr(latency, '_time_one', time_one)
    monkeypatch.setattr(latency, '_PAUSE', 0.0)
    return made


def test_passes_that_warm_up_are_not_counted(passes, monkeypatch):
    monkeypatch.setattr(latency, '_SECONDS', 1000.0)
    elapsed, prepared = latency.measure_latency(None, None)
    assert passes == list(range(105))
    assert (elapsed == np.array([passes[5:], passes[5:]]).T + [0, 0.5]).all()
    assert (prepared == np.array(passes[5:]) / 10).all()


def test_a_device_that_takes_too_long_is_measured_once_all_the_same(passes, monkeypatch):
    monkeypatch.setattr(latency, '_SECONDS', -1.0)
    assert latency.measure_latency(None, None)[0].tolist() == [[5, 5.5]]


def test_exits_that_answer_together_have_the_same_time_after_preparation(monkeypatch):
    class Runner:

        def run(self, images, answered):
            assert images.shape == (1, 3, 8, 8)
            assert answered(np.zeros((1, 3))) and answered(np.zeros((0, 3)))
            assert answered(np.zeros((2, 3)))

    monkeypatch.setattr(latency, '_PASSES', 1)
    monkeypatch.setattr(latency, '_PAUSE', 0.0)
    model = Model(AnytimeNetwork(1, 2, 3, input_size=8), tuple('abc'), Preprocessing.default(8))
    (first, *others), = latency.measure_latency(model, Runner())[0]
    assert 0 < first <= others[0] and others == [others[0]] * 2
