"""
The interface between the engine and what runs a network on a device.

Only the engine's worker thread calls it.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
from torch import Tensor

# Takes the probabilities (exits, classes) of the exits that have answered since the last call, of
# which there may be none; returns whether to go on.
Answered = Callable[[np.ndarray], bool]


class Runner(Protocol):
    """Runs a network on an image; `name` is for people."""

    name: str

    def run(self, images: Tensor, answered: Answered) -> None:
        """
        Run the network on its input (1, channels, size, size), which is on the CPU.

        `answered` is called at the end of each stage, or of a few short ones together. Once it
        returns False, no further stage is begun. What it raises is raised here.
        """


def answers(runner: Runner, images: Tensor) -> np.ndarray:
    """Return the probabilities (exits, classes) of every exit."""
    result: list[np.ndarray] = []

    def answered(answers: np.ndarray) -> bool:
        result.append(answers)
        return True

    runner.run(images, answered)
    return np.concatenate(result)
