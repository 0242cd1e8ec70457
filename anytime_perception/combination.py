"""How the answers of several exits become one: the product of their probabilities."""

from collections.abc import Sequence

import numpy as np


class RunningProduct:
    """
    The answers of a pass whose exits answer together, from the probabilities of each alone.

    Answer i is in proportion to (p_0 · p_1 · … · p_i) ** exponents[i], for every class. It is a
    product of experts, as in Product-Anytime (Jazbec et al., NeurIPS 2023), and with exponents of
    one also the softmax of the sum of all logits so far, the answer of a boosted network (Yu et
    al., AAAI 2023). With exponents that don't fall, confidence in a class never falls at an exit
    that names that class, too.
    """

    _SMALLEST = np.finfo(np.float32).tiny  # a class that one exit excludes may yet come back

    def __init__(self, exponents: Sequence[float]):
        self._exponents = iter(exponents)
        self._total: np.ndarray | float = 0.0

    def add(self, probabilities: np.ndarray) -> np.ndarray:
        """
        Return the answer at the next exit.

        `probabilities` (…, classes) float32 are those of that exit alone; the same shape comes
        back, summing to 1.
        """
        logs = np.log(np.maximum(probabilities, self._SMALLEST), dtype=np.float64)
        self._total = self._total + logs
        scores = next(self._exponents) * self._total
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return (scores / scores.sum(axis=-1, keepdims=True)).astype(np.float32)
