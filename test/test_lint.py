"""The code is clean for the linters that ROS 2 packages are checked with."""

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
    result = run('flake8', '--config', str(ROOT / 'setup.cfg'))
    assert result.returncode == 0, result.stdout


def test_docstrings():
    pytest.importorskip('pydocstyle')
    result = run('pydocstyle', '--config', str(ROOT / 'setup.cfg'))
    assert result.returncode == 0, result.stdout


def test_flake8_as_colcon_users_run_it():
    main = pytest.importorskip('ament_flake8.main')
    errors, report = main.main_with_errors(argv=PATHS)
    assert errors == 0, '\n'.join(report)


def test_docstrings_as_colcon_users_run_it():
    main = pytest.importorskip('ament_pep257.main')
    assert main.main(argv=PATHS) == 0
