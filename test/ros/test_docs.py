"""The documents say what the code does: they are generated from it, compared with it, or run."""

import ast
from pathlib import Path
import re
import runpy

from anytime_perception.ros.camera import Camera
from anytime_perception.ros.node import vision
from anytime_perception.ros.node.perception_node import PerceptionNode
from anytime_perception.ros.planner.planner import Planner
import cv2
import numpy as np
import pytest
import rclpy
from rclpy.parameter import Parameter
from served import DOMAIN_ID, Served

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]


def test_generated_files_are_up_to_date():
    files = runpy.run_path(str(ROOT / 'scripts' / 'write_reference.py'))['FILES']
    old = [name for name, make in files.items() if (ROOT / name).read_text() != make()]
    assert not old, f'{old} are not as the code has it; run python3 scripts/write_reference.py'


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    text = page.read_text()
    for target in re.findall(r'\]\((?!https?:)([^)#]+)', text):
        assert (page.parent / target).exists(), f'{page.name} links to {target}'


def headings(page):
    """Return the headings of `page` by the anchors that GitHub gives them."""
    text = re.sub('```.*?```', '', page.read_text(), flags=re.DOTALL)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-'): heading
            for heading in re.findall('^#+ (.*)', text, re.MULTILINE)}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_anchors_are_those_of_headings(page):
    for target, anchor in re.findall(r'\]\((?!https?:)([^)#]*)#([^)]+)', page.read_text()):
        there = page.parent / target if target else page
        assert anchor in headings(there), f'{page.name} links to {target}#{anchor}'


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_to_an_experiment_lead_to_its_section(page):
    for text, anchor, after in re.findall(
            r'\[([^]]+)\]\([^)#]*experiments\.md#?([^)]*)\)( \d+)?', page.read_text()):
        number = re.search(r'\d+', text + after)
        assert anchor.startswith(f'{number[0]}-' if number else ''), \
            f'{page.name} links [{text}]{after} to experiments.md#{anchor}'


def test_the_index_of_experiments_is_complete():
    page = ROOT / 'docs' / 'experiments.md'
    index = re.findall(r'^\| \[(\d+)\]\(#([^)]+)\)', page.read_text(), re.MULTILINE)
    assert index == [(heading.partition('.')[0], anchor)
                     for anchor, heading in headings(page).items() if heading[0].isdigit()]


def launch_arguments(name):
    tree = ast.parse((ROOT / 'launch' / name).read_text())
    return {ast.literal_eval(key) for node in tree.body if isinstance(node, ast.Assign)
            and node.targets[0].id == 'ARGUMENTS' for key in node.value.keys}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_what_is_written_as_a_launch_argument_is_one(page):
    text = page.read_text()
    for name, arguments in re.findall(r'ros2 launch anytime_perception (\S+py)((?:.*\\\n)*.*)',
                                      text):
        allowed = launch_arguments(name) | launch_arguments('anytime_perception.launch.py')
        assert set(re.findall(r'(\w+):=', arguments)) <= allowed
    for code in re.findall('`([^`\n]+)`', re.sub('```.*?```', '', text, flags=re.DOTALL)):
        for parameter, name in re.findall(r'(-[pr] )?\b(\w+):=', code):
            assert parameter or name in launch_arguments('anytime_perception.launch.py') or \
                'demo.launch.py' in code


def test_every_page_is_reached_from_the_readme():
    readme = PAGES[0].read_text()
    assert [page.name for page in PAGES[1:] if f'(docs/{page.name})' not in readme] == []


def test_the_node_has_the_topics_and_services_of_its_page(perception):
    node = perception()
    page = (ROOT / 'docs' / 'node.md').read_text()
    documented = set(re.findall(
        r'^\| `([^`]+)` \| (?:latched )?(?:subscription|publisher|service)', page, re.MULTILINE))
    names = [endpoint.topic_name for endpoint in (*node.publishers, *node.subscriptions)]
    names += [service.srv_name for service in node.services]
    private = f'/{node.get_name()}/'
    # Those that every node has, or every lifecycle node.
    others = re.compile(r'parameter|/rosout|state|transition|type_description|/clock')
    there = {name.replace(private, '~/').replace('/image', 'image')
             for name in names if not others.search(name)}
    if vision.Classification is not None:
        documented |= {'~/classification', '~/label_info'}
    assert there == documented


def test_the_page_of_the_node_has_every_launch_argument():
    page = (ROOT / 'docs' / 'node.md').read_text()
    told = re.findall(r'`(\w+)`', ''.join(re.findall(
        r'^\| launch argument(?:.*\n)+?\n', page, re.MULTILINE)))
    assert launch_arguments('anytime_perception.launch.py') <= set(told)


@pytest.mark.parametrize('kind, page', [(Camera, 'camera.md'), (Planner, 'planner.md')])
def test_pages_have_every_parameter_of_their_node(tmp_path, ros, kind, page):
    cv2.imwrite(str(tmp_path / 'x.png'), np.zeros((4, 4, 3), np.uint8))
    # Else an image would be published that other tests hear.
    node = ros.add(kind(namespace='documented', parameter_overrides=[
        Parameter('images', value=str(tmp_path))] if kind is Camera else []))
    every = {'use_sim_time', 'start_type_description_service'}  # nodes have these
    own = set(node.list_parameters([], 1).names) - every
    text = (ROOT / 'docs' / page).read_text()
    assert own and [name for name in own if not re.search(rf'^\|.*`{name}`', text, re.M)] == []


@pytest.fixture
def perception_elsewhere(model_path, monkeypatch):
    """Serve a perception node on a context of its own: an example initialises the default one."""
    monkeypatch.setenv('ROS_DOMAIN_ID', str(DOMAIN_ID))
    context, served = rclpy.Context(), Served()
    rclpy.init(context=context)
    served.add(PerceptionNode(context=context, parameter_overrides=[
        Parameter('model', value=str(model_path)), Parameter('device', value='cpu')]))
    yield
    served.close()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize('page', [
    page for page in PAGES if re.search('```python\n(import|from)', page.read_text())],
                         ids=lambda page: page.name)
def test_python_examples_run(page, model_path, tmp_path, monkeypatch, capsys, request):
    if 'rclpy.init()' in page.read_text():
        request.getfixturevalue('perception_elsewhere')
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / 'picture.png'), picture)
    for path in ('model.safetensors', 'models/cifar10-aann.safetensors'):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(model_path.read_bytes())
    monkeypatch.chdir(tmp_path)
    for example in re.findall(r'```python\n(.*?)```', page.read_text(), re.DOTALL):
        if not example.startswith(('import', 'from')):
            continue  # a part of one, which says what it needs
        exec(compile(example, page.name, 'exec'), {'__name__': 'example'})
    assert re.search('cat|dog|eel', capsys.readouterr().out)
