"""Camera, node and planner as real processes: they find each other, play, and end cleanly."""

import json
import os
from pathlib import Path
import signal
import subprocess

from anytime_perception.ros.large_images import large_images
import cv2
import numpy as np
import pytest
from served import CLASS_IDS, WAIT_SECONDS

ament_index_python = pytest.importorskip('ament_index_python')


@pytest.fixture
def start(tmp_path):
    """Return a function that starts an executable of the package; all end with the test."""
    prefix = ament_index_python.get_package_prefix('anytime_perception')
    environment = {**os.environ, **large_images(os.environ), 'PYTHONUNBUFFERED': '1'}
    environment.setdefault('ROS_DOMAIN_ID', '42')
    environment.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
    processes = []

    def run(name, **parameters):
        arguments = []
        for key, value in parameters.items():
            arguments += ['-p', f'{key}:={value}']
        log = open(tmp_path / f'{name}.log', 'w+')
        process = subprocess.Popen(
            [f'{prefix}/lib/anytime_perception/{name}', '--ros-args', *arguments],
            env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        process.log = lambda: Path(log.name).read_text()
        processes.append(process)
        return process

    yield run
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.fixture
def pictures(tmp_path):
    for class_id in CLASS_IDS:
        (tmp_path / 'pictures' / class_id).mkdir(parents=True)
        for number in range(3):
            picture = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / 'pictures' / class_id / f'{number}.png'), picture)
    return tmp_path / 'pictures'


def test_three_processes_play_and_end(start, model_path, pictures, tmp_path):
    node = start('perception_node', model=model_path)
    camera = start('camera', images=pictures, rate=20.0)
    planner = start('planner', seconds=6, preempt_period=0.1, output=tmp_path / 'summary.json')
    assert planner.wait(90) == 0, planner.log()
    summary = json.loads((tmp_path / 'summary.json').read_text())
    assert summary['images'] > 30 and summary['preempt']['calls'] > 10
    assert summary['refinements'] >= summary['images']
    assert summary['preempt']['older_than_published'] == 0
    assert all(accuracy is None or 0 <= accuracy <= 1 for accuracy in summary['accuracy_by_exit'])
    health = summary['perception']  # how many are stale is for the machine to say
    assert 0 <= int(health['images_stale']) <= int(health['images_started'])
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
    for _ in range(60 * 10):
        if 'exit' in planner.log():
            break
        assert planner.poll() is None, planner.log()
        try:
            planner.wait(0.1)
        except subprocess.TimeoutExpired:
            pass
    planner.send_signal(number)
    assert planner.wait(WAIT_SECONDS) == 0, planner.log()
    assert 'images' in json.loads((tmp_path / 'summary.json').read_text())


def test_a_node_without_a_model_says_so_and_stays_to_be_mended(start):
    node = start('perception_node')
    with pytest.raises(subprocess.TimeoutExpired):
        node.wait(8)
    assert 'parameter model is empty' in node.log()
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


def test_a_camera_without_pictures_says_what_to_do(start, tmp_path):
    camera = start('camera', images=tmp_path)
    assert camera.wait(WAIT_SECONDS) != 0
    assert 'shows nothing' in camera.log() and 'Traceback' not in camera.log()
