"""What the worker decides between stages, and what it learns and leaves behind."""

from anytime_perception.engine import AnytimeEngine, Budget, Status
from anytime_perception.networks import AnytimeNetwork, AnytimeSequence
from gated import Gate, gated_network, insert_gates
import numpy as np
import pytest
import torch

IMAGE = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture
def gated():
    """Return an engine and its gates, which are open."""
    network, gates = gated_network()
    with AnytimeEngine(network) as engine:
        yield engine, gates


def step_before(engine, exit_index):
    """Let the profile say that all steps take no time but the one to this exit, far too long."""
    engine.profile._refresh = lambda: None
    engine.profile.step = np.where(np.arange(len(engine.profile.step)) == exit_index, 1e6, 0.0)


def test_a_step_that_would_not_end_in_time_is_not_begun(gated):
    engine, _ = gated
    step_before(engine, 2)
    refinements = list(engine.refine(IMAGE, budget=1000.0))
    assert [(r.exit_index, r.status) for r in refinements] == [
        (0, Status.REFINING), (1, Status.BUDGET_SPENT)]
    assert list(engine.refine(IMAGE))[-1].status is Status.COMPLETE


def test_where_there_is_no_time_for_a_step_a_newer_image_is_not_to_blame(gated):
    engine, gates = gated
    step_before(engine, 1)
    gates[0].closed = True
    first = engine.submit(IMAGE, budget=1000.0)
    gates[0].wait_until_reached()
    second = engine.submit(IMAGE)
    gates[0].closed = False
    gates[0].let_through()
    assert list(first.refinements())[-1].status is Status.BUDGET_SPENT
    assert list(second.refinements())[-1].status is Status.COMPLETE


def test_the_last_exit_is_complete_however_sure_it_is():
    with AnytimeEngine(AnytimeNetwork(1, 2, 3, first_exit=3, input_size=8).eval()) as engine:
        engine.confidence = 0.0
        assert [r.status for r in engine.refine(IMAGE)] == [Status.COMPLETE]


def test_every_pass_is_learned_from_without_what_it_waited(gated, monkeypatch):
    engine, gates = gated
    learned = []
    monkeypatch.setattr(engine.profile, 'learn', lambda *values: learned.append(values))
    gates[0].closed = True
    first = engine.submit(IMAGE)
    gates[0].wait_until_reached()
    second = engine.submit(IMAGE, exclusive=True)
    for _ in range(2):
        gates[0].let_through()
    assert [list(image_pass.refinements())[-1].status for image_pass in (first, second)] == [
        Status.SUPERSEDED, Status.COMPLETE]
    engine.close()  # so that both have been learned from
    (one, not_queued, _), (whole, queued, prepared) = learned
    assert len(one) == 1 and not_queued == 0
    assert len(whole) == len(gates) and whole == sorted(whole)
    assert 0 < queued <= prepared <= whole[0]
    assert first.newest.arrival + first.newest.elapsed <= second.arrival + queued


def test_an_image_without_a_budget_of_its_own_has_the_standing_one(gated):
    engine, _ = gated
    engine.budget = 500.0
    for budget, seconds in ((None, 500.0), (Budget(300.0), 300.0)):
        # From the deadline, a time since the machine's start, so not to the last digit.
        assert {round(r.budget, 6) for r in engine.refine(IMAGE, budget=budget)} == {seconds}


def test_only_failures_in_a_row_close_the_engine(gated):
    engine, gates = gated
    for _ in range(3):
        gates[1].error = ArithmeticError('now and then')
        for _ in range(4):
            with pytest.raises(ArithmeticError):
                list(engine.refine(IMAGE))
        gates[1].error = None
        assert list(engine.refine(IMAGE))[-1].status is Status.COMPLETE
    assert engine.failure is None and engine.counts.failed == 12


