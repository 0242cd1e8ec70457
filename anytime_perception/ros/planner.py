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
from anytime_perception.msg import Label, Refinement
from anytime_perception.ros.client import AnytimeClient, PerceptionError
from anytime_perception.ros.parameters import declare, Read, Spec
from anytime_perception.ros.scorecard import Scorecard
from anytime_perception.ros.spin import serving
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import ParameterDescriptor
import rclpy
from rclpy.exceptions import ParameterException
from rclpy.node import Node

# Of the way from the quickest budget to the most generous one that is tried.
_SHARES = (0, 0.2, 0.4, 0.7, 1)
_TURN_SECONDS = 4.0  # about as long a budget holds, before the next one has its turn
_PATIENCE_SECONDS = 5.0  # for a model, without a word
_ROW = '{:>9}  {:>7}  {:>12}  {:>12}  {:>5}  {:>8}  {}'


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
        self._budgets = self.declare_parameter('budgets_ms', [], ParameterDescriptor(
            description='Budgets to go through; by default spread over what the model needs.',
            dynamic_typing=True, read_only=True)).value
        if not _are_budgets(self._budgets):
            raise ValueError(f'budgets_ms is {self._budgets!r}; it must be a list of numbers '
                             'above 0, such as [5.0, 20.0]')
        self._period = declare(self, 'preempt_period', Spec(
            0.25, 'Mean time between demands, in s.', Read.START, minimum=0, above=True))
        self._output = os.path.expanduser(declare(self, 'output', Spec(
            '', 'File to write the summary to, as JSON.', Read.START)))
        if self._output:
            _check_output(self._output)
        self._random = random.Random(declare(self, 'seed', Spec(
            0, 'Seed of the random moments.', Read.START, minimum=0, maximum=2**31)))
        self._scorecard: Scorecard | None = None
        # Under which its health is published: the name in full, without the first slash.
        self._health_name = f'{self.resolve_topic_name(self._perception).lstrip("/")}: images'
        self._newest: tuple | None = None
        self._diagnostics: dict[str, str] = {}
        self._last_row = 0.0
        self._client = AnytimeClient(self, self._perception, on_refinement=self._take_refinement)
        self.create_subscription(Label, 'label', self._take_label, 100)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._take_diagnostics, 10)

    # Messages, on the executor's thread.

    def _take_label(self, message: Label) -> None:
        if self._scorecard is not None:
            self._scorecard.add_truth(_key(message.header), message.class_id)

    def _take_refinement(self, message: Refinement) -> None:
        if self._scorecard is None:
            return
        if message.exit_count != self._scorecard.exit_count:
            self.get_logger().warning(
                f'a refinement has {message.exit_count} exits, but the model announced has '
                f'{self._scorecard.exit_count}; is there a second node of the name '
                f'{self._perception!r}? Such refinements are left out', once=True)
            return
        key = _key(message.header)
        self._newest = (*key, message.exit_index)
        final = message.status != Refinement.REFINING
        self._scorecard.add_refinement(
            key, message.exit_index, message.class_ids[0], message.elapsed_ms, message.budget_ms,
            final=final, preempted=message.status == Refinement.PREEMPTED)
        if final and time.monotonic() > self._last_row + 0.25:
            self._last_row = time.monotonic()
            self._print(message, self._scorecard.truth(key))

    def _take_diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            if status.name == self._health_name:
                self._diagnostics = {entry.key: entry.value for entry in status.values}

    def _print(self, message: Refinement, truth: str | None) -> None:
        budget = f'{message.budget_ms:.1f}' if math.isfinite(message.budget_ms) else 'none'
        print(_ROW.format(budget, f'{message.exit_index + 1}/{message.exit_count}',
                          message.class_ids[0], truth or '?', f'{message.confidence:.2f}',
                          f'{message.elapsed_ms:.1f}', _status_name(message.status)), flush=True)

    # The script, on the main thread.

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
        self._scorecard = Scorecard(info.class_ids, len(info.exits))
        print(_ROW.format('budget ms', 'exit', 'answer', 'truth', 'conf.', 'ms',
                          'why it is the last'), flush=True)
        count = len(self._budgets or _SHARES) + 1
        # Several rounds: how busy the machine is changes, and should do so for every budget.
        rounds = max(1, round(self._seconds / count / _TURN_SECONDS))
        turn = self._seconds / count / rounds
        end = time.monotonic() + turn
        try:
            # Without a budget first: what the exits take then says which budgets are of interest.
            self._try_budget(math.inf, end, stop)
            budgets = [*(self._budgets or self._spread_budgets()), math.inf]
            for budget_ms in (budgets * rounds)[:-1]:
                end += turn
                self._try_budget(budget_ms, end, stop)
            stop.wait(1.2)  # for the last diagnostics
        finally:
            self._write_summary()

    def _spread_budgets(self) -> list[float]:
        """Return budgets from about the first exit to more than the last."""
        first = self._scorecard.elapsed_ms(0, 0.99) or self._client.info.exits[0].latency_p99_ms
        last = (self._scorecard.elapsed_ms(len(self._client.info.exits) - 1, 0.9)
                or self._client.info.exits[-1].latency_p99_ms)
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
            published = self._newest
            try:
                with self._timed('preempt'):
                    answer = self._client.preempt()
            except PerceptionError as error:
                self.get_logger().error(str(error))
                continue
            if answer is not None and published is not None:
                self._scorecard.older_than_published += (
                    (*_key(answer.header), answer.exit_index) < published)

    @contextlib.contextmanager
    def _timed(self, service: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._scorecard.add_call(service, time.perf_counter() - started)

    def _write_summary(self) -> None:
        summary = self._scorecard.summary()
        summary['perception'] = self._diagnostics
        if self._output:
            with _writing(self._output):
                write_json(self._output, summary)


@contextlib.contextmanager
def _writing(path: str) -> Iterator[None]:
    """Say which file it is that can't be written."""
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


def _are_budgets(values) -> bool:
    listed = isinstance(values, Sequence) and not isinstance(values, str)
    return listed and all(type(value) in (int, float) and value > 0 for value in values)


def _key(header) -> tuple[int, int]:
    return header.stamp.sec, header.stamp.nanosec


def _status_name(status: int) -> str:
    names = ('REFINING', 'COMPLETE', 'BUDGET_SPENT', 'PREEMPTED', 'CONFIDENT', 'SUPERSEDED')
    return {getattr(Refinement, name): name.lower().replace('_', ' ') for name in names}[status]


def main(args: list[str] | None = None) -> int:
    """Play once; return 0, or 1 where its parameters or the lack of a node prevent that."""
    rclpy.init(args=args)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        try:
            node = Planner()
        except (ValueError, ParameterException) as error:
            raise PlannerError(error) from None
        with serving(node):
            node.play(stop)
        return 0
    except PlannerError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        rclpy.try_shutdown()
