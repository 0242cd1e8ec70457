"""The paper's tables, filled by runs, each with the paper's own numbers beside."""

from collections.abc import Callable, Sequence
import csv
from dataclasses import dataclass
import io
import math

from anytime_training import markdown
from anytime_training.phases import ONE_BY_ONE
from anytime_training.report import paper
from anytime_training.report.comparison import hoeffding_bound, relative_increase, share_better
from anytime_training.report.optimal import optimal_metrics, optimal_plus_metrics
from anytime_training.report.results import mean_metrics, ONE_EXIT_AT_A_TIME, Result, Setting

METRICS = paper.METRICS
ORDER = ('OPT', 'ANN', 'EXP3', 'Milestone', 'RWM', 'AVGL', 'AANN', 'EANN')
_SEQUENCE = (1, 3, 7, 13, 25), (1, 1, 1, 1, 3)  # n and s of the paper's EANN


@dataclass(frozen=True)
class Table:
    """A table of texts and numbers; `name` is that of its files."""

    name: str
    title: str
    header: list[str]
    rows: list[list]

    def markdown(self) -> str:
        """Return the table in Markdown, numbers with two digits after the point."""
        lines = [self.header, ['---'] * len(self.header), *self.rows]
        body = '\n'.join(f'| {" | ".join(_text(cell) for cell in line)} |' for line in lines)
        return f'## {self.title}\n\n{body}\n'

    def csv(self) -> str:
        """Return the table as comma-separated values, empty where there is no number."""
        text = io.StringIO()
        rows = [['' if isinstance(cell, float) and math.isnan(cell) else cell for cell in row]
                for row in self.rows]
        csv.writer(text, lineterminator='\n').writerows([self.header, *rows])
        return text.getvalue()


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return '-' if math.isnan(cell) else f'{cell:.2f}'
    return markdown.cell(str(cell))


def group(results: list, key: Callable) -> dict:
    """Return {key: results with it}, in order of first sight."""
    groups: dict = {}
    for result in results:
        groups.setdefault(key(result), []).append(result)
    return groups


def percent(metrics: dict[str, float]) -> list[float]:
    """Return the values of `metrics` in percent, in the order of the tables."""
    return [100 * metrics[name] for name in METRICS]


def opt_of(results: list[Result]) -> dict:
    """Return {setting: metrics of OPT} for what has OPT runs."""
    runs = group([result for result in results if result.method == 'OPT'],
                 lambda result: result.setting_of_optimal)
    return {key: optimal_metrics(found) for key, found in runs.items()}


def runs_of(results: list, what: str = 'run') -> str:
    """Return how many there are, in words."""
    return f'{len(results)} {what}{"s" * (len(results) != 1)}'


def but_period(run: Result) -> tuple:
    """Return what runs have in common that differ in their period and seed alone."""
    setting = run.setting
    return setting._replace(model=setting.model._replace(period=(1,))), run.method


def weight_schemes(results: list[Result]) -> list[Table]:
    """Return table 1 for every setting with more than one weight scheme or mode."""
    chosen = [result for result in results if result.method in ('ANN', *ONE_EXIT_AT_A_TIME)]
    tables = []
    for setting, runs in group(chosen, lambda run: run.setting).items():
        schemes = group(runs, lambda run: run.scheme)
        if len(schemes) < 2:
            continue
        values = {name: optimal_metrics(found) if name == 'optimal' else mean_metrics(found)
                  for name, found in sorted(schemes.items())}
        printed = {row['metric']: row for row in paper.table(1)
                   if row['dataset'] == setting.in_paper}
        rows = []
        for metric in ('AE', '1/4', '1/2', '3/4', '1'):
            rows.append([metric, 'ours', *(100 * value[metric] for value in values.values())])
            if printed:
                rows.append([metric, f'{setting.paper} (n=5, c=16)',
                             *(printed[metric].get(name, math.nan) for name in values)])
        tables.append(Table(f'table1_{setting.file_name}_'
                            f's{"-".join(map(str, setting.model.period))}',
                            f'Table 1: weight schemes, {setting.title}, error in %',
                            ['metric', 'source', *values], rows))
    return tables


def methods(results: list[Result]) -> list[Table]:
    """Return tables 3 and 6 in one: every method in every setting, error in %."""
    printed = {}
    for number in (6, 3):  # where both have a row, they agree but for a misprint
        for row in paper.table(number):
            key = row['method'], row['n'], row['c'], row['dataset']
            printed[('EANN', None, 32, row['dataset']) if row['method'] == 'EANN' else key] = row
    rows = []
    joint = [result for result in results if result.config.mode not in ONE_BY_ONE]
    for setting, runs in group(joint, lambda run: run.setting).items():
        model, by_method = setting.model, group(runs, lambda run: run.weighted_method)

        def add(method: str, source: str, metrics: dict, units: int | None) -> None:
            title = [setting.dataset, model.title, method]
            rows.append([*title, setting.recipe or 'standard', source, *percent(metrics)])
            row = printed.get((method, units, model.channels, setting.in_paper))
            if row and is_of_paper(setting, method):
                rows.append([*title, "the paper's", setting.paper,
                             *(row[metric] for metric in METRICS)])
        for method in sorted(by_method, key=lambda name: (
                ORDER.index(name) if name in ORDER else len(ORDER), name)):
            found = by_method[method]
            metrics = optimal_metrics(found) if method == 'OPT' else mean_metrics(found)
            units = None if method == 'EANN' or model.backbone else model.units_per_block[0]
            add(method, f'ours ({runs_of(found)})', metrics, units)
        sequences = [run for run in runs if run.is_eann]
        if sequences:
            add('OPT+', 'ours', optimal_plus_metrics(results, sequences[0]),
                model.units_per_block[-1])
    header = ['data set', 'model', 'method', 'recipe', 'source', *METRICS]
    return [Table('table3_and_6', 'Tables 3 and 6: methods and models, error in %', header, rows)
            ] if rows else []


