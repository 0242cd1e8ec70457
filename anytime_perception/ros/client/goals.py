"""The client's side of ~/classify: send one image, cancel on demand, and wait for the answer."""

from collections.abc import Callable
import threading
import time

from anytime_perception.action import Classify
from anytime_perception.msg import Refinement
from anytime_perception.ros.client.action_client import ThreadedActionClient
from anytime_perception.ros.client.calls import PerceptionError, result_of
from anytime_perception.ros.qos import BURST
from rclpy.action.client import ClientGoalHandle
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future

_STOP_SECONDS = 0.001  # between two looks at whether to stop
_LOOK_SECONDS = 0.1    # between two looks at whether the node is there
_FEEDBACK = QoSProfile(depth=200)


class Goals:
    """
    Sends goals of ~/classify to the node `name`, through a node that another thread serves.

    Attributes
    ----------
    announced: how often the node has announced a model. It does so again when it was restarted,
        and then knows nothing of earlier goals.

    """

    def __init__(self, node: Node, name: str, timeout: float):
        self._node = node
        self._name = name
        self._timeout = timeout
        self.announced = 0
        self._client = ThreadedActionClient(
            node, Classify, f'{name}/classify', goal_service_qos_profile=BURST,
            result_service_qos_profile=BURST, cancel_service_qos_profile=BURST,
            feedback_sub_qos_profile=_FEEDBACK,
            callback_group=MutuallyExclusiveCallbackGroup())  # no callback that waits blocks it

    def close(self) -> None:
        """
        Let go of the node.

        The client is not destroyed here (as by ActionClient.destroy), because an executor that is
        about to wait for it would end with an error. It goes when nobody holds it any more.
        """
        self._node.remove_waitable(self._client)
        del self._client

    def classify(self, goal: Classify.Goal, seconds: float,
                 on_refinement: Callable[[Refinement], None] | None,
                 stop: threading.Event | None) -> Refinement:
        """Return the answer to a goal of `seconds`; see `AnytimeClient.classify`."""
        if not self._client.wait_for_server(timeout_sec=self._timeout):
            raise PerceptionError(f'there is no node {self._name!r}; is it running?')
        feedback = None if on_refinement is None else \
            (lambda message: on_refinement(message.feedback.refinement))
        sent = self._client.send_goal_async(goal, feedback)
        try:
            handle = result_of(sent, self._name, self._timeout, time.monotonic() + self._timeout)
        except PerceptionError:
            sent.add_done_callback(_cancel)  # where it is accepted after all
            if not self._client.server_is_ready():
                raise self._gone() from None
            raise
        if not handle.accepted:
            raise PerceptionError(f'{self._name} rejected the image; its log says why')
        result = self._wait_for_result(handle, seconds, stop)
        # A refinement that is not final was the newest when the computation failed.
        if not result.success or result.refinement.status == Refinement.REFINING:
            raise PerceptionError(result.message or f'{self._name} knows nothing of the image')
        return result.refinement

    def _wait_for_result(self, handle: ClientGoalHandle, seconds: float,
                         stop: threading.Event | None) -> Classify.Result:
        """Return a goal's result; cancel the goal when `stop` is set, or if no result comes."""
        future, done = handle.get_result_async(), threading.Event()
        future.add_done_callback(lambda _future: done.set())
        seen = looked = time.monotonic()
        end = seen + seconds + self._timeout
        announced = self.announced
        while not done.wait(_LOOK_SECONDS if stop is None else _STOP_SECONDS):
            now = time.monotonic()
            if stop is not None and stop.is_set():
                handle.cancel_goal_async()
                stop, end = None, now + self._timeout
            if now > looked + _LOOK_SECONDS:
                looked = now
                # A server may look incomplete for a moment while others of its name come and go.
                # One that announces a model again has forgotten the goal, or ended it before.
                again = 0 < announced < self.announced
                seen = now if self._client.server_is_ready() and not again else seen
            if now > min(end, seen + self._timeout):
                handle.cancel_goal_async()
                raise (PerceptionError(f'{self._name} did not answer in time') if now > end else
                       self._gone())
        return future.result().result

    def _gone(self) -> PerceptionError:
        return PerceptionError(f'{self._name} has gone')


def _cancel(sent: Future) -> None:
    """Cancel the goal that was `sent`, if it was accepted."""
    handle = None if sent.cancelled() or sent.exception() else sent.result()
    if handle is not None and handle.accepted:
        handle.cancel_goal_async()
