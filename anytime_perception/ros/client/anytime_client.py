"""What a planner written in Python needs of the perception node, as plain typed calls."""

from collections.abc import Callable
import math
import threading
import traceback
from typing import Any

from anytime_perception.action import Classify
from anytime_perception.msg import ModelInfo, Refinement
from anytime_perception.ros.client.async_calls import AsyncCalls
from anytime_perception.ros.client.calls import PerceptionError, ServiceCalls
from anytime_perception.ros.client.expectation import budget_request, Expectation, expectation
from anytime_perception.ros.client.goals import Goals
from anytime_perception.ros.client.only_thread import check_can_wait
from anytime_perception.ros.event_callbacks import NO_EVENTS
from anytime_perception.ros.qos import LATCHED
from anytime_perception.srv import Preempt, SetBudget
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.client import Client
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage, Image

__all__ = ['AnytimeClient', 'Expectation', 'PerceptionError']


class AnytimeClient:
    """
    Talks to one perception node through a node of the planner's.

    That node must be served by an executor. Calls wait for their answers on a thread that it can
    do without (`serving` has one of its own): a callback on its only thread would wait for itself,
    and gets a RuntimeError. Those that end in _async may be called anywhere. All times are in
    seconds. Close it before the node is destroyed while the process goes on, or when its answers
    are not wanted any more.

    Parameters
    ----------
    node: the planner's.
    name: of the perception node, with its namespace where it has one.
    on_refinement: called on the executor's thread with each published refinement.
    on_model: called on the executor's thread with each model that the node announces, the first
        and those after: one that was started again knows nothing of budgets that were granted.
    timeout: how long to wait for the node, and for each of its answers.

    Attributes
    ----------
    info: labels, and what each exit costs and gives; None until the node has loaded a model.
    newest: the newest refinement published, None before the first.

    """

    def __init__(self, node: Node, name: str = 'anytime_perception', *,
                 on_refinement: Callable[[Refinement], None] | None = None,
                 on_model: Callable[[ModelInfo], None] | None = None, timeout: float = 10.0):
        self.info: ModelInfo | None = None
        self.newest: Refinement | None = None
        self._node = node
        self._timeout = timeout
        self._on_refinement = self._guarded('on_refinement', on_refinement)
        self._on_model = self._guarded('on_model', on_model)
        self._informed = threading.Event()
        self._service_calls = ServiceCalls(name)
        self._async_calls = AsyncCalls(node, name)
        self._goals = Goals(node, name, timeout)
        self._closed = False
        group = MutuallyExclusiveCallbackGroup()  # not the node's, which callbacks that wait block
        self._budget_client = node.create_client(SetBudget, f'{name}/set_budget',
                                                 callback_group=group)
        self._preempt_client = node.create_client(Preempt, f'{name}/preempt',
                                                  callback_group=group)
        self._subscriptions = (
            node.create_subscription(ModelInfo, f'{name}/model_info', self._take_info, LATCHED,
                                     event_callbacks=NO_EVENTS),
            node.create_subscription(Refinement, f'{name}/refinements', self._take_refinement, 200,
                                     event_callbacks=NO_EVENTS))

    def close(self) -> None:
        """Hear nothing any more, cancel futures, and let go of the node; no calls after that."""
        if self._closed:
            return
        self._closed = True
        self._async_calls.close()
        self._goals.close()
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        for client in (self._budget_client, self._preempt_client):
            self._node.destroy_client(client)

    def wait_for_model(self, timeout: float) -> ModelInfo | None:
        """Return the node's model as soon as there is one, None after `timeout`."""
        self._informed.wait(timeout)
        return self.info

    def set_budget(self, seconds: float | None, *, current_only: bool = False,
                   image_topic: str = '', timeout: float | None = None) -> Expectation:
        """
        Grant every image from now on, or only the one in flight, so long; None: until complete.

        Of several cameras, `image_topic` says which one's image in flight. `timeout` is how long
        to wait, by default the client's.

        Raises
        ------
        PerceptionError: if the node refuses, which changes nothing, or is not there. It refuses a
            budget shorter than the first exit ever took, and one for the image in flight where
            none is. One that is too short at present only is accepted, with a message.

        """
        # Sent again, it might be meant for one image and change another's.
        return expectation(self._call(
            self._budget_client, budget_request(seconds, current_only, image_topic), timeout,
            repeat=not current_only))

    def set_budget_async(self, seconds: float | None, *, current_only: bool = False,
                         image_topic: str = '', timeout: float | None = None) -> Future:
        """Grant a budget as `set_budget` does; return a future of what that gives."""
        self._check_open()
        return self._async_calls(
            self._budget_client, budget_request(seconds, current_only, image_topic),
            expectation, self._seconds(timeout), repeat=not current_only)

    def preempt(self, *, image_topic: str = '', max_age: float = math.inf,
                timeout: float | None = None) -> Refinement | None:
        """
        Demand the answer now: return the newest there is, and stop the image in flight.

        None where nothing was answered yet, or only of an image that arrived more than `max_age`
        seconds ago: where the camera has died, the newest answer may be of any age. Of several
        cameras, `image_topic` says which is meant, by default all of them. `timeout` is how long
        to wait, by default the client's.

        Raises
        ------
        PerceptionError: if the node is not there, does not answer in time, is not active, has no
            such camera, or has a network that failed for good.

        """
        response = self._call(self._preempt_client, Preempt.Request(image_topic=image_topic),
                              timeout)
        return _fresh(response, max_age)

    def preempt_async(self, *, image_topic: str = '', max_age: float = math.inf,
                      timeout: float | None = None) -> Future:
        """Demand the answer as `preempt` does; return a future of what that gives."""
        self._check_open()
        return self._async_calls(
            self._preempt_client, Preempt.Request(image_topic=image_topic),
            lambda response: _fresh(response, max_age), self._seconds(timeout))

    def classify(self, image: Image | CompressedImage, seconds: float | None, *,
                 on_refinement: Callable[[Refinement], None] | None = None,
                 stop: threading.Event | None = None) -> Refinement:
        """
        Have one image refined for at most `seconds` (None: until complete); return the answer.

        `on_refinement` is called on the executor's thread with each refinement. Setting `stop`
        cancels: the answer so far is returned.

        Raises
        ------
        PerceptionError: if the node can't classify it (the text says why), is not there or goes
            away, or does not answer in time, counted from the end of `seconds` or from `stop`; the
            goal is cancelled then.
        ValueError: for `seconds` that are not above 0.
        TypeError: for an image that is no message.

        """
        if seconds is not None and not seconds > 0:
            raise ValueError(f'seconds is {seconds}; it must be above 0, or None for until '
                             'complete')
        if not isinstance(image, (Image, CompressedImage)):
            raise TypeError(f'the image is a {type(image).__name__}; it must be a message, '
                            'sensor_msgs/Image or CompressedImage')
        self._check_open()
        check_can_wait(self._node)
        seconds = math.inf if seconds is None else seconds
        kind = 'image' if isinstance(image, Image) else 'compressed_image'
        return self._goals.classify(Classify.Goal(**{kind: image}, budget_ms=seconds * 1e3),
                                    seconds, self._guarded('on_refinement', on_refinement), stop)

    def _call(self, client: Client, request: Any, timeout: float | None, *,
              repeat: bool = True) -> Any:
        self._check_open()
        check_can_wait(self._node)
        return self._service_calls(client, request, self._seconds(timeout), repeat=repeat)

    def _seconds(self, timeout: float | None) -> float:
        return self._timeout if timeout is None else timeout

    def _guarded(self, name: str, listener: Callable[[Any], None] | None,
                 ) -> Callable[[Any], None] | None:
        """Return `listener` such that what it raises is logged, and harms no executor."""
        if listener is None:
            return None

        def call(message: Any) -> None:
            try:
                listener(message)
            except Exception:
                self._node.get_logger().error(f'{name} raised:\n{traceback.format_exc()}')
        return call

    def _check_open(self) -> None:
        if self._closed:
            raise PerceptionError('the client is closed; make another one')

    def _take_info(self, message: ModelInfo) -> None:
        self.info = message
        self._goals.announced += 1
        self._informed.set()
        if self._on_model is not None:
            self._on_model(message)

    def _take_refinement(self, message: Refinement) -> None:
        self.newest = message
        if self._on_refinement is not None:
            self._on_refinement(message)


def _fresh(response: Preempt.Response, max_age: float) -> Refinement | None:
    if not response.accepted:
        raise PerceptionError(response.message)
    fresh = response.success and response.age_ms <= max_age * 1e3
    return response.refinement if fresh else None
