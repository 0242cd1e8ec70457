"""Asking another node something and waiting for its answer, or saying why there is none."""

import inspect
import math
import threading
import time
from typing import Any

from rclpy.client import Client
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future

AGAIN_SECONDS = 0.5    # after which a request is sent once more
_SEEK_SECONDS = 0.005  # between two looks at whether a service is there
_SPINNING = {method.__code__ for method in (
    SingleThreadedExecutor.spin_once, SingleThreadedExecutor.spin_once_until_future_complete)}


class PerceptionError(RuntimeError):
    """The perception node is not there, did not answer, or refused; the text says which."""


def check_can_wait(node: Node) -> None:
    """
    Raise RuntimeError where the caller is a callback that holds up the one thread of `node`.

    What it waits for would never come. The thread's own stack shows it for certain: an executor
    with more threads, or of another node, is not what is looked for, as it can deliver the answer.
    """
    executor, frame = node.executor, inspect.currentframe()
    while frame is not None:
        if frame.f_code in _SPINNING and frame.f_locals.get('self') is executor:
            raise RuntimeError(
                f'this callback would wait for itself: it runs on the only thread that serves '
                f'{node.get_name()}. Use preempt_async or set_budget_async here, call from a '
                'thread of your own, or spin a MultiThreadedExecutor')
        frame = frame.f_back


def result_of(future: Future, name: str, timeout: float, end: float) -> Any:
    """
    Return the result of `future` that the node `name` owes, until `end` on `time.monotonic`.

    Raises
    ------
    PerceptionError: if there is none by then; it names `timeout`, the seconds that were granted.

    """
    done = threading.Event()
    future.add_done_callback(lambda _future: done.set())
    if not done.wait(None if math.isinf(end) else max(0.0, end - time.monotonic())):
        raise no_answer(name, timeout)
    return future.result()


class ServiceCalls:
    """Calls services of the node `name`."""

    def __init__(self, name: str):
        self._name = name
        self._answered: set[Client] = set()

    def __call__(self, client: Client, request: Any, timeout: float, *,
                 repeat: bool = True) -> Any:
        """
        Return the response to `request`, within `timeout` seconds.

        A request can be lost while the node is being discovered, or go to the remains of one that
        has just ended. So it is sent again twice a second, unless `repeat` is False because the
        node must not do it twice.

        Raises
        ------
        PerceptionError: if the service is not there, or does not answer in time.

        """
        end = time.monotonic() + timeout
        # Only until it has answered once: looking at the graph takes time, and misleads where
        # another node of that name has just gone. (rclpy's wait_for_service looks every 0.25 s,
        # which is longer than some can wait.)
        while client not in self._answered and not client.service_is_ready():
            if time.monotonic() > end:
                raise not_there(client)
            time.sleep(min(_SEEK_SECONDS, timeout))
        answered = threading.Event()
        futures: list[Future] = []
        try:
            while not answered.is_set():
                if repeat or not futures:
                    futures.append(client.call_async(request))
                    futures[-1].add_done_callback(lambda _future: answered.set())
                left = max(0.0, end - time.monotonic())
                if not answered.wait(min(left, AGAIN_SECONDS)) and time.monotonic() >= end:
                    raise no_answer(self._name, timeout)
        finally:
            for future in futures:  # else rclpy keeps it for good
                client.remove_pending_request(future)
        self._answered.add(client)
        return next(future for future in futures if future.done()).result()


def no_answer(name: str, timeout: float) -> PerceptionError:
    """Return what to raise where the node `name` did not answer within `timeout` seconds."""
    return PerceptionError(f'{name} did not answer within {timeout:g} s')


def not_there(client: Client) -> PerceptionError:
    """Return what to raise where nobody offers the service of `client`."""
    return PerceptionError(f'the service {client.srv_name} is not there; is the node running? '
                           '(ros2 node list)')
