"""The newest frame of a webcam, whose driver hands out the oldest that it has."""

from collections.abc import Iterator
import threading
import weakref

import cv2
import numpy as np

# Seconds that the end waits for a frame that is being read. OpenCV gives a webcam 10.
_PATIENCE = 12.0


class Webcam(Iterator[np.ndarray]):
    """
    The frames of an open webcam as RGB, (H, W, 3) uint8, until it ends.

    A thread reads all the time and keeps the newest frame; no frame is handed out twice. When the
    webcam, this object or the process ends, the thread ends and the webcam is released.

    Parameters
    ----------
    capture: the webcam.
    picture: its first frame, as it was read.

    Attributes
    ----------
    close: call it to end it earlier.

    """

    def __init__(self, capture: cv2.VideoCapture, picture: np.ndarray):
        self._newest = _Newest()
        # A daemon, so that no process waits for it before it is told to end, below.
        thread = threading.Thread(
            target=_read, args=(capture, picture, self._newest), daemon=True)
        self.close = weakref.finalize(self, _end, self._newest, thread)
        thread.start()

    def __next__(self) -> np.ndarray:
        picture = self._newest.take()
        if picture is None:
            raise StopIteration
        return picture


class _Newest:
    """A place for one frame, which a newer one replaces."""

    def __init__(self):
        self._changed = threading.Condition()
        self._picture: np.ndarray | None = None
        self._over = False

    def put(self, picture: np.ndarray) -> bool:
        """Replace the frame; return False, and do nothing, if nobody wants any more."""
        with self._changed:
            if not self._over:
                self._picture = picture
                self._changed.notify()
            return not self._over

    def end(self) -> None:
        """Take no further frame."""
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def take(self) -> np.ndarray | None:
        """Wait for a frame, and return it; None if there is none any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._over or self._picture is not None)
            picture, self._picture = self._picture, None
            return picture


def _read(capture: cv2.VideoCapture, picture: np.ndarray, newest: _Newest) -> None:
    """Read until the webcam ends, or until nobody wants more."""
    try:
        read = True
        while read and newest.put(picture[:, :, ::-1]):
            read, picture = capture.read()
    finally:
        capture.release()  # first: who sees the end may open it again
        newest.end()


def _end(newest: _Newest, thread: threading.Thread) -> None:
    """End the thread; one that is in OpenCV when Python ends would abort the process."""
    newest.end()
    if thread is not threading.current_thread():  # which may be where garbage is collected
        thread.join(_PATIENCE)
