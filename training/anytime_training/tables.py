"""The paper's tables, filled by runs, each with the paper's own numbers beside."""

from collections.abc import Callable
import csv
from dataclasses import dataclass
import io
import math

from anytime_training import paper
from anytime_training.comparison import hoeffding_bound, relative_increase, share_better
from anytime_training.results import (
    mean_metrics, optimal_errors, optimal_metrics, optimal_plus_metrics, Result)

METRICS = paper.METRICS
ORDER = ('OPT', 'ANN', 'EXP3', 'Milestone', 'RWM', 'AVGL', 'AANN', 'EANN')


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


def _text(cell) -> str:
    if isinstance(cell, float):
        return '-' if math.isnan(cell) else f'{cell:.2f}'
    return str(cell)


def group(results: list[Result], key: Callable) -> dict:
    """Return {key: results with it}, in order of first sight."""
    groups: dict = {}
    for result in results:
        groups.setdefault(key(result), []).append(result)
    return groups


def percent(metrics: dict[str, float]) -> list[float]:
    """Return the values of `metrics` in percent, in the order of the tables."""
    return [100 * metrics[name] for name in METRICS]


def opt_of(results: list[Result]) -> dict:
    """Return {(dataset, model): metrics of OPT} for what has OPT runs."""
    runs = group([result for result in results if result.method == 'OPT'],
                 lambda result: (result.dataset, result.model))
    return {key: optimal_metrics(optimal_errors(found), found[0].evaluation.depth[-1])
            for key, found in runs.items()}


def weight_schemes(results: list[Result]) -> list[Table]:
    """Return table 1 for every model and data set with more than one weight scheme or mode."""
    one_by_one = ('OPT', 'midfeat', 'no-grad')
    chosen = [result for result in results if result.method in ('ANN', *one_by_one)]
    tables = []
    for (dataset, model), runs in group(chosen, lambda run: (run.dataset, run.model)).items():
        schemes = group(runs, lambda run: run.scheme)
        if len(schemes) < 2:
            continue
        values = {name: opt_of(found)[dataset, model] if name == 'optimal' else mean_metrics(found)
                  for name, found in sorted(schemes.items())}
        printed = {row['metric']: row for row in paper.table(1) if row['dataset'] == dataset}
        rows = []
        for metric in ('AE', '1/4', '1/2', '3/4', '1'):
            rows.append([metric, 'ours', *(100 * value[metric] for value in values.values())])
            if printed:
                rows.append([metric, 'paper (n=5, c=16)',
                             *(printed[metric].get(name, math.nan) for name in values)])
        tables.append(Table(f'table1_{dataset}_{model.file_name}_'
                            f's{"-".join(map(str, model.period))}',
                            f'Table 1: weight schemes, {dataset}, {model.title}, error in %',
                            ['metric', 'source', *values], rows))
    return tables


def methods(results: list[Result]) -> list[Table]:
    """Return tables 3 and 6 in one: every method on every model and data set, error in %."""
    opt = opt_of(results)
    printed = {}
    for number in (6, 3):  # where both have a row, they agree but for a misprint
        for row in paper.table(number):
            key = row['method'], row['n'], row['c'], row['dataset']
            printed[('EANN', None, 32, row['dataset']) if row['method'] == 'EANN' else key] = row
    rows = []
    joint = [result for result in results if result.scheme in ('sieve', 'optimal')]
    for (dataset, model), runs in group(joint, lambda run: (run.dataset, run.model)).items():
        by_method = group(runs, lambda run: run.method)
        for method in sorted(by_method, key=lambda name: (
                ORDER.index(name) if name in ORDER else len(ORDER), name)):
            found = by_method[method]
            metrics = opt[dataset, model] if method == 'OPT' else mean_metrics(found)
            title = [dataset, model.title, method]
            rows.append([*title, f'ours ({len(found)} runs)', *percent(metrics)])
            units = None if method == 'EANN' or model.backbone else model.units_per_block[0]
            row = printed.get((method, units, model.channels, dataset))
            if row:
                rows.append([*title, 'paper', *(row[metric] for metric in METRICS)])
        if 'EANN' in by_method:
            title = [dataset, model.title, 'OPT+']
            best = optimal_plus_metrics(results, runs[0])
            rows.append([*title, 'ours', *percent(best)])
            row = printed.get(('OPT+', model.units_per_block[-1], model.channels, dataset))
            if row:
                rows.append([*title, 'paper', *(row[metric] for metric in METRICS)])
    header = ['data set', 'model', 'method', 'source', *METRICS]
    return [Table('table3_and_6', 'Tables 3 and 6: methods and models, error in %', header, rows)
            ] if rows else []


