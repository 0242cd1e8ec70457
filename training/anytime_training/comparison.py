"""Comparing anytime networks with each other and with OPT (paper, sections 4.1, 4.4 and 4.6)."""

from collections.abc import Sequence
import math


def relative_increase(error: float, optimal: float) -> float:
    """Return by what share of the optimal error `error` is above it: 0.5 is half as many again."""
    return error / optimal - 1


def share_better(errors: Sequence[float], baselines: Sequence[float]) -> tuple[float, int]:
    """
    Return the share of experiments in which an error is below its baseline, and their number.

    Ties count half, as in the paper's table 2; pairs with a missing number (nan) are left out. The
    share of no experiments is not a number.
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
    for a share below one half. The paper puts 2 · share - 1 in the place of share - 1/2 (footnote
    4) and so claims too much: of 39 experiments and a share of 0.65, 0.001 where this is 0.17.
    """
    return math.exp(-2 * count * max(0.0, share - 0.5) ** 2)


def timeliness(errors: Sequence[float], positions: Sequence[float]) -> float:
    """
    Return the area under accuracy against cost, in 0..1 (Karayev et al. 2012).

    Counted from the first answer until one mean spacing after the last, so that each answer stands
    for as long as it is the newest; for evenly spaced exits it is 1 - AE, as section 4.3 says.
    """
    count = len(errors)
    spacing = (positions[-1] - positions[0]) / (count - 1) if count > 1 else 1.0
    ends = [*positions[1:], positions[-1] + spacing]
    area = sum((end - start) * (1 - error) for error, start, end in zip(errors, positions, ends))
    return area / (ends[-1] - positions[0])


def optimal_plus(points: Sequence[tuple[float, float]], cost: float) -> float:
    """
    Return OPT+ at `cost`: the smallest error of the OPT `points` (cost, error) that cost no more.

    Not a number where none is that cheap (section 4.6).
    """
    return min((error for at, error in points if at <= cost), default=math.nan)
