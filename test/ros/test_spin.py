"""A node ends cleanly whenever it is told to, also before it is there."""

import gc
import os
from pathlib import Path
import subprocess
import sys

from anytime_perception.ros.node.perception_node import PerceptionNode
from anytime_perception.ros.spin import CannotGoOn, spin
import pytest
import rclpy
from rclpy.lifecycle import LifecycleNode

SCRIPTS = Path(__file__).parents[2] / 'scripts'


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr('signal.signal', lambda *_: None)  # this process goes on
    yield
    assert not rclpy.ok()
    # What is left of a node that could not be made would be taken for the one of later tests.
    gc.unfreeze()
    gc.collect()


@pytest.mark.parametrize('name', ['camera', 'perception_node', 'planner'])
def test_ctrl_c_while_modules_are_imported_ends_without_a_word(tmp_path, name):
    (tmp_path / 'anytime_perception').mkdir()
    (tmp_path / 'anytime_perception' / '__init__.py').write_text(
        'import signal\nsignal.raise_signal(signal.SIGINT)\n')
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / 'bin' / name)], text=True, capture_output=True,
        env={**os.environ, 'PYTHONPATH': str(tmp_path)}, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')


def test_told_to_stop_before_the_node_is_made():
    def make_node():
        rclpy.shutdown()
        return PerceptionNode()
    assert spin(make_node) == 0


@pytest.mark.parametrize('callback', ['on_configure', 'on_activate'])
def test_told_to_stop_while_the_node_starts(monkeypatch, model_path, said, callback):
    original = getattr(PerceptionNode, callback)

    def stop_and_go_on(self, state):
        rclpy.shutdown()
        return original(self, state)

    monkeypatch.setattr(PerceptionNode, callback, stop_and_go_on)
    arguments = ['--ros-args', '-p', f'model:={model_path}', '-p', 'device:=cpu']
    assert spin(PerceptionNode, arguments) == 0
    assert said.errors == []


@pytest.mark.parametrize('name', ['SIGINT', 'SIGTERM'])
def test_a_signal_interrupts_what_is_made_and_no_callback_unless_it_comes_again(name):
    script = """
import signal, sys, time
import rclpy
from anytime_perception.ros.spin import spin

def make_node():
    def be_told():
        signal.raise_signal(signal.NAME)
        while rclpy.ok():  # until rclpy has noticed, too
            time.sleep(0.01)
        print('goes on')
        signal.raise_signal(signal.NAME)
        print('hangs')
    node = rclpy.create_node('some')
    node.create_timer(0.01, be_told)
    return node

def make_slowly():
    signal.raise_signal(signal.NAME)
    print('makes it')

if sys.argv[1] == 'makes':
    sys.exit(spin(make_slowly))
sys.exit(spin(make_node))
""".replace('NAME', name)
    for state, said in (('makes', ''), ('serves', 'goes on\n')):
        done = subprocess.run([sys.executable, '-c', script, state], text=True,
                              capture_output=True, timeout=120)
        assert (done.returncode, done.stdout, done.stderr) == (0, said, '')


def test_a_thread_of_a_node_waits_for_python_s_lock_ten_times_shorter_than_by_default():
    """Docs/engine.md says what a listener and an answer wait for each other else."""
    def make_node():
        intervals.append(sys.getswitchinterval())
        raise ValueError('that will do')
    before, intervals = sys.getswitchinterval(), []
    sys.setswitchinterval(0.005)  # the default, whatever earlier tests have left
    try:
        assert spin(make_node) == 1
    finally:
        sys.setswitchinterval(before)
    assert intervals[0] <= 0.005 / 10


def test_an_error_of_a_node_s_own_is_raised():
    def make_node():
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError):
        spin(make_node)


def test_a_node_that_cannot_go_on_ends_with_one_line(capsys):
    def make_node():
        def give_up():
            raise CannotGoOn('the webcam is gone')
        node = rclpy.create_node('some')
        node.create_timer(0.01, give_up)
        return node
    assert spin(make_node) == 1
    assert capsys.readouterr().err.strip() == 'the webcam is gone'


def test_what_the_node_cannot_be_made_of_is_one_line(capsys):
    def make_node():
        LifecycleNode('some')
        raise ValueError('there are no pictures')
    assert spin(make_node) == 1
    assert capsys.readouterr().err.strip() == 'there are no pictures'


def test_what_a_callback_raises_is_logged_and_ends_the_context_that_serves():
    script = """
import rclpy
from anytime_perception.ros.spin import serving
from rclpy.node import Node

rclpy.init()
node, failed = Node('planner'), threading.Event()

def fail():
    failed.set()
    raise KeyError('zebra')

try:
    with serving(node):
        node.create_timer(0.01, fail)
        failed.wait(60)
        print('goes on', flush=True)
except KeyError as error:
    print('raised', error)
rclpy.shutdown()
"""
    done = subprocess.run([sys.executable, '-c', 'import threading' + script], text=True,
                          capture_output=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "goes on\nraised 'zebra'\n")
    assert 'planner hears nothing any more' in done.stderr and 'zebra' in done.stderr


def test_a_callback_that_meets_the_end_of_ros_is_no_failure():
    script = """
import rclpy
from anytime_perception.ros.spin import serving
from rclpy.node import Node
from std_msgs.msg import Empty

rclpy.init()
with serving(Node('ending')) as node:
    publisher = node.create_publisher(Empty, 'some', 10)
    def end():
        rclpy.shutdown()
        publisher.publish(Empty())
    node.create_timer(0.01, end)
    while rclpy.ok():
        time.sleep(0.01)
print('ended')
"""
    done = subprocess.run([sys.executable, '-c', 'import time' + script], text=True,
                          capture_output=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, 'ended\n', '')


def test_serving_ends_without_an_error_also_of_a_busy_node():
    script = """
import rclpy
from anytime_perception.ros.spin import serving
from rclpy.node import Node
from std_msgs.msg import Empty

rclpy.init()
for round in range(30):
    heard = []
    with serving(Node('busy')) as node:
        publisher = node.create_publisher(Empty, 'busy', 10)
        node.create_subscription(Empty, 'busy', heard.append, 10)
        node.create_timer(0.0002, lambda: publisher.publish(Empty()))
        while len(heard) < 3:
            pass
rclpy.shutdown()
print('served')
"""
    done = subprocess.run([sys.executable, '-c', script], capture_output=True, text=True,
                          timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, 'served\n', '')
