"""The data of a training run: what is held back of them, and whether they are still the same."""

from collections.abc import Callable
import json
from pathlib import Path

from anytime_perception import model_file
from anytime_perception.files import write_json
from anytime_training import data, distributed
from anytime_training.adopted import check_learned, copy_path, load_copy, WORDS
from anytime_training.checks import check_classes
from anytime_training.config import TrainConfig
from anytime_training.run_folder import CONFIG, DATA
from anytime_training.settings import read_config_file
from anytime_training.teacher import load_teacher
from anytime_training.train import CHECKPOINT
from tqdm import tqdm


def split(config: TrainConfig,
          dataset: data.Dataset) -> tuple[data.Dataset, data.ImageSet | None]:
    """
    Return the data set as a run uses it, and what it holds back to calibrate with, if any.

    Raises
    ------
    ValueError: if there is nothing to test or to calibrate with.

    """
    if config.validation:
        dataset = dataset.with_validation()
    _check_tests(dataset)
    if not config.calibrate:
        return dataset, None
    count = min(len(dataset.train) // 10, config.calibration_images)
    if not count:
        raise ValueError(f'no images are left to calibrate with: a tenth of {len(dataset.train)} '
                         'for training is none; add some, or set calibrate=false')
    return dataset.hold_back(count)


def changed_data(folder: Path, known: dict) -> str:
    """
    Return how images with the fingerprint `known` differ from those that a run was begun with.

    It is '' if they are the same, or if the run is so old that it has not noted them.

    Raises
    ------
    ValueError: if the note is damaged.

    """
    path = folder / DATA
    if not path.exists():
        return ''
    try:
        return data.difference(json.loads(path.read_text(encoding='utf-8')), known)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f'{path} is damaged; remove it to go on') from error


def load_to_measure(model: model_file.Model, run: Path, dataset: str, place: str,
                    download: bool = False,
                    warn: Callable[[str], object] = tqdm.write) -> tuple[data.Dataset, str]:
    """
    Return the data set to measure `model` on, and how its images differ from those it learned.

    `run` is the folder of its run, or its file: either has a record of the data. `place` is the
    folder of the data. The second result is '' if no difference is known.

    Raises
    ------
    ValueError: for data that cannot be used, of other classes or without test images, or a
        damaged note.

    """
    found = data.load(dataset, place, model.preprocessing.size, download, warn)
    check_classes('model', model.class_ids, found.class_ids)
    _check_tests(found)
    known = data.fingerprint(found)
    return found, changed_data(run, known) if run.is_dir() else data.other_images(
        model.recipe, dataset, data.record(found.name, known))


def load_data(folder: Path, config: TrainConfig,
              download: bool) -> tuple[data.Dataset, data.ImageSet | None, dict[str, str]]:
    """
    Return what `split` returns, after checking that the run was begun with the same data.

    For the process that writes the model file, also return what to record of the data in there.
    """
    if not distributed.is_main():
        return *split(config, data.load(config.dataset, config.data, config.input_size,
                                        warn=lambda text: None)), {}
    path = folder / DATA
    new = not path.exists() and not any(folder.glob(f'*/{CHECKPOINT}'))
    try:
        dataset = data.load(config.dataset, config.data, config.input_size, download, tqdm.write)
        parts = split(config, dataset)
        _check_batches(config, len(parts[0].train))
        known = data.fingerprint(dataset)
        learned = data.record(dataset.name, known)
        if config.teacher:
            teacher = load_teacher(folder, dataset.class_ids)
            if new:
                check_learned(teacher, 'teacher', config, learned)
        if config.pretrained_sha256 and new:
            check_learned(load_copy(folder, 'pretrained'), 'pretrained', config, learned)
    except ValueError:
        if new:  # so that it can be started with others
            for path in (folder / CONFIG, *(copy_path(folder, role) for role in WORDS)):
                path.unlink(missing_ok=True)
        raise
    if not path.exists():
        write_json(path, known)
    elif difference := changed_data(folder, known):
        raise ValueError(f'the run in {folder} was begun with other data: {difference}. Put them '
                         f'back, choose another --output, or remove {path} to go on regardless')
    if read_config_file(folder / CONFIG).get('data', '') != config.data:  # they have moved
        write_json(folder / CONFIG, config.to_dict())
    return *parts, learned


def _check_tests(dataset: data.Dataset) -> None:
    if not len(dataset.test):
        raise ValueError('no images are left to test with: no class has two; add some')


def _check_batches(config: TrainConfig, images: int) -> None:
    """Raise ValueError if there are no batches to learn from, or none for each process."""
    processes = distributed.count()
    if images < 2:
        raise ValueError(f'training images: {images}; batch normalisation needs 2 or more')
    if min(config.batch_size, images) < processes:
        raise ValueError(f'a batch has {min(config.batch_size, images)} images, but there are '
                         f'{processes} processes; raise --batch-size or start fewer')
    if config.compiled and processes > 1:
        raise ValueError('compiled is True, but there are several processes; set compiled=false')
