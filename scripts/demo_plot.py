"""The demo's picture: accuracy against elapsed time and against budget."""

import math
from pathlib import Path

import matplotlib

matplotlib.use('Agg')
from matplotlib import pyplot  # noqa: E402  (the backend must be chosen before)


def plot(summary: dict, path: Path) -> None:
    """Draw `summary` (as in summary.json) to the picture file `path`."""
    figure, (by_time, by_budget) = pyplot.subplots(
        1, 2, figsize=(11, 4.2), sharey=True, layout='constrained')
    _plot_exits(by_time, summary['refined_to_the_end'])
    _plot_budgets(by_budget, [row for row in summary['budgets'] if row['accuracy'] is not None])
    for axes in (by_time, by_budget):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _plot_exits(axes, whole: dict) -> None:
    """Draw the accuracy of every exit over the same images."""
    if whole['images']:
        axes.errorbar(
            whole['elapsed_ms_by_exit'], whole['accuracy_by_exit'],
            _bars(whole['accuracy_by_exit'], [whole['images']] * len(whole['accuracy_by_exit'])),
            marker='o', elinewidth=1, capsize=2)
    axes.set(title=f'each exit, on {whole["images"]} images refined to the end',
             xlabel='median time from arrival to answer (ms)', ylabel='accuracy')


def _plot_budgets(axes, rows: list[dict]) -> None:
    """Draw the accuracy of the last answer within each budget."""
    finite = [row for row in rows if row['budget_ms'] is not None]
    if finite:
        axes.errorbar(
            [row['budget_ms'] for row in finite], [row['accuracy'] for row in finite],
            _bars([row['accuracy'] for row in finite], [row['images'] for row in finite]),
            marker='s', color='tab:orange', elinewidth=1, capsize=2,
            label='answer within the budget (with the share that came in time)')
        for row in finite:
            axes.annotate(
                f'{row["answered_in_time"]:.0%}', (row['budget_ms'], row['accuracy']),
                textcoords='offset points', xytext=(5, -13), fontsize=8)
    for row in rows:
        if row['budget_ms'] is None:
            low, high = _interval(row['accuracy'], row['images'])
            axes.axhline(row['accuracy'], color='grey', linestyle='--', label='no budget')
            axes.axhspan(low, high, color='grey', alpha=0.15, linewidth=0)
    axes.set(title='each budget, on a random share of the images', xlabel='budget (ms)')
    axes.margins(x=0.1)
    if rows:
        axes.legend(fontsize=8)


def _bars(accuracies: list[float], images: list[int]) -> list[list[float]]:
    """Return how far the intervals of accuracies reach below and above them."""
    intervals = [_interval(*pair) for pair in zip(accuracies, images)]
    # Where all are right, or none, rounding may put an end on the wrong side.
    return [[max(0.0, value - low) for value, (low, _) in zip(accuracies, intervals)],
            [max(0.0, high - value) for value, (_, high) in zip(accuracies, intervals)]]


def _interval(accuracy: float, images: int) -> tuple[float, float]:
    """Return Wilson's interval of one standard error, which has a width of few images, too."""
    centre = accuracy + 1 / (2 * images)
    reach = math.sqrt(accuracy * (1 - accuracy) / images + 1 / (4 * images ** 2))
    return (centre - reach) / (1 + 1 / images), (centre + reach) / (1 + 1 / images)
