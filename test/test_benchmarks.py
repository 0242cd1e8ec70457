"""Benchmarks begin and end; what they find is for who runs them."""

import json
from pathlib import Path
import subprocess
import sys

import pytest

BENCHMARKS = Path(__file__).parents[1] / 'benchmarks'


def run(name, *arguments):
    return subprocess.run([sys.executable, BENCHMARKS / name, *map(str, arguments)],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=300)


def test_every_way_to_train_is_measured(tmp_path):
    pytest.importorskip('anytime_training.train', reason='needs the training extra')
    output = tmp_path / 'training.json'
    result = run('training.py', '--units', 1, '--channels', 2, '--steps', 1, '--rounds', 1,
                 '--workers', 0, '--threads', 1, '--output', output)
    assert result.returncode == 0, result.stdout
    assert set(json.loads(output.read_text())['images_per_s']) == {
        'plain', 'trunk', 'ours', 'muon'}


@pytest.mark.parametrize('name, arguments', [
    ('engine_latency.py', ['--instants', 5]), ('engine_budgets.py', ['--images', 5])])
def test_the_engine_is_measured(tmp_path, name, arguments):
    output = tmp_path / 'result.json'
    result = run(name, '--networks', '1,2', '--threads', 1, '--output', output, *arguments)
    assert result.returncode == 0, result.stdout
    assert json.loads(output.read_text())


def test_the_start_of_a_node_is_measured(tmp_path):
    pytest.importorskip('rclpy', reason='needs ROS 2')
    output = tmp_path / 'startup.json'
    result = run('ros_startup.py', '--times', 1, '--output', output, '--models',
                 BENCHMARKS.parent / 'models' / 'cifar10-aann.safetensors')
    assert result.returncode == 0, result.stdout
    found = json.loads(output.read_text())['of']
    assert set(found) == {'imports alone', 'cifar10-aann'}
    assert found['cifar10-aann']['mib']['p50'] > found['imports alone']['mib']['p50'] / 2
