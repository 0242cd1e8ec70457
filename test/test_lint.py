"""The code is clean for ament_flake8 and ament_pep257, and for mypy; setup.cfg has the rules."""

from importlib.metadata import version
from pathlib import Path
import re
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[1]
NAMES = ('anytime_perception', 'training', 'launch', 'benchmarks', 'scripts', 'test', 'setup.py')
PATHS = [str(ROOT / name) for name in NAMES if (ROOT / name).exists()]


def run(module, *options):
    return subprocess.run(
        [sys.executable, '-m', module, *options], cwd=ROOT, text=True, timeout=600,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_flake8():
    pytest.importorskip('flake8')
    # One process: where a plug-in crashes on a file, as pydocstyle's parser does in Python 3.12 on
    # an f-string like class{number}, flake8's worker processes hang for good.
    result = run('flake8', '--jobs', '1', '--config', str(ROOT / 'setup.cfg'), *PATHS)
    assert result.returncode == 0, result.stdout


def test_docstrings():
    pytest.importorskip('pydocstyle')
    result = run('pydocstyle', '--config', str(ROOT / 'setup.cfg'), *PATHS)
    assert result.returncode == 0, result.stdout


def test_types():
    pytest.importorskip('mypy')
    # Other releases of either, such as a sourced ROS 2's Python may have, find other things.
    pinned = re.findall(r'^(mypy|torch)==(\d+\.\d+)',
                        (ROOT / 'scripts' / 'requirements.txt').read_text(), re.MULTILINE)
    assert len(pinned) == 2
    for name, release in pinned:
        if not version(name).startswith(f'{release}.'):
            pytest.skip(f'{name} is {version(name)}, and types are checked with {release}')
    result = run('mypy')
    assert result.returncode == 0, result.stdout
