"""
Alternating strategies: which exit's loss is amplified (paper, sections 3.2, 4.4 and appendix D).

All share one interface. `probabilities` is how likely each exit is to be chosen now,
`weights(step)` are the loss weights of iteration `step`, `chosen` is the exit they amplify, and
`update(losses)` feeds back that iteration's losses. Everything stays on the device of the weights,
and nothing waits for it. The draw of an iteration depends only on seed and step, so a strategy
that is stopped and restored goes on with the same draws.
"""

from collections.abc import Sequence

from anytime_training.metrics import milestone_exits
from anytime_training.random_state import generator
import torch
from torch import Tensor

_BLOCK = 4096  # iterations whose draws are made, and moved to the device, at once
_TINY = 1e-12


class Fixed:
    """
    Amplify nothing: the plain weighted sum of equation 2 (ANN).

    Attributes
    ----------
    chosen: exit that the last iteration amplified, a tensor (), or None if there was none.

    """

    def __init__(self, weights: Tensor):
        self.chosen: Tensor | None = None
        self._weights = weights

    @property
    def probabilities(self) -> Tensor:
        """Each exit's share of B, (exits,), summing to 1."""
        return self._weights / self._weights.sum()

    def weights(self, step: int) -> Tensor:
        """Return the loss weights, (exits,), of iteration `step`."""
        return self._weights

    def update(self, losses: Tensor) -> None:
        """Learn from the losses, (exits,), of the iteration; here, nothing."""

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
        cumulative = self.probabilities.cumsum(0)
        draw = self._draw(step) * cumulative[-1]
        place = torch.searchsorted(cumulative, draw, right=True)
        self.chosen = place.clamp(max=len(cumulative) - 1)
        raised = torch.arange(len(cumulative), device=cumulative.device) == self.chosen
        return self._weights + self._extra * raised

    def _draw(self, step: int) -> Tensor:
        """Return the uniform random number () of iteration `step`."""
        block, position = divmod(step, _BLOCK)
        if block != self._drawn_block:
            draws = torch.rand(_BLOCK, generator=generator(self._seed, 'strategy', block))
            self._draws, self._drawn_block = draws.to(self._weights.device), block
        return self._draws[position]


class Milestone(Alternating):
    """
    Choose one of the milestone exits half of the time, any of the others the other half.

    Parameters
    ----------
    weights, tau, seed: as of `Alternating`.
    milestones: indices of the exits at 1/4, 1/2, 3/4 and 1; by default exits are evenly spaced.

    """

    def __init__(self, weights: Tensor, tau: float = 0.5, seed: int = 0,
                 milestones: Sequence[int] | None = None):
        super().__init__(weights, tau, seed)
        if milestones is None:
            milestones = [index for index in milestone_exits(range(1, len(weights) + 1))
                          if index is not None]
        chosen = torch.zeros(len(weights), dtype=torch.bool, device=weights.device)
        chosen[sorted(set(milestones))] = True
        if chosen.all():
            self._shares = torch.full_like(weights, 1 / len(weights))
        else:
            self._shares = 0.5 * chosen / chosen.sum() + 0.5 * ~chosen / (~chosen).sum()

    @property
    def probabilities(self) -> Tensor:
        """The chance of each exit to be chosen, (exits,), summing to 1."""
        return self._shares


def rewards(losses: Tensor, eta: float) -> Tensor:
    """
    Return what learned strategies maximise, the 𝓛 of equation 4, (exits,).

    For every exit but the last, the relative reduction of loss from it to the next; for the last,
    `eta` times the largest of those, or 0 where no exit improves on the one before.
    """
    if len(losses) == 1:
        return torch.zeros_like(losses)
    reductions = 1 - losses[1:] / losses[:-1].clamp(min=_TINY)
    return torch.cat([reductions, eta * reductions.max().clamp(min=0).unsqueeze(0)])


class Exp3(Alternating):
    """
    Learn which exit to amplify from the chosen one's reward (Auer et al. 2002; appendix D.3).

    p = (1 - γ) v + γ/L, and v_i of the chosen exit is multiplied by exp(γ 𝓛_i / (L p_i)).

    Parameters
    ----------
    weights, tau, seed: as of `Alternating`.
    gamma: share of choices that are left to uniform chance.
    eta: reward of the last exit relative to the largest other one.
    warm_up: iterations of uniform choice at the start, an epoch's in the authors' code.

    """

    def __init__(self, weights: Tensor, tau: float = 0.5, seed: int = 0, gamma: float = 0.3,
                 eta: float = 0.8, warm_up: int = 0):
        super().__init__(weights, tau, seed)
        self._gamma, self._eta, self._warm_up = gamma, eta, warm_up
        # Tensors both, so that a checkpoint and the device see all of the state.
        self._scores = torch.zeros_like(weights)  # log v
        self._steps = torch.zeros((), device=weights.device)

    @property
    def probabilities(self) -> Tensor:
        """The chance of each exit to be chosen, (exits,), summing to 1."""
        uniform = torch.full_like(self._weights, 1 / len(self._weights))
        return torch.where(self._steps < self._warm_up, uniform, self._learned())

    def _learned(self) -> Tensor:
        """Return the probabilities, (exits,), after the warm-up."""
        return (1 - self._gamma) * torch.softmax(self._scores, 0) + self._gamma / len(self._scores)

    def update(self, losses: Tensor) -> None:
        """Learn from the losses, (exits,), of the iteration that `weights` was last asked for."""
        self._learn(rewards(losses.float(), self._eta))
        self._steps = self._steps + 1

    def _learn(self, reward: Tensor) -> None:
        # For all exits, then masked by the chosen one: indexing with a tensor waits for the GPU.
        chosen = torch.arange(len(reward), device=reward.device) == self.chosen
        gain = chosen * self._gamma * reward / (len(reward) * self.probabilities)
        self._scores = torch.log_softmax(self._scores + gain, 0)

    def state_dict(self) -> dict[str, Tensor]:
        """Return what has been learned so far."""
        return {'scores': self._scores, 'steps': self._steps}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a state that `state_dict` returned."""
        self._scores, self._steps = state['scores'], state['steps']


class Rwm(Exp3):
    """
    Learn as EXP3, but from the rewards of all exits at once (Littlestone & Warmuth 1994; D.3).

    Every v_j is multiplied by exp(γ 𝓛_j / L). As every reward is seen, none is divided by its
    chance, so this is what EXP3 does on average. The authors' code has γ/2 in place of γ/L.
    """

    def _learn(self, reward: Tensor) -> None:
        gain = self._gamma * reward / len(reward)
        self._scores = torch.log_softmax(self._scores + gain, 0)


class Avgl(Exp3):
    """
    Choose in proportion to the moving average of each exit's reward (AVGL; appendix D.1).

    An average that is negative counts as 0. `momentum` is the paper's 0.9; γ is not used.
    """

    def __init__(self, weights: Tensor, tau: float = 0.5, seed: int = 0, momentum: float = 0.9,
                 eta: float = 0.8, warm_up: int = 0):
        super().__init__(weights, tau, seed, eta=eta, warm_up=warm_up)
        self._momentum = momentum

    def _learned(self) -> Tensor:
        shares = self._scores.clamp(min=0) + _TINY
        return shares / shares.sum()

    def _learn(self, reward: Tensor) -> None:
        self._scores = self._momentum * self._scores + (1 - self._momentum) * reward
