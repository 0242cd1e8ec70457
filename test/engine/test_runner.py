"""Runners: which one is taken, and which stages report together."""

import sys
from types import SimpleNamespace

from anytime_perception.engine import AnytimeEngine, RunnerError
from anytime_perception.engine.grouping import group_stages
from anytime_perception.networks import AnytimeNetwork
from gated import gated_network
from hypothesis import given, strategies as st
import numpy as np
import pytest

BEYOND = 2e-4  # seconds


@pytest.fixture
def network():
    return AnytimeNetwork(1, 2, 3, input_size=8).eval()


def test_openvino_is_taken_where_it_is_installed(network):
    pytest.importorskip('openvino')
    with AnytimeEngine(network) as engine:
        assert engine.runner == 'openvino'


def test_torch_is_taken_where_openvino_is_missing(network, monkeypatch):
    monkeypatch.setitem(sys.modules, 'anytime_perception.engine.openvino_runner', None)
    with AnytimeEngine(network) as engine:
        assert engine.runner == 'torch'
    with pytest.raises(RunnerError, match='pip install openvino'):
        AnytimeEngine(network, runner='openvino')


def test_torch_is_taken_for_layers_that_openvino_has_no_graph_of():
    pytest.importorskip('openvino')
    network, _ = gated_network()
    with AnytimeEngine(network) as engine:
        assert engine.runner == 'torch'
    with pytest.raises(RunnerError, match='no OpenVINO graph of a Gate'):
        AnytimeEngine(network, runner='openvino')


def test_a_runner_that_answers_otherwise_than_torch_is_not_taken(network, monkeypatch):
    module = pytest.importorskip('anytime_perception.engine.openvino_runner')
    run = module.OpenvinoRunner.run

    def run_wrong(self, images, answered):
        run(self, images, lambda answers: answered(answers[:, ::-1].copy()))

    monkeypatch.setattr(module.OpenvinoRunner, 'run', run_wrong)
    with AnytimeEngine(network) as engine:
        assert engine.runner == 'torch'
    with pytest.raises(RunnerError, match='differ from those of torch'):
        AnytimeEngine(network, runner='openvino')


@pytest.mark.parametrize('runner', ['torch', 'openvino'])
def test_bfloat16_rounds_and_answers_nearly_the_same(runner):
    if runner == 'openvino' and not has_bfloat16():
        pytest.skip('this CPU does not compute with bfloat16')
    network = AnytimeNetwork(2, 8, 5, input_size=16).eval()
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    with AnytimeEngine(network, runner=runner) as exact, \
            AnytimeEngine(network, runner=runner, precision='bfloat16') as rounded:
        assert rounded.runner == runner
        ours = np.stack([answer.probabilities for answer in rounded.refine(image)])
        theirs = np.stack([answer.probabilities for answer in exact.refine(image)])
    assert ours.dtype == np.float32 and np.allclose(ours.sum(1), 1, atol=1e-6)
    assert np.allclose(ours, theirs, atol=0.05) and not np.allclose(ours, theirs, atol=1e-5)


def has_bfloat16():
    openvino = pytest.importorskip('openvino')
    return 'BF16' in openvino.Core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')


def test_bfloat16_is_refused_on_a_cpu_without_it(network, monkeypatch):
    openvino = pytest.importorskip('openvino')
    monkeypatch.setattr(openvino.Core, 'get_property', lambda *_: ['FP32'])
    with pytest.raises(RunnerError, match='use the precision float32'):
        AnytimeEngine(network, runner='openvino', precision='bfloat16')


def test_an_unknown_precision_is_named(network):
    with pytest.raises(RunnerError, match="'int4' is unknown; allowed: float32, bfloat16"):
        AnytimeEngine(network, precision='int4')


def test_an_unknown_runner_is_named(network):
    with pytest.raises(RunnerError, match="'abacus' is unknown; allowed: auto, torch, openvino"):
        AnytimeEngine(network, runner='abacus')


def test_a_runner_for_another_device_is_refused(network):
    with pytest.raises(RunnerError, match='cuda_graphs is for cuda, and the device is cpu'):
        AnytimeEngine(network, runner='cuda_graphs')


@given(exits=st.lists(st.booleans(), max_size=12), data=st.data())
def test_stages_report_together_as_long_as_that_takes_little_more_than_the_longest(exits, data):
    stages = [SimpleNamespace(head=object() if is_exit else None) for is_exit in [*exits, True]]
    seconds = data.draw(st.lists(st.floats(1e-6, 3e-4), min_size=len(stages),
                                 max_size=len(stages)))
    groups = group_stages(stages, seconds, BEYOND)
    assert [id(stage) for group in groups for stage in group] == [id(stage) for stage in stages]
    taken = {id(stage): value for stage, value in zip(stages, seconds)}

    def beyond_longest(group):
        return sum(taken[id(stage)] for stage in group) - max(taken[id(stage)] for stage in group)

    for group in groups:
        assert beyond_longest(group) <= BEYOND + 1e-12
    first = next(group for group in groups if any(stage.head for stage in group))
    assert first[-1].head and not any(stage.head for stage in first[:-1])
    after = groups[groups.index(first) + 1:]
    for group, following in zip(after, after[1:]):  # nothing more would have fitted
        assert beyond_longest([*group, following[0]]) > BEYOND - 1e-12
