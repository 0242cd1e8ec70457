"""What goes wrong on a robot: the node goes on, answers under the right header, and leaks not."""

import array
import gc
import os
import signal
import threading
import time

from anytime_perception.engine import worker
from anytime_perception.msg import Refinement
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
import numpy as np
import pytest
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image
from served import change_state, finals, image_message, NAME, send, wait_for, WAIT_SECONDS

REPEATS = int(os.environ.get('ANYTIME_REPEATS', 5))  # 100 before a release; few in CI


def grey(stamp, height, width, encoding, depth):
    """Return a grey image of a brightness that its stamp decides."""
    pixels = np.full((height, width, depth), 40 + stamp, np.uint8)
    message = Image(height=height, width=width, encoding=encoding, step=width * depth,
                    data=array.array('B', pixels.tobytes()))
    message.header.stamp.sec = stamp
    return message


def test_a_camera_that_changes_size_and_encoding_mid_stream(perception, client):
    node = perception()
    heard = client.listen(Refinement, f'{NAME}/refinements')
    kinds = [(12, 20, 'rgb8', 3), (300, 200, 'bgr8', 3), (16, 16, 'mono8', 1), (5, 9, 'rgba8', 4)]
    publisher = None
    for stamp, kind in enumerate(kinds * 2, start=1):
        message = grey(stamp, *kind)
        if publisher is None:
            publisher = send(client, message)
        else:
            publisher.publish(message)
        wait_for(lambda stamp=stamp: len(finals(heard)) == stamp)
    assert [message.header.stamp.sec for message in finals(heard)] == list(range(1, 9))
    assert not node.statistics.bad


def test_a_stamp_before_1970_does_no_harm(perception, client):
    node = perception()
    heard = client.listen(Refinement, f'{NAME}/refinements')
    message = image_message()[0]
    message.header.stamp = Time(sec=-5, nanosec=500_000_000)
    send(client, message)
    wait_for(lambda: finals(heard))
    assert heard[0].header.stamp == message.header.stamp
    assert node.statistics.age(0.5) == pytest.approx(time.time() + 4.5, abs=10)


def test_an_answer_stands_under_the_header_of_its_image(perception, client):
    """Two pictures that are answered differently alternate as fast as they go."""
    perception()
    heard = client.listen(Refinement, f'{NAME}/refinements', 1000)
    two = [image_message(stamp=1)[0], image_message(stamp=2)[0]]
    publisher = send(client, two[0])
    wait_for(lambda: finals(heard))
    publisher.publish(two[1])
    wait_for(lambda: len(finals(heard)) == 2)
    expected = {(m.header.stamp.sec, m.exit_index): m.scores for m in heard}
    assert not np.allclose(expected[1, 0], expected[2, 0], atol=1e-3)
    heard.clear()

    def alternate():
        for message in two:
            publisher.publish(message)
            time.sleep(0.0005)
        return len(finals(heard)) > 60
    wait_for(alternate)
    for message in heard:
        key = message.header.stamp.sec, message.exit_index
        assert np.allclose(message.scores, expected[key], atol=1e-5)


