"""
What a sequence of networks costs beside the best one (paper, section 3.3 and appendix A).

After a budget of B units, a sequence answers as well as the optimal network of cost B / C. `C` is
the cost inflation. The closed forms are those of Proposition 3.1 and of appendix A, in the limit
of long sequences; `simulate` computes both at finite length, budget by budget, without using them.

The proof in appendix A states E[C] <= 1 - 1/(2b) + 1/(b-1) + ln(b)/(b-1), which is reached in the
limit: with probability 1/b an interruption falls into the part of a network that is no deeper than
the network before. This holds for budgets up to the end of a network. If they end within one, the
mean of C can be larger: at base 4 it is 1.74 in place of 1.67 for budgets up to the end of that
part.
"""

from dataclasses import dataclass
import math

import numpy as np


@dataclass(frozen=True)
class CostInflation:
    """How much more a sequence costs: `worst` is sup C, `expected` E[C] over uniform budgets."""

    worst: float
    expected: float


def cost_inflation(base: float) -> CostInflation:
    """
    Return sup C and the bound on E[C] of an EANN with exponential `base` (Proposition 3.1).

    Raises
    ------
    ValueError: for a base that is not above 1.

    """
    _check(base)
    return CostInflation(worst=2 + 1 / (base - 1),
                         expected=1 - 1 / (2 * base) + (1 + math.log(base)) / (base - 1))


def ordinary_cost_inflation(base: float) -> CostInflation:
    """
    Return sup C and E[C] of a sequence of ordinary networks, which answer only at their ends (A).

    The appendix takes the worst case right before a network ends, and the budget to run out,
    uniformly, within the last network. Smallest are 4 at base 2, and 1.5 + √2 at base 1 + √2.

    Raises
    ------
    ValueError: for a base that is not above 1.

    """
    _check(base)
    return CostInflation(worst=2 + (base - 1) + 1 / (base - 1),
                         expected=1.5 + (base - 1) / 2 + 1 / (base - 1))


def simulate(base: float, networks: int, answers_inside: bool = True,
             budgets: int = 100_000) -> CostInflation:
    """
    Return sup C and E[C] of a sequence of `networks` networks, by going through its budgets.

    Depths are base^0, base^1, …, not rounded; budgets run out uniformly in the last network. Only
    a share of 1 - 1/base of all budgets does, but C has the same mean in the networks before.

    Every network of the sequence answers at each depth, as those of an EANN do, or only at its end
    if `answers_inside` is false. `budgets` is how many are tried, evenly spaced.

    Raises
    ------
    ValueError: for a base that is not above 1, or fewer than two networks.

    """
    _check(base)
    if networks < 2:
        raise ValueError(f'a simulation of {networks} networks has no previous one; use 2 or more')
    previous, depth = base ** (networks - 2), base ** (networks - 1)
    spent = sum(base ** index for index in range(networks - 1))
    # The middle of each slice of the last network; its budget, and the optimal one that matches.
    reached = (np.arange(budgets) + 0.5) * depth / budgets
    matched = np.maximum(reached, previous) if answers_inside else np.full(budgets, previous)
    inflation = (spent + reached) / matched
    return CostInflation(worst=float(inflation.max()), expected=float(inflation.mean()))


def _check(base: float) -> None:
    if not (base > 1 and math.isfinite(base)):
        raise ValueError(f'the exponential base is {base}; it must be greater than 1')
