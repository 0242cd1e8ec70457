"""The engine answers at any instant: right numbers, right statuses, whatever happens meanwhile."""

from concurrent.futures import Future
import copy
import dataclasses
import gc
import math
import subprocess
import sys
import textwrap
import threading
import time
import weakref

from anytime_perception.engine import (
    AnytimeEngine, Budget, choose_device, DeviceError, Status, worker)
from anytime_perception.engine.runners import make_runner
from anytime_perception.model import Model
from anytime_perception.networks import (
    AnytimeBackbone, AnytimeNetwork, AnytimePyramid, AnytimeSequence)
import cv2
from gated import gated_network, WAIT_SECONDS
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
import numpy as np
import pytest
import torch

IMAGE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)


def randomise(network):
    """Give normalisations statistics as training would, so that folding them is not trivial."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.normal_(module.weight, 1, 0.2)
            torch.nn.init.normal_(module.bias, 0, 0.2)
    return network.eval()


def first_stages(count, network):
    """Cut a network short: OpenVINO takes long to convert each of torchvision's blocks."""
    network.stages = network.stages[:count]
    return randomise(network)


@pytest.mark.parametrize('runner', ['torch', 'openvino'])
@pytest.mark.parametrize('network', [
    randomise(AnytimeNetwork(2, 4, 5)),
    randomise(AnytimeNetwork(3, 4, 5, head='coarse', input_size=16)),
    randomise(AnytimeNetwork(2, 4, 5, head='ladder', input_size=17)),
    randomise(AnytimeNetwork((0, 1, 2), (4, 6, 8), 5, head='ladder', input_size=16)),
    randomise(AnytimeSequence([AnytimeNetwork(n, 4, 5, first_exit=first, input_size=16,
                                              head='ladder') for n, first in ((1, 1), (2, 4))])),
    randomise(AnytimePyramid((1, 2, 1), (4, 5, 6), (7, 8), 5, input_size=17)),
    randomise(AnytimePyramid((1, 1), (4, 5), (6,), 5, first_exit=2, input_size=16)),
    first_stages(3, AnytimeBackbone('mobilenet_v3_small', 5, period=2, input_size=32)),
    randomise(AnytimeNetwork(2, 4, 5, period=4, first_exit=3, input_size=70)),
    randomise(AnytimeSequence([AnytimeNetwork(n, 4, 5, input_size=16) for n in (1, 2, 3)]))])
def test_refinements_are_what_the_network_computes(network, runner):
    if runner == 'openvino':
        pytest.importorskip('openvino')
    network = copy.deepcopy(network)
    with AnytimeEngine(network, runner=runner) as engine:
        assert engine.runner == runner
        refinements = list(engine.refine(IMAGE))
        with torch.inference_mode():
            expected = network.double()(engine.model.preprocessing(IMAGE).double())
    assert [r.status for r in refinements[:-1]] == [Status.REFINING] * (len(expected) - 1)
    assert refinements[-1].status is Status.COMPLETE
    for index, (refinement, logits) in enumerate(zip(refinements, expected)):
        assert np.allclose(refinement.probabilities, torch.softmax(logits, 1)[0], atol=1e-5)
        assert refinement.exit_index == index and refinement.exit_count == len(expected)
        assert refinement.cost == network.exits[index].cost
        assert refinement.depth == network.exits[index].depth
    elapsed = [r.elapsed for r in refinements]
    assert elapsed == sorted(elapsed) and elapsed[0] > 0
    assert refinements[-1].cost_fraction == 1


@pytest.mark.parametrize('runner', ['torch', 'openvino'])
def test_what_is_carried_over_starts_anew_with_every_image(runner):
    if runner == 'openvino':
        pytest.importorskip('openvino')
    network = randomise(AnytimeNetwork(2, 4, 5, input_size=16))
    carry = (0.7, 0.5, 1.0, 0.0, 0.25, 1.5)
    model = dataclasses.replace(Model.bare(network), carry=carry)
    total, expected = 0, []
    with torch.inference_mode():
        for share, logits in zip(carry, network(model.preprocessing(IMAGE))):
            total = share * total + logits[0]
            expected.append(torch.softmax(total, 0))
    with AnytimeEngine(model, runner=runner) as engine:
        for _ in range(2):
            refinements = list(engine.refine(IMAGE))
            for refinement, probabilities in zip(refinements, expected, strict=True):
                assert np.allclose(refinement.probabilities, probabilities, atol=1e-4)


