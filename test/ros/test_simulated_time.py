"""Stamps and kept results follow simulated time; what the node does goes on without it."""

from action_msgs.msg import GoalStatus
from anytime_perception.action import Classify
from anytime_perception.msg import ModelInfo
from anytime_perception.ros.node import classify
from anytime_perception.ros.qos import LATCHED
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
import pytest
from rclpy.action import ActionClient
from rosgraph_msgs.msg import Clock
from served import change_state, image_message, NAME, result_of, wait_for, WAIT_SECONDS


@pytest.fixture
def simulate(client):
    """Return a function that sets simulated time to some seconds, where it then stands still."""
    clock = client.create_publisher(Clock, '/clock', 1)

    def set_time(node, seconds):
        def is_heard():
            clock.publish(Clock(clock=Time(sec=seconds)))
            return node.get_clock().now().nanoseconds == seconds * 10**9
        wait_for(is_heard)
    return set_time


def test_a_model_that_is_loaded_before_the_clock_is_heard_has_no_stamp(
        perception, client, simulate):
    node = perception(use_sim_time=True)
    announced = client.listen(ModelInfo, f'{NAME}/model_info', LATCHED)
    wait_for(lambda: announced)
    simulate(node, 1000)
    for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP,
                       Transition.TRANSITION_CONFIGURE):
        assert change_state(client, transition)
    wait_for(lambda: len(announced) == 2)
    assert [info.stamp.sec for info in announced] == [0, 1000]


def test_diagnostics_go_on_and_results_are_kept_while_simulated_time_stands_still(
        perception, client, simulate, monkeypatch):
    monkeypatch.setattr(classify, '_RESULT_SECONDS', 1)
    node = perception(use_sim_time=True)
    simulate(node, 1000)
    action = ActionClient(client, Classify, f'{NAME}/classify')
    assert action.wait_for_server(WAIT_SECONDS)
    handle = result_of(action.send_goal_async(Classify.Goal(image=image_message()[0])))

    def status():
        return result_of(handle.get_result_async()).status
    assert status() == GoalStatus.STATUS_SUCCEEDED
    heard = client.listen(DiagnosticArray, '/diagnostics')
    wait_for(lambda: len(heard) >= 3)  # one a second: the result would be gone by now
    assert {message.header.stamp.sec for message in heard} == {1000}
    assert status() == GoalStatus.STATUS_SUCCEEDED
    simulate(node, 1002)
    wait_for(lambda: status() == GoalStatus.STATUS_UNKNOWN)
