"""Asking another node something without waiting: the answer is a future."""

from collections.abc import Callable
from dataclasses import dataclass, field
import threading
import time
from typing import Any

from anytime_perception.ros.calls import AGAIN_SECONDS, no_answer, not_there
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from rclpy.timer import Timer

_LOOK_SECONDS = 0.05  # between two looks at what is not answered


@dataclass(eq=False)
class _Call:
    client: Client
    request: Any
    read: Callable[[Any], Any]
    timeout: float
    repeat: bool
    answer: Future
    sent: list[Future] = field(default_factory=list)

    def __post_init__(self):
        self.end = time.monotonic() + self.timeout
        self.again = 0.0


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
        call = _Call(client, request, read, timeout, repeat, Future(executor=self._node.executor))
        with self._lock:
            self._calls.append(call)
            self._send(call)
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

    def _send(self, call: _Call) -> None:
        """Send a request for the first time or again, if it is due and the service is there."""
        with self._lock:
            if call in self._calls and (call.client in self._answered
                                        or call.client.service_is_ready()):
                call.again = time.monotonic() + AGAIN_SECONDS
                call.sent.append(call.client.call_async(call.request))
                call.sent[-1].add_done_callback(lambda response: self._take(call, response))

    def _take(self, call: _Call, response: Future) -> None:
        self._answered.add(call.client)
        if not self._remove(call) or call.answer.cancelled():
            return
        try:
            result = call.read(response.result())
        except Exception as error:
            call.answer.set_exception(error)
        else:
            call.answer.set_result(result)

    def _look(self) -> None:
        for call in list(self._calls):
            if call.answer.cancelled():
                self._remove(call)
            elif (now := time.monotonic()) > call.end:
                if self._remove(call):
                    call.answer.set_exception(
                        no_answer(self._name, call.timeout) if call.sent else
                        not_there(call.client))
            elif not call.sent or call.repeat and now > call.again:
                self._send(call)
        with self._lock:
            if not self._calls and self._timer is not None:
                # In its own callback: at another time an executor might be about to look at it.
                self._node.destroy_timer(self._timer)
                self._timer = None

    def _remove(self, call: _Call) -> bool:
        """Return whether `call` was still to be answered; it is not any more."""
        with self._lock:
            if call not in self._calls:
                return False
            self._calls.remove(call)
        for future in call.sent:  # else rclpy keeps it for good
            call.client.remove_pending_request(future)
        return True
