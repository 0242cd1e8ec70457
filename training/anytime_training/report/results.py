"""The result of a finished run, under the names that the paper gives its methods."""

import csv
from dataclasses import dataclass
from pathlib import Path
import re
from typing import NamedTuple
import zlib

from anytime_training.architecture import Architecture
from anytime_training.config import TrainConfig
from anytime_training.evaluate import Evaluation
from anytime_training.metrics import MILESTONES
from anytime_training.phases import ONE_BY_ONE
from anytime_training.recipes import recipe, recipe_of_optimal, strategy_settings

_STRATEGIES = {'none': 'ANN', 'aann': 'AANN', 'milestone': 'Milestone', 'exp3': 'EXP3',
               'rwm': 'RWM', 'avgl': 'AVGL'}
SHARES = dict(zip(('1/4', '1/2', '3/4', '1'), MILESTONES))  # milestones by the names of tables
_DATASETS = {'cifar10': 'CIFAR10', 'cifar100': 'CIFAR100', 'svhn': 'SVHN'}
_VALIDATION = ' (validation)'
# Methods, named as in the tables, that train one exit only, or one after the other.
ONE_EXIT_AT_A_TIME = 'OPT', 'midfeat', 'no-grad'


def slug(text: str) -> str:
    """Return `text` in a form for file names and links."""
    return re.sub(r'[^\w.-]+', '-', text).strip('-')


class Setting(NamedTuple):
    """What runs that are compared have in common; `recipe` is '' for the standard one."""

    dataset: str
    model: Architecture
    recipe: str

    @property
    def title(self) -> str:
        """What it is, for people."""
        return ', '.join(part for part in (self.dataset, self.model.title, self.recipe) if part)

    @property
    def file_name(self) -> str:
        """The name for use in file names, without the period; another recipe is a number."""
        number = f'_{zlib.crc32(self.recipe.encode()) % 10000:04}' if self.recipe else ''
        return f'{slug(self.dataset)}_{self.model.file_name}{number}'

    @property
    def in_paper(self) -> str:
        """
        The paper's name for the data set; of copies, the original's.

        It is '' if the paper has no such data set, or no such networks.
        """
        if self.model.side_channels or self.model.backbone:
            return ''
        name = self.dataset.removesuffix(_VALIDATION)
        if name in _DATASETS.values():
            return name
        letters = re.sub(r'[^a-z0-9]', '', name.lower())
        return next((title for key, title in sorted(_DATASETS.items(), reverse=True)
                     if letters.startswith(key)), '')

    @property
    def paper(self) -> str:
        """What to call the source of the paper's numbers beside runs like these."""
        name = self.in_paper
        differs = [f'the original {name}'] * (not self.dataset.startswith(name))
        differs += ['its test images'] * self.dataset.endswith(_VALIDATION)
        differs += ['its own recipe'] * bool(self.recipe)
        return f'paper: {", ".join(differs)}' if differs else 'paper'


@dataclass(frozen=True, eq=False)
class Result:
    """
    One finished run.

    Attributes
    ----------
    images: SHA-256 of its images, as in data.json, if others have the same name; else ''.

    """

    folder: Path
    config: TrainConfig
    evaluation: Evaluation
    images: str = ''

    @property
    def dataset(self) -> str:
        """
        The data set, spelled as in the paper; class folders go by the name of their folder.

        The name also says whether held-back training images were evaluated on, not the tests, and
        what its `images` are.
        """
        images = f' (sha256 {self.images[:8]})' if self.images else ''
        return self.name_of_data + images + _VALIDATION * self.config.validation

    @property
    def name_of_data(self) -> str:
        """The name of the data set alone."""
        name = self.config.dataset
        if name == 'folder':
            called = self.evaluation.dataset.removesuffix(_VALIDATION)
            # Old evaluations do not tell folders apart.
            return Path(self.config.data).name or name if called == name else called
        return _DATASETS.get(name, name)

    @property
    def method(self) -> str:
        """What the paper's tables 3, 5 and 6 call the way it was trained."""
        config = self.config
        if config.mode in ONE_BY_ONE:
            return config.mode.replace('_', '-')
        if config.weights == 'optimal':
            return 'OPT'
        settings = strategy_settings(config)
        name = _STRATEGIES.get(config.strategy, config.strategy)
        name = f'{name} ({settings})' if settings else name
        if len(config.names) > 1:  # of AANN, as in the paper, or of others
            return 'EANN' if name == 'AANN' else f'EANN of {name}'
        return name

    @property
    def is_eann(self) -> bool:
        """Whether it is a sequence of anytime networks, whichever way these were trained."""
        return self.method.startswith('EANN')

    @property
    def scheme(self) -> str:
        """What the paper's table 1 calls the weight scheme or mode."""
        config = self.config
        if config.mode in ONE_BY_ONE:
            return config.mode.replace('_', '-')
        if config.weights == 'exponential':
            return f'expb{config.weights_base:g}'
        return config.weights.replace('_', '-')

    @property
    def weighted_method(self) -> str:
        """The method, and the weight scheme if there is one and it is not the paper's."""
        chosen = self.config.mode not in ONE_BY_ONE and self.scheme not in ('sieve', 'optimal')
        return f'{self.method}, {self.scheme}' if chosen else self.method

    @property
    def model(self) -> Architecture:
        """What the network is."""
        return Architecture.of(self.config)

    @property
    def setting(self) -> Setting:
        """What runs that differ in method or seed alone have in common with it."""
        return Setting(self.dataset, self.model, recipe(self.config))

    @property
    def setting_of_optimal(self) -> Setting:
        """
        What this run has in common with the OPT runs that it is compared with.

        A network with one exit has no period; that of an OPT run only says which depths it can be
        trained for.
        """
        return self.setting._replace(model=self.model._replace(period=(1,)),
                                     recipe=recipe_of_optimal(self.config))

    @property
    def metrics(self) -> dict[str, float]:
        """Error in 0..1 at the milestones by units, and AE, under the names of the tables."""
        return {**dict(zip(SHARES, self.evaluation.milestones_by_units)),
                'AE': self.evaluation.average_error}

    def log(self, network: int = 0) -> list[dict[str, str]]:
        """Return the rows of the log of one of its networks."""
        path = self.folder / self.config.names[network] / 'log.csv'
        with open(path, newline='', encoding='utf-8') as file:
            return list(csv.DictReader(file))


def mean_errors(results: list[Result]) -> list[float]:
    """Return the error of every exit averaged over `results`, which differ in their seeds only."""
    return [sum(errors) / len(errors)
            for errors in zip(*(result.evaluation.error for result in results))]


def mean_metrics(results: list[Result]) -> dict[str, float]:
    """Return the metrics averaged over `results`, which differ in their seeds only."""
    return {name: sum(result.metrics[name] for result in results) / len(results)
            for name in results[0].metrics}