@pytest.fixture
def gated():
    network, gates = gated_network()
    with AnytimeEngine(network) as engine:
        for gate in gates:
            gate.closed = True
        yield engine, gates
        for gate in gates:
            gate.closed, gate.error = False, None
            gate.let_through()
            gate.let_through()


def test_preempt_returns_the_newest_and_stops_after_the_stage_in_flight(gated):
    engine, gates = gated
    heard = []
    image_pass = engine.submit(IMAGE, tag='mine', on_refinement=heard.append)
    gates[0].let_through()
    gates[1].wait_until_reached()
    answer = engine.preempt()
    assert answer.exit_index == 0 and answer.status is Status.PREEMPTED and answer.tag == 'mine'
    assert image_pass.ended
    gates[1].let_through()  # the stage in flight ends, and its answer is not heard of
    engine.close()
    assert not gates[2].was_reached()
    assert [(r.exit_index, r.status) for r in heard] == [
        (0, Status.REFINING), (0, Status.PREEMPTED)]


def test_a_stage_that_hangs_shows(gated):
    engine, gates = gated

    def began_between():
        """Return what is surely before and after the moment since when nothing happened."""
        before, stuck_for, after = time.monotonic(), engine.stuck_for, time.monotonic()
        return before - stuck_for - 1e-6, after - stuck_for + 1e-6
    assert engine.stuck_for == 0
    submitted = time.monotonic()
    image_pass = engine.submit(IMAGE)
    gates[0].wait_until_reached()
    assert submitted < began_between()[1]
    gates[0].let_through()
    gates[1].wait_until_reached()
    newest, (earliest, latest) = image_pass.newest, began_between()
    assert earliest < newest.arrival + newest.elapsed < latest
    engine.preempt()
    assert image_pass.ended and engine.stuck_for > 0  # the stage goes on
    gates[1].let_through()
    end = time.monotonic() + WAIT_SECONDS
    while engine.stuck_for and time.monotonic() < end:
        time.sleep(0.001)
    assert engine.stuck_for == 0


def test_preempt_before_the_first_answer_gives_the_previous_image_s_and_stops_at_the_first(gated):
    engine, gates = gated
    assert engine.preempt() is None
    for gate in gates:
        gate.let_through()
    previous = list(engine.refine(IMAGE))[-1]
    for gate in gates:
        gate.wait_until_reached()
    image_pass = engine.submit(IMAGE)
    gates[0].wait_until_reached()
    assert engine.preempt() is previous
    assert not image_pass.ended
    gates[0].let_through()
    last = list(image_pass.refinements())[-1]
    assert (last.exit_index, last.status) == (0, Status.PREEMPTED)


def test_a_newer_image_replaces_the_waiting_one_and_supersedes_the_one_in_flight(gated):
    engine, gates = gated
    first = engine.submit(IMAGE)
    gates[0].wait_until_reached()
    second = engine.submit(IMAGE)
    third = engine.submit(IMAGE)
    assert second.ended and second.newest is None and list(second.refinements()) == []
    gates[0].let_through()
    assert [r.status for r in first.refinements()] == [Status.SUPERSEDED]
    gates[0].wait_until_reached()  # now for the third
    for gate in gates:
        gate.let_through()
    assert list(third.refinements())[-1].status is Status.COMPLETE
    assert (engine.counts.submitted, engine.counts.started, engine.counts.replaced) == (3, 2, 1)


def test_an_image_is_finished_before_newer_ones_where_these_do_not_supersede(gated):
    engine, gates = gated
    engine.supersede = False
    first = engine.submit(IMAGE)
    gates[0].wait_until_reached()
    second = engine.submit(IMAGE)
    third = engine.submit(IMAGE)
    assert second.ended and second.newest is None
    assert finish(gates, first).status is Status.COMPLETE
    gates[0].wait_until_reached()  # now for the third
    assert engine.set_current_budget(1e-6) and engine.submit(IMAGE) is not None
    gates[0].let_through()
    assert [r.status for r in third.refinements()] == [Status.BUDGET_SPENT]


