"""What a planner hears of the perception node and the camera: its scorecard and printed rows."""

import math
import os
import sys
import time

from anytime_perception.msg import Label, ModelInfo, Refinement
from anytime_perception.ros.planner.scorecard import Scorecard
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from std_msgs.msg import Header

_ROW = '{:>9}  {:>7}  {:>12}  {:>12}  {:>5}  {:>8}  {}'
_ROW_SECONDS = 0.25  # between two rows


class Heard:
    """
    Notes what was heard once `begin` was called, and prints a final answer now and then.

    Messages come on the executor's thread; what they leave here may be read on any.

    Parameters
    ----------
    node: the planner's, which hears labels and diagnostics from now on.
    perception: name of the perception node.

    Attributes
    ----------
    scorecard: None before `begin`.
    newest: the `place` of the newest refinement published, None before the first.
    health: the values of the perception node's last diagnostics.

    """

    def __init__(self, node: Node, perception: str):
        self.scorecard: Scorecard | None = None
        self.newest: tuple[int, int, int] | None = None
        self.health: dict[str, str] = {}
        self._logger = node.get_logger()
        self._perception = perception
        # The name of its diagnostics: the full name, without the first slash.
        self._health_name = f'{node.resolve_topic_name(perception).lstrip("/")}: images'
        self._last_row = 0.0
        node.create_subscription(Label, 'label', self._take_label, 100)
        node.create_subscription(DiagnosticArray, '/diagnostics', self.take_diagnostics, 10)

    def begin(self, info: ModelInfo) -> Scorecard:
        """Keep score of the answers of this model; return the scorecard."""
        self.scorecard = Scorecard(info.class_ids, len(info.exits))
        _print_row('budget ms', 'exit', 'answer', 'truth', 'conf.', 'ms', 'why it is the last')
        return self.scorecard

    def take_refinement(self, message: Refinement) -> None:
        """Note an answer."""
        card = self.scorecard
        if card is None:
            return
        if message.exit_count != card.exit_count:
            self._logger.warning(
                f'a refinement has {message.exit_count} exits, but the model announced has '
                f'{card.exit_count}; is there a second node of the name '
                f'{self._perception!r}? Such refinements are left out', once=True)
            return
        self.newest = place(message)
        key, final = _key(message.header), message.status != Refinement.REFINING
        card.add_refinement(
            key, message.exit_index, message.class_ids[0], message.elapsed_ms, message.budget_ms,
            final=final, preempted=message.status == Refinement.PREEMPTED)
        if final and time.monotonic() > self._last_row + _ROW_SECONDS:
            self._last_row = time.monotonic()
            _print_answer(message, card.truth(key))

    def take_diagnostics(self, message: DiagnosticArray) -> None:
        """Keep what the perception node says of itself."""
        for status in message.status:
            if status.name == self._health_name:
                self.health = {entry.key: entry.value for entry in status.values}

    def _take_label(self, message: Label) -> None:
        if self.scorecard is not None:
            self.scorecard.add_truth(_key(message.header), message.class_id)


def place(refinement: Refinement) -> tuple[int, int, int]:
    """Return what refinements are ordered by: the stamp of the image, then the exit."""
    return (*_key(refinement.header), refinement.exit_index)


def _key(header: Header) -> tuple[int, int]:
    return header.stamp.sec, header.stamp.nanosec


def _print_answer(message: Refinement, truth: str | None) -> None:
    budget = f'{message.budget_ms:.1f}' if math.isfinite(message.budget_ms) else 'none'
    _print_row(budget, f'{message.exit_index + 1}/{message.exit_count}', message.class_ids[0],
               truth or '?', f'{message.confidence:.2f}', f'{message.elapsed_ms:.1f}',
               _status_name(message.status))


def _print_row(*columns: str) -> None:
    """Print a row, where somebody reads it: the score is kept all the same."""
    try:
        print(_ROW.format(*columns), flush=True)
    except BrokenPipeError:  # whoever reads has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing to flush at exit


def _status_name(status: int) -> str:
    names = ('REFINING', 'COMPLETE', 'BUDGET_SPENT', 'PREEMPTED', 'CONFIDENT', 'SUPERSEDED')
    return {getattr(Refinement, name): name.lower().replace('_', ' ') for name in names}[status]
