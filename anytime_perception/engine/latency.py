"""Measuring how long each exit takes on this device, before the first image comes."""

import time

from anytime_perception.engine.runner import Runner
from anytime_perception.model import Model
import numpy as np

_PASSES = 100
_SECONDS = 3.0
_WARM_UP_PASSES = 5
_PAUSE = 0.005  # between passes: caches grow cold as they do between images of a camera
_IMAGE = (480, 640, 3)  # what a camera sends, so that preprocessing counts


def measure_latency(model: Model, runner: Runner) -> tuple[np.ndarray, np.ndarray]:
    """
    Warm up, then measure how long an image takes.

    Return the seconds from its arrival to each exit (passes, exits), and to the end of its
    preparation, when the network begins (passes,).
    """
    image = np.random.default_rng(0).integers(0, 256, _IMAGE, dtype=np.uint8)
    passes: list[tuple[list[float], float]] = []
    end = time.monotonic() + _SECONDS
    while len(passes) < _PASSES + _WARM_UP_PASSES and (
            len(passes) <= _WARM_UP_PASSES or time.monotonic() < end):
        passes.append(_time_one(model, runner, image))
        time.sleep(_PAUSE)
    elapsed, prepared = zip(*passes[_WARM_UP_PASSES:])
    return np.array(elapsed), np.array(prepared)


def _time_one(model: Model, runner: Runner, image: np.ndarray) -> tuple[list[float], float]:
    """Return the seconds from an image to each exit, and to the end of its preparation."""
    elapsed: list[float] = []
    arrival = time.monotonic()

    def answered(answers: np.ndarray) -> bool:
        elapsed.extend([time.monotonic() - arrival] * len(answers))
        return True

    images = model.preprocessing(image)
    prepared = time.monotonic() - arrival
    runner.run(images, answered)
    return elapsed, prepared
