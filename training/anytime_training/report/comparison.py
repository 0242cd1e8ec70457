"""Comparing anytime networks with each other and with OPT (paper, sections 4.1, 4.4 and 4.6)."""

from collections.abc import Sequence
import math


def relative_increase(error: float, optimal: float) -> float:
    """Return by what share of `optimal` the `error` is above it: 0.5 means 1.5 times as large."""
    return error / optimal - 1


def share_better(errors: Sequence[float], baselines: Sequence[float]) -> tuple[float, int]:
    """
    Return the share of experiments in which an error is below its baseline, and their number.

    Ties count half, as in the paper's table 2; pairs with a missing number (nan) are left out. The
    share is nan if there are no experiments.
    """
    pairs = [(error, baseline) for error, baseline in zip(errors, baselines)
             if not (math.isnan(error) or math.isnan(baseline))]
    if not pairs:
        return math.nan, 0
    better = sum(1.0 if error < baseline else 0.5 if error == baseline else 0.0
                 for error, baseline in pairs)
    return better / len(pairs), len(pairs)


def hoeffding_bound(share: float, count: int) -> float:
    """
    Return a bound on the chance of so large a share if neither method were better.

    Hoeffding's inequality for `count` independent comparisons: exp(-2 · count · (share - 1/2)²), 1
    for a share below one half. The paper has 2 · share - 1 in place of share - 1/2 (footnote 4)
    and so claims too much: for 39 experiments and a share of 0.65, 0.001 in place of 0.17.
    """
    return math.exp(-2 * count * max(0.0, share - 0.5) ** 2)


def timeliness(errors: Sequence[float], positions: Sequence[float]) -> float:
    """
    Return the area under accuracy against cost, in 0..1 (Karayev et al. 2012).

    It is counted from the first answer to one mean spacing after the last, so each answer counts
    for as long as it is the newest. For evenly spaced exits it is 1 - AE, as section 4.3 says.
    """
    count = len(errors)
    spacing = (positions[-1] - positions[0]) / (count - 1) if count > 1 else 1.0
    ends = [*positions[1:], positions[-1] + spacing]
    area = sum((end - start) * (1 - error) for error, start, end in zip(errors, positions, ends))
    return area / (ends[-1] - positions[0])


def optimal_plus(points: Sequence[tuple[float, float]], cost: float) -> float:
    """
    Return OPT+ at `cost`: the smallest error of the OPT `points` (cost, error) that cost no more.

    It is nan if none is that cheap (section 4.6).
    """
    return min((error for at, error in points if at <= cost), default=math.nan)
