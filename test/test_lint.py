"""The code is clean for ament_flake8 and ament_pep257, whose rules are those in setup.cfg."""

from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[1]
NAMES = ('anytime_perception', 'training', 'launch', 'benchmarks', 'scripts', 'test', 'setup.py')
PATHS = [str(ROOT / name) for name in NAMES if (ROOT / name).exists()]


def run(module, *options):
    return subprocess.run(
        [sys.executable, '-m', module, *options, *PATHS], cwd=ROOT, text=True, timeout=300,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def test_flake8():
    pytest.importorskip('flake8')
    # One process: where a plug-in crashes on a file, as pydocstyle's parser does in Python 3.12 on
    # an f-string like class{number}, flake8's worker processes hang for good.
    result = run('flake8', '--jobs', '1', '--config', str(ROOT / 'setup.cfg'))
    assert result.returncode == 0, result.stdout


def test_docstrings():
    pytest.importorskip('pydocstyle')
    result = run('pydocstyle', '--config', str(ROOT / 'setup.cfg'))
    assert result.returncode == 0, result.stdout
