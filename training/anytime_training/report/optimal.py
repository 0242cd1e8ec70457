"""OPT and OPT+, put together from runs that were trained for one exit each (section 4.1, 4.6)."""

from collections.abc import Iterable
import math

from anytime_training.metrics import exit_at
from anytime_training.report.comparison import optimal_plus
from anytime_training.report.results import Result, Setting, SHARES


def optimal_errors(results: Iterable[Result]) -> dict[int, float]:
    """Return {depth in units: error} of OPT runs of one network, averaged over seeds."""
    found: dict[int, list[float]] = {}
    for result in results:
        depths, errors = result.evaluation.depth, result.evaluation.error
        index = exit_at(result.config.exit_share, depths)
        found.setdefault(depths[index], []).append(errors[index])
    return {depth: sum(errors) / len(errors) for depth, errors in sorted(found.items())}


def optimal_metrics(results: Iterable[Result]) -> dict[str, float]:
    """
    Return OPT at the milestones, and its AE if every exit was trained, from `results`, OPT runs.

    Their networks differ only in their periods. OPT of a milestone is the network trained for the
    last exit at or before round(share · units), as with `exit_share`; nan if none was.
    """
    results = list(results)
    errors = optimal_errors(results)
    exits = sorted({result.evaluation.depth for result in results})

    def at(share: float) -> float:
        target = round(share * exits[0][-1])
        reached = {max((depth for depth in depths if depth <= target), default=0)
                   for depths in exits}
        trained = reached & set(errors)
        return errors[max(trained)] if trained else math.nan
    every = set(errors) == set().union(*exits)
    whole = sum(errors.values()) / len(errors) if every else math.nan
    return {**{name: at(share) for name, share in SHARES.items()}, 'AE': whole}


def optimal_points(results: Iterable[Result], run: Result) -> list[tuple[int, float]]:
    """
    Return (depth, error) of all OPT networks with the data, width and recipe of `run`.

    Errors are averaged over seeds: the best of several would be better than any of them is.
    """
    def common(result: Result) -> tuple:
        setting = result.setting_of_optimal
        return (setting.dataset, setting.recipe, result.config.channels,
                result.config.side_channels)
    networks: dict[Setting, list[Result]] = {}
    for found in results:
        if found.method == 'OPT' and common(found) == common(run):
            networks.setdefault(found.setting_of_optimal, []).append(found)
    return [point for runs in networks.values() for point in optimal_errors(runs).items()]


def optimal_plus_metrics(results: Iterable[Result], run: Result) -> dict[str, float]:
    """
    Return OPT+ at the milestones of the deepest network of `run`, a sequence (section 4.6).

    A milestone is at that share of its units, not rounded as for OPT. In this way the paper's OPT
    (table 6) gives its OPT+ (table 3). There is no AE.
    """
    depth = run.config.depths[-1]
    points = optimal_points(results, run)
    return {**{name: optimal_plus(points, share * depth)
               for name, share in SHARES.items()}, 'AE': math.nan}
