"""The demo's picture: accuracy against elapsed time and against budget."""

from pathlib import Path

import matplotlib

matplotlib.use('Agg')
from matplotlib import pyplot  # noqa: E402  (the backend must be chosen before)


def plot(summary: dict, path: Path) -> None:
    """Draw `summary` (as in summary.json) to the picture file `path`."""
    figure, (by_time, by_budget) = pyplot.subplots(
        1, 2, figsize=(11, 4.2), sharey=True, layout='constrained')
    exits = [(elapsed, accuracy) for elapsed, accuracy in
             zip(summary['elapsed_ms_by_exit'], summary['accuracy_by_exit'])
             if elapsed is not None and accuracy is not None]
    by_time.plot(*zip(*exits), marker='o') if exits else None
    by_time.set(title='each exit', xlabel='median time from arrival to answer (ms)',
                ylabel='accuracy')
    budgets = [row for row in summary['budgets'] if row['accuracy'] is not None]
    finite = [row for row in budgets if row['budget_ms'] is not None]
    if finite:
        by_budget.plot([row['budget_ms'] for row in finite], [row['accuracy'] for row in finite],
                       marker='s', color='tab:orange', label='last answer within the budget')
        for row in finite:
            by_budget.annotate(
                f'{row["answered_in_time"]:.0%} in time', (row['budget_ms'], row['accuracy']),
                textcoords='offset points', xytext=(0, -14), ha='center', fontsize=8)
    for row in budgets:
        if row['budget_ms'] is None:
            by_budget.axhline(row['accuracy'], color='grey', linestyle='--', label='no budget')
    by_budget.set(title='each budget', xlabel='budget (ms)')
    if budgets:
        by_budget.legend()
    for axes in (by_time, by_budget):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
