"""
Alternating strategies: which exit's loss is amplified (paper, sections 3.2 and 4.4).

All share one interface. `probabilities` is how likely each exit is to be chosen now,
`weights(step)` are the loss weights of iteration `step`, and `update(losses)` feeds back that
iteration's losses. Everything stays on the device of the weights, and nothing waits for it. The
draw of iteration `step` depends only on the seed and the step, so a strategy that is stopped and
restored goes on with the same draws.
"""

from anytime_training.random_state import generator
import torch
from torch import Tensor

_BLOCK = 4096  # iterations whose draws are made, and moved to the device, at once


class Fixed:
    """Amplify nothing: the plain weighted sum of equation 2 (ANN)."""

    def __init__(self, weights: Tensor):
        self.probabilities = weights / weights.sum()
        self._weights = weights

    def weights(self, step: int) -> Tensor:
        """Return the loss weights, (exits,), of iteration `step`."""
        return self._weights

    def update(self, losses: Tensor) -> None:
        """Take note of the losses (exits,) of the iteration."""

    def chosen(self, step: int) -> Tensor | None:
        """Return the exit that iteration `step` amplifies, a tensor (), or None if it does not."""
        return None

    def state_dict(self) -> dict[str, Tensor]:
        """Return what has been learned so far."""
        return {}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a state that `state_dict` returned."""


class Alternating(Fixed):
    """
    Choose exit i with probability B_i and raise its weight by τ ΣB for one iteration (AANN).

    Parameters
    ----------
    weights: B, (exits,); its device is where all is computed.
    tau: the paper's τ, chosen there from {0.25, 0.5, 1, 2} on the validation network.
    seed: of the draws.

    """

    def __init__(self, weights: Tensor, tau: float = 0.5, seed: int = 0):
        super().__init__(weights)
        self._extra = tau * weights.sum()
        self._seed = seed
        self._drawn_block = -1
        self._draws = weights.new_empty(0)

    def weights(self, step: int) -> Tensor:
        """Return the loss weights, (exits,), of iteration `step`: B with one of them raised."""
        raised = torch.arange(len(self._weights), device=self._weights.device) == self.chosen(step)
        return self._weights + self._extra * raised

    def chosen(self, step: int) -> Tensor:
        """Return the exit that iteration `step` amplifies, as a tensor ()."""
        cumulative = self.probabilities.cumsum(0)
        draw = self._draw(step) * cumulative[-1]
        return torch.searchsorted(cumulative, draw, right=True).clamp(max=len(cumulative) - 1)

    def _draw(self, step: int) -> Tensor:
        """Return the uniform random number () of iteration `step`."""
        block, position = divmod(step, _BLOCK)
        if block != self._drawn_block:
            draws = torch.rand(_BLOCK, generator=generator(self._seed, 'strategy', block))
            self._draws, self._drawn_block = draws.to(self._weights.device), block
        return self._draws[position]
