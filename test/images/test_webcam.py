"""A webcam's newest frame is had, each once, and the webcam is free when nobody wants more."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import subprocess
import sys

from anytime_perception.images.pictures import film
import cv2
from fake_webcam import FakeWebcam
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def webcam(monkeypatch):
    """Return a webcam that has shown its first frame, 1."""
    webcam = FakeWebcam()
    monkeypatch.setattr(cv2, 'VideoCapture', webcam)
    yield webcam
    webcam.unplug()  # else its reader would wait on


def test_a_slow_reader_has_the_newest_frame(webcam):
    frames = film('0')
    webcam.show(2, 3, 4)
    assert next(frames).max() == 4
    webcam.show(5)
    webcam.show(6)
    assert next(frames).max() == 6


def test_a_quick_reader_waits_for_a_frame_that_he_has_not_had(webcam):
    frames = film('0')
    assert next(frames).max() == 1
    with ThreadPoolExecutor() as pool:
        coming = pool.submit(next, frames)
        webcam.show(2)
        assert coming.result(20).max() == 2


def test_few_frames_wait_in_the_driver_and_they_are_rgb(webcam, monkeypatch):
    blue = np.full((3, 5, 3), (255, 0, 0), np.uint8)  # OpenCV has BGR
    monkeypatch.setattr(webcam, 'read', lambda: (True, blue))
    frames = film('0')
    assert webcam.settings[cv2.CAP_PROP_BUFFERSIZE] < 4
    assert next(frames)[0, 0].tolist() == [0, 0, 255]
    frames.close()


def test_a_webcam_that_is_gone_ends_and_is_free(webcam):
    frames = film('0')
    assert next(frames).max() == 1 and webcam.is_open
    webcam.unplug()
    assert list(frames) == [] and not webcam.is_open


@pytest.mark.parametrize('end', ['closed', 'dropped', 'dropped before the first frame'])
def test_a_webcam_is_free_when_nobody_wants_more(webcam, end):
    frames = film('0')
    webcam.play_on(7)
    if end != 'dropped before the first frame':
        next(frames)
    if end == 'closed':
        frames.close()
        assert len(list(frames)) <= 1, 'only what had come before'
    del frames
    assert not webcam.is_open


def test_a_process_ends_well_while_its_webcam_plays():
    # OpenCV works without Python's lock; a thread that wants it back from a Python that is ending
    # would abort the process.
    script = """
import cv2, numpy
from anytime_perception.images.pictures import film
class Playing:
    picture = numpy.zeros((1080, 1920, 3), numpy.uint8)
    open = set = lambda self, *_: None
    def release(self):
        print('free')
    def read(self):
        return True, cv2.GaussianBlur(self.picture, (31, 31), 0)
cv2.VideoCapture = Playing
frames = film('0')
next(frames)
"""
    result = subprocess.run([sys.executable, '-c', script], cwd=ROOT, text=True, timeout=120,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert (result.returncode, result.stdout, result.stderr) == (0, 'free\n', '')
