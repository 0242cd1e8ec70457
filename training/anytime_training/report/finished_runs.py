"""Finding finished runs, and telling apart different images of the same name."""

from collections.abc import Callable, Iterable
from dataclasses import replace
import json
from pathlib import Path

from anytime_training.config import TrainConfig
from anytime_training.evaluate import Evaluation
from anytime_training.report.results import Result
from anytime_training.run_folder import CONFIG, DATA, EVALUATION, is_complete
from anytime_training.settings import read_config_file


def find_results(paths: Iterable[str | Path], warn: Callable[[str], None]) -> list[Result]:
    """
    Return the finished runs in `paths`: folders of runs, or folders with such folders inside.

    A run that is not finished is left out and named through `warn`. If runs have different images
    of the same name, `images` of their results tells these apart. For a run without data.json they
    are not known, so it goes by the name alone.

    Raises
    ------
    ValueError: for a path that is no folder, holds no finished run, or a run whose files are
        damaged.

    """
    results: list[Result] = []
    for path in map(Path, paths):
        folders = sorted(found.parent for found in path.rglob(CONFIG))
        complete = [folder for folder in folders if is_complete(folder)]
        for folder in sorted(set(folders) - set(complete)):
            warn(f'{folder} is not finished and is left out')
        if not complete:
            raise ValueError(f'there is no finished run in {path}')
        results += [_read(folder) for folder in complete]
    once = {result.folder.resolve(): result for result in reversed(results)}  # the first of each
    return _told_apart(list(reversed(once.values())))


def _told_apart(results: list[Result]) -> list[Result]:
    """Return `results` with `images` only where images of one name and size differ."""
    def called(result: Result) -> tuple:
        return result.name_of_data, result.config.input_size
    known: dict[tuple, set[str]] = {}
    for result in results:
        known.setdefault(called(result), set()).add(result.images)
    return [result if len(known[called(result)] - {''}) > 1 else replace(result, images='')
            for result in results]


def _read(folder: Path) -> Result:
    path = folder / CONFIG
    try:
        config = TrainConfig.of(read_config_file(path))
        path = folder / EVALUATION
        evaluation = Evaluation.from_dict(json.loads(path.read_text(encoding='utf-8')))
        path = folder / DATA
        images = json.loads(path.read_text(encoding='utf-8'))['sha256'] if path.exists() else ''
        return Result(folder, config, evaluation, images)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f'{path} is damaged: {error!r}') from error
