"""A webcam that shows what a test tells it to, when it does."""

import queue
import threading

import numpy as np


class FakeWebcam:
    """
    Stands for cv2.VideoCapture; its frames are as bright as their numbers.

    Attributes
    ----------
    plays_on: the frame that it shows all the time, as a real one would, once that is set.

    """

    def __init__(self):
        self._frames = queue.Queue()
        self._shown = self._reads = 0
        self._changed = threading.Condition()
        self.is_open = self._plays = False
        self.settings = {}
        self.plays_on = None
        self.show_first(1)

    def __call__(self):
        """Return itself where another capture is made: there is one webcam."""
        return self

    def open(self, number):  # noqa: A003
        self.is_open, self._plays = True, False

    def set(self, name, value):  # noqa: A003
        assert not self._plays, 'drivers set up their buffers before the first frame'
        self.settings[name] = value

    def read(self):
        with self._changed:
            self._plays = True
            self._reads += 1
            self._changed.notify()
        number = self.plays_on or self._frames.get(timeout=60)
        return number is not None, number and np.full((24, 32, 3), number, np.uint8)

    def release(self):
        self.is_open = False

    def show_first(self, number):
        """Have a frame ready for who reads next."""
        self._frames.put(number)
        self._shown += 1

    def show(self, *numbers):
        """Show frames, and wait until they were read and the reader has come for the next."""
        for number in numbers:
            self.show_first(number)
        with self._changed:
            assert self._changed.wait_for(lambda: self._reads > self._shown, 60), 'nobody reads'

    def play_on(self, number):
        """Show that frame as often as anybody reads."""
        self.plays_on = number
        self._frames.put(number)

    def unplug(self):
        """Show nothing any more."""
        self._frames.put(None)
