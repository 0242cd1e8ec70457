"""What a planner written in Python needs of the perception node, as plain typed calls."""

from collections.abc import Callable, Iterator
import contextlib
from dataclasses import dataclass
import math
import threading
import time

from anytime_perception.action import Classify
from anytime_perception.msg import ModelInfo, Refinement
from anytime_perception.ros.qos import LATCHED
from anytime_perception.srv import Preempt, SetBudget
from rclpy.action import ActionClient
from rclpy.action.client import ClientGoalHandle
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage, Image

_STOP_SECONDS = 0.001  # between two looks at whether to stop
_LOOK_SECONDS = 0.1    # between two looks at whether the node is there
_SEEK_SECONDS = 0.005  # the same, of who waits for it to come


class PerceptionError(RuntimeError):
    """The perception node is not there, did not answer, or refused; the text says which."""


@dataclass(frozen=True)
class Expectation:
    """
    What a budget buys on the node's device.

    Attributes
    ----------
    exit_index: the last exit that answers in time (p99), None where none does.
    latency, latency_p99: seconds until it answers.
    accuracy: when the model was evaluated; NaN where it was not.
    message: what speaks against relying on the budget at present; empty where nothing does.

    """

    exit_index: int | None
    latency: float
    latency_p99: float
    accuracy: float
    message: str


