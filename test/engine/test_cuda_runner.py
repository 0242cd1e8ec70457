"""Running a network as CUDA graphs: on a GPU where there is one, and on an emulated one."""

import contextlib
import gc
import random
import weakref

from anytime_perception.engine import AnytimeEngine, cuda_runner
from anytime_perception.engine.cuda_runner import CudaGraphRunner
from anytime_perception.engine.runner import answers
from anytime_perception.engine.torch_runner import TorchRunner
from anytime_perception.networks import AnytimeNetwork, AnytimePyramid, AnytimeSequence
from emulated_cuda import emulate
import numpy as np
import pytest
import torch

CPU = torch.device('cpu')


def networks():
    torch.manual_seed(0)
    yield AnytimeNetwork(2, 4, 5, input_size=16)
    yield AnytimeNetwork((0, 1, 3), (4, 8, 12), 5, input_size=16, head='ladder')
    yield AnytimeNetwork(2, 4, 5, input_size=16, head='coarse', period=2)
    yield AnytimePyramid((1, 2, 1), (4, 8, 12), (6, 8), 5, input_size=16)
    yield AnytimeSequence([AnytimeNetwork(n, 4, 5, input_size=16) for n in (1, 2)])


@pytest.mark.parametrize('stage_ms', [0.01, 0.04, 1.0])
@pytest.mark.parametrize('network', networks())
def test_replayed_graphs_answer_as_torch_does(network, stage_ms, monkeypatch):
    network.eval()
    emulate(monkeypatch, stage_ms)
    runner, plain = CudaGraphRunner(network, CPU), TorchRunner(network, CPU)
    for seed in range(3):  # an image's answers are its own, not those of the capture or before
        images = torch.randn(network.image_shape, generator=torch.Generator().manual_seed(seed))
        with torch.inference_mode():
            ours, theirs = answers(runner, images), answers(plain, images)
        assert ours.shape == (len(network.exits), 5)
        assert np.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize('stage_ms, together', [(1.0, [1, 1, 1, 1, 1, 1]), (0.06, [1, 2, 2, 1]),
                                                (0.035, [1, 3, 2]), (0.01, [1, 5])])
def test_short_stages_answer_together_the_first_alone(stage_ms, together, monkeypatch):
    emulate(monkeypatch, stage_ms)
    runner, found = CudaGraphRunner(AnytimeNetwork(2, 4, 5, input_size=16).eval(), CPU), []
    runner.run(torch.zeros(1, 3, 16, 16), lambda answers: found.append(len(answers)) or True)
    assert found == together


@pytest.mark.parametrize('stop_after', range(1, 7))
def test_who_stops_has_launched_one_graph_more(stop_after, monkeypatch):
    cuda = emulate(monkeypatch, stage_ms=1.0)
    runner = CudaGraphRunner(AnytimeNetwork(2, 4, 5, input_size=16).eval(), CPU)
    cuda.replayed.clear()
    found = []
    runner.run(torch.zeros(1, 3, 16, 16),
               lambda answers: found.append(answers) or len(found) < stop_after)
    assert len(found) == stop_after
    assert cuda.replayed == list(range(min(6, stop_after + 1)))


@pytest.mark.parametrize('network', networks())
@pytest.mark.parametrize('stage_ms', [0.01, 1.0])
def test_whatever_ends_a_pass_the_next_image_has_its_own_answers(network, stage_ms, monkeypatch):
    network.eval()
    emulate(monkeypatch, stage_ms)
    runner, plain = CudaGraphRunner(network, CPU), TorchRunner(network, CPU)
    draws, kept = random.Random(0), []
    for _ in range(12):
        images = torch.randn(network.image_shape)
        stop_after, raises, found = draws.randint(1, 8), draws.random() < 0.3, []

        def answered(answers, stop_after=stop_after, raises=raises, found=found):
            found.append(answers)
            if raises and len(found) == stop_after:
                raise KeyboardInterrupt
            return len(found) < stop_after

        with contextlib.suppress(KeyboardInterrupt):
            runner.run(images, answered)
        with torch.inference_mode():
            kept.append((found, answers(plain, images)))
    for ours, theirs in kept:  # as they are long after
        ours = np.concatenate(ours)
        assert np.allclose(ours, theirs[:len(ours)], atol=1e-5)


def test_no_answers_of_the_first_graphs_are_left_when_others_are_captured(monkeypatch):
    """Pinned memory that is freed in a capture would become part of the graph."""
    make, parts, left = cuda_runner._Part, [], []

    def made(graph, answers, done):
        left.append(sum(part() is not None for part in parts))
        parts.append(weakref.ref(answers))
        return make(graph, answers, done)

    monkeypatch.setattr(cuda_runner, '_Part', made)
    emulate(monkeypatch, stage_ms=0.01)
    gc.disable()
    try:
        CudaGraphRunner(AnytimeNetwork(2, 4, 5, input_size=16).eval(), CPU)
    finally:
        gc.enable()
    assert left == [0, 1, 2, 3, 4, 5, 0, 1]


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_a_gpu_answers_as_the_cpu_does():
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
