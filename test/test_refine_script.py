"""The script that refines pictures without ROS 2 prints answers, and errors as one line."""

from pathlib import Path
import runpy
import subprocess
import sys

import cv2
from fake_webcam import FakeWebcam
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def refine(tmp_path):
    """Return a function that runs the script on a picture, with further options."""
    picture = np.full((48, 64, 3), (220, 160, 110), np.uint8)
    cv2.imwrite(str(tmp_path / 'sky.png'), picture)

    def run(*options):
        return subprocess.run(
            [sys.executable, str(ROOT / 'scripts' / 'refine.py'), str(tmp_path / 'sky.png'),
             '--device', 'cpu', *options], cwd=ROOT, text=True, timeout=120,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return run


def test_a_picture_is_refined_to_the_end(refine):
    result = refine()
    assert result.returncode == 0, result.stderr
    name, *answers = result.stdout.splitlines()
    assert name.endswith('sky.png')
    assert 'exit  1 of' in answers[0] and answers[-1].endswith('complete')


@pytest.mark.parametrize('options, text', [
    (('--confidence', '90'), 'confidence is 90'), (('--budget-ms', '-1'), 'budget is -0.001'),
    (('--model', '/nowhere.safetensors'), '/nowhere.safetensors')])
def test_what_cannot_be_is_said_in_one_line(refine, options, text):
    result = refine(*options)
    assert result.returncode == 2 and not result.stdout
    assert text in result.stderr and len(result.stderr.splitlines()) == 1


def test_of_a_webcam_what_it_shows_now_is_refined_to_its_end(monkeypatch):
    webcam = FakeWebcam()
    monkeypatch.setattr(cv2, 'VideoCapture', webcam)
    shown = runpy.run_path(str(ROOT / 'scripts' / 'refine.py'))['pictures']('0')
    name, first = next(shown)
    webcam.show(2, 3)
    _, second = next(shown)
    webcam.unplug()
    assert (name, first.max(), second.max()) == ('frame 0', 1, 3)
    assert list(shown) == [] and not webcam.is_open
