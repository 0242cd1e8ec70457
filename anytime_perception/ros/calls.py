"""Asking another node something and waiting for its answer, or saying why there is none."""

import math
import threading
import time

from rclpy.client import Client
from rclpy.task import Future

_SEEK_SECONDS = 0.005  # between two looks at whether a service is there


class PerceptionError(RuntimeError):
    """The perception node is not there, did not answer, or refused; the text says which."""


def result_of(future: Future, name: str, timeout: float, end: float):
    """
    Return the result of `future` that the node `name` owes, until `end` on `time.monotonic`.

    Raises
    ------
    PerceptionError: if there is none by then; it names `timeout`, the seconds that were granted.

    """
    done = threading.Event()
    future.add_done_callback(lambda _future: done.set())
    if not done.wait(None if math.isinf(end) else max(0.0, end - time.monotonic())):
        raise PerceptionError(f'{name} did not answer within {timeout:g} s')
    return future.result()


class ServiceCalls:
    """Calls services of the node `name`."""

    def __init__(self, name: str):
        self._name = name
        self._answered: set[Client] = set()

    def __call__(self, client: Client, request, timeout: float):
        """
        Return the response to `request`, within `timeout` seconds.

        Raises
        ------
        PerceptionError: if the service is not there, or does not answer in time.

        """
        end = time.monotonic() + timeout
        # Asked until it has answered once: to look at the graph each time costs, and misleads
        # where another node of that name has just gone. (rclpy's wait_for_service looks every
        # 0.25 s, which is longer than some can wait.)
        while client not in self._answered and not client.service_is_ready():
            if time.monotonic() > end:
                raise PerceptionError(f'the service {client.srv_name} is not there; is the node '
                                      'running? (ros2 node list)')
            time.sleep(min(_SEEK_SECONDS, timeout))
        future = client.call_async(request)
        try:
            response = result_of(future, self._name, timeout, end)
        except PerceptionError:
            client.remove_pending_request(future)  # else rclpy keeps it for good
            raise
        self._answered.add(client)
        return response
