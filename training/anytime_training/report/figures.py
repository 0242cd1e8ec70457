"""The paper's figures 2 to 4, drawn from runs."""

from collections.abc import Iterable
import math
from pathlib import Path
import textwrap

from anytime_training.report.comparison import optimal_plus
from anytime_training.report.optimal import optimal_errors, optimal_points
from anytime_training.report.recipe_figure import draw_recipes
from anytime_training.report.results import mean_errors, ONE_EXIT_AT_A_TIME, Result, Setting, slug
from anytime_training.report.tables import but_period, group
from anytime_training.theory import cost_inflation
from anytime_training.weights import sieve
import matplotlib
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

matplotlib.use('Agg')  # files only, on machines without a screen too
_COLOURED = ('constant', 'half-end', 'linear', 'expb0.5', 'expb2', 'sieve', 'optimal', 'midfeat',
             'no-grad')


def draw_all(results: list[Result], folder: Path) -> list[Path]:
    """Draw every figure that `results` can fill into `folder`; return the files."""
    folder.mkdir(parents=True, exist_ok=True)
    return [path for draw in (
        _schemes, _sequences, _sieve, _periods, _choices, draw_recipes)
            for path in draw(results, folder)]


def _save(figure: Figure, path: Path) -> Path:
    figure.tight_layout()
    figure.savefig(path, dpi=120, bbox_inches='tight')
    return path


def _schemes(results: list[Result], folder: Path) -> Iterable[Path]:
    """Figure 2a to 2d: error, and training loss, against units for each weight scheme."""
    chosen = [run for run in results if len(run.config.names) == 1
              and run.method in ('ANN', *ONE_EXIT_AT_A_TIME)]
    for setting, runs in group(chosen, lambda run: run.setting).items():
        schemes = group(runs, lambda run: run.scheme)
        if len(schemes) < 2:
            continue
        figure = Figure(figsize=(15, 4.5))
        whole, end, loss = figure.subplots(1, 3)
        for name, found in sorted(schemes.items()):
            style = {'label': name, 'marker': '.', 'color': _colour(name)}
            if name == 'optimal':
                errors = optimal_errors(found)
                depths, values = list(errors), [100 * error for error in errors.values()]
            else:
                depths = found[0].evaluation.depth
                values = [100 * error for error in mean_errors(found)]
                loss.plot(depths, _last_losses(found[0]), **style)
            whole.plot(depths, values, **style)
            late = [index for index, depth in enumerate(depths)
                    if depth >= found[0].evaluation.depth[-4:][0]]
            end.plot([depths[index] for index in late], [values[index] for index in late], **style)
        for axes, title in ((whole, 'error, %'), (end, 'error, %, last four'),
                            (loss, 'training loss, in the last epoch of each exit')):
            axes.set(xlabel='units', ylabel=title)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.suptitle(_wrapped(f'Weight schemes, {setting.title} (figure 2a to 2d)', 150))
        figure.legend(*whole.get_legend_handles_labels(), fontsize='small', ncols=len(schemes),
                      loc='upper center', bbox_to_anchor=(0.5, 0))
        yield _save(figure, folder / f'figure2_{setting.file_name}{_period(setting)}.png')


def _colour(scheme: str) -> str:
    """Return the colour that a scheme, or a way to train, has in every figure."""
    return f'C{_COLOURED.index(scheme) if scheme in _COLOURED else len(_COLOURED)}'


def _wrapped(title: str, width: int = 70) -> str:
    return textwrap.fill(title, width)


def _last_losses(run: Result) -> list[float]:
    """Return each exit's training loss in the last epoch that trained it; modes have several."""
    rows = run.log()
    return [next((float(row[f'loss_{index}']) for row in reversed(rows) if row[f'loss_{index}']),
                 math.nan) for index in range(1, len(run.evaluation.depth) + 1)]


