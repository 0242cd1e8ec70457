"""
Weight schemes: the B_i of equation 2, how much each exit counts (paper, sections 3.2, 4.3).

Every scheme returns a float32 tensor (count,) for the exits in order, and every scheme sums to 1:
a scheme changes what is learned, not the size of the step. With that total, training for one exit
only (`optimal`) is the ordinary training of a residual network at the same learning rate.
"""

import math

import torch
from torch import Tensor


def constant(count: int) -> Tensor:
    """Weigh all exits alike; its objective is the average of the losses."""
    return _normalised([1.0] * _checked(count))


def half_end(count: int) -> Tensor:
    """Give the last exit half of the total and divide the other half evenly among the others."""
    return _with_half_at_end([1.0] * (_checked(count) - 1))


def linear(count: int) -> Tensor:
    """Weigh exit i (1-based) in proportion to i; the authors' code begins at 1/4 of the last."""
    return _normalised([float(index) for index in range(1, _checked(count) + 1)])


def exponential(count: int, base: float = 2.0) -> Tensor:
    """
    Weigh exit i in proportion to base^i; the paper's expb2 and expb0.5.

    Raises
    ------
    ValueError: for a base that is not positive and finite.

    """
    if not (base > 0 and math.isfinite(base)):
        raise ValueError(f'the base of exponential weights is {base}; it must be positive '
                         'and finite')
    exponents = torch.arange(_checked(count), dtype=torch.float64)
    return torch.softmax(exponents * math.log(base), dim=0).float()


def sieve(count: int) -> Tensor:
    """
    Weigh exit i < L in proportion to 1 + ν₂(L - i), and the last one with half of the total.

    ν₂(m) is the 2-adic valuation: the highest t such that 2^t divides m (paper, section 3.2).
    """
    distances = range(_checked(count) - 1, 0, -1)
    return _with_half_at_end([float(1 + two_adic_valuation(distance)) for distance in distances])


def optimal(count: int, exit_index: int = -1) -> Tensor:
    """
    Give one exit everything: the network trained for `exit_index` alone, OPT (paper, section 4.1).

    Raises
    ------
    ValueError: for an exit that there is not.

    """
    _checked(count)
    if not -count <= exit_index < count:
        raise ValueError(f'exit_index is {exit_index}, but there are {count} exits')
    weights = torch.zeros(count)
    weights[exit_index] = 1.0
    return weights


def with_last(weights: Tensor, share: float) -> Tensor:
    """Return `weights` with `share` of all at the last exit, and the others in proportion."""
    others = weights[:-1].double()
    if not len(others):
        return weights
    return torch.cat([others * (1 - share) / others.sum(), torch.tensor([share])]).float()


def two_adic_valuation(number: int) -> int:
    """Return the highest t such that 2^t divides the positive `number`."""
    return (number & -number).bit_length() - 1


SCHEMES = {'constant': constant, 'half_end': half_end, 'linear': linear,
           'exponential': exponential, 'sieve': sieve, 'optimal': optimal}


def _checked(count: int) -> int:
    if count < 1:
        raise ValueError(f'there are {count} exits; weights need at least one')
    return count


def _normalised(shares: list[float]) -> Tensor:
    weights = torch.tensor(shares, dtype=torch.float64)
    return (weights / weights.sum()).float()


def _with_half_at_end(shares: list[float]) -> Tensor:
    """Append a last share as large as all others together; alone it is the whole."""
    return _normalised([*shares, sum(shares) if shares else 1.0])
