"""Answers that build on the one before: each is a product with what came earlier."""

from collections.abc import Sequence

import numpy as np

_SMALLEST = np.finfo(np.float32).tiny  # a class that one exit excludes may yet come back


class CarriedAnswer:
    """
    The answers of one pass, from the probabilities of each exit alone.

    Answer i is proportional to answer_(i-1) ** carry[i] · p_i, class by class; carry[0] has no
    effect. Where `carry` is 0, each exit answers alone. Where it is 1, the answer is the product
    of all exits so far, and confidence in a class never falls at an exit that names this class,
    too. It is a product of experts, as in Product-Anytime (Jazbec et al., NeurIPS 2023), and the
    softmax of the summed logits, as in a boosted network (Yu et al., AAAI 2023). In between, older
    exits count less.
    """

    def __init__(self, carry: Sequence[float]):
        self._carry = iter(carry)
        self._logs: np.ndarray | float = 0.0

    def add(self, probabilities: np.ndarray) -> np.ndarray:
        """
        Return the answer at the next exit.

        `probabilities` (…, classes) float32 are those of that exit alone; the same shape comes
        back, summing to 1.
        """
        scores = next(self._carry) * self._logs + np.log(np.maximum(probabilities, _SMALLEST))
        scores = scores - scores.max(axis=-1, keepdims=True)
        answer = np.exp(scores)
        total = answer.sum(axis=-1, keepdims=True)
        self._logs = scores - np.log(total)
        return answer / total
