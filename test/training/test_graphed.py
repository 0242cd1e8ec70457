"""The training step as a graph: the same steps, whether run, replayed, or run for want of one."""

from types import SimpleNamespace
import warnings

from anytime_perception.model import Model
from anytime_perception.networks import AnytimeNetwork
from anytime_training.config import TrainConfig
from anytime_training.graphed import GraphedStep
from anytime_training.optimiser import make_optimiser
from anytime_training.phases import plan, set_phase
from anytime_training.step import make_step, Step
from anytime_training.teacher import Teacher
from anytime_training.weights import sieve
import pytest
from runs_on_digits import same_weights, train, weights_of
import torch

OPTIONS = ['--batch-size', '64', '--strategy', 'exp3', '--mode', 'mixed', '--set', 'mixup=0.4',
           '--set', 'distillation=0.3']
MAKE_STEP = 'anytime_training.train.make_step'


def pretended(optimiser, captures):
    """Return a `capture` for the CPU: a graph sees its own memory, and numbers of its capture."""
    def capture(step):
        captures.append(step)
        rates, held = [group['lr'] for group in optimiser.param_groups], []

        def replay():
            for group, rate in zip(optimiser.param_groups, rates):
                group['lr'] = rate
            results = step()
            held[:] = held or [torch.empty_like(result) for result in results]
            for place, result in zip(held, results):
                place.copy_(result)
            return tuple(held)
        return replay
    return capture


def graphed(arguments, capture):
    """Return the step for the arguments of `make_step`, captured by `capture`."""
    return GraphedStep(Step(*arguments[:4], *arguments[5:]), arguments[3], capture)


def test_replayed_steps_are_those_that_were_run(tmp_path, monkeypatch):
    captures = []
    assert train(tmp_path / 'teacher', *OPTIONS) == 0
    options = [*OPTIONS, '--teacher', tmp_path / 'teacher']
    assert train(tmp_path / 'run', *options) == 0
    monkeypatch.setattr(MAKE_STEP, lambda *arguments: graphed(
        arguments, pretended(arguments[3], captures)))
    assert train(tmp_path / 'replayed', *options) == 0
    assert len(captures) == 2  # one for each phase
    assert same_weights(tmp_path / 'run', tmp_path / 'replayed')
    logs = [(tmp_path / name / 'n1' / 'log.csv').read_text().splitlines()
            for name in ('run', 'replayed')]
    assert len(logs[0]) == len(logs[1]) == 5 and 'tensor' not in ''.join(logs[1])


def test_replayed_steps_of_muon_are_those_that_were_run_but_for_rounding(tmp_path, monkeypatch):
    # Adam computes in double where its learning rate is a number, and not where it is a tensor;
    # and directions in which a gradient is next to nothing are nothing but rounding.
    options = [*OPTIONS, '--optimiser', 'muon', '--lr', '0.02']
    assert train(tmp_path / 'run', *options) == 0
    monkeypatch.setattr(MAKE_STEP, lambda *arguments: graphed(
        arguments, pretended(arguments[3], [])))
    assert train(tmp_path / 'replayed', *options) == 0
    run, replayed = (weights_of(tmp_path / name) for name in ('run', 'replayed'))
    for name, weights in run.items():
        if 'conv' in name:
            assert (weights - replayed[name]).norm() < 0.05 * weights.norm(), name


def test_where_it_cannot_be_captured_steps_are_run_and_that_is_said_once(tmp_path, monkeypatch):
    def capture(step):
        raise RuntimeError('CUDA error: operation not permitted when stream is capturing\nmore')
    assert train(tmp_path / 'run', *OPTIONS) == 0
    monkeypatch.setattr(MAKE_STEP, lambda *arguments: graphed(arguments, capture))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('default')
        assert train(tmp_path / 'other', *OPTIONS) == 0
    said = [str(warning.message) for warning in caught if 'CUDA graph' in str(warning.message)]
    assert len(said) in (1, 2) and 'when stream is capturing (' in said[0]
    assert '--resume --no-graph' in said[0] and 'more' not in said[0]
    assert same_weights(tmp_path / 'run', tmp_path / 'other')