def finish(gates, image_pass):
    """Let one pass run to its end."""
    for gate in gates:
        gate.let_through()
    return list(image_pass.refinements())[-1]


def test_streams_have_a_place_each_and_the_earliest_deadline_goes_first(gated):
    engine, gates = gated
    busy = engine.submit(IMAGE, stream='a')
    gates[0].wait_until_reached()
    late = engine.submit(IMAGE, stream='a', budget=2000.0)
    early = engine.submit(IMAGE, stream='b', budget=1000.0)
    exclusive = engine.submit(IMAGE, stream='c', exclusive=True)
    newer = engine.submit(IMAGE, stream='b', budget=1000.0)
    assert early.ended and not late.ended
    gates[0].let_through()
    assert list(busy.refinements())[-1].status is Status.SUPERSEDED
    for expected in (exclusive, newer, late):
        gates[0].wait_until_reached()
        assert engine._worker.answers.current is expected
        for gate in gates:
            gate.let_through()
        last = list(expected.refinements())[-1]
        assert last.status is Status.COMPLETE
        for gate in gates[1:]:
            gate.wait_until_reached()


def test_another_stream_s_image_waits_for_its_share_and_an_exclusive_one_for_nobody(gated):
    engine, gates = gated
    first = engine.submit(IMAGE, stream='a')
    gates[0].let_through()
    gates[1].wait_until_reached()
    engine.submit(IMAGE, stream='b')  # without a deadline: at once
    gates[1].let_through()
    assert list(first.refinements())[-1].status is Status.SUPERSEDED
    gates[0].wait_until_reached()
    gates[0].wait_until_reached()
    goal = engine.submit(IMAGE, stream='goal', exclusive=True)
    gates[0].let_through()
    gates[0].wait_until_reached()
    assert engine._worker.answers.current is goal
    engine.submit(IMAGE, stream='b')
    assert finish(gates, goal).status is Status.COMPLETE


def test_reset_drops_what_waits_and_forgets_what_was_answered(gated):
    engine, gates = gated
    current = engine.submit(IMAGE)
    gates[0].let_through()
    gates[1].wait_until_reached()
    waiting = engine.submit(IMAGE)
    engine.reset()
    assert current.status is Status.PREEMPTED and waiting.ended and waiting.newest is None
    assert engine.newest is None and engine.preempt() is None


@pytest.mark.parametrize('when', ['while the engine works', 'once it is stopped'])
def test_listeners_that_raise_do_not_stop_the_engine(gated, when):
    def fail(*_):
        raise RuntimeError('a bug in a callback')

    engine, gates = gated
    gates[1].error = ValueError('a stage failed')
    image_pass = engine.submit(IMAGE, on_failure=fail, on_refinement=fail)
    gates[0].let_through()
    gates[1].wait_until_reached()
    if when == 'once it is stopped':
        engine.preempt()
    gates[1].let_through()
    while engine.counts.failed == 0:
        time.sleep(0.001)
    assert image_pass.ended
    gates[1].error = None
    assert finish(gates, engine.submit(IMAGE)).status is Status.COMPLETE


def test_preempt_of_one_stream_leaves_the_others_alone(gated):
    engine, gates = gated
    camera = engine.submit(IMAGE, stream='camera')
    gates[0].let_through()
    gates[1].wait_until_reached()
    assert engine.preempt('goal') is None and not camera.ended
    assert engine.preempt('camera').status is Status.PREEMPTED and camera.ended
    assert engine.preempt('camera') is camera.newest is engine.newest


def test_a_stage_that_overruns_the_deadline_leaves_the_answer_before_it(gated):
    engine, gates = gated
    image_pass = engine.submit(IMAGE)
    gates[0].let_through()
    gates[1].wait_until_reached()
    assert engine.set_current_budget(1e-6)
    gates[1].let_through()
    refinements = list(image_pass.refinements())
    assert [(r.exit_index, r.status) for r in refinements] == [
        (0, Status.REFINING), (0, Status.BUDGET_SPENT)]
    assert engine.budget == Budget()
    assert not engine.set_current_budget(1.0)  # it has ended


