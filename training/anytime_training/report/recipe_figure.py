"""A figure that is not the paper's: error against cost under several recipes."""

from collections.abc import Iterable
from pathlib import Path
import textwrap

from anytime_training.report.optimal import optimal_errors
from anytime_training.report.results import mean_errors, Result, slug
from anytime_training.report.tables import group
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

_TWENTY = [colormaps['tab20'](number) for number in range(20)]
_COLOURS = _TWENTY[::2] + _TWENTY[1::2]  # the lighter half only where there are many curves


def draw_recipes(results: list[Result], folder: Path) -> Iterable[Path]:
    """
    Draw a curve for each recipe, weight scheme and network of AANN.

    A figure holds those that were trained for the same number of epochs. OPT by the same recipe,
    if any, is drawn in the same colour, at the cost of its exits in the anytime network. Weight
    schemes share it; its colour is that of the first.
    """
    chosen = [run for run in results if run.method == 'AANN']
    optimal = group([run for run in results if run.method == 'OPT'],
                    lambda run: run.setting_of_optimal)
    for (dataset, epochs), runs in group(
            chosen, lambda run: (run.dataset, run.config.epochs)).items():
        recipes = group(runs, lambda run: (run.setting, run.scheme))
        if len(recipes) < 2:
            continue
        figure = Figure(figsize=(9, 5))
        axes = figure.subplots()
        axes.set_prop_cycle(color=_COLOURS)
        shared, own = parts([
            f'{setting.model.title}, {scheme} weights, {setting.recipe}'.rstrip(', ')
            for setting, scheme in recipes])
        for found, label in zip(recipes.values(), own):
            evaluation = found[0].evaluation
            costs = dict(zip(evaluation.depth, (cost / 1e6 for cost in evaluation.cost)))
            curve, = axes.plot(list(costs.values()), [100 * error for error in mean_errors(found)],
                               marker='.', label=label)
            best = {depth: error for depth, error in optimal_errors(
                optimal.pop(found[0].setting_of_optimal, [])).items() if depth in costs}
            axes.plot([costs[depth] for depth in best], [100 * error for error in best.values()],
                      linestyle='', marker='*', color=curve.get_color())
        axes.plot([], [], linestyle='', marker='*', color='grey', label='OPT by the same recipe')
        axes.set(xlabel='cost, million multiply-adds', ylabel='error, %', yscale='log',
                 title=f'AANN, {dataset}, {epochs} epochs')
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_formatter(ScalarFormatter())
        axes.legend(fontsize='small', loc='upper center', bbox_to_anchor=(0.5, -0.12),
                    title=textwrap.fill(f'all with {shared}' if shared else '', 100),
                    title_fontsize='small')
        path = folder / f'recipes_{slug(dataset)}_{epochs}_epochs.png'
        figure.savefig(path, dpi=120, bbox_inches='tight')
        yield path


def parts(recipes: list[str]) -> tuple[str, list[str]]:
    """Return, in words, what all of `recipes` have in common, and what else each has."""
    split = [recipe.split(', ') for recipe in recipes]
    shared = [part for part in split[0] if all(part in each for each in split)]
    own = [', '.join(part for part in each if part not in shared) for each in split]
    return ', '.join(shared), [text or 'nothing else' for text in own]
