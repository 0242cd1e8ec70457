"""Nodes that are served in the background, for tests that talk to them over DDS."""

import threading
import time

from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

WAIT_SECONDS = 20
CLASS_IDS = ('cat', 'dog', 'eel')


class Served:
    """Spins each node that is added on a thread of its own."""

    def __init__(self):
        self._served = []

    def add(self, node):
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        thread = threading.Thread(target=self._spin, args=(executor,), daemon=True)
        thread.start()
        self._served.append((node, executor, thread))
        return node

    @staticmethod
    def _spin(executor):
        try:
            executor.spin()
        except ExternalShutdownException:
            pass

    def close(self):
        for node, executor, thread in reversed(self._served):
            executor.shutdown()
            thread.join(WAIT_SECONDS)
            if hasattr(node, 'close'):
                node.close()
            node.destroy_node()
        self._served = []


class Client(Node):
    """Collects what is published and calls services."""

    def __init__(self):
        super().__init__('client')
        self.heard = {}
        self._callers = {}  # one client each: a second one may be found late, or never

    def listen(self, kind, topic, qos=50):
        heard = self.heard.setdefault(topic, [])
        self.create_subscription(kind, topic, heard.append, qos)
        return heard

    def call(self, kind, name, request):
        if name not in self._callers:
            self._callers[name] = self.create_client(kind, name)
        service = self._callers[name]
        # Where a node of the same name has just gone, its traces can make a service look
        # incomplete for as long as DDS remembers it; it answers all the same.
        service.wait_for_service(5)
        done = threading.Event()
        future = service.call_async(request)
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
