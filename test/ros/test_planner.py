"""The example planner keeps to the perception node that it is told of."""

import math
import os
import subprocess
import sys
import threading

from anytime_perception.msg import ExitInfo, ModelInfo, Refinement
from anytime_perception.ros.camera import Camera
from anytime_perception.ros.node.perception_node import PerceptionNode
from anytime_perception.ros.planner.planner import Planner, PlannerError
import cv2
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
import numpy as np
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
    wait_for(lambda: planner._heard.health)


def test_the_health_of_others_is_not_taken_for_that_of_the_node(ros):
    planner = ros.add(Planner())
    planner._heard.take_diagnostics(health(**{
        'rear/anytime_perception: images': 'other', 'anytime_perception: images': 'own',
        'anytime_perception_2: images': 'other'}))
    assert planner._heard.health == {'of': 'own'}


def test_refinements_of_another_model_under_the_same_name_are_left_out(ros):
    planner = ros.add(Planner())
    heard = planner._heard
    heard.begin(ModelInfo(class_ids=['cat', 'dog'], exits=[ExitInfo()] * 3))
    for exit_index, exit_count in ((0, 3), (4, 5), (0, 5), (2, 3)):
        heard.take_refinement(Refinement(
            exit_index=exit_index, exit_count=exit_count, class_ids=['cat'], elapsed_ms=1.0,
            budget_ms=5.0))
    assert heard.scorecard.refinements == 2
    assert heard.scorecard.summary()['elapsed_ms_by_exit'] == [1.0, None, 1.0]


def test_the_score_is_kept_where_nobody_reads_the_rows(ros, monkeypatch):
    heard = ros.add(Planner())._heard
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, 'w') as nobody_reads:
        monkeypatch.setattr(sys, 'stdout', nobody_reads)
        heard.begin(ModelInfo(class_ids=['cat'], exits=[ExitInfo()]))
        heard.take_refinement(Refinement(
            exit_count=1, class_ids=['cat'], budget_ms=5.0, status=Refinement.COMPLETE))
        monkeypatch.undo()
    assert heard.scorecard.refinements == 1


@pytest.mark.parametrize('seconds, rounds', [(48.0, 4), (1.0, 1)])
def test_budgets_have_their_turns_in_rounds(ros, monkeypatch, seconds, rounds):
    planner = ros.add(Planner(parameter_overrides=[
        Parameter('seconds', value=seconds), Parameter('budgets_ms', value=[5.0, 20.0])]))
    monkeypatch.setattr(planner._client, 'wait_for_model', lambda timeout: ModelInfo(
        class_ids=['cat'], exits=[ExitInfo()]))
    turns, over = [], threading.Event()
    monkeypatch.setattr(planner, '_try_budget', lambda *turn: turns.append(turn[:2]))
    over.set()  # there is nothing to wait for
    planner.play(over)
    assert [budget for budget, _ in turns] == [math.inf, 5.0, 20.0] * rounds
    assert np.diff([end for _, end in turns]) == pytest.approx(seconds / len(turns))


def test_a_summary_that_could_not_be_written_is_said_before_anything_is_played(ros, tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(PlannerError, match='output is .*file/summary.json.*cannot be written'):
        Planner(parameter_overrides=[
            Parameter('output', value=str(tmp_path / 'file' / 'summary.json'))])


def test_an_output_and_pictures_in_the_home_folder_are_found(ros, tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    planner = ros.add(Planner(parameter_overrides=[
        Parameter('output', value='~/scores/summary.json')]))
    planner._scorecard = planner._heard.begin(ModelInfo(class_ids=['cat'], exits=[ExitInfo()]))
    planner._write_summary()
    assert (tmp_path / 'scores' / 'summary.json').exists()
    cv2.imwrite(str(tmp_path / 'cat.png'), np.zeros((8, 8, 3), np.uint8))
    camera = Camera(parameter_overrides=[Parameter('images', value='~/cat.png')])
    assert next(camera._shown)[0].shape == (8, 8, 3)
    camera.destroy_node()


def test_camera_planner_and_client_do_without_pytorch():
    """On a robot with several of them that would be half a gigabyte each."""
    script = ('import sys; import anytime_perception.ros.camera; '
              'import anytime_perception.ros.planner.planner; sys.exit("torch" in sys.modules)')
    assert subprocess.run([sys.executable, '-c', script]).returncode == 0
