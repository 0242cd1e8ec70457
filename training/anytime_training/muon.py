"""Muon: descent along the momentum made orthogonal (Jordan et al. 2024), for convolutions."""

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import nn, Tensor

# Coefficients of the iteration: the steepest at 0 that stay around 1 (Jordan et al. 2024).
_QUINTIC = 3.4445, -4.7750, 2.0315


class Muon(torch.optim.Optimizer):
    """
    Move convolutions by a share of their norm, along their momentum made an orthogonal matrix.

    A kernel (out, in, height, width) counts as a matrix (out, in · height · width). All directions
    of its gradient are learned equally fast, also the few that an exit of little loss weight asks
    for. The norm of the weights is kept at √out from the first step on, so that every step turns
    them by as much. That norm means nothing where batch normalisation follows, and little in a
    network trained from random weights, but setting it would undo trained weights.

    PyTorch's own Muon takes matrices only, one by one, and cannot run in a CUDA graph.

    Parameters
    ----------
    params: weights of convolutions.
    lr: how far a step goes, as a share of the norm of the weights; a number or a tensor ().
    momentum, nesterov: of the gradient's moving average.

    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.95,
                 nesterov: bool = True):
        super().__init__(params, {'lr': lr, 'momentum': momentum, 'nesterov': nesterov})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # takes no closures
        """Change the weights that have a gradient by one step; closures are not supported."""
        for group in self.param_groups:
            same_shape = defaultdict(list)
            for weights in group['params']:
                if weights.grad is not None:
                    same_shape[weights.shape].append(weights)
            for (out, *kernel), several in same_shape.items():
                directions = orthogonal(torch.stack([self._momentum(weights, group).flatten(1)
                                                     for weights in several]))
                # A tall matrix has fewer than `out` directions to share the step among.
                tall = max(1.0, out / directions.shape[2]) ** 0.5
                directions = directions * tall * group['lr']
                for weights, direction in zip(several, directions):
                    weights.sub_(direction.view(out, *kernel))
                    weights.mul_(out ** 0.5 / weights.norm())

    def _momentum(self, weights: nn.Parameter, group: dict) -> Tensor:
        state = self.state[weights]
        if not state:
            state['momentum'] = torch.zeros_like(weights)
        average, share = state['momentum'], group['momentum']
        assert weights.grad is not None
        average.lerp_(weights.grad, 1 - share)
        return weights.grad.lerp(average, share) if group['nesterov'] else average


def orthogonal(matrices: Tensor, steps: int = 5) -> Tensor:
    """
    Return approximately the nearest orthogonal matrices to `matrices` (N, rows, columns).

    Their singular values become about 1 (0.7 to 1.2), except those near 0, by `steps` of the
    Newton-Schulz iteration W ← (a + b·G + c·G²)·W with G = W·Wᵀ. All its factors are polynomials
    of the first G, small and square, so they are multiplied first and W only once: that saves
    about half the work, and more where W is wide.
    """
    rows, columns = matrices.shape[1:]
    wide = matrices if rows <= columns else matrices.mT
    wide = wide / (torch.linalg.matrix_norm(wide, keepdim=True) + 1e-7)
    first, third, fifth = _QUINTIC
    square, product = wide @ wide.mT, None
    for left in reversed(range(steps)):
        factor = torch.baddbmm(square, square, square, beta=third, alpha=fifth)
        factor.diagonal(dim1=1, dim2=2).add_(first)
        product = factor if product is None else factor @ product
        if left:
            square = factor @ square @ factor
    wide = wide if product is None else product @ wide
    return wide if rows <= columns else wide.mT