@pytest.mark.parametrize('error', [ValueError('a stage failed'), MemoryError('out of memory')])
def test_a_failing_stage_fails_that_image_and_no_other(gated, error):
    engine, gates = gated
    gates[1].error = error
    for gate in gates:
        gate.closed = False
    with pytest.raises(type(error), match=str(error)):
        list(engine.refine(IMAGE))
    gates[1].error = None
    assert list(engine.refine(IMAGE))[-1].status is Status.COMPLETE
    assert engine.counts.failed == 1


def test_a_network_that_always_fails_closes_the_engine_and_says_so(gated):
    engine, gates = gated
    gates[1].error = ArithmeticError('the GPU fell off the bus')
    for gate in gates:
        gate.closed = False
    for _ in range(5):
        with pytest.raises(ArithmeticError):
            list(engine.refine(IMAGE))
    engine._worker._thread.join(20)
    with pytest.raises(RuntimeError, match='closed: .*fell off the bus') as caught:
        engine.submit(IMAGE)
    assert caught.value.__cause__ is gates[1].error is engine.failure


def test_closing_in_the_middle_of_a_pass_ends_it_and_the_thread():
    network, gates = gated_network()
    engine = AnytimeEngine(network)
    gates[1].closed = True
    image_pass = engine.submit(IMAGE)
    gates[1].wait_until_reached()
    closer = threading.Thread(target=engine.close)
    closer.start()
    gates[1].let_through()
    closer.join(20)
    assert not closer.is_alive() and not engine._worker._thread.is_alive() and image_pass.ended
    with pytest.raises(RuntimeError, match='closed'):
        engine.submit(IMAGE)
    engine.close()


def test_closing_does_not_wait_for_ever_for_a_stage_that_hangs(monkeypatch):
    network, gates = gated_network()
    engine = AnytimeEngine(network)
    gates[1].closed = True
    engine.submit(IMAGE)
    gates[1].wait_until_reached()
    monkeypatch.setattr(worker, '_END_SECONDS', 0.1)
    for _ in range(2):
        with pytest.raises(TimeoutError, match='hangs'):
            engine.close()
    gates[1].let_through()
    engine._worker._thread.join(20)
    engine.close()


def test_a_listener_that_would_end_the_program_closes_the_engine():
    engine = AnytimeEngine(gated_network()[0])
    image_pass = engine.submit(IMAGE, on_refinement=lambda _: sys.exit(3))
    engine._worker._thread.join(20)
    assert image_pass.ended and isinstance(engine.failure, SystemExit)
    with pytest.raises(RuntimeError, match='closed: SystemExit'):
        engine.submit(IMAGE)
    engine.close()


def test_an_engine_that_is_interrupted_while_it_is_made_leaves_no_thread(monkeypatch):
    class Interrupted(Future):

        def result(self, timeout=None):
            raise KeyboardInterrupt

    def make(*arguments):
        assert go_on.wait(WAIT_SECONDS)
        return make_runner(*arguments)
    go_on = threading.Event()
    monkeypatch.setattr(worker, 'make_runner', make)
    monkeypatch.setattr(worker, 'Future', Interrupted)
    others = set(threading.enumerate())
    with pytest.raises(KeyboardInterrupt):
        AnytimeEngine(AnytimeNetwork(1, 2, 3, input_size=8).eval(), runner='torch')
    thread, = set(threading.enumerate()) - others
    go_on.set()
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive()


def test_why_there_is_no_thread_for_an_engine_is_said(monkeypatch):
    def start(_):
        raise RuntimeError("can't start new thread")
    monkeypatch.setattr(threading.Thread, 'start', start)
    with pytest.raises(RuntimeError, match='new thread'):
        AnytimeEngine(AnytimeNetwork(1, 2, 3, input_size=8))


