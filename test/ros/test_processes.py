"""Camera, node and planner as real processes: they find each other, play, and end cleanly."""

import json
import signal

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import pytest
from served import wait_for, WAIT_SECONDS


def test_three_processes_play_and_end(start, model_path, pictures, tmp_path):
    node = start('perception_node', model=model_path)
    camera = start('camera', images=pictures, rate=20.0)
    planner = start('planner', seconds=6, preempt_period=0.1, output=tmp_path / 'summary.json')
    assert planner.wait(90) == 0, planner.log()
    summary = json.loads((tmp_path / 'summary.json').read_text())
    assert summary['images'] > 30 and summary['preempt']['calls'] > 10
    assert summary['refinements'] >= summary['images']
    assert summary['preempt']['older_than_published'] == 0
    accuracies = summary['accuracy_by_exit']
    assert len(accuracies) == 9 and accuracies[0] is not None  # so truths have met answers
    health = {key: int(value) for key, value in summary['perception'].items()
              if key.startswith('images_')}  # how many are stale is for the machine to say
    assert 10 < health['images_started'] <= health['images_received']
    assert health['images_bad'] == health['images_failed'] == health['images_unstamped'] == 0
    for process in (node, camera):
        process.send_signal(signal.SIGINT)
    for process in (node, camera):
        assert process.wait(WAIT_SECONDS) == 0, process.log()
        assert 'Traceback' not in process.log()


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_planner_that_is_stopped_still_writes_its_summary(start, model_path, pictures,
                                                            tmp_path, number):
    start('perception_node', model=model_path)
    start('camera', images=pictures)
    planner = start('planner', seconds=600.0, output=tmp_path / 'summary.json')
    wait_for(lambda: 'exit' in planner.log() or planner.poll() is not None, 60)
    planner.send_signal(number)
    assert planner.wait(WAIT_SECONDS) == 0, planner.log()
    assert 'images' in json.loads((tmp_path / 'summary.json').read_text())


def test_a_node_without_a_model_says_so_and_stays_to_be_mended(start, client):
    node = start('perception_node')
    health = client.listen(DiagnosticArray, '/diagnostics')
    wait_for(lambda: 'parameter model is empty' in node.log())
    health.clear()
    status = wait_for(lambda: health)[0].status[0]
    assert status.level == DiagnosticStatus.ERROR
    assert status.message.startswith('cannot configure: the parameter model is empty')
    node.send_signal(signal.SIGTERM)
    assert node.wait(WAIT_SECONDS) == 0
    assert 'Traceback' not in node.log()


@pytest.mark.parametrize('name, value', [
    ('seconds', 'soon'), ('budgets_ms', '[short, long]'), ('budgets_ms', 20),
    ('budgets_ms', '[5, 0]'), ('preempt_period', 0.0)])
def test_an_impossible_parameter_of_the_planner_is_one_line(start, name, value):
    planner = start('planner', **{name: value})
    assert planner.wait(WAIT_SECONDS) == 1
    assert name in planner.log() and len(planner.log().strip().splitlines()) == 1


@pytest.mark.parametrize('name, value', [('threads', 0), ('confidence', 1.5), ('top_k', 'many')])
def test_a_parameter_that_ros_refuses_ends_the_node_with_one_line(start, name, value):
    node = start('perception_node', **{name: value})
    assert node.wait(WAIT_SECONDS) == 1
    assert name in node.log() and len(node.log().strip().splitlines()) == 1


@pytest.mark.parametrize('name', ['camera', 'planner'])  # the node as the camera
def test_a_parameter_that_is_no_yaml_ends_the_process_with_one_line_of_ours(start, name):
    process = start(name, rate='[5, fast]')
    assert process.wait(WAIT_SECONDS) == 1
    assert 'Traceback' not in process.log()
    assert process.log().splitlines()[-1].startswith('ROS 2 cannot be initialised: ')
    assert 'rate:=[5, fast]' in process.log()


def test_a_camera_without_pictures_says_what_to_do(start, tmp_path):
    camera = start('camera', images=tmp_path)
    assert camera.wait(WAIT_SECONDS) != 0
    assert 'shows nothing' in camera.log() and 'Traceback' not in camera.log()
