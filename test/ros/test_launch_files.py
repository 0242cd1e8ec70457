"""Launch files start the node as they are told, and layouts show fields that there are."""

import json
import math
import os
from pathlib import Path
import re
import signal
import subprocess
import sys
from xml.etree import ElementTree

from anytime_perception.msg import Refinement, Trace
from anytime_perception.ros.large_images import large_images
from anytime_perception.ros.node.speed import Odometry
import pytest
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python
from served import child_environment, NAME, wait_for, WAIT_SECONDS

ROOT = Path(__file__).parents[2]
LAUNCH = """
import sys
from launch import LaunchDescription, LaunchService
from launch.actions import ExecuteProcess, IncludeLaunchDescription
from launch.launch_description_sources import AnyLaunchDescriptionSource

arguments = [argument.split(':=', 1) for argument in sys.argv[2:]]
service = LaunchService()
service.include_launch_description(LaunchDescription([
    IncludeLaunchDescription(AnyLaunchDescriptionSource(sys.argv[1]), launch_arguments=arguments),
    ExecuteProcess(cmd=['env'], output='screen')]))
sys.exit(service.run())
"""


@pytest.fixture
def launch(tmp_path):
    """Return a function that launches one of our files, then `env`; all end with the test."""
    pytest.importorskip('launch_ros', reason='needs launch_ros')
    processes = []

    def start(file, environment=(), **arguments):
        log = open(tmp_path / 'launch.log', 'w')
        variables = {name: value for name, value in child_environment().items()
                     if name not in large_images({})}
        variables.update(environment, PYTHONUNBUFFERED='1')
        process = subprocess.Popen(
            [sys.executable, '-c', LAUNCH, str(ROOT / 'launch' / file),
             *(f'{name}:={value}' for name, value in arguments.items())],
            env=variables, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        process.log = Path(log.name).read_text
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(WAIT_SECONDS)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def parameters(client, *names):
    """Return the values of the launched node's parameters."""
    service = f'{NAME}/get_parameters'
    wait_for(lambda: service in dict(client.get_service_names_and_types()), 60)
    response = client.call(GetParameters, service, GetParameters.Request(names=names))
    return [parameter_value_to_python(value) for value in response.values]


@pytest.mark.parametrize('file', ['anytime_perception.launch.py', 'anytime_perception.launch.xml'])
def test_a_file_of_parameters_counts_and_an_argument_wins(launch, client, model_path, tmp_path,
                                                          file):
    own = tmp_path / 'my.yaml'
    own.write_text(f"""/**:
  ros__parameters:
    model: {model_path}
    device: cpu
    image_transport: compressed
    budget_ms: 700.0
    autostart: false
    use_sim_time: true
    top_k: 2
""")
    launch(file, params_file=own, budget_ms=300)
    assert parameters(client, 'model', 'device', 'image_transport', 'autostart', 'use_sim_time',
                      'top_k', 'budget_ms') == [
        str(model_path), 'cpu', 'compressed', False, True, 2, 300]


def test_without_a_file_the_defaults_hold(launch, client):
    launch('anytime_perception.launch.py', device='cpu')
    assert parameters(client, 'model', 'device', 'budget_ms', 'autostart', 'use_sim_time') == [
        '', 'cpu', math.inf, True, False]


@pytest.mark.parametrize('file', ['anytime_perception.launch.py', 'anytime_perception.launch.xml'])
def test_the_time_and_the_robot_s_speed_come_from_where_the_arguments_say(
        launch, client, model_path, tmp_path, file):
    own = tmp_path / 'my.yaml'
    own.write_text("/**:\n  ros__parameters:\n    speed_budgets: '0:100, 2:10'\n")
    launch(file, model=model_path, device='cpu', params_file=own, use_sim_time='true',
           speed='/base/twist', odometry='/base/odometry')
    assert parameters(client, 'use_sim_time') == [True]
    topics = ['/clock', '/base/twist', *(['/base/odometry'] if Odometry is not None else [])]
    wait_for(lambda: all(client.count_subscribers(topic) for topic in topics), 60)


@pytest.mark.parametrize('given, fit', [({}, True), ({'large_images': 'false'}, False)])
def test_settings_for_large_images_are_the_node_s_alone(launch, client, given, fit):
    process = launch('anytime_perception.launch.py', device='cpu', **given,
                     environment={'FASTRTPS_DEFAULT_PROFILES_FILE': '/my/profile.xml'})
    parameters(client, 'model')
    node, = [child for child in
             Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().split()
             if 'perception_node' in Path(f'/proc/{child}/cmdline').read_text()]
    variables = dict(entry.split('=', 1) for entry in
                     Path(f'/proc/{node}/environ').read_text().split('\0') if '=' in entry)
    assert variables['FASTRTPS_DEFAULT_PROFILES_FILE'] == '/my/profile.xml'
    assert (variables.get('MALLOC_MMAP_MAX_') == '0') == fit
    assert variables.get('FASTDDS_DEFAULT_PROFILES_FILE', '').endswith('fastdds.xml') == fit
    others = wait_for(lambda: 'process has finished cleanly' in process.log() and process.log())
    assert 'FASTRTPS_DEFAULT_PROFILES_FILE=/my/profile.xml' in others
    assert 'MALLOC_MMAP_MAX_' not in others and 'FASTDDS_DEFAULT' not in others


def test_settings_that_the_environment_has_are_left_out():
    settings = large_images({})
    assert Path(settings['FASTRTPS_DEFAULT_PROFILES_FILE']).exists()
    assert settings.keys() - large_images({'MALLOC_TOP_PAD_': '1'}).keys() == {'MALLOC_TOP_PAD_'}
    chosen = large_images({'FASTDDS_BUILTIN_TRANSPORTS': 'UDPv4'})
    assert settings.keys() - chosen.keys() == {
        'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'}


@pytest.mark.parametrize('name', ['foxglove.json', 'plotjuggler.xml'])
def test_layouts_name_fields_that_there_are(name):
    text = (ROOT / 'config' / 'layouts' / name).read_text()
    json.loads(text) if name.endswith('.json') else ElementTree.fromstring(text.encode())
    named = re.findall(r'/anytime_perception/(refinements|trace)[./](\w+)', text)
    kinds = {'refinements': Refinement, 'trace': Trace}
    assert named
    for topic, field in named:
        assert field in kinds[topic].get_fields_and_field_types()


def test_the_foxglove_layout_shows_each_of_its_panels_once():
    layout = json.loads((ROOT / 'config' / 'layouts' / 'foxglove.json').read_text())

    def leaves(node):
        return [node] if isinstance(node, str) else [*leaves(node['first']),
                                                     *leaves(node['second'])]
    assert sorted(leaves(layout['layout'])) == sorted(layout['configById'])
    # What the program's own layouts have for these kinds of panel.
    needed = {'Image': 'imageMode', 'Plot': 'paths', 'DiagnosticSummary': 'topicToRender'}
    for name, config in layout['configById'].items():
        assert needed[name.split('!')[0]] in config


def test_the_rviz_layout_shows_topics_that_there_are():
    yaml = pytest.importorskip('yaml')
    manager = yaml.safe_load((ROOT / 'config' / 'layouts' / 'anytime.rviz').read_text())[
        'Visualization Manager']
    topics = {display['Name']: display['Topic'] for display in manager['Displays']
              if display['Class'] == 'rviz_default_plugins/Image'}
    assert {name: topic['Value'] for name, topic in topics.items()} == {
        'Answer': '/anytime_perception/annotated', 'Camera': '/image'}
    assert all(topic['Reliability Policy'] == 'Best Effort' for topic in topics.values())