class AnytimeClient:
    """
    Talks to one perception node through a node of the planner's.

    That node must be served by an executor on another thread (`serving` does that): calls wait for
    their answers. All times are in seconds. Close it before the node is destroyed while the
    process goes on.

    Parameters
    ----------
    node: the planner's.
    name: of the perception node, with its namespace where it has one.
    on_refinement: called on the executor's thread with each published refinement.
    timeout: how long to wait for the node, and for each of its answers.

    Attributes
    ----------
    info: labels, and what each exit costs and gives; None until the node has loaded a model.
    newest: the newest refinement published, None before the first.

    """

    def __init__(self, node: Node, name: str = 'anytime_perception', *,
                 on_refinement: Callable[[Refinement], None] | None = None, timeout: float = 10.0):
        self.info: ModelInfo | None = None
        self.newest: Refinement | None = None
        self._name = name
        self._timeout = timeout
        self._on_refinement = on_refinement
        self._informed = threading.Event()
        self._answered: set = set()
        self._budget_client = node.create_client(SetBudget, f'{name}/set_budget')
        self._preempt_client = node.create_client(Preempt, f'{name}/preempt')
        self._classify_client = ActionClient(
            node, Classify, f'{name}/classify', feedback_sub_qos_profile=QoSProfile(depth=200))
        node.create_subscription(ModelInfo, f'{name}/model_info', self._take_info, LATCHED)
        node.create_subscription(Refinement, f'{name}/refinements', self._take_refinement, 200)

    def close(self) -> None:
        """Let go of the node, which ROS 2 keeps alive for the action otherwise."""
        self._classify_client.destroy()

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
        request = SetBudget.Request(
            budget_ms=math.inf if seconds is None else seconds * 1e3,
            scope=SetBudget.Request.CURRENT_IMAGE if current_only else
            SetBudget.Request.EVERY_IMAGE, image_topic=image_topic)
        response = self._call(self._budget_client, request, timeout)
        if not response.accepted:
            raise PerceptionError(response.message)
        return Expectation(
            None if response.exit_index < 0 else response.exit_index,
            response.expected_latency_ms / 1e3, response.expected_p99_ms / 1e3,
            response.expected_accuracy, response.message)

    def preempt(self, *, image_topic: str = '', timeout: float | None = None,
                ) -> Refinement | None:
        """
        Demand the answer now: return the newest there is, and stop the image in flight.

        None where nothing was answered yet. Of several cameras, `image_topic` says which is meant,
        by default all of them. `timeout` is how long to wait, by default the client's.

        Raises
        ------
        PerceptionError: if the node is not there, does not answer in time, is not active, or has
            no such camera.

        """
        request = Preempt.Request(image_topic=image_topic)
        response = self._call(self._preempt_client, request, timeout)
        if not response.accepted:
            raise PerceptionError(response.message)
        return response.refinement if response.success else None

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

        """
        if seconds is not None and not seconds > 0:
            raise ValueError(f'seconds is {seconds}; it must be above 0, or None for until '
                             'complete')
        if not self._classify_client.wait_for_server(timeout_sec=self._timeout):
            raise PerceptionError(f'there is no node {self._name!r}; is it running?')
        kind = 'image' if isinstance(image, Image) else 'compressed_image'
        goal = Classify.Goal(
            **{kind: image}, budget_ms=math.inf if seconds is None else seconds * 1e3)
        feedback = None if on_refinement is None else \
            (lambda message: on_refinement(message.feedback.refinement))
        sent = self._classify_client.send_goal_async(goal, feedback)
        try:
            handle = self._wait(sent, self._timeout, time.monotonic() + self._timeout)
        except PerceptionError:
            sent.add_done_callback(_cancel)  # where it is accepted after all
            if not self._classify_client.server_is_ready():
                raise self._gone() from None
            raise
        if not handle.accepted:
            raise PerceptionError(f'{self._name} rejected the image; its log says why')
        result = self._wait_for_result(handle, math.inf if seconds is None else seconds, stop)
        if not result.success:
            raise PerceptionError(result.message)
        return result.refinement

    def _wait_for_result(self, handle: ClientGoalHandle, seconds: float,
                         stop: threading.Event | None) -> Classify.Result:
        """Return a goal's result; cancel the goal when `stop` is set, or where none comes."""
        future, done = handle.get_result_async(), threading.Event()
        future.add_done_callback(lambda _future: done.set())
        seen = looked = time.monotonic()
        end = seen + seconds + self._timeout
        while not done.wait(_LOOK_SECONDS if stop is None else _STOP_SECONDS):
            now = time.monotonic()
            if stop is not None and stop.is_set():
                handle.cancel_goal_async()
                stop, end = None, now + self._timeout
            if now > looked + _LOOK_SECONDS:
                looked = now
                # A server may look incomplete for a moment while others of its name come and go.
                seen = now if self._classify_client.server_is_ready() else seen
            if now > min(end, seen + self._timeout):
                handle.cancel_goal_async()
                raise (PerceptionError(f'{self._name} did not answer in time') if now > end else
                       self._gone())
        return future.result().result

    def _gone(self) -> PerceptionError:
        return PerceptionError(f'{self._name} has gone')

    def _call(self, client, request, timeout: float | None):
        timeout = self._timeout if timeout is None else timeout
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
            result = self._wait(future, timeout, end)
        except PerceptionError:
            client.remove_pending_request(future)  # else rclpy keeps it for good
            raise
        self._answered.add(client)
        return result

    def _wait(self, future, timeout: float, end: float):
        """Return the result of `future`, until `end`; `timeout` seconds are what was granted."""
        done = threading.Event()
        future.add_done_callback(lambda _future: done.set())
        if not done.wait(None if math.isinf(end) else max(0.0, end - time.monotonic())):
            raise PerceptionError(f'{self._name} did not answer within {timeout:g} s')
        return future.result()

    def _take_info(self, message: ModelInfo) -> None:
        self.info = message
        self._informed.set()

    def _take_refinement(self, message: Refinement) -> None:
        self.newest = message
        if self._on_refinement is not None:
            self._on_refinement(message)


@contextlib.contextmanager
def serving(node: Node) -> Iterator[Node]:
    """Serve `node` on a thread of its own for as long as the context lasts; then destroy it."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    thread = threading.Thread(target=_serve, args=(executor,), daemon=True)
    thread.start()
    try:
        yield node
    finally:
        executor.shutdown()
        thread.join()
        node.destroy_node()


def _serve(executor: SingleThreadedExecutor) -> None:
    with contextlib.suppress(ExternalShutdownException):
        executor.spin()


def _cancel(sent: Future) -> None:
    """Cancel the goal that was `sent`, if it was accepted."""
    handle = None if sent.cancelled() or sent.exception() else sent.result()
    if handle is not None and handle.accepted:
        handle.cancel_goal_async()
