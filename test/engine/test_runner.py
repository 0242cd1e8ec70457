"""Runners: which one is taken, and how stages are joined to pieces."""

import sys

from anytime_perception.engine import AnytimeEngine, RunnerError
from anytime_perception.networks import AnytimeNetwork, AnytimeSequence
from gated import gated_network
from hypothesis import given, settings, strategies as st
import numpy as np
import pytest
import torch


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


def test_an_unknown_runner_is_named(network):
    with pytest.raises(RunnerError, match="'abacus' is unknown; allowed: auto, torch, openvino"):
        AnytimeEngine(network, runner='abacus')


def test_a_runner_for_another_device_is_refused(network):
    with pytest.raises(RunnerError, match='cuda_graphs is for cuda, and the device is cpu'):
        AnytimeEngine(network, runner='cuda_graphs')


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_cuda_graphs_are_taken_on_a_gpu_and_answer_as_the_cpu_does():
    torch.manual_seed(0)
    sequence = AnytimeSequence([AnytimeNetwork(n, 8, 5) for n in (1, 3)]).eval()
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    with AnytimeEngine(sequence, runner='torch') as cpu, AnytimeEngine(sequence, 'cuda') as gpu:
        assert gpu.runner == 'cuda_graphs'
        for _ in range(3):  # preempted passes leave stages launched ahead
            next(iter(gpu.refine(image)))
        ours, theirs = list(gpu.refine(image)), list(cpu.refine(image))
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs):
        assert np.allclose(a.probabilities, b.probabilities, atol=0.02)


@given(units=st.lists(st.integers(1, 6), min_size=1, max_size=3, unique=True).map(sorted),
       seconds_per_mac=st.floats(1e-12, 1e-6), before=st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_groups_keep_every_stage_and_take_little_longer_than_the_longest(units, seconds_per_mac,
                                                                         before):
    module = pytest.importorskip('anytime_perception.engine.openvino_runner')
    sequence = AnytimeSequence([AnytimeNetwork(n, 2, 3, input_size=8) for n in units])
    stages = list(sequence.stages)
    costs = [stage.cost for stage in stages]
    seconds = {id(stage): (cost - previous) * seconds_per_mac
               for stage, cost, previous in zip(stages, costs, [0, *costs])}
    groups = module.group_stages(stages[before:], costs[before - 1], seconds_per_mac)
    assert [stage for group in groups for stage in group] == stages[before:]
    for group in groups:
        taken = [seconds[id(stage)] for stage in group]
        assert sum(taken) <= max(taken) + module._LONGER_SECONDS + 1e-12
        assert not any(stage.takes_image for stage in group[1:])
    for group, following in zip(groups, groups[1:]):  # nothing more would have fitted
        taken = [seconds[id(stage)] for stage in [*group, following[0]]]
        assert following[0].takes_image or sum(taken) > max(taken) + module._LONGER_SECONDS
