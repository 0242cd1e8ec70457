"""A planner that sends a goal and is gone, killed, before the answer."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import os, signal
import rclpy
from rclpy.action import ActionClient
from anytime_perception.action import Classify
from test_perception_node import image_message, NAME

rclpy.init()
node = rclpy.create_node('dying')
client = ActionClient(node, Classify, f'{NAME}/classify')
assert client.wait_for_server(20)
future = client.send_goal_async(Classify.Goal(image=image_message()[0]))
rclpy.spin_until_future_complete(node, future, timeout_sec=20)
os.kill(os.getpid(), signal.SIGKILL)
"""


def send_a_goal_and_die():
    """Return once the goal was accepted and its process killed."""
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join(
        [os.path.dirname(__file__), os.environ.get('PYTHONPATH', '')])}
    environment.setdefault('ROS_DOMAIN_ID', '42')
    environment.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
    process = subprocess.run([sys.executable, '-c', SCRIPT], env=environment, timeout=60,
                             stderr=subprocess.PIPE, text=True)
    if process.returncode != -9:
        pytest.fail(process.stderr)
