"""Launch files offer the same arguments, and layouts show fields that there are."""

import json
from pathlib import Path
import re
import runpy
from xml.etree import ElementTree

from anytime_perception.msg import Refinement, Trace
from anytime_perception.ros.parameters import PARAMETERS
import pytest

ROOT = Path(__file__).parents[2]


def xml_launch():
    return ElementTree.parse(ROOT / 'launch' / 'anytime_perception.launch.xml').getroot()


def test_the_xml_sets_parameters_that_the_node_has():
    node = xml_launch().find('node')
    names = {param.get('name') for param in node.findall('param') if param.get('name')}
    assert names and names <= set(PARAMETERS)


def test_both_launch_files_have_the_same_arguments():
    pytest.importorskip('launch_ros', reason='needs launch_ros')
    ours = runpy.run_path(str(ROOT / 'launch' / 'anytime_perception.launch.py'))['ARGUMENTS']
    theirs = {arg.get('name'): arg.get('description') for arg in xml_launch().findall('arg')}
    assert theirs == {name: text for name, (_, text) in ours.items() if name != 'large_images'}


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
