"""Asking another node something and waiting for its answer, or saying why there is none."""

from collections.abc import Callable
import math
import threading
import time
from typing import Any

from rclpy.client import Client
from rclpy.task import Future

AGAIN_SECONDS = 0.5    # after which a request is sent once more
_SEEK_SECONDS = 0.005  # between two looks at whether a service is there


class PerceptionError(RuntimeError):
    """The perception node is not there, did not answer, or refused; the text says which."""


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


def no_answer(name: str, timeout: float) -> PerceptionError:
    """Return what to raise where the node `name` did not answer within `timeout` seconds."""
    return PerceptionError(f'{name} did not answer within {timeout:g} s')


class ServiceRequest:
    """
    A request to the node `name` that is sent until it is answered or its time is over.

    A request can be lost while the node is being discovered, or go to the remains of one that has
    just ended. So it is sent again twice a second, unless `repeat` is False because the node must
    not do it twice. A response is passed to `take` and puts `client` into `answered`.
    """

    def __init__(self, name: str, client: Client, request: Any, timeout: float, *, repeat: bool,
                 answered: set[Client], take: Callable[[Future], None]):
        self._name, self._client, self._request = name, client, request
        self._timeout, self._repeat = timeout, repeat
        self._answered, self._take = answered, take
        self._end = time.monotonic() + timeout
        self._due = -math.inf
        self._sent: list[Future] = []

    def look(self) -> float:
        """
        Send the request if it is due and the service is there; return how long that is enough.

        Raises
        ------
        PerceptionError: if the service is not there, or did not answer in time.

        """
        now = time.monotonic()
        if self._sent and now >= self._end:
            raise no_answer(self._name, self._timeout)
        if now >= self._due and self._is_there():
            self._due = now + AGAIN_SECONDS if self._repeat else math.inf
            self._sent.append(self._client.call_async(self._request))
            self._sent[-1].add_done_callback(self._on_response)
        elif not self._sent and now > self._end:
            raise PerceptionError(f'the service {self._client.srv_name} is not there; is the node '
                                  'running? (ros2 node list)')
        return min(AGAIN_SECONDS if self._sent else _SEEK_SECONDS, self._end - now)

    def forget(self) -> None:
        """Have rclpy let go of what was sent, which else it keeps for good."""
        for future in self._sent:
            self._client.remove_pending_request(future)

    def _is_there(self) -> bool:
        # Only until it has answered once: looking at the graph takes time, and misleads where
        # another node of that name has just gone. (rclpy's wait_for_service looks every 0.25 s,
        # which is longer than some can wait.)
        return self._client in self._answered or self._client.service_is_ready()

    def _on_response(self, response: Future) -> None:
        self._answered.add(self._client)
        self._take(response)


class ServiceCalls:
    """Calls services of the node `name`."""

    def __init__(self, name: str):
        self._name = name
        self._answered: set[Client] = set()

    def __call__(self, client: Client, request: Any, timeout: float, *,
                 repeat: bool = True) -> Any:
        """
        Return the response to `request`, within `timeout` seconds.

        Raises
        ------
        PerceptionError: if the service is not there, or does not answer in time.

        """
        responses: list[Future] = []
        answered = threading.Event()

        def take(response: Future) -> None:
            responses.append(response)
            answered.set()
        sent = ServiceRequest(self._name, client, request, timeout, repeat=repeat,
                              answered=self._answered, take=take)
        try:
            while not answered.wait(sent.look()):
                pass
        finally:
            sent.forget()
        return responses[0].result()
