"""What ros_latency.py measures: a camera, our node, and the node that most would write."""

import array
import json
import signal
import sys
import time

from anytime_perception.engine import AnytimeEngine
from anytime_perception.model_file import load
from anytime_perception.msg import Refinement
from anytime_perception.ros.intake.decode import check_image, to_rgb
from anytime_perception.ros.intake.image_types import IMAGE_TYPES
from anytime_perception.ros.node.messages import refinement_message
from anytime_perception.ros.node.perception_node import PerceptionNode
from anytime_perception.ros.qos import NEWEST
from anytime_perception.srv import Preempt
import cv2
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image

_TICK = 0.01


class Camera(Node):
    """Publishes one image again and again, with a stamp of the moment before it is published."""

    def __init__(self, width: int, height: int, transport: str, rate: float):
        super().__init__('benchmark_camera')
        picture = cv2.resize(np.random.default_rng(0).integers(
            0, 256, (height // 16, width // 16, 3), dtype=np.uint8), (width, height))
        if transport == 'raw':
            self._message = Image(height=height, width=width, encoding='rgb8', step=3 * width)
            self._message.data = array.array('B', picture.tobytes())
        else:
            data = cv2.imencode('.jpg', picture)[1]
            self._message = CompressedImage(format='jpeg')
            self._message.data = array.array('B', data.tobytes())
        self.sent = 0
        self._publisher = self.create_publisher(IMAGE_TYPES[transport], 'image', NEWEST)
        self.create_timer(1 / rate, self._send)

    def _send(self) -> None:
        self._message.header.stamp = self.get_clock().now().to_msg()
        self._publisher.publish(self._message)
        self.sent += 1


class CallbackNode(Node):
    """
    What most perception nodes are: the whole forward pass in the subscription's callback.

    It runs the same network with the same runner and conversion as ours, publishes its one answer,
    and answers ~/preempt with the last it has.
    """

    def __init__(self, model: str, transport: str):
        super().__init__('anytime_perception')
        self._engine = AnytimeEngine(load(model), 'cpu')
        self._publisher = self.create_publisher(Refinement, '~/refinements', 50)
        self._newest: Refinement | None = None
        self.create_service(Preempt, '~/preempt', self._preempt)
        self.create_subscription(IMAGE_TYPES[transport], 'image', self._take_image, NEWEST)

    def _take_image(self, message: Image | CompressedImage) -> None:
        check_image(message)
        picture = to_rgb(message)
        for refinement in self._engine.refine(picture):
            pass
        self._newest = refinement_message(
            refinement, message.header, 'image', self._engine.model.class_ids, 3)
        self._publisher.publish(self._newest)

    def _preempt(self, _request: Preempt.Request, response: Preempt.Response) -> Preempt.Response:
        response.accepted = True
        response.success = self._newest is not None
        if response.success:
            response.refinement = self._newest
        return response

    def close(self) -> None:
        """End the worker thread."""
        self._engine.close()


class Ticker(Node):
    """A 100 Hz timer in the same executor, as a robot's other work would be."""

    def __init__(self):
        super().__init__('ticker')
        self.ticks, self.missed = 0, 0
        self._due = None
        self.create_timer(_TICK, self._tick)

    def _tick(self) -> None:
        at = time.perf_counter()
        if self._due is not None:
            self.missed += max(0, int((at - self._due) / _TICK))  # whole periods gone by
        self.ticks += 1
        self._due = at + _TICK


def main() -> None:
    """Serve what the arguments name until SIGINT, then print what it counted as JSON."""
    kind, *rest = sys.argv[1:]
    rclpy.init()
    executor = SingleThreadedExecutor()
    ticker = None
    if kind == 'camera':
        width, height, transport, rate = rest
        node = Camera(int(width), int(height), transport, float(rate))
    else:
        sys.setswitchinterval(0.0005)
        model, transport = rest
        node = CallbackNode(model, transport) if kind == 'callback' else PerceptionNode(
            parameter_overrides=[
                Parameter('model', value=model), Parameter('device', value='cpu'),
                Parameter('image_transport', value=transport)])
        ticker = Ticker()
        executor.add_node(ticker)
    executor.add_node(node)
    signal.signal(signal.SIGINT, lambda *_: rclpy.try_shutdown())
    try:
        executor.spin()
    except Exception:  # however rclpy says that it was shut down
        pass
    if ticker is not None:
        print(json.dumps({'ticks': ticker.ticks, 'missed': ticker.missed}), flush=True)
        node.close()
    else:
        print(json.dumps({'sent': node.sent}), flush=True)


if __name__ == '__main__':
    main()