def wins(results: list[Result]) -> list[Table]:
    """Return tables 2a and 5: how often a strategy is better than ANN."""
    def experiment(run: Result) -> tuple:
        return run.dataset, run.model, run.scheme, run.config.seed
    plain = {experiment(run): run for run in results if run.method == 'ANN'}
    printed = {row['method']: row for row in paper.table(5)}
    rows = []
    chosen = [run for run in results if run.config.mode == 'joint' and experiment(run) in plain
              and run.method not in ('ANN', 'OPT', 'EANN')]
    for method, runs in sorted(group(chosen, lambda run: run.method).items()):
        shares, bounds = [], []
        for metric in METRICS:
            share, count = share_better([run.metrics[metric] for run in runs],
                                        [plain[experiment(run)].metrics[metric] for run in runs])
            shares.append(100 * share)
            bounds.append(hoeffding_bound(share, count) if count else math.nan)
        rows.append([method, f'ours ({len(runs)} pairs)', *shares])
        rows.append([method, "Hoeffding's bound", *bounds])
        if method in printed:
            rows.append([method, 'paper (39)', *(printed[method][metric] for metric in METRICS)])
    return [Table('table2a_and_5', 'Tables 2a and 5: share of experiments better than ANN, in %',
                  ['method', 'source', *METRICS], rows)] if rows else []


def increases(results: list[Result]) -> list[Table]:
    """Return table 2b: mean relative increase of the error over OPT, where OPT was trained."""
    opt = opt_of(results)
    printed = {row['method']: row for row in paper.table(2) if row['part'] == 'b'}
    chosen = [run for run in results if (run.dataset, run.model) in opt and run.scheme == 'sieve']
    rows = []
    for method, runs in sorted(group(chosen, lambda run: run.method).items()):
        means = []
        for metric in METRICS[:-1]:
            pairs = [(run.metrics[metric], opt[run.dataset, run.model][metric]) for run in runs]
            found = [100 * relative_increase(error, optimal) for error, optimal in pairs
                     if optimal > 0 and not math.isnan(error)]
            means.append(sum(found) / len(found) if found else math.nan)
        rows.append([method, f'ours ({len(runs)} runs)', *means])
        if method in printed:
            rows.append([method, 'paper (39)', *(printed[method][name] for name in METRICS[:-1])])
    return [Table('table2b', 'Table 2b: relative increase of the error over OPT, in %',
                  ['method', 'source', *METRICS[:-1]], rows)] if rows else []


def periods(results: list[Result]) -> list[Table]:
    """Return table 4: networks of one depth and width with several periods, per data set."""
    tables = []
    chosen = [run for run in results if run.method in ('ANN', 'AANN') and run.scheme == 'sieve']

    def but_period(run: Result) -> tuple:
        return run.dataset, run.method, run.model._replace(period=(1,))
    for (dataset, method, model), runs in group(chosen, but_period).items():
        stacks = group(runs, lambda run: run.config.period[0])
        if len(stacks) < 2:
            continue
        printed = {row['s']: row for row in paper.table(4)
                   if (row['n'],) == model.units_per_block and dataset == 'CIFAR100'}
        rows = []
        for period, found in sorted(stacks.items()):
            rows.append([f's{period}', 'ours', *percent(mean_metrics(found))])
            if period in printed:
                rows.append([f's{period}', 'paper', *(printed[period][name] for name in METRICS)])
        tables.append(Table(f'table4_{dataset}_{method}_{model.file_name}',
                            f'Table 4: periods, {dataset}, {method}, {model.title}, error in %',
                            ['period', 'source', *METRICS], rows))
    return tables


def all_tables(results: list[Result]) -> list[Table]:
    """Return every table that `results` can fill."""
    return [table for make in (weight_schemes, wins, increases, methods, periods)
            for table in make(results)]