def test_nobody_waits_for_an_engine_whose_thread_was_told_to_end(monkeypatch):
    def make_runner(*_):
        sys.exit(3)

    def make_engine():
        try:
            AnytimeEngine(AnytimeNetwork(1, 2, 3, input_size=8))
        except BaseException as error:
            raised.set_result(error)
    monkeypatch.setattr(worker, 'make_runner', make_runner)
    raised: Future[BaseException] = Future()
    threading.Thread(target=make_engine, daemon=True).start()
    assert isinstance(raised.result(WAIT_SECONDS), SystemExit)


def test_a_bad_image_is_reported_and_the_next_one_served():
    with AnytimeEngine(AnytimeNetwork(1, 2, 3, input_size=8).eval()) as engine:
        with pytest.raises(ValueError, match='float64'):
            list(engine.refine(np.zeros((4, 4, 3))))
        failed: Future[Exception] = Future()
        engine.submit(lambda: 1 / 0, on_failure=failed.set_result)
        assert isinstance(failed.result(20), ZeroDivisionError)
        assert list(engine.refine(IMAGE))[-1].status is Status.COMPLETE


def test_a_fresh_network_is_taken_as_it_is_and_left_as_it_was():
    network = AnytimeNetwork(1, 2, 3, input_size=8)
    before = copy.deepcopy(network.state_dict())
    with AnytimeEngine(network, runner='torch') as engine:
        assert list(engine.refine(IMAGE))[-1].status is Status.COMPLETE
        trunk = engine._worker.refiner.runner._stages[0][0]
        ours = {tensor.data_ptr() for tensor in trunk.parameters()}
    assert network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert not ours & {tensor.data_ptr() for tensor in network.parameters()}


@given(image=st.one_of(
    st.none(), st.text(), arrays(
        st.sampled_from([np.uint8, np.int16, np.float32, np.float64, np.complex64, bool]),
        array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=7)),
    arrays(np.uint8, st.tuples(st.integers(1, 80), st.integers(1, 80), st.just(3)))))
@settings(max_examples=150)
def test_whatever_is_handed_in_is_answered_or_refused_and_the_next_image_is_served(engine, image):
    is_picture = (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3
                  and image.shape[2] == 3 and image.size > 0)
    if is_picture:
        answer = list(engine.refine(image))[-1]
        assert answer.status is Status.COMPLETE and np.isfinite(answer.probabilities).all()
    else:
        with pytest.raises(ValueError):
            list(engine.refine(image))
    assert list(engine.refine(IMAGE, budget=0.001))[-1].status.final
    assert engine.failure is None


@pytest.mark.parametrize('name', ['arrival', 'budget_from'])
@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_an_impossible_arrival_is_refused(engine, name, value):
    with pytest.raises(ValueError, match=name):
        engine.submit(IMAGE, **{name: value})


def test_a_budget_may_count_from_before_the_arrival(gated):
    engine, gates = gated
    now = time.monotonic()
    image_pass = engine.submit(IMAGE, budget=1000.0, arrival=now, budget_from=now - 400)
    gates[0].let_through()
    gates[1].wait_until_reached()
    assert image_pass.newest.budget == pytest.approx(600) and image_pass.newest.elapsed < 400
    assert engine.set_current_budget(2000.0)
    assert image_pass.deadline == pytest.approx(now + 1600)
    assert engine.set_current_budget(300.0)  # it has been over for long
    gates[1].let_through()
    assert list(image_pass.refinements())[-1].status is Status.BUDGET_SPENT


def test_an_image_that_comes_after_its_deadline_has_its_first_answer(gated):
    engine, gates = gated
    now = time.monotonic()
    image_pass = engine.submit(IMAGE, budget=1.0, arrival=now, budget_from=now - 5)
    gates[0].let_through()
    answer, = image_pass.refinements()
    assert (answer.exit_index, answer.status) == (0, Status.BUDGET_SPENT)
    assert answer.budget == pytest.approx(-4)


def test_confidence_stops():
    network = AnytimeNetwork(2, 4, 3, input_size=8).eval()
    with AnytimeEngine(network, confidence=0.0) as engine:
        assert [r.status for r in engine.refine(IMAGE)] == [Status.CONFIDENT]


@pytest.mark.parametrize('confidence', [90, -0.1, float('nan')])
def test_a_confidence_that_is_no_probability_is_refused(engine, confidence):
    with pytest.raises(ValueError, match='from 0 to 1'):
        AnytimeEngine(engine.model, confidence=confidence)
    with pytest.raises(ValueError, match='from 0 to 1'):
        engine.confidence = confidence
    assert engine.confidence is None