def test_what_failed_first_is_what_is_said_and_its_stream_is_left(monkeypatch):
    """As in PyTorch, whose torch.cuda.graph ends the capture, which fails too, and stays on it."""
    streams = ['before']

    class Graph:

        def __init__(self, graph):
            pass

        def __enter__(self):
            streams.append('of the capture')

        def __exit__(self, *error):
            raise RuntimeError('operation failed due to a previous error during capture')
    monkeypatch.setattr(torch.cuda, 'CUDAGraph', object)
    monkeypatch.setattr(torch.cuda, 'graph', Graph)
    monkeypatch.setattr(torch.cuda, 'current_stream', lambda: streams[-1])
    monkeypatch.setattr(torch.cuda, 'set_stream', streams.append)
    weight, calls = torch.zeros(1, requires_grad=True), []

    def step(images):
        calls.append(streams[-1])
        if len(calls) == 4:
            raise RuntimeError('cannot synchronise while capturing')
        return (images,)
    graphed_step = GraphedStep(step, torch.optim.SGD([weight]))
    with pytest.warns(RuntimeWarning, match='without: cannot synchronise while capturing'):
        for _ in range(6):
            graphed_step(torch.zeros(1))
    assert calls == ['before'] * 3 + ['of the capture'] + ['before'] * 3


def test_steps_can_be_kept_from_being_captured(tmp_path, monkeypatch):
    asked = []

    def make(*arguments):
        asked.append(arguments[4])
        return Step(*arguments[:4], *arguments[5:])
    monkeypatch.setattr(MAKE_STEP, make)
    for number, option in enumerate(([], ['--no-graph'])):
        assert train(tmp_path / str(number), *OPTIONS, *option) == 0
    assert asked == [True, True, False, False]  # in each phase


@pytest.mark.parametrize('processes, is_main, graph, said', [
    (2, True, True, 1), (2, False, True, 0), (2, True, False, 0), (1, True, True, 0)])
def test_several_gpus_go_without_a_graph_and_the_first_says_so_once(monkeypatch, processes,
                                                                    is_main, graph, said):
    monkeypatch.setattr('anytime_training.distributed.count', lambda: processes)
    monkeypatch.setattr('anytime_training.distributed.is_main', lambda: is_main)
    network = AnytimeNetwork(1, 4, 10, input_size=8)
    weights = SimpleNamespace(is_cuda=True, device=torch.device('cpu'))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter('default')
        for _ in range(2):  # phases
            step = make_step(TrainConfig(), network, SimpleNamespace(weights=weights), None, graph)
            assert isinstance(step, GraphedStep) == (processes == 1)
    assert [('2 processes' in str(warning.message), '--no-graph' in str(warning.message))
            for warning in caught] == [(True, True)] * said


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
@pytest.mark.parametrize('optimiser, lr', [('sgd', 0.1), ('muon', 0.01)])
@pytest.mark.parametrize('precision', ['float32', 'bfloat16'])
def test_on_a_gpu_the_graph_takes_the_steps_that_are_run_without(precision, optimiser, lr):
    torch.backends.cudnn.deterministic = True
    config = TrainConfig.of({'dataset': 'digits', 'precision': precision, 'mixup': 0.2,
                             'optimiser': optimiser, 'distillation': 0.5})
    draws = torch.Generator().manual_seed(1)
    batches = [(torch.randn(32, 3, 8, 8, generator=draws).cuda(),
                torch.randint(10, (32,), generator=draws).cuda(), torch.rand(12).cuda(),
                torch.randint(10, (32,), generator=draws).cuda(),
                torch.rand(32, generator=draws).cuda()) for _ in range(12)]
    knowing = Model.bare(AnytimeNetwork(1, 8, 10, input_size=8).eval())
    teacher = Teacher(knowing, knowing.preprocessing, torch.device('cuda'))
    networks, losses = [], []
    for make in (Step, make_step):
        torch.manual_seed(0)
        network = AnytimeNetwork(4, 8, 10, input_size=8).to('cuda',
                                                            memory_format=torch.channels_last)
        phase, = plan('joint', network, sieve(12).cuda())
        optimiser = make_optimiser(network, phase, config)
        set_phase(network, phase)
        step = make(config, network, phase, optimiser, teacher=teacher)
        assert isinstance(step, GraphedStep) == (make is make_step)
        found = []
        with warnings.catch_warnings():
            warnings.simplefilter('error')
            for index, batch in enumerate(batches):
                for group in optimiser.param_groups:
                    group['lr'] = lr / (1 + index)
                found.append(step(*batch)[0].clone())
        networks.append(network.state_dict())
        losses.append(torch.stack(found))
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-3, atol=1e-3)
    for name, expected in networks[0].items():
        torch.testing.assert_close(networks[1][name], expected, rtol=1e-2, atol=1e-3)
