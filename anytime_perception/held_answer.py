"""Hysteresis: an answer is held until another class is clearly more likely."""

import numpy as np


class HeldAnswer:
    """
    The classes that are answered in one pass, from the probabilities of each exit's answer.

    The previous answer is held until another class is more than `hysteresis` times as likely. At 1
    the answer is always the most likely class. Probabilities are not changed: the confidence in an
    answer is still the probability of its class.
    """

    def __init__(self, hysteresis: float):
        self._hysteresis = hysteresis
        self._held: np.ndarray | None = None

    def add(self, probabilities: np.ndarray) -> np.ndarray:
        """Return the answer at the next exit, (…) indices of `probabilities` (…, classes)."""
        likeliest = probabilities.argmax(axis=-1)
        if self._held is not None:
            new, held = (np.take_along_axis(probabilities, classes[..., None], axis=-1)[..., 0]
                         for classes in (likeliest, self._held))
            # In float64, and divided, so that neither a huge ratio nor infinity overflows.
            likeliest = np.where(np.float64(new) / self._hysteresis > held, likeliest, self._held)
        self._held = likeliest
        return likeliest


def check_hysteresis(value: float) -> float:
    """
    Return `value`.

    Raises
    ------
    ValueError: unless it is a number from 1 on; infinity keeps the first answer.

    """
    if not value >= 1:
        raise ValueError(f'the hysteresis is {value}; it must be at least 1, where every answer '
                         'is the most likely class')
    return value
