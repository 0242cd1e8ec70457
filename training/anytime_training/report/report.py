"""The report over runs: Markdown with tables and figures, and each table as CSV."""

import math
from pathlib import Path

from anytime_perception.files import write_atomically
from anytime_training.metrics import exit_at
from anytime_training.report import figures, tables
from anytime_training.report.comparison import timeliness
from anytime_training.report.optimal import optimal_metrics
from anytime_training.report.results import Result

_ABOUT = """
Ours, and the numbers of the paper where it has them. The paper's differ from run to run too; it
gives one each. Runs are averaged and compared only where data, network and recipe are the same;
the standard recipe is the paper's. OPT at a milestone is the network trained for the exit at that
share of the units, rounded, as in the paper: of few units, that may be a deeper exit than the one
that answers there. OPT+ is the best OPT of no more units than that share, which is not rounded.
Where blocks have different numbers of units, shares of the units are others of the cost, which
each evaluation.json has.
"""


def write_report(results: list[Result], folder: Path) -> Path:
    """
    Write report.md, tables/*.csv and figures/*.png into `folder`; return the report.

    Raises
    ------
    OSError: if a file cannot be written.

    """
    filled = [*tables.all_tables(results), _runs(results)]
    for table in filled:
        _write(folder / 'tables' / f'{table.name}.csv', table.csv())
    drawn = figures.draw_all(results, folder / 'figures')
    text = [f'# {tables.runs_of(results)}\n{_ABOUT}']
    text += [table.markdown() for table in filled]
    text += [f'![{path.stem}](figures/{path.name})\n' for path in drawn]
    report = folder / 'report.md'
    _write(report, '\n'.join(text))
    return report


def _runs(results: list[Result]) -> tables.Table:
    """Return a table of all runs, with what the paper's tables leave out."""
    rows = []
    for run in results:
        evaluation = run.evaluation
        metrics, cost = run.metrics, evaluation.cost[-1]
        of_all = [timeliness(evaluation.error, evaluation.cost),
                  max(evaluation.calibration_error), evaluation.lost]
        if run.method == 'OPT':  # its other exits were not trained
            metrics = optimal_metrics([run])
            cost = evaluation.cost[exit_at(run.config.exit_share, evaluation.depth)]
            of_all = [math.nan] * 3
        rows.append([run.folder.name, run.dataset, run.model.title, run.method,
                     run.scheme, run.setting.recipe or 'standard', run.config.seed,
                     cost / 1e6,
                     *tables.percent(metrics), *(100 * value for value in of_all)])
    header = ['run', 'data set', 'model', 'method', 'weights', 'recipe', 'seed', 'MACs (M)',
              *tables.METRICS, 'timeliness', 'worst calibration', 'lost']
    return tables.Table('runs', 'All runs, in %', header, rows)


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding='utf-8'))