def _sequences(results: list[Result], folder: Path) -> Iterable[Path]:
    """Figure 2e: EANN against OPT+, at its cost and at its cost divided by E[C]."""
    for index, run in enumerate(run for run in results if run.is_eann):
        figure = Figure(figsize=(6, 4.5))
        axes = figure.subplots()
        evaluation, units = run.evaluation, run.config.depths
        base = (units[-1] / units[0]) ** (1 / (len(units) - 1))
        inflation = cost_inflation(base).expected
        errors = [100 * error for error in evaluation.error]
        axes.step(evaluation.units, errors, where='post', label=run.method)
        axes.step([position / inflation for position in evaluation.units], errors, where='post',
                  label=f'{run.method} (divided by E[C] = {inflation:.2f})')
        points = optimal_points(results, run)
        if points:
            depths = sorted({depth for depth, _ in points})
            best = [100 * optimal_plus(points, depth) for depth in depths]
            axes.step(depths, best, where='post', label='OPT+')
        axes.set(xlabel='units', ylabel='error, %', xscale='log',
                 title=_wrapped(f'{run.setting.title} (figure 2e)'))
        axes.legend(fontsize='small')
        yield _save(figure, folder / f'figure2e_{run.setting.file_name}_{index}.png')


def _sieve(results: list[Result], folder: Path) -> Iterable[Path]:
    """Figure 2f: the sieve weights of 15 exits, which need no run."""
    figure = Figure(figsize=(5, 3))
    axes = figure.subplots()
    axes.bar(range(1, 16), sieve(15).tolist())
    axes.set(xlabel='exit', ylabel='weight', title='Sieve weights of 15 exits (figure 2f)')
    yield _save(figure, folder / 'figure2f.png')


def _periods(results: list[Result], folder: Path) -> Iterable[Path]:
    """Figure 3: error against cost for several periods; steps drop at new answers."""
    chosen = [run for run in results if run.method in ('ANN', 'AANN') and run.scheme == 'sieve']
    for (setting, method), runs in group(chosen, but_period).items():
        stacks = group(runs, lambda run: run.config.period[0])
        if len(stacks) < 2:
            continue
        figure = Figure(figsize=(6, 4.5))
        axes = figure.subplots()
        for period, found in sorted(stacks.items()):
            evaluation = found[0].evaluation
            axes.step([cost / 1e6 for cost in evaluation.cost],
                      [100 * error for error in evaluation.error], where='post',
                      label=f's={period}')
        axes.set(xlabel='cost, million multiply-adds', ylabel='error, %',
                 title=_wrapped(f'{method}, {setting.title} (figure 3)'))
        axes.legend(fontsize='small')
        yield _save(figure, folder / f'figure3_{method}_{setting.file_name}.png')


def _choices(results: list[Result], folder: Path) -> Iterable[Path]:
    """Figure 4: the probability of each exit to be chosen, epoch by epoch, where it changes."""
    chosen = [run for run in results
              if run.method not in ('ANN', *ONE_EXIT_AT_A_TIME) and not run.is_eann]
    for (setting, name), runs in group(
            chosen, lambda run: (run.setting, run.weighted_method)).items():
        rows = runs[0].log()
        exits = range(1, len(runs[0].evaluation.depth) + 1)
        stacked = [[float(row[f'probability_{index}'] or 0) for row in rows] for index in exits]
        if all(len(set(values)) == 1 for values in stacked):
            continue  # weights that do not change, as AANN's
        figure = Figure(figsize=(7, 4))
        axes = figure.subplots()
        axes.stackplot([int(row['epoch']) for row in rows], stacked,
                       labels=[f'exit {index}' for index in exits])
        axes.set(xlabel='epoch', ylabel='probability that the exit is amplified', ylim=(0, 1),
                 title=_wrapped(f'{name}, {setting.title} (figure 4)'))
        axes.legend(*(items[::-1] for items in axes.get_legend_handles_labels()),
                    fontsize='x-small', loc='center left', bbox_to_anchor=(1, 0.5))
        yield _save(figure, folder / f'figure4_{slug(name)}_{setting.file_name}'
                                     f'{_period(setting)}.png')


def _period(setting: Setting) -> str:
    """Return what names a period in a file name; '' for the usual one."""
    period = setting.model.period
    return f'_s{"-".join(map(str, period))}' if set(period) - {1} else ''
