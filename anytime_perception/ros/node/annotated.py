"""The picture with its answer, for people."""

import array
from collections.abc import Callable
import logging
import math
import threading

from anytime_perception.msg import Refinement
from anytime_perception.ros.intake.decode import to_rgb
import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

_logger = logging.getLogger(__name__)

_WIDTH = 480   # pixels: enough for text, cheap to draw and to send
_BAR = 12      # pixels
_WHITE, _BLACK, _GREEN, _RED = (255, 255, 255), (0, 0, 0), (60, 200, 60), (230, 60, 60)


def annotate(picture: np.ndarray, refinement: Refinement) -> np.ndarray:
    """
    Return `picture` (H, W, 3) uint8 RGB, scaled to a common width, with its answer on it.

    Below the class and its probability it says which exit answered, and after how long. A bar at
    the bottom shows how much of the budget (without one: of the computation) was used.
    """
    height = max(1, round(picture.shape[0] * _WIDTH / picture.shape[1]))
    canvas = cv2.resize(np.ascontiguousarray(picture), (_WIDTH, height))
    canvas = cv2.copyMakeBorder(canvas, 0, _BAR, 0, 0, cv2.BORDER_CONSTANT, value=_BLACK)
    budgeted = math.isfinite(refinement.budget_ms)
    lines = (f'{refinement.class_ids[0]} {refinement.confidence:.0%}',
             f'exit {refinement.exit_index + 1}/{refinement.exit_count}, '
             f'{refinement.elapsed_ms:.1f} ms' + (f' of {refinement.budget_ms:.0f}'
                                                  if budgeted else ''))
    for row, (text, scale) in enumerate(zip(lines, (0.9, 0.55))):
        for colour, thickness in ((_BLACK, 4), (_WHITE, 1)):
            cv2.putText(canvas, text, (8, 30 + 26 * row), cv2.FONT_HERSHEY_SIMPLEX, scale, colour,
                        thickness, cv2.LINE_AA)
    used = refinement.elapsed_ms / refinement.budget_ms if budgeted else refinement.cost_fraction
    cv2.rectangle(canvas, (0, height), (round(_WIDTH * min(used, 1.0)), height + _BAR),
                  _GREEN if used <= 1 else _RED, cv2.FILLED)
    return canvas


class Annotator:
    """
    Draws and sends pictures on a thread of its own, so that neither worker nor services wait.

    Only the newest picture is kept: people need not see every one.
    """

    def __init__(self, publish: Callable[[Image], None]):
        self._publish = publish
        self._wake = threading.Condition()
        self._waiting: tuple[Image | CompressedImage, Refinement] | None = None
        self._closing = False
        self._thread: threading.Thread | None = None

    def offer(self, image: Image | CompressedImage, refinement: Refinement) -> None:
        """Have an image sent with its answer, unless a newer one comes first."""
        with self._wake:
            self._waiting = (image, refinement)
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._work, name='annotator', daemon=True)
                self._thread.start()
            self._wake.notify()

    def close(self) -> None:
        """End the thread."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._waiting is not None or self._closing)
                if self._closing or self._waiting is None:
                    return
                (image, refinement), self._waiting = self._waiting, None
            try:
                self._draw(image, refinement)
            except Exception:  # with one picture; the next is drawn all the same
                _logger.warning('a picture could not be annotated', exc_info=True)

    def _draw(self, image: Image | CompressedImage, refinement: Refinement) -> None:
        # Decoded anew if compressed: what the network took may be of reduced size.
        drawn = annotate(to_rgb(image, _WIDTH), refinement)
        message = Image(header=refinement.header, height=drawn.shape[0], width=drawn.shape[1],
                        encoding='rgb8', step=3 * drawn.shape[1])
        message.data = array.array('B', drawn.tobytes())
        self._publish(message)
