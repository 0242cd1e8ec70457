"""The house: arrows between folders run one way, so that each can be used without those above."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROS = 'rclpy', 'anytime_perception.ros', 'anytime_perception.msg', 'anytime_perception.srv'
ABOVE = {  # of each folder: what it must do without
    'anytime_perception/networks': (
        *ROS, 'anytime_perception.engine', 'anytime_perception.images'),
    'anytime_perception/images': (
        *ROS, 'anytime_perception.engine', 'anytime_perception.networks'),
    'anytime_perception/engine': (*ROS, 'anytime_perception.images'),
    'anytime_perception/ros': tuple(
        f'anytime_perception.{part}' for part in (
            'engine', 'networks', 'ros.client', 'ros.intake', 'ros.node', 'ros.planner')),
    'anytime_perception/ros/client': (
        'torch', 'anytime_perception.engine', 'anytime_perception.ros.intake',
        'anytime_perception.ros.node', 'anytime_perception.ros.planner'),
    'anytime_perception/ros/intake': (
        'torch', 'anytime_perception.engine', 'anytime_perception.ros.client',
        'anytime_perception.ros.node', 'anytime_perception.ros.planner'),
    'anytime_perception/ros/planner': (
        'torch', 'anytime_perception.engine', 'anytime_perception.ros.node'),
    'anytime_perception/ros/node': (
        'anytime_perception.ros.client', 'anytime_perception.ros.planner'),
    'training/anytime_training': (*ROS, 'anytime_training.report'),
    'training/anytime_training/data': (*ROS, 'torchvision.models', 'anytime_training.config'),
    'training/anytime_training/report': (*ROS, 'anytime_training.cli', 'anytime_training.train'),
    'training/anytime_training/cli': ROS,
}


def imports(path):
    """Return the full names of all that a module imports, also for types only."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.ImportFrom):
            found |= {f'{node.module}.{name.name}' for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return found


def is_in(name, package):
    return f'{name}.'.startswith(f'{package}.')


@pytest.mark.parametrize('folder', ABOVE)
def test_a_folder_does_without_those_above_it(folder):
    above = (*ABOVE[folder], *(['anytime_training'] if folder[0] == 'a' else []))
    paths = sorted((ROOT / folder).glob('*.py'))
    assert paths
    assert not [(path.name, name) for path in paths for name in sorted(imports(path))
                for package in above if is_in(name, package)]


def test_every_folder_of_the_packages_has_its_place():
    packages = {path.parent.relative_to(ROOT).as_posix()
                for top in ('anytime_perception', 'training/anytime_training')
                for path in (ROOT / top).rglob('__init__.py')}
    # The first of these is what all others stand on, with what uses them; the last is numbers.
    assert packages == {
        'anytime_perception', *ABOVE, 'training/anytime_training/report/paper'}
