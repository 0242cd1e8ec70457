"""A planner that sends a goal and is gone, killed, before the answer."""

import subprocess
import sys

import pytest
from served import child_environment

SCRIPT = """
import os, signal
import rclpy
from rclpy.action import ActionClient
from anytime_perception.action import Classify
from served import image_message, NAME

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
    process = subprocess.run([sys.executable, '-c', SCRIPT], env=child_environment(), timeout=60,
                             stderr=subprocess.PIPE, text=True)
    if process.returncode != -9:
        pytest.fail(process.stderr)
