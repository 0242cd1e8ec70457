"""Nodes that are served in the background, for tests that talk to them over DDS."""

import array
import os
import threading
import time

from anytime_perception.msg import Refinement
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
import numpy as np
from rclpy.exceptions import InvalidHandle
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

WAIT_SECONDS = 20
CLASS_IDS = ('cat', 'dog', 'eel')
NAME = '/anytime_perception'
DOMAIN_ID = int(os.environ.get('ROS_DOMAIN_ID', 0)) or 42


class Served:
    """Spins each node that is added on a thread of its own."""

    def __init__(self):
        self._served = []

    @property
    def nodes(self):
        return [node for node, *_ in self._served]

    def add(self, node):
        executor, over = SingleThreadedExecutor(context=node.context), threading.Event()
        executor.add_node(node)
        thread = threading.Thread(target=self._spin, args=(executor, over), daemon=True)
        thread.start()
        self._served.append((node, executor, over, thread))
        return node

    @staticmethod
    def _spin(executor, over):
        try:
            while not over.is_set():
                executor.spin_once()
        except ExternalShutdownException:
            pass

    def close(self):
        for node, executor, over, thread in reversed(self._served):
            # Not the executor first: one that is shut down in a callback may end with an error.
            over.set()
            executor.create_task(lambda: None)  # wakes it
            thread.join(WAIT_SECONDS)
            assert not thread.is_alive(), f'a callback of {node.get_name()} does not end'
            executor.shutdown()
            if hasattr(node, 'close'):
                node.close()
            node.destroy_node()
        self._served = []


class Client(Node):
    """Collects what is published and calls services; `served` has the nodes that it talks to."""

    def __init__(self, served):
        super().__init__('client')
        self._served = served
        self._callers = {}  # one client each: a second one may be found late, or never

    def listen(self, kind, topic, qos=50):
        heard = []
        self.create_subscription(kind, topic, heard.append, qos)
        return heard

    def call(self, kind, name, request):
        if name not in self._callers:
            self._callers[name] = self.create_client(kind, name)
        service = self._callers[name]
        # Where a node of the same name has just gone, its traces can make a service look
        # incomplete for as long as DDS remembers it; it answers all the same.
        service.wait_for_service(5)
        return result_of(service.call_async(request))

    def is_heard_and_hears(self, publisher):
        """Return whether the nodes receive what `publisher` sends, and we what they do."""
        listened = {subscription.topic_name for subscription in self.subscriptions}
        try:
            return publisher.get_subscription_count() > 0 and all(
                all(subscription.get_publisher_count() for subscription in node.subscriptions
                    if subscription.topic_name == publisher.topic_name)
                and all(theirs.get_subscription_count() for theirs in node.publishers
                        if theirs.topic_name in listened)
                for node in self._served.nodes if node is not self)
        except InvalidHandle:  # of a subscription that another takes the place of
            return False


def send(client, message, topic='image'):
    """
    Publish one image, and return its publisher.

    An image that is sent without loss being made up for (best effort) reaches only those who
    have found its publisher; the publisher having found them is not enough.
    """
    publisher = client.create_publisher(type(message), topic, 1)
    wait_for(lambda: client.is_heard_and_hears(publisher))
    publisher.publish(message)
    return publisher


def image_message(stamp=1, **changes):
    """Return the message of a random picture that its stamp decides, and its pixels."""
    pixels = np.random.default_rng(stamp).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    message = Image(height=12, width=20, encoding='rgb8', step=60,
                    data=array.array('B', pixels.tobytes()))
    message.header.frame_id = 'left_camera'
    message.header.stamp.sec = stamp
    for name, value in changes.items():
        setattr(message, name, value)
    return message, pixels


def compressed_message(encoded, kind='jpeg'):
    """Return the message of a picture that OpenCV has encoded."""
    return CompressedImage(format=kind, data=array.array('B', encoded.tobytes()))


def finals(heard):
    """Return the last answers, of each image one."""
    return [message for message in heard if message.status != Refinement.REFINING]


def change_state(client, transition):
    """Return whether the perception node has made a transition."""
    return client.call(ChangeState, f'{NAME}/change_state', ChangeState.Request(
        transition=Transition(id=transition))).success


def state(client):
    """Return the state that the perception node is in."""
    return client.call(GetState, f'{NAME}/get_state', GetState.Request()).current_state.id


def hold(monkeypatch, module):
    """Have images wait on the worker, before `module` decodes them, for the event returned."""
    go, to_rgb = threading.Event(), module.to_rgb

    def wait_and_decode(*arguments):
        assert go.wait(WAIT_SECONDS)
        return to_rgb(*arguments)
    monkeypatch.setattr(module, 'to_rgb', wait_and_decode)
    return go


def say_latencies(node, seconds=0.1):
    """Have the node's profile say that exits take `seconds` each, and half that more in p99."""
    profile = node.engine.profile
    profile.median = seconds * np.arange(1, len(profile.median) + 1)
    profile.p99 = profile.median + seconds / 2


def child_environment(**more):
    """Return the environment of a process that finds our nodes, and these modules."""
    environment = {**os.environ, 'ROS_DOMAIN_ID': str(DOMAIN_ID), 'PYTHONPATH': os.pathsep.join(
        [os.path.dirname(__file__), os.environ.get('PYTHONPATH', '')]), **more}
    environment.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
    return environment


def result_of(future):
    """Wait for a future that an executor on another thread completes, and return its result."""
    done = threading.Event()
    future.add_done_callback(lambda _: done.set())
    assert done.wait(WAIT_SECONDS)
    return future.result()


def wait_for(condition, seconds=WAIT_SECONDS):
    """Wait until `condition()` is true, and fail if it never is."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, 'it did not happen in time'
        time.sleep(0.01)
    return value
