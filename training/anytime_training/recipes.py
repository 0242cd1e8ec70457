"""Recipes: what is not standard in a run. Only runs of one recipe are averaged and compared."""

from dataclasses import fields
from typing import Any

from anytime_training.config import TrainConfig
from anytime_training.phases import ONE_BY_ONE
from anytime_training.strategies import STRATEGIES, STRATEGY_SETTINGS

# Settings of the data, the network or the method, or that depend on the machine only. Precision is
# of the last kind: auto means the faster one there, so the same recipe is run in either.
_NO_RECIPE = {'dataset', 'data', 'units_per_block', 'channels', 'side_channels', 'period',
              'backbone', 'weights', 'weights_base', 'exit_share', 'strategy', 'seed',
              'validation', 'precision', 'compiled', 'teacher'}
# Settings without a meaning for one exit: OPT shares all others with what it is compared to.
_OF_SEVERAL_EXITS = {'last_share', 'gradient_equilibrium', 'distillation', 'carry', 'boosted',
                     'late_exits'}


def recipe(config: TrainConfig) -> str:
    """
    Return the recipe of `config` in words: where it differs from the standard settings.

    Standard are the paper's for CIFAR and class folders; '' stands for these.
    """
    return _differences(config, _NO_RECIPE | STRATEGY_SETTINGS)


def recipe_of_optimal(config: TrainConfig) -> str:
    """Return, in words, the recipe of the OPT that `config` is compared with."""
    several = _OF_SEVERAL_EXITS | (set() if config.weights == 'optimal' else {'mode'})
    if config.teacher:
        several = several - {'distillation'}  # a single exit learns from a teacher as well
    return _differences(config, _NO_RECIPE | STRATEGY_SETTINGS | several)


def strategy_settings(config: TrainConfig) -> str:
    """Return the settings that the strategy of `config` has and that are not the paper's."""
    names = {field.name for field in fields(config)}
    return _differences(config, names.difference(STRATEGIES[config.strategy]))


def _differences(config: TrainConfig, left_out: set[str]) -> str:
    standard = {**config.standard().to_dict(), 'optimiser': 'sgd'}
    values = config.to_dict()
    return ', '.join(_text(name, value) for name, value in values.items()
                     if name not in left_out and value not in (standard[name], *ONE_BY_ONE)
                     and (name != 'alternate_flip' or config.flip))


def _text(name: str, value: Any) -> str:
    if name == 'epochs':
        return f'{value} epoch{"s" * (value != 1)}'
    if name in ('schedule', 'mode'):
        return f'{value} {name}'
    if name == 'pretrained':
        return 'pretrained'  # not where the weights were
    if name == 'teacher_sha256':
        return f'teacher {value[:8]}'  # another file of the same name is another teacher
    if name == 'pretrained_sha256':
        return f'from {value[:8]}'
    words = name.replace('_', ' ')
    if isinstance(value, bool):
        return words if value else f'no {words}'
    return f'{words} {value:g}' if isinstance(value, float) else f'{words} {value}'
