"""Processes of the ROS 2 benchmarks, and what they share: an environment, starting, ending."""

import atexit
from collections.abc import Callable
import json
import os
from pathlib import Path
import random
import signal
import subprocess
import sys
import time

from anytime_perception.ros.large_images import large_images

WAIT_S = 120.0  # for anything that a node is to do
_SERVED = Path(__file__).with_name('ros_served.py')
_NODE = 'from anytime_perception.ros.node.perception_node import main; raise SystemExit(main())'


def prepare_environment() -> None:
    """Set what all processes share: a domain of their own, and room for large images."""
    os.environ.update(large_images(os.environ), ROS_AUTOMATIC_DISCOVERY_RANGE='LOCALHOST')
    os.environ.setdefault('ROS_DOMAIN_ID', str(random.randint(1, 101)))
    os.environ.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)


def start(*arguments) -> subprocess.Popen:
    """Start one of the processes of ros_served.py; it ends with this one at the latest."""
    process = subprocess.Popen([sys.executable, str(_SERVED), *map(str, arguments)], text=True,
                               stdout=subprocess.PIPE, start_new_session=True)
    atexit.register(process.terminate)  # which does nothing to one that has ended
    return process


def stop(process: subprocess.Popen) -> dict:
    """End it, and return what it counted."""
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    return json.loads(output.strip().split('\n')[-1])


def new_name() -> str:
    """Return a name: for a while, what is left of a node could be taken for its successor."""
    return f'perception_{time.monotonic_ns()}'


def start_node(name: str, model: Path, *arguments: str) -> subprocess.Popen:
    """Start a perception node on the CPU; it ends with this process at the latest."""
    process = subprocess.Popen(
        [sys.executable, '-c', _NODE, '--ros-args', '-r', f'__node:={name}', '-p',
         f'model:={model}', '-p', 'device:=cpu', *arguments, '--log-level', 'warn'],
        start_new_session=True)
    atexit.register(process.terminate)
    return process


def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition()` holds, or end."""
    end = time.monotonic() + WAIT_S
    while not condition():
        if time.monotonic() > end:
            sys.exit(f'nothing happened for {WAIT_S:g} s')
        time.sleep(0.05)