@pytest.mark.parametrize('runner', ['torch', 'openvino'])
def test_an_answer_is_held_until_another_class_is_clearly_more_likely(runner):
    if runner == 'openvino':
        pytest.importorskip('openvino')
    torch.manual_seed(0)
    network = randomise(AnytimeNetwork(3, 4, 5, input_size=16))
    changed = 0
    with AnytimeEngine(network, runner=runner, hysteresis=2.0) as engine:
        draws = np.random.default_rng(5)
        for _ in range(10):
            answer = None
            for refinement in engine.refine(draws.integers(0, 256, IMAGE.shape, np.uint8)):
                likely = refinement.probabilities
                if answer is None or likely.max() > 2.0 * likely[answer]:
                    answer = likely.argmax()
                assert refinement.class_index == answer
                assert refinement.class_id == str(answer)  # labels are numbers by default
                assert refinement.confidence == likely[answer]
                changed += answer != likely.argmax()
        assert changed  # else all of this would hold without hysteresis, too
        engine.hysteresis = 1
        assert all(refinement.class_index == refinement.probabilities.argmax()
                   for refinement in engine.refine(IMAGE))
        with pytest.raises(ValueError, match='at least 1'):
            engine.hysteresis = 0.5


def test_confidence_is_in_the_answer_that_is_held():
    # Class 0 at the first exit, with 0.6, and class 1 at the last, with 0.9.
    network = AnytimeNetwork(1, 4, 2, period=2, input_size=8).eval()
    for stage, odds in zip(network.exits, (0.6 / 0.4, 0.1 / 0.9)):
        torch.nn.init.zeros_(stage.head.fc.weight)
        stage.head.fc.bias.data = torch.tensor([odds, 1.0]).log()
    for hysteresis, last in ((1.0, (1, 0.9)), (100.0, (0, 0.1))):
        with AnytimeEngine(network, confidence=0.95, hysteresis=hysteresis) as engine:
            first, second = engine.refine(IMAGE)
        assert (first.class_index, second.class_index) == (0, last[0])
        assert (first.confidence, second.confidence) == pytest.approx((0.6, last[1]), abs=1e-5)
    with AnytimeEngine(network, confidence=0.7, hysteresis=100.0) as engine:
        assert [r.status for r in engine.refine(IMAGE)] == [Status.REFINING, Status.COMPLETE]


@given(budget=st.floats(1e-6, 0.05))
@settings(max_examples=40)
def test_no_refinement_but_the_first_is_ever_late(engine, budget):
    refinements = list(engine.refine(IMAGE, budget=budget))
    assert refinements and refinements[-1].status in (Status.BUDGET_SPENT, Status.COMPLETE)
    assert all(r.elapsed <= budget for r in refinements if r.exit_index > 0)


@pytest.fixture(scope='module')
def engine():
    with AnytimeEngine(AnytimeNetwork(5, 8, 3).eval()) as engine:
        yield engine


def test_opencv_keeps_to_the_engine_s_threads():
    cv2.setNumThreads(2)
    with AnytimeEngine(AnytimeNetwork(1, 4, 3), runner='torch'):
        assert cv2.getNumThreads() == 1


def test_a_standing_budget_may_be_set_as_seconds(engine):
    before = engine.budget
    try:
        engine.budget = 0.25
        assert engine.budget == Budget(0.25)
        with pytest.raises(ValueError, match='must be positive'):
            engine.budget = -1
        assert engine.budget == Budget(0.25)
    finally:
        engine.budget = before


def test_an_absolute_deadline_is_one():
    assert Budget(2.0, deadline=11.0).deadline_for(10.0) == 11.0
    assert Budget(2.0, deadline=13.0).deadline_for(10.0) == 12.0
    for endless in (Budget(sys.float_info.max), Budget(deadline=sys.float_info.max), Budget()):
        assert endless.deadline_for(10.0) == math.inf  # which a message's float32 can hold


