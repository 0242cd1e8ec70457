"""The results of finished runs, under the names that the paper gives its methods."""

from collections.abc import Callable, Iterable
import csv
from dataclasses import dataclass
import json
import math
from pathlib import Path
from typing import NamedTuple

from anytime_training.comparison import optimal_plus
from anytime_training.config import TrainConfig
from anytime_training.evaluate import Evaluation
from anytime_training.metrics import MILESTONES
from anytime_training.run import CONFIG, EVALUATION, is_complete
from anytime_training.settings import read_config_file

_STRATEGIES = {'none': 'ANN', 'aann': 'AANN', 'milestone': 'Milestone', 'exp3': 'EXP3',
               'rwm': 'RWM', 'avgl': 'AVGL'}
_MILESTONES = dict(zip(('1/4', '1/2', '3/4', '1'), MILESTONES))
_DATASETS = {'cifar10': 'CIFAR10', 'cifar100': 'CIFAR100', 'svhn': 'SVHN'}


class Architecture(NamedTuple):
    """What the network of a run is; a backbone has neither units per block nor channels."""

    units_per_block: tuple[int, ...]
    channels: int
    period: tuple[int, ...]
    backbone: str = ''

    @property
    def title(self) -> str:
        """The name that the paper would write, such as n=25, c=32, s=3."""
        parts = [self.backbone] if self.backbone else [
            f'n={",".join(map(str, self.units_per_block))}', f'c={self.channels}']
        if set(self.period) - {1}:
            parts.append(f's={",".join(map(str, self.period))}')
        return ', '.join(parts)

    @property
    def file_name(self) -> str:
        """The name in those of files, without the period, such as n25_c32."""
        units = '-'.join(map(str, self.units_per_block))
        return self.backbone or f'n{units}_c{self.channels}'


@dataclass(frozen=True, eq=False)
class Result:
    """One finished run."""

    folder: Path
    config: TrainConfig
    evaluation: Evaluation

    @property
    def dataset(self) -> str:
        """The data set, spelled as in the paper; class folders go by the name of their folder."""
        name = self.config.dataset
        if name == 'folder':
            return Path(self.config.data).name
        return _DATASETS.get(name, name)

    @property
    def method(self) -> str:
        """What the paper's tables 3, 5 and 6 call the way it was trained."""
        config = self.config
        if config.weights == 'optimal':
            return 'OPT'
        if len(config.units_per_block) > 1:
            return 'EANN'
        if config.mode != 'joint':
            return config.mode.replace('_', '-')
        return _STRATEGIES.get(config.strategy, config.strategy)

    @property
    def scheme(self) -> str:
        """What the paper's table 1 calls the weight scheme or mode."""
        config = self.config
        if config.mode != 'joint':
            return config.mode.replace('_', '-')
        if config.weights == 'exponential':
            return f'expb{config.weights_base:g}'
        return config.weights.replace('_', '-')

    @property
    def model(self) -> Architecture:
        """What the network is."""
        config = self.config
        return Architecture(config.units_per_block, config.channels, config.period,
                            config.backbone)

    @property
    def metrics(self) -> dict[str, float]:
        """Error in 0..1 at the milestones by units, and AE, under the names of the tables."""
        return {**dict(zip(_MILESTONES, self.evaluation.milestones_by_units)),
                'AE': self.evaluation.average_error}

    def log(self, network: int = 0) -> list[dict[str, str]]:
        """Return the rows of the log of one of its networks."""
        path = self.folder / self.config.names[network] / 'log.csv'
        with open(path, newline='', encoding='utf-8') as file:
            return list(csv.DictReader(file))


def find_results(paths: Iterable[str | Path], warn: Callable[[str], None]) -> list[Result]:
    """
    Return the finished runs in `paths`: folders of runs, or folders with such folders inside.

    A run that is not finished is left out and named through `warn`.

    Raises
    ------
    ValueError: for a path that is no folder, holds no finished run, or a run whose files are
        damaged.

    """
    results = []
    for path in map(Path, paths):
        folders = sorted(found.parent for found in path.rglob(CONFIG))
        complete = [folder for folder in folders if is_complete(folder)]
        for folder in sorted(set(folders) - set(complete)):
            warn(f'{folder} is not finished and is left out')
        if not complete:
            raise ValueError(f'there is no finished run in {path}')
        results += [_read(folder) for folder in complete]
    return results


def _read(folder: Path) -> Result:
    path = folder / EVALUATION
    try:
        values = json.loads(path.read_text(encoding='utf-8'))
        return Result(folder, TrainConfig.of(read_config_file(folder / CONFIG)),
                      Evaluation.from_dict(values))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f'{path} is damaged: {error!r}') from error


def optimal_errors(results: Iterable[Result]) -> dict[int, float]:
    """Return {depth in units: error} of OPT runs of one network, averaged over seeds."""
    found: dict[int, list[float]] = {}
    for result in results:
        depths, errors = result.evaluation.depth, result.evaluation.error
        target = round(result.config.exit_share * depths[-1])
        index = max(sum(depth <= target for depth in depths) - 1, 0)
        found.setdefault(depths[index], []).append(errors[index])
    return {depth: sum(errors) / len(errors) for depth, errors in sorted(found.items())}


def optimal_metrics(errors: dict[int, float], units: int) -> dict[str, float]:
    """
    Return OPT at the milestones of a network `units` deep, and its AE if every depth was trained.

    OPT of a milestone is the network trained for the exit at round(share · units); not a number
    where there is none.
    """
    metrics = {name: errors.get(round(share * units), math.nan)
               for name, share in _MILESTONES.items()}
    whole = len(errors) == units
    return {**metrics, 'AE': sum(errors.values()) / units if whole else math.nan}


def optimal_plus_metrics(results: Iterable[Result], run: Result) -> dict[str, float]:
    """
    Return OPT+ at the milestones of the deepest network of `run`, a sequence (section 4.6).

    Over all OPT runs in `results` with its data set and width; it has no AE.
    """
    depth = 3 * run.config.units_per_block[-1]
    points = [point for found in results if found.method == 'OPT' and found.dataset == run.dataset
              and found.config.channels == run.config.channels
              for point in optimal_errors([found]).items()]
    return {**{name: optimal_plus(points, share * depth) for name, share in _MILESTONES.items()},
            'AE': math.nan}


def mean_metrics(results: list[Result]) -> dict[str, float]:
    """Return the metrics averaged over `results`, which differ in their seeds only."""
    return {name: sum(result.metrics[name] for result in results) / len(results)
            for name in results[0].metrics}