def is_of_paper(setting: Setting, method: str) -> bool:
    """Return whether the paper's numbers for `method` are of networks with these n and s."""
    units, period = setting.model.units_per_block, setting.model.period
    if method in ('EANN', 'OPT+'):
        return (units, period) == _SEQUENCE
    # For n = 25 the paper has an exit every three units; for a single exit that does not matter.
    return len(units) == 1 and (period == ((3,) if units == (25,) else (1,))
                                or (method, units, period) == ('OPT', (25,), (1,)))


def beside_paper(rows: list[list], printed: list[dict], metrics: Sequence[str]) -> list[list]:
    """Return rows sorted by method and recipe, the paper's after each method's own."""
    def order(row: list) -> tuple:
        return row[0], row[1] != 'standard', row[1]
    of_paper = {row['method']: row for row in printed}
    ordered: list[list] = []
    for method, ours in group(sorted(rows, key=order), lambda row: row[0]).items():
        ordered += ours
        if method in of_paper:
            ordered.append([method, "the paper's", 'paper (39)',
                            *(of_paper[method][metric] for metric in metrics)])
    return ordered


def wins(results: list[Result]) -> list[Table]:
    """
    Return tables 2a and 5: how often a strategy is better than ANN.

    An experiment is a setting with a weight scheme. Of the seeds that both have, the mean counts:
    seeds are no experiments of their own.
    """
    experiments = group(results, lambda run: (run.setting, run.scheme))
    pairs: dict[tuple, list] = {}
    for (setting, _), runs in experiments.items():
        methods_of = group(runs, lambda run: run.method)
        for method, found in methods_of.items():
            if method in ('ANN', *ONE_EXIT_AT_A_TIME) or found[0].is_eann:
                continue
            of_seed = {run.config.seed: run for run in methods_of.get('ANN', ())}
            both = [run for run in found if run.config.seed in of_seed]
            if both:
                pairs.setdefault((method, setting.recipe), []).append((
                    mean_metrics(both), mean_metrics([of_seed[run.config.seed] for run in both])))
    rows = []
    for (method, recipe), compared in pairs.items():
        shares, bounds = [], []
        for metric in METRICS:
            share, count = share_better([ours[metric] for ours, _ in compared],
                                        [plain[metric] for _, plain in compared])
            shares.append(100 * share)
            bounds.append(100 * hoeffding_bound(share, count) if count else math.nan)
        name = [method, recipe or 'standard']
        rows.append([*name, f'ours ({runs_of(compared, "experiment")})', *shares])
        rows.append([*name, "Hoeffding's bound", *bounds])
    rows = beside_paper(rows, paper.table(5), METRICS)
    return [Table('table2a_and_5', 'Tables 2a and 5: share of experiments better than ANN, in %',
                  ['method', 'recipe', 'source', *METRICS], rows)] if rows else []


def increases(results: list[Result]) -> list[Table]:
    """Return table 2b: mean relative increase of the error over OPT, where OPT was trained."""
    opt = opt_of(results)
    chosen = [run for run in results if run.setting_of_optimal in opt
              and run.method not in ONE_EXIT_AT_A_TIME]
    rows = []
    for (method, recipe), runs in group(
            chosen, lambda run: (run.weighted_method, run.setting.recipe)).items():
        means = []
        for metric in METRICS[:-1]:
            pairs = [(run.metrics[metric], opt[run.setting_of_optimal][metric]) for run in runs]
            found = [100 * relative_increase(error, optimal) for error, optimal in pairs
                     if optimal > 0 and not math.isnan(error)]
            means.append(sum(found) / len(found) if found else math.nan)
        rows.append([method, recipe or 'standard', f'ours ({runs_of(runs)})', *means])
    printed = [row for row in paper.table(2) if row['part'] == 'b']
    rows = beside_paper(rows, printed, METRICS[:-1])
    return [Table('table2b', 'Table 2b: relative increase of the error over OPT, in %',
                  ['method', 'recipe', 'source', *METRICS[:-1]], rows)] if rows else []


def periods(results: list[Result]) -> list[Table]:
    """Return table 4: networks that differ in their period, per setting and method."""
    tables = []
    chosen = [run for run in results if run.method in ('ANN', 'AANN') and run.scheme == 'sieve']

    for (setting, method), runs in group(chosen, but_period).items():
        stacks = group(runs, lambda run: run.config.period[0])
        if len(stacks) < 2:
            continue
        # The paper doesn't say what c is; by its errors, 16.
        printed = {row['s']: row for row in paper.table(4)
                   if (row['n'],) == setting.model.units_per_block
                   and (setting.in_paper, setting.model.channels) == ('CIFAR100', 16)}
        rows = []
        for period, found in sorted(stacks.items()):
            rows.append([f's{period}', 'ours', *percent(mean_metrics(found))])
            if period in printed:
                rows.append([f's{period}', setting.paper,
                             *(printed[period][name] for name in METRICS)])
        tables.append(Table(f'table4_{method}_{setting.file_name}',
                            f'Table 4: periods, {method}, {setting.title}, error in %',
                            ['period', 'source', *METRICS], rows))
    return tables


def all_tables(results: list[Result]) -> list[Table]:
    """Return every table that `results` can fill."""
    return [table for make in (weight_schemes, wins, increases, methods, periods)
            for table in make(results)]
