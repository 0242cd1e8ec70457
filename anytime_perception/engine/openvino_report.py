"""
Answers out of the middle of a running OpenVINO graph, and stopping it there.

OpenVINO hands out what a graph computes once all of it has run. But an operation may be written
in Python, and is then called when its turn comes: one behind the exits reports their answers while
the rest of the graph is still to be computed.
"""

from collections.abc import Callable
import ctypes
import threading
from typing import Any
import weakref

from anytime_perception.engine.runner import Answered
import numpy as np
from openvino import InferRequest, Node, Op, PartialShape, Type


class Reporter:
    """
    Passes on what the `count` operations of one graph report, from OpenVINO's thread.

    It is part of the graph, so it holds the graph's request during a run only: otherwise neither
    would ever be freed.
    """

    def __init__(self, count: int):
        self._count = count
        # OpenVINO's clones too: it calls them, but leaves keeping them alive to us.
        self.reports: list[Report] = []
        self._answered: Answered  # set during a run only, like the request
        self._request: InferRequest
        self._next = 0
        self._stopped = False
        self._error: BaseException | None = None
        self._of_thread = threading.local()

    def run(self, request: InferRequest, answered: Answered) -> None:
        """Run the graph until its end, or until `answered` has had enough."""
        self._request, self._answered = request, answered
        self._next, self._stopped, self._error = 0, False, None
        try:
            request.start_async()
            request.wait()
        except RuntimeError:  # a cancelled request says so
            if not self._stopped:
                raise
        finally:
            del self._request, self._answered
        if self._error is not None:
            raise self._error

    def take(self, answers: np.ndarray, position: int) -> None:
        """Pass on one report of `count`, on OpenVINO's thread, in the middle of the graph."""
        self._keep_thread_state()
        try:
            if position != self._next:
                raise RuntimeError(f'OpenVINO computed part {position} before {self._next}')
            self._next += 1
            if self._answered(answers):
                return
        except BaseException as error:  # also a listener's sys.exit: this thread is not Python's
            self._error = error
        if self._next < self._count:
            self._stopped = True
            self._request.cancel()

    def _keep_thread_state(self) -> None:
        """
        Keep what Python knows of this thread, which is not one of its own.

        It would be made and thrown away for every report, which costs ten times the report.
        """
        if not hasattr(self._of_thread, 'kept'):
            self._of_thread.kept = True
            ctypes.pythonapi.PyGILState_Ensure()


class Report(Op):
    """
    The operation that reports its input when its turn comes.

    The input is answers (exits, classes), or one meaningless row where `exits` is 0. The output is
    a meaningless number: it is there because a graph keeps only what leads to an output.
    """

    def __init__(self, inputs: list, reporter: Reporter, exits: int, position: int):
        # Not super().__init__(self, inputs), as is usual: that would keep it alive for ever, and
        # the graph with it.
        super().__init__(None, inputs)
        # A weak reference is enough: the reporter holds this, so it is there.
        self._reporter: Callable[[], Reporter] = weakref.ref(reporter)  # type: ignore[assignment]
        self._exits = exits
        self._position = position
        reporter.reports.append(self)

    def validate_and_infer_types(self) -> None:
        """Say what comes out."""
        self.set_output_type(0, Type.f32, PartialShape([1]))

    def clone_with_new_inputs(self, inputs: list) -> Node:
        """Return the same operation elsewhere."""
        return Report(inputs, self._reporter(), self._exits, self._position)

    def has_evaluate(self) -> bool:
        """Say that it can be run."""
        return True

    def evaluate(self, _outputs: list[Any], inputs: list[Any]) -> bool:
        """Report; the memory is OpenVINO's, so a copy."""
        self._reporter().take(inputs[0].data[:self._exits].copy(), self._position)
        return True