def test_a_flood_is_dropped_to_what_can_be_answered_and_counted_exactly(perception, client):
    node = perception()
    heard = client.listen(Refinement, f'{NAME}/refinements', 5000)
    wait_for(lambda: client.count_publishers(f'{NAME}/refinements'))
    publisher = client.create_publisher(
        Image, 'image', QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    wait_for(lambda: publisher.get_subscription_count() > 0)
    for stamp in range(1, 1001):
        publisher.publish(image_message(stamp=stamp)[0])
        time.sleep(0.001)
    statistics = node.statistics

    def settled():
        return statistics.received == statistics.started + statistics.replaced and \
            sum(statistics.exits.values()) == statistics.started
    wait_for(settled)
    assert statistics.received > 100 and not statistics.bad
    stamps = [message.header.stamp.sec for message in finals(heard)]
    assert stamps == sorted(set(stamps)) and stamps


def test_two_nodes_on_one_machine_do_not_mix(ros, perception, client, model_path):
    from anytime_perception.ros.node.perception_node import PerceptionNode
    perception()
    ros.add(PerceptionNode(
        cli_args=['--ros-args', '-r', '__ns:=/rear'], parameter_overrides=[
            Parameter('model', value=str(model_path)), Parameter('device', value='cpu')]))
    front = client.listen(Refinement, f'{NAME}/refinements')
    rear = client.listen(Refinement, f'/rear{NAME}/refinements')
    send(client, image_message(stamp=1)[0])
    send(client, image_message(stamp=2)[0], '/rear/image')
    wait_for(lambda: finals(front) and finals(rear))
    assert {message.header.stamp.sec for message in front} == {1}
    assert {message.header.stamp.sec for message in rear} == {2}


def test_transitions_again_and_again_leak_nothing(perception, client):
    node = perception()
    publisher = client.create_publisher(Image, 'image', 1)

    def once():
        before = node.statistics
        for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP,
                           Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
            assert change_state(client, transition)  # on the executor's thread, as always
        assert node.statistics is not before
        publisher.publish(image_message()[0])
        gc.collect()
        return (threading.active_count(), len(os.listdir('/proc/self/fd')),
                len(list(node.subscriptions)), len(list(node.publishers)), len(list(node.timers)))

    once()  # what is made on first use is made now
    first = once()
    for _ in range(REPEATS):
        last = once()
    assert last[2:] == first[2:] and last[0] <= first[0] and last[1] <= first[1] + 2


def test_a_network_that_hangs_does_not_keep_the_node_from_cleaning_up_and_starting_anew(
        perception, client, monkeypatch):
    node = perception()
    heard = client.listen(Refinement, f'{NAME}/refinements')
    hung, over = threading.Event(), threading.Event()

    def hang(images, answered):
        hung.set()
        over.wait(WAIT_SECONDS)
    monkeypatch.setattr(node.engine._worker.refiner.runner, 'run', hang)
    monkeypatch.setattr(worker, '_END_SECONDS', 0.1)
    thread = node.engine._worker._thread
    publisher = send(client, image_message(stamp=1)[0])
    wait_for(hung.is_set)
    assert change_state(client, Transition.TRANSITION_DEACTIVATE)
    assert not change_state(client, Transition.TRANSITION_CLEANUP)  # it ends unconfigured
    assert thread.is_alive()
    assert change_state(client, Transition.TRANSITION_CONFIGURE)
    assert change_state(client, Transition.TRANSITION_ACTIVATE)
    wait_for(lambda: publisher.get_subscription_count() > 0)
    publisher.publish(image_message(stamp=2)[0])
    wait_for(lambda: finals(heard))
    assert {message.header.stamp.sec for message in heard} == {2}
    over.set()
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive()


def test_a_node_that_was_killed_comes_back(start, pictures, model_path, client):
    heard = client.listen(Refinement, f'{NAME}/refinements')
    start('camera', images=pictures)
    for _ in range(2):
        node = start('perception_node', model=model_path)
        heard.clear()
        wait_for(lambda: finals(heard))
        node.send_signal(signal.SIGKILL)
        node.wait(WAIT_SECONDS)
    assert finals(heard)


def test_a_planner_that_dies_during_a_goal_does_no_harm(perception, client, ros):
    import action_client_that_dies
    node = perception()
    action_client_that_dies.send_a_goal_and_die()
    heard = client.listen(Refinement, f'{NAME}/refinements')
    send(client, image_message(stamp=6)[0])
    wait_for(lambda: finals(heard))
    wait_for(lambda: not node._action._ends)


def test_diagnostics_go_on_while_simulated_time_stands_still(perception, client):
    perception(use_sim_time=True)
    heard = client.listen(DiagnosticArray, '/diagnostics')
    wait_for(lambda: len(heard) > 1)
    assert heard[0].header.stamp == heard[1].header.stamp
