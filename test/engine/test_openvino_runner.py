"""The OpenVINO runner answers while its graph runs, stops there, and leaves nothing behind."""

import weakref

from anytime_perception.engine.runner import answers
from anytime_perception.networks import AnytimeNetwork, AnytimePyramid, AnytimeSequence
import numpy as np
import pytest
import torch
from torch import nn

module = pytest.importorskip('anytime_perception.engine.openvino_runner')
IMAGES = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def plain():
    torch.manual_seed(0)
    return AnytimeNetwork(3, 4, 5, input_size=16).eval()


def sequence():
    torch.manual_seed(0)
    return AnytimeSequence([AnytimeNetwork(n, 4, 5, input_size=16) for n in (1, 2, 3)]).eval()


def pyramids():
    torch.manual_seed(0)
    return AnytimeSequence([AnytimePyramid(units, (2, 4, 6), (4, 6), 5, input_size=16)
                            for units in ((1, 1, 1), (1, 2, 2))]).eval()


def ladders():
    torch.manual_seed(0)
    return AnytimeSequence([AnytimeNetwork(n, 4, 5, input_size=16, head='ladder')
                            for n in (1, 2)]).eval()


def expected(network):
    with torch.inference_mode():
        return torch.stack([torch.softmax(logits, 1)[0] for logits in network(IMAGES)]).numpy()


@pytest.fixture(params=[plain, sequence, pyramids, ladders])
def network(request):
    return request.param()


@pytest.mark.parametrize('seconds, together', [
    (1.1e-3, [1] * 9), (1.1e-4, [1, 2, 2, 2, 2]), (9e-5, [1, 3, 3, 2]), (1e-6, [1, 8])])
def test_stages_answer_together_where_a_stop_is_a_fifth_of_a_millisecond_later(
        monkeypatch, seconds, together):
    monkeypatch.setattr(module.OpenvinoRunner, '_stage_seconds', lambda self: [seconds] * 9)
    found = []
    module.OpenvinoRunner(plain(), 1).run(IMAGES, lambda exits: found.append(len(exits)) or True)
    assert found == together


@pytest.fixture(params=['each stage by itself', 'as the machine suggests', 'all at once'])
def runner(request, network, monkeypatch):
    seconds = {'each stage by itself': 0.0, 'all at once': 60.0}.get(request.param)
    if seconds is not None:
        monkeypatch.setattr(module, '_BEYOND_STAGE_SECONDS', seconds)
    return module.OpenvinoRunner(network, 1)


def test_all_exits_answer_in_order(runner, network):
    for _ in range(3):
        assert np.allclose(answers(runner, IMAGES), expected(network), atol=1e-5)


def test_nothing_is_reported_after_a_stop_and_the_next_run_is_whole(runner, network):
    for wanted in range(len(network.stages)):
        reports = []

        def enough(exits, wanted=wanted, reports=reports):
            reports.append(exits)
            return len(reports) <= wanted

        runner.run(IMAGES, enough)
        reported = np.concatenate(reports)
        assert np.allclose(reported, expected(network)[:len(reported)], atol=1e-5)
        assert len(reports) <= wanted + 1
    assert np.allclose(answers(runner, IMAGES), expected(network), atol=1e-5)


def test_what_a_listener_raises_is_raised_and_the_next_run_is_whole(runner, network):
    def fail(_):
        raise LookupError('a bug')

    with pytest.raises(LookupError, match='a bug'):
        runner.run(IMAGES, fail)
    assert np.allclose(answers(runner, IMAGES), expected(network), atol=1e-5)


def test_a_stage_is_computed_after_the_answers_before_it_are_out(network, monkeypatch):
    monkeypatch.setattr(module, '_BEYOND_STAGE_SECONDS', 0.0)
    runner = module.OpenvinoRunner(network, 1)
    nodes = runner._request.get_compiled_model().get_runtime_model().get_ops()
    kinds = [node.rt_info['layerType'].value for node in sorted(
        nodes, key=lambda node: int(node.rt_info['execOrder'].value))]
    convolutions, before_reports = 0, []
    for kind in kinds:
        convolutions += kind == 'Convolution'
        if kind == 'Reference':
            before_reports.append(convolutions)
    in_stages = [sum(isinstance(layer, nn.Conv2d) for layer in stage.trunk.modules())
                 for stage in network.stages]
    assert before_reports == np.cumsum(in_stages).tolist()


def test_a_runner_that_is_not_needed_any_more_is_freed():
    runner = module.OpenvinoRunner(plain(), 1)
    answers(runner, IMAGES)
    reporter = runner._reporter
    held = [weakref.ref(thing) for thing in (runner, reporter, reporter.reports[0])]
    del runner, reporter
    assert [reference() for reference in held] == [None] * 3
