"""The example planner keeps to the perception node that it is told of."""

from anytime_perception.ros.perception_node import PerceptionNode
from anytime_perception.ros.planner import Planner
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import pytest
from rclpy.parameter import Parameter
from served import wait_for


def health(**values):
    """Return diagnostics of nodes by name, each with a value."""
    return DiagnosticArray(status=[
        DiagnosticStatus(name=name, values=[KeyValue(key='of', value=value)])
        for name, value in values.items()])


@pytest.mark.parametrize('namespace, name', [
    ('/rear', 'anytime_perception'), ('/', 'rear/anytime_perception'),
    ('/front', '/rear/anytime_perception')])
def test_the_health_of_a_node_in_a_namespace_is_heard(ros, namespace, name):
    ros.add(PerceptionNode(namespace='/rear', parameter_overrides=[
        Parameter('autostart', value=False)]))
    planner = ros.add(Planner(namespace=namespace, parameter_overrides=[
        Parameter('perception', value=name)]))
    wait_for(lambda: planner._diagnostics)


def test_the_health_of_others_is_not_taken_for_that_of_the_node(ros):
    planner = ros.add(Planner())
    planner._take_diagnostics(health(**{
        'rear/anytime_perception: images': 'other', 'anytime_perception: images': 'own',
        'anytime_perception_2: images': 'other'}))
    assert planner._diagnostics == {'of': 'own'}
