"""Every image ends in one final status; refinements come in order, and none after the last."""

import dataclasses
import math
import threading
import time

from anytime_perception.engine import Budget, ImagePass, Refinement, Status
from hypothesis import settings, strategies as st
from hypothesis.stateful import invariant, precondition, rule, RuleBasedStateMachine
import numpy as np

FINAL = [status for status in Status if status.final]


def refinement(exit_index, status=Status.REFINING):
    return Refinement(exit_index, 9, 0, exit_index + 1, 100, 0.1, np.array([0.25, 0.75]), 1,
                      'dog', 0.01, 0.0, math.inf, status)


class PassMachine(RuleBasedStateMachine):
    """Anybody does anything to a pass, in any order."""

    def __init__(self):
        super().__init__()
        self.heard = []
        self.image_pass = ImagePass('image', 0.0, Budget(), on_refinement=self.heard.append)
        self.next_exit = 0
        self.stopped_before_first = None
        self.final = None

    @rule(status=st.sampled_from([Status.REFINING, Status.REFINING, *FINAL]))
    def worker_answers(self, status):
        self.image_pass.add(refinement(self.next_exit, status))
        if self.final is None:
            if self.stopped_before_first is not None and status is not Status.COMPLETE:
                status = self.stopped_before_first
            self.final = status if status.final else None
            self.next_exit += 1

    @rule(status=st.sampled_from([Status.PREEMPTED, Status.BUDGET_SPENT, Status.SUPERSEDED]))
    def somebody_stops(self, status):
        self.image_pass.stop(status)
        if self.final is None:
            if self.next_exit == 0:
                self.stopped_before_first = self.stopped_before_first or status
            else:
                self.final = status

    @rule(seconds=st.floats(0.001, 100))
    def somebody_changes_the_budget(self, seconds):
        self.image_pass.set_budget(Budget(seconds))

    @precondition(lambda self: self.final is None and self.next_exit == 0)
    @rule()
    def engine_drops_it(self):
        self.image_pass.drop()
        self.final = Status.SUPERSEDED

    @invariant()
    def state_is_what_happened(self):
        assert self.image_pass.ended == (self.final is not None)
        assert self.image_pass.status is (self.final or Status.REFINING)
        assert (self.image_pass.image is None) == self.image_pass.ended

    @invariant()
    def refinements_are_in_order_and_only_the_last_is_final(self):
        exits = [heard.exit_index for heard in self.heard]
        assert exits == sorted(exits)
        assert [heard.status.final for heard in self.heard[:-1]] == [False] * (len(self.heard) - 1)
        if self.heard:
            assert self.heard[-1] is self.image_pass.newest
            assert self.heard[-1].status is (self.final or Status.REFINING)
            assert exits[-1] == self.next_exit - 1

    def teardown(self):
        if self.final is not None:
            assert list(self.image_pass.refinements()) == self.heard


PassMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=12)
TestPass = PassMachine.TestCase


def test_a_reader_gets_the_newest_answer_at_its_deadline():
    image_pass = ImagePass(None, time.monotonic(), Budget(0.05))
    image_pass.add(refinement(0))
    statuses = [(r.exit_index, r.status) for r in image_pass.refinements()]
    assert statuses == [(0, Status.REFINING), (0, Status.BUDGET_SPENT)]


def test_a_listener_hears_of_the_deadline_that_a_reader_met():
    heard = []
    image_pass = ImagePass(None, time.monotonic(), Budget(0.02), on_refinement=heard.append)
    image_pass.add(refinement(0))
    assert list(image_pass.refinements()) == heard
    assert heard[-1].status is Status.BUDGET_SPENT


def test_a_deadline_that_is_moved_forward_wakes_the_reader():
    image_pass = ImagePass(None, time.monotonic(), Budget())
    image_pass.add(refinement(0))
    timer = threading.Timer(0.05, image_pass.set_budget, [Budget(1e-6)])
    timer.start()
    assert [r.status for r in image_pass.refinements()] == [Status.REFINING, Status.BUDGET_SPENT]
    timer.join()


def test_the_first_answer_is_waited_for_beyond_the_deadline():
    image_pass = ImagePass(None, time.monotonic(), Budget(1e-6))
    timer = threading.Timer(0.05, image_pass.add, [refinement(0, Status.BUDGET_SPENT)])
    timer.start()
    assert [r.status for r in image_pass.refinements()] == [Status.BUDGET_SPENT]
    timer.join()


def test_leaving_the_loop_preempts():
    image_pass = ImagePass(None, time.monotonic(), Budget())
    image_pass.add(refinement(0))
    for _ in image_pass.refinements():
        break
    assert image_pass.status is Status.PREEMPTED


def test_the_last_answer_says_the_budget_that_ended_it():
    image_pass = ImagePass(None, 100.0, Budget())
    image_pass.add(refinement(0))
    assert image_pass.set_budget(Budget(0.25))
    image_pass.stop(Status.BUDGET_SPENT)
    assert image_pass.newest.budget == 0.25
    assert not image_pass.set_budget(Budget(0.5))


def test_a_budget_that_is_raised_in_the_last_moment_holds():
    image_pass = ImagePass(None, 100.0, Budget(0.25))
    image_pass.add(refinement(0))
    spent = dataclasses.replace(refinement(1, Status.BUDGET_SPENT), arrival=100.0, budget=0.25)
    assert image_pass.set_budget(Budget(0.5))  # after the worker has seen the deadline of before
    image_pass.add(spent)
    assert image_pass.newest.exit_index == 1 and not image_pass.ended
    assert not image_pass.run_out(100.4) and not image_pass.ended
    assert image_pass.run_out(100.6) and image_pass.status is Status.BUDGET_SPENT
    assert image_pass.newest.budget == 0.5


def test_a_pass_that_was_told_to_stop_takes_no_budget():
    image_pass = ImagePass(None, 100.0, Budget())
    image_pass.stop(Status.PREEMPTED)
    assert not image_pass.set_budget(Budget(0.25))
    assert image_pass.deadline == math.inf


def test_many_threads_stopping_at_once_leave_one_final_status_and_the_right_order():
    for _ in range(100):
        heard = []
        image_pass = ImagePass(None, 0.0, Budget(), on_refinement=heard.append)
        barrier = threading.Barrier(5)

        def stop(image_pass=image_pass, barrier=barrier):
            barrier.wait()
            image_pass.stop(Status.PREEMPTED)

        threads = [threading.Thread(target=stop) for _ in range(4)]
        for thread in threads:
            thread.start()
        barrier.wait()
        for exit_index in range(20):
            image_pass.add(refinement(exit_index))
        for thread in threads:
            thread.join()
        exits = [r.exit_index for r in heard]
        assert exits == sorted(exits)
        assert [r.status.final for r in heard].count(True) == 1 and heard[-1].status.final
        assert heard[-1] is image_pass.newest
