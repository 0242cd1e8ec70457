"""What is published once of a model, for all subscribers while it is loaded."""

from typing import Any

from anytime_perception import engine
from anytime_perception.model import Model
from anytime_perception.msg import ModelInfo
from anytime_perception.ros.node import vision
from anytime_perception.ros.node.messages import model_info_message
from anytime_perception.ros.qos import LATCHED
from rclpy.node import Node


class Announcement:
    """Latched topics of a node, ~/model_info and with vision_msgs ~/label_info."""

    def __init__(self, node: Node):
        self._node = node
        self._publishers: list = []

    def make(self, model: Model, device: str, profile: engine.LatencyProfile) -> None:
        """Announce a model."""
        stamp = self._node.get_clock().now().to_msg()
        self._publish(
            ModelInfo, '~/model_info', model_info_message(model, device, profile, stamp))
        if vision.LabelInfo is not None:
            self._publish(vision.LabelInfo, '~/label_info', vision.label_info(model, stamp))

    def withdraw(self) -> None:
        """Stop announcing the model to those who subscribe later."""
        while self._publishers:
            self._node.destroy_publisher(self._publishers.pop())

    def _publish(self, kind: type, topic: str, message: Any) -> None:
        publisher = self._node.create_publisher(kind, topic, LATCHED)
        self._publishers.append(publisher)
        publisher.publish(message)
