"""The example planner keeps to the perception node that it is told of."""

from anytime_perception.msg import Refinement
from anytime_perception.ros.perception_node import PerceptionNode
from anytime_perception.ros.planner import Planner
from anytime_perception.ros.scorecard import Scorecard
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


def test_refinements_of_another_model_under_the_same_name_are_left_out(ros):
    planner = ros.add(Planner())
    planner._scorecard = Scorecard(['cat', 'dog'], exit_count=3)
    for exit_index, exit_count in ((0, 3), (4, 5), (0, 5), (2, 3)):
        planner._take_refinement(Refinement(
            exit_index=exit_index, exit_count=exit_count, class_ids=['cat'], elapsed_ms=1.0,
            budget_ms=5.0))
    assert planner._scorecard.refinements == 2
    assert planner._scorecard.summary()['elapsed_ms_by_exit'] == [1.0, None, 1.0]
