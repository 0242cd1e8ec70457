"""What is built and installed is complete, with ROS 2 (colcon) and without (setup.py)."""

import ast
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = {'anytime_perception': ROOT / 'anytime_perception',
           'anytime_training': ROOT / 'training' / 'anytime_training'}
PROGRAMS = ('perception_node', 'camera', 'planner', 'anytime')


def modules(folder):
    return {path.relative_to(folder) for pattern in ('*.py', 'py.typed')
            for path in folder.rglob(pattern)}


@pytest.fixture(scope='module')
def prefix():
    """Return the folder that colcon installed the package to."""
    index = pytest.importorskip('ament_index_python.packages')
    try:
        return Path(index.get_package_prefix('anytime_perception'))
    except index.PackageNotFoundError:
        pytest.skip('the package is not installed by colcon')


@pytest.fixture(scope='module')
def built(tmp_path_factory):
    """Return the folder with what setup.py builds from a copy of the sources."""
    pytest.importorskip('setuptools')
    copy = tmp_path_factory.mktemp('sources')
    for name in ('setup.py', 'setup.cfg', 'LICENSE'):
        shutil.copy(ROOT / name, copy)
    for source in SOURCES.values():
        shutil.copytree(source, copy / source.relative_to(ROOT),
                        ignore=shutil.ignore_patterns('__pycache__'))
    subprocess.run([sys.executable, 'setup.py', '-q', 'egg_info', 'build', '--build-lib', 'built'],
                   cwd=copy, check=True, timeout=300)
    return copy


def test_package_xml_is_valid():
    package = pytest.importorskip('catkin_pkg.package').parse_package(str(ROOT / 'package.xml'))
    assert package.package_format == 3
    assert package.licenses == ['Apache-2.0']
    assert [group.name for group in package.member_of_groups] == ['rosidl_interface_packages']


def test_versions_agree():
    in_xml = re.search('<version>(.+)</version>', (ROOT / 'package.xml').read_text()).group(1)
    in_setup = re.search("version='(.+)'", (ROOT / 'setup.py').read_text()).group(1)
    assert in_setup == in_xml
    changelog = pytest.importorskip('catkin_pkg.changelog').get_changelog_from_path(ROOT)
    assert in_xml in [version for version, _, _ in changelog.foreach_version()]


def test_the_next_release_says_first_what_users_have_to_change():
    """As the tools that make releases read it, once they have given it a number."""
    changelog = pytest.importorskip('catkin_pkg.changelog')
    text = (ROOT / 'CHANGELOG.rst').read_text().replace(
        'Forthcoming\n-----------', '9.9.9 (2030-01-01)\n------------------')
    _, _, groups = next(iter(changelog.populate_changelog_from_rst(
        changelog.Changelog('anytime_perception'), text).foreach_version(reverse=True)))
    titles = [str(title) for title in groups[::2]]
    assert titles[0] == '**To change by users**'
    assert all(title.startswith(('**Added: ', '**Fixed: ')) for title in titles[1:])
    assert [type(entries) for entries in groups[1::2]] == [changelog.BulletList] * len(titles)


@pytest.mark.parametrize('distribution, apt', [('humble', False), ('jazzy', False),
                                               ('lyrical', True)])
def test_torch_is_asked_of_apt_only_where_it_has_one_that_will_do(distribution, apt):
    package = pytest.importorskip('catkin_pkg.package').parse_package(str(ROOT / 'package.xml'))
    package.evaluate_conditions({'ROS_DISTRO': distribution})
    met = {depend.name for depend in package.exec_depends if depend.evaluated_condition}
    assert ('python3-torch' in met) is ('python3-torchvision' in met) is apt
    assert 'python3-numpy' in met


def test_setup_py_builds_every_file(built):
    for name, source in SOURCES.items():
        wanted = {path.relative_to(source) for path in source.rglob('*')
                  if path.is_file() and '__pycache__' not in path.parts}
        found = built / 'built' / name
        assert wanted == {path.relative_to(found) for path in found.rglob('*') if path.is_file()}


def test_setup_py_names_the_command_and_the_requirements(built):
    info = built / 'anytime_perception.egg-info'
    assert 'anytime = anytime_training.cli:main' in (info / 'entry_points.txt').read_text()
    always, _, extras = (info / 'requires.txt').read_text().partition('[')
    assert 'safetensors' in always
    assert 'train]' in extras


def test_colcon_installs_every_module(prefix):
    import anytime_perception
    import anytime_training
    for package in (anytime_perception, anytime_training):
        installed = Path(package.__file__).parent
        assert prefix in installed.parents, f'{installed} hides the package built by colcon'
        assert modules(SOURCES[package.__name__]) <= modules(installed)


@pytest.mark.parametrize('name', SOURCES)
def test_packages_say_that_they_have_types(name):
    assert Path('py.typed') in modules(SOURCES[name])


def test_interfaces_are_beside_the_modules(prefix):
    for kind in ('msg', 'srv', 'action'):
        for path in (ROOT / kind).glob(f'*.{kind}'):
            __import__(f'anytime_perception.{kind}', fromlist=[path.stem])
            assert hasattr(sys.modules[f'anytime_perception.{kind}'], path.stem)


@pytest.mark.parametrize('program', PROGRAMS)
def test_programs_are_where_ros2_run_looks(prefix, program):
    path = prefix / 'lib' / 'anytime_perception' / program
    assert os.access(path, os.X_OK)
    module = re.search('from (.+) import main', path.read_text()).group(1)
    __import__(module, fromlist=['main'])
    assert callable(sys.modules[module].main)


def test_anytime_is_on_the_path(prefix):
    result = subprocess.run([str(prefix / 'bin' / 'anytime'), '--help'], text=True, timeout=120,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert result.returncode == 0, result.stdout
    assert 'train' in result.stdout


def test_shared_files_are_installed(prefix):
    for folder in ('launch', 'config', 'models'):
        for path in (ROOT / folder).glob('*.*'):
            assert (prefix / 'share' / 'anytime_perception' / folder / path.name).exists()


def test_environment_can_be_sourced_by_strict_scripts(prefix):
    command = 'source scripts/env.sh; python3 -c "import anytime_perception, torch"'
    subprocess.run(['bash', '-euc', command], cwd=ROOT, check=True, timeout=120)


@pytest.mark.parametrize('part, forbidden', [
    ('networks', {'rclpy', 'anytime_training', 'anytime_perception.engine',
                  'anytime_perception.ros'}),
    ('engine', {'rclpy', 'anytime_training', 'anytime_perception.ros'}),
    ('.', {'anytime_training'}),
])
def test_imports_go_one_way(part, forbidden):
    for path in (SOURCES['anytime_perception'] / part).rglob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            for name in imported(node):
                parents = {name[:end.start()] for end in re.finditer(r'\.|$', name)}
                assert not parents & forbidden, f'{path}:{node.lineno} imports {name}'


def test_ros_packages_that_the_nodes_import_are_dependencies_at_run_time():
    declared = set(re.findall(r'<(?:exec_)?depend>(\w+)<', (ROOT / 'package.xml').read_text()))
    needed = {name.split('.')[0] for path in SOURCES['anytime_perception'].rglob('*.py')
              for node in ast.parse(path.read_text()).body  # in a try is what may be missing
              for name in imported(node)}
    ros = {name for name in needed if re.search(r'^rclpy$|^ament_|_msgs$|_interfaces$', name)}
    assert {'rclpy', 'sensor_msgs'} <= ros <= declared


def imported(node):
    """Return the full names that an import statement may stand for; of another node, none."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module] + [f'{node.module}.{alias.name}' for alias in node.names]
    return []
