"""The report over runs: Markdown with tables and figures, and each table as CSV."""

import math
from pathlib import Path

from anytime_perception.files import write_atomically
from anytime_training import figures, tables
from anytime_training.comparison import timeliness
from anytime_training.results import optimal_errors, optimal_metrics, Result


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
    text = [f'# {len(results)} runs\n\nOurs, and the numbers of the paper where it has them. The '
            "paper's differ from run to run too; it gives one each.\n"]
    text += [table.markdown() for table in filled]
    text += [f'![{path.stem}](figures/{path.name})\n' for path in drawn]
    report = folder / 'report.md'
    _write(report, '\n'.join(text))
    return report


def _runs(results: list[Result]) -> tables.Table:
    """Return a table of all runs, with what the paper's tables leave out."""
    rows = []
    for run in results:
        metrics, timely = run.metrics, timeliness(run.evaluation.error, run.evaluation.cost)
        if run.method == 'OPT':  # its other exits were not trained
            metrics = optimal_metrics(optimal_errors([run]), run.evaluation.depth[-1])
            timely = math.nan
        rows.append([run.folder.name, run.dataset, run.model.title, run.method,
                     run.scheme, run.config.seed, run.config.epochs, run.evaluation.cost[-1] / 1e6,
                     *tables.percent(metrics), 100 * timely])
    header = ['run', 'data set', 'model', 'method', 'weights', 'seed', 'epochs', 'MACs (M)',
              *tables.METRICS, 'timeliness, %']
    return tables.Table('runs', 'All runs, error in %', header, rows)


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding='utf-8'))
