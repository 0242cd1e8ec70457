"""A planner that varies the budget, demands answers at random moments, and keeps score."""

from collections.abc import Iterator, Sequence
import contextlib
import math
import os
from pathlib import Path
import random
import signal
import sys
import tempfile
import threading
import time

from anytime_perception.files import write_json
from anytime_perception.msg import ExitInfo
from anytime_perception.ros.client import AnytimeClient, PerceptionError
from anytime_perception.ros.parameters import declare, Read, Spec
from anytime_perception.ros.planner.heard import Heard, place
from anytime_perception.ros.spin import CannotGoOn, initialise, serving
import rclpy
from rclpy.exceptions import ParameterException
from rclpy.node import Node

# Fractions of the way from the shortest budget to the longest one that is tried.
_SHARES = (0, 0.2, 0.4, 0.7, 1)
_TURN_SECONDS = 4.0  # for which a budget holds, about, before the next one has its turn
_PATIENCE_SECONDS = 5.0  # for a model, without a word


class PlannerError(RuntimeError):
    """Something the planner needs is not there; the text says what and what to do."""


class Planner(Node):
    """
    Sets one budget after the other, preempts at random moments, and prints what it gets.

    `play` runs on the caller's thread while an executor serves the node on another.
    """

    def __init__(self, **kwargs):
        super().__init__('planner', **kwargs)
        self._perception = declare(self, 'perception', Spec(
            'anytime_perception', 'Name of the perception node.', Read.START))
        self._seconds = declare(self, 'seconds', Spec(
            30.0, 'How long to play.', Read.START, minimum=0, above=True))
        self._budgets = declare(self, 'budgets_ms', Spec(
            [], 'Budgets to go through; by default spread over what the model needs.', Read.START,
            items=float, minimum=0, above=True))
        self._period = declare(self, 'preempt_period', Spec(
            0.25, 'Mean time between demands, in s.', Read.START, minimum=0, above=True))
        self._output = os.path.expanduser(declare(self, 'output', Spec(
            '', 'File to write the summary to, as JSON.', Read.START)))
        if self._output:
            _check_output(self._output)
        self._random = random.Random(declare(self, 'seed', Spec(
            0, 'Seed of the random moments.', Read.START, minimum=0, maximum=2**31)))
        self._heard = Heard(self, self._perception)
        self._client = AnytimeClient(
            self, self._perception, on_refinement=self._heard.take_refinement)

    def play(self, stop: threading.Event) -> None:
        """
        Go through the budgets until the time is over or `stop` is set, then write the summary.

        Raises
        ------
        PlannerError: if no perception node with a model shows up.

        """
        waited = 0.0
        while (info := self._client.wait_for_model(0.1)) is None:
            waited += 0.1
            if stop.is_set():
                return
            if waited > _PATIENCE_SECONDS:
                self.get_logger().info(f'waiting for the model of {self._perception!r}', once=True)
            if waited > 60:
                raise PlannerError(f'no model info from {self._perception!r} for 60 s; is the '
                                   'node running and configured? Its log says why it is not')
        self._scorecard = self._heard.begin(info)
        count = len(self._budgets or _SHARES) + 1
        # Several rounds: how busy the machine is changes, and should do so for every budget.
        rounds = max(1, round(self._seconds / count / _TURN_SECONDS))
        turn = self._seconds / count / rounds
        end = time.monotonic() + turn
        try:
            # First without a budget: how long the exits take says which budgets are of interest.
            self._try_budget(math.inf, end, stop)
            budgets = [*(self._budgets or self._spread_budgets(info.exits)), math.inf]
            for budget_ms in (budgets * rounds)[:-1]:
                end += turn
                self._try_budget(budget_ms, end, stop)
            stop.wait(1.2)  # for the last diagnostics
        finally:
            self._write_summary()

    def _spread_budgets(self, exits: Sequence[ExitInfo]) -> list[float]:
        """Return budgets from about the first exit's time to more than the last's."""
        elapsed_ms = self._scorecard.elapsed_ms
        first = elapsed_ms(0, 0.99) or exits[0].latency_p99_ms
        last = elapsed_ms(len(exits) - 1, 0.9) or exits[-1].latency_p99_ms
        first = min(first, last) * 1.05
        return [first + (last * 1.2 - first) * share for share in _SHARES]

    def _try_budget(self, budget_ms: float, end: float, stop: threading.Event) -> None:
        if not stop.is_set():
            self._tell_budget(budget_ms)
            self._demand_until(end, stop)

    def _tell_budget(self, budget_ms: float) -> None:
        try:
            with self._timed('set_budget'):
                doubt = self._client.set_budget(
                    None if math.isinf(budget_ms) else budget_ms / 1e3).message
        except PerceptionError as error:
            doubt = str(error)
        if doubt:
            self.get_logger().warning(doubt)

    def _demand_until(self, end: float, stop: threading.Event) -> None:
        """Preempt at random moments until `end`."""
        while not stop.is_set():
            pause = self._random.expovariate(1 / self._period)
            if time.monotonic() + pause > end:
                stop.wait(max(0.0, end - time.monotonic()))
                return
            if stop.wait(pause):
                return
            published = self._heard.newest
            try:
                with self._timed('preempt'):
                    answer = self._client.preempt()
            except PerceptionError as error:
                self.get_logger().error(str(error))
                continue
            if answer is not None and published is not None:
                self._scorecard.older_than_published += place(answer) < published

    @contextlib.contextmanager
    def _timed(self, service: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._scorecard.add_call(service, time.perf_counter() - started)

    def _write_summary(self) -> None:
        summary = self._scorecard.summary()
        summary['perception'] = self._heard.health
        if self._output:
            with _writing(self._output):
                write_json(self._output, summary)


@contextlib.contextmanager
def _writing(path: str) -> Iterator[None]:
    """Name the file in the error if it can't be written."""
    try:
        yield
    except OSError as error:
        raise PlannerError(f'output is {path!r}, which cannot be written: {error}; name another '
                           'file') from error


def _check_output(path: str) -> None:
    """Raise PlannerError where a file can't be written, before an hour of play is lost."""
    folder = Path(path).parent
    with _writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()


def main(args: list[str] | None = None) -> int:
    """Play once; return 0, or 1 where its parameters or the lack of a node prevent that."""
    stop = threading.Event()
    try:
        initialise(args)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        try:
            node = Planner()
        except (ValueError, ParameterException) as error:
            raise PlannerError(error) from None
        with serving(node):
            node.play(stop)
        return 0
    except (CannotGoOn, PlannerError) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        rclpy.try_shutdown()