@pytest.mark.parametrize('answered', [False, True])
def test_closing_ends_what_is_in_flight_with_a_final_answer_and_what_waits_without(
        gated, answered):
    engine, gates = gated
    gate = gates[1] if answered else gates[0]
    gate.closed = True
    current = engine.submit(IMAGE)
    gate.wait_until_reached()
    waiting = engine.submit(IMAGE)
    engine._worker._close_entry()
    assert waiting.ended and waiting.newest is None
    gate.let_through()
    engine.close()
    assert [r.status for r in current.refinements()][-1] is Status.PREEMPTED
    assert current.newest.exit_index == answered  # of the stage in flight


def test_the_first_reason_to_stop_is_the_one_that_is_told(gated):
    engine, gates = gated
    gates[0].closed = True
    image_pass = engine.submit(IMAGE)
    gates[0].wait_until_reached()
    image_pass.stop(Status.SUPERSEDED)
    image_pass.stop(Status.PREEMPTED)
    gates[0].let_through()
    assert [r.status for r in image_pass.refinements()] == [Status.SUPERSEDED]


def test_preempt_of_a_stream_gives_that_stream_s_newest(gated):
    engine, _ = gated
    for name in ('a', 'b'):
        list(engine.submit(IMAGE, stream=name, tag=name).refinements())
    assert [engine.preempt(name).tag for name in ('a', 'b')] == ['a', 'b']
    assert engine.preempt().tag == 'b' and engine.preempt('c') is None


def test_the_network_runs_on_as_many_threads_as_were_asked_for():
    network, _ = gated_network()
    counted = []

    class Counts(Gate):

        def forward(self, features):
            counted.append(torch.get_num_threads())
            return features
    network.stages[0].trunk.insert(0, Counts())
    before = torch.get_num_threads()
    for threads in (1, 2):
        counted.clear()
        with AnytimeEngine(network, threads=threads) as engine:
            counted.clear()
            list(engine.refine(IMAGE))
        assert set(counted) == {threads}
    assert torch.get_num_threads() == before


def test_openvino_runs_on_as_many_threads_as_were_asked_for():
    module = pytest.importorskip('anytime_perception.engine.openvino_runner')
    for threads in (1, 2):
        runner = module.OpenvinoRunner(AnytimeNetwork(1, 2, 3, input_size=8).eval(), threads)
        compiled = runner._request.get_compiled_model()
        assert compiled.get_property('INFERENCE_NUM_THREADS') == threads


class TestAcrossASequence:
    """The second network's first stages have no head: nothing answers there."""

    @pytest.fixture
    def gated(self):
        network = AnytimeSequence([AnytimeNetwork(n, 2, 3, input_size=8) for n in (1, 2)]).eval()
        gates = insert_gates(network)
        with AnytimeEngine(network, runner='torch') as engine:
            yield engine, gates

    def test_answers_say_which_network_they_are_of_and_what_share_of_the_cost(self, gated):
        engine, _ = gated
        exits = engine.model.network.exits
        refinements = list(engine.refine(IMAGE))
        assert [r.network_index for r in refinements] == [0] * 3 + [1] * 3
        assert [r.cost_fraction for r in refinements] == pytest.approx(
            [stage.cost / exits[-1].cost for stage in exits])

    def test_a_newer_image_is_begun_where_nothing_answers(self, gated):
        engine, gates = gated
        gates[3].closed = True  # of the second network's first stage, which has no head
        image_pass = engine.submit(IMAGE)
        gates[3].wait_until_reached()
        newer = engine.submit(IMAGE)
        gates[3].closed = False
        gates[3].let_through()
        last = list(image_pass.refinements())[-1]
        assert (last.exit_index, last.status) == (2, Status.SUPERSEDED)
        assert list(newer.refinements())[-1].status is Status.COMPLETE

    def test_a_deadline_is_noticed_where_nothing_answers(self, gated):
        engine, gates = gated
        gates[3].closed = gates[4].closed = True
        image_pass = engine.submit(IMAGE)
        gates[3].wait_until_reached()
        image_pass.set_budget(Budget(1e-9))
        engine._worker._close_entry()  # which would end it, too, for another reason
        gates[3].let_through()
        engine.close()
        assert (image_pass.newest.exit_index, image_pass.status) == (2, Status.BUDGET_SPENT)
        assert not gates[4].was_reached()