@pytest.mark.parametrize('threads', [-1, 0, 257, 99999])
def test_no_more_threads_than_any_machine_has_use_for(threads):
    with pytest.raises(ValueError, match=f'threads is {threads}; it must be in 1 to 256'):
        AnytimeEngine(AnytimeNetwork(1, 4, 3), threads=threads)


@pytest.mark.parametrize('budget', [0, -1.0, float('nan'), Budget])
def test_impossible_budgets_are_refused(engine, budget):
    with pytest.raises((ValueError, TypeError)):
        engine.refine(IMAGE, budget=budget)
    with pytest.raises((ValueError, TypeError)):
        engine.set_current_budget(budget)
    with pytest.raises((ValueError, TypeError)):
        engine.budget = budget
    assert engine.budget == Budget()


@pytest.mark.parametrize('there, name', [(True, 'cuda:0'), (False, 'cpu')])
def test_auto_is_a_gpu_where_there_is_one(monkeypatch, there, name):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: there)
    assert choose_device('auto') == torch.device(name)
    assert choose_device('cpu') == torch.device('cpu')


@pytest.mark.parametrize('name, text', [
    ('cuda:99', 'missing'), ('tpu', 'unknown'), ('meta', 'unknown'), ('cuda:x', 'unknown'),
    ('cpu:x', 'unknown'), ('cpu:1', 'unknown'), ('cuda:', 'unknown'), ('', 'unknown')])
def test_a_missing_device_is_an_error_not_a_fallback(name, text):
    with pytest.raises(DeviceError, match=text):
        AnytimeEngine(AnytimeNetwork(1, 2, 3, input_size=8).eval(), name)


def test_a_storm_of_preempts_from_many_threads(engine):
    stop, problems = threading.Event(), []

    def preempt():
        newest = None
        while not stop.is_set():
            answer = engine.preempt()
            if newest is not None and (answer.arrival, answer.exit_index) < newest:
                problems.append('went back in time')
            newest = answer and (answer.arrival, answer.exit_index)

    threads = [threading.Thread(target=preempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        refinements = list(engine.refine(IMAGE))
        assert [r.status.final for r in refinements] == [False] * (len(refinements) - 1) + [True]
    stop.set()
    for thread in threads:
        thread.join()
    assert not problems


def test_memory_and_threads_stay_flat(engine):
    def resident():
        with open('/proc/self/statm') as file:
            return int(file.read().split()[1]) * 4096

    for _ in range(100):
        list(engine.refine(IMAGE))
    gc.collect()
    memory, threads = resident(), threading.active_count()
    for _ in range(400):
        list(engine.refine(IMAGE, budget=0.002))
    gc.collect()
    assert resident() - memory < 4 * 2**20
    assert threading.active_count() == threads


def test_an_engine_that_is_closed_is_freed():
    engine = AnytimeEngine(AnytimeNetwork(1, 2, 3, input_size=8).eval(), runner='torch')
    list(engine.refine(IMAGE))
    held = [weakref.ref(thing) for thing in (engine, engine._worker, engine.model.network)]
    engine.close()
    del engine
    gc.collect()
    assert [reference() for reference in held] == [None] * 3


def test_a_budget_is_counted_from_the_image_s_arrival(engine):
    image_pass = engine.submit(IMAGE, budget=1.0, arrival=time.monotonic() - 5)
    refinements = list(image_pass.refinements())
    assert [r.status for r in refinements] == [Status.BUDGET_SPENT]
    assert refinements[0].elapsed > 5


@pytest.mark.parametrize('runner', ['torch', 'openvino'])
def test_a_program_that_ends_in_the_middle_of_a_pass_ends_cleanly(runner):
    if runner == 'openvino':
        pytest.importorskip('openvino')
    program = textwrap.dedent(f"""
        import threading
        from anytime_perception.engine import AnytimeEngine
        from anytime_perception.networks import AnytimeNetwork
        import numpy as np
        engine = AnytimeEngine(AnytimeNetwork(9, 8, 3).eval(), runner={runner!r})
        first = threading.Event()
        engine.submit(np.zeros((9, 9, 3), np.uint8), on_refinement=lambda r: first.set())
        assert first.wait(20)
    """)
    ended = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, '')
