"""Asking another node something without waiting: the answer is a future."""

from collections.abc import Callable
from dataclasses import dataclass, field
import threading
from typing import Any

from anytime_perception.ros.client.calls import PerceptionError, ServiceRequest
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from rclpy.timer import Timer

_LOOK_SECONDS = 0.05  # between two looks at what is not answered


@dataclass(eq=False)
class _Call:
    read: Callable[[Any], Any]
    answer: Future
    request: ServiceRequest = field(init=False)


class AsyncCalls:
    """
    Calls services of the node `name`, as `ServiceCalls` does, for callers who must not wait.

    The executor of the caller's `node` does all the work; while answers are due, a timer of that
    node sends requests again and ends what takes too long.
    """

    def __init__(self, node: Node, name: str):
        self._node = node
        self._name = name
        self._lock = threading.RLock()
        self._calls: list[_Call] = []  # that are not answered; who removes one completes it
        self._answered: set[Client] = set()
        self._timer: Timer | None = None
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)

    def __call__(self, client: Client, request: Any, read: Callable[[Any], Any], timeout: float, *,
                 repeat: bool = True) -> Future:
        """
        Return the future of what `read` makes of the response to `request`.

        It fails with what `read` raises, or with a PerceptionError where the service is not there
        or does not answer in time.
        """
        call = _Call(read, Future(executor=self._node.executor))
        call.request = ServiceRequest(
            self._name, client, request, timeout, repeat=repeat, answered=self._answered,
            take=lambda response: self._take(call, response))
        with self._lock:
            self._calls.append(call)
            self._advance(call)
            if self._timer is None:
                # A group of its own, as groups never forget what they had.
                self._timer = self._node.create_timer(
                    _LOOK_SECONDS, self._look, MutuallyExclusiveCallbackGroup(), self._clock)
        return call.answer

    def close(self) -> None:
        """Cancel what is not answered."""
        for call in list(self._calls):
            if self._remove(call):
                call.answer.cancel()

    def _look(self) -> None:
        for call in list(self._calls):
            self._advance(call)
        with self._lock:
            if not self._calls and self._timer is not None:
                # In its own callback: at another time an executor might be about to look at it.
                self._node.destroy_timer(self._timer)
                self._timer = None

    def _advance(self, call: _Call) -> None:
        with self._lock:
            if call not in self._calls:
                return
            if call.answer.cancelled():
                self._remove(call)
                return
            try:
                call.request.look()
                return
            except PerceptionError as error:
                failure = error
        if self._remove(call):
            call.answer.set_exception(failure)

    def _take(self, call: _Call, response: Future) -> None:
        if not self._remove(call) or call.answer.cancelled():
            return
        try:
            result = call.read(response.result())
        except Exception as error:
            call.answer.set_exception(error)
        else:
            call.answer.set_result(result)

    def _remove(self, call: _Call) -> bool:
        """Return whether `call` was still to be answered; it is not any more."""
        with self._lock:
            if call not in self._calls:
                return False
            self._calls.remove(call)
        call.request.forget()
        return True
