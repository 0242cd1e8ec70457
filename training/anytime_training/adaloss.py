"""AdaLoss: loss weights that follow the losses; from a later paper of the same authors."""

from anytime_training.sampling import Fixed
import torch
from torch import Tensor

_TINY = 1e-12


class AdaLoss(Fixed):
    """
    Weigh every exit by the inverse of its mean loss (Hu et al., AAAI 2019).

    Every `interval` iterations: a = 1/m, divided by its maximum; the last exit's a is raised by
    `delta` and all are divided by the maximum again; w = (1 - γ) a + γ. The weights are scaled to
    the total of those that were given, so that the size of the step does not change.

    Parameters
    ----------
    weights: of the first iterations, (exits,).
    gamma: least share that an exit keeps.
    delta: what the last exit gets in addition.
    momentum: of the running mean of the losses, m.
    interval: iterations from one change of the weights to the next.

    """

    def __init__(self, weights: Tensor, gamma: float = 0.07, delta: float = 0.0,
                 momentum: float = 0.95, interval: int = 100):
        super().__init__(weights)
        self._gamma, self._delta, self._momentum, self._interval = gamma, delta, momentum, interval
        self._total = weights.sum()
        self._mean = torch.zeros_like(weights)

    def weights(self, step: int) -> Tensor:
        """Return the loss weights, (exits,), of iteration `step`."""
        if step and step % self._interval == 0:
            inverse = 1 / self._mean.clamp(min=_TINY)
            inverse = inverse / inverse.max()
            inverse[-1] += self._delta
            shares = (1 - self._gamma) * inverse / inverse.max() + self._gamma
            self._weights = self._total * shares / shares.sum()
        return self._weights

    def update(self, losses: Tensor) -> None:
        """Add the iteration's losses, (exits,), to the running mean."""
        losses = losses.float()
        # At the start the mean is the loss itself, not something near zero.
        started = (self._mean > 0).any()
        moved = self._momentum * self._mean + (1 - self._momentum) * losses
        self._mean = torch.where(started, moved, losses)

    def state_dict(self) -> dict[str, Tensor]:
        """Return what has been learned so far."""
        return {'weights': self._weights, 'mean': self._mean}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a state that `state_dict` returned."""
        self._weights, self._mean = state['weights'], state['mean']
