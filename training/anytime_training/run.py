"""A training run: a folder with its configuration, its networks and its model file."""

from dataclasses import replace
import json
import os
from pathlib import Path

from anytime_perception import model_file
from anytime_perception.files import write_json
from anytime_perception.images.preprocessing import Preprocessing
from anytime_perception.networks import AnytimeSequence
from anytime_training import data, distributed
from anytime_training.calibrate import calibrate, uncalibrated
from anytime_training.checks import check_use
from anytime_training.config import TrainConfig
from anytime_training.device import fitting_threads, flushed_denormals
from anytime_training.evaluate import evaluate, Evaluation
from anytime_training.phases import plan
from anytime_training.pretrained import (
    check_backbone, load_pretrained, preprocessing_of_imagenet)
from anytime_training.random_state import derived_seed
from anytime_training.settings import read_config_file
from anytime_training.strategies import make_weights
from anytime_training.teacher import (
    adopt, check_learned, check_teacher, load_teacher, TEACHER, Teacher)
from anytime_training.train import CHECKPOINT, new_network, train_network
import torch
from tqdm import tqdm

SCALE = 128.0  # the divisor of the authors' code
CONFIG, DATA, MODEL, EVALUATION = ('config.json', 'data.json', 'model.safetensors',
                                   'evaluation.json')


def is_complete(folder: Path) -> bool:
    """Return whether `folder` holds a run that was trained and evaluated to the end."""
    return (folder / EVALUATION).is_file()  # written last


def model_path(path: str | Path) -> Path:
    """Return the model file at `path`, a file or the folder of a run."""
    path = Path(os.path.expanduser(path))  # Path's own raises for users that there are not
    return path / MODEL if path.is_dir() else path


def check_new(config: TrainConfig) -> None:
    """Raise ValueError for mistakes that show before a run with `config` starts."""
    check_use(config)
    check_backbone(config)
    if config.teacher:
        check_teacher(model_path(config.teacher), config)


def start_run(folder: Path, values: dict, resume: bool) -> TrainConfig:
    """
    Return the configuration for the run in `folder`, writing it there if the run is new.

    `values` are the keys that were given; what a run that exists says cannot be changed by them,
    but for where its data are.

    Raises
    ------
    ValueError: for a wrong configuration, a run that exists when not resuming, or one that
        differs.
    OSError: if it cannot be written.

    """
    path = folder / CONFIG
    if not path.exists():
        config = TrainConfig.of(values)
        check_new(config)
        if config.teacher:
            config = replace(config, teacher_sha256=adopt(model_path(config.teacher), folder))
        write_json(path, config.to_dict())
        return config
    if not resume:
        raise ValueError(f'{folder} already holds a run; add --resume to go on with it, or choose '
                         'another --output')
    stored = TrainConfig.of(read_config_file(path))
    given = TrainConfig.typed(values)
    difference = changed_setting(stored, given)
    if difference:
        raise ValueError(f'the run in {folder} has {difference}; leave the option out to go on, '
                         'or choose another --output')
    if is_complete(folder) and not all(
            (folder / name / CHECKPOINT).exists() for name in stored.names):
        raise ValueError(f'the run in {folder} is finished, and its checkpoints are gone; remove '
                         f'{folder / EVALUATION} to train it anew')
    # Where the data are now is noted once they are seen to be the same.
    return TrainConfig.of({**stored.to_dict(), **given})


def changed_setting(before: TrainConfig, values: dict) -> str:
    """
    Return what `before` has other than `values`, the first only, as 'epochs 1, not 2'; '' if none.

    Where the data are is left out. Values are as of `TrainConfig.to_dict`; a hash that is not
    given may be any.
    """
    had = before.to_dict()
    free = {'data', *(() if values.get('teacher_sha256') else ('teacher_sha256',))}
    return next((f'{key} {had[key]!r}, not {value!r}' for key, value in values.items()
                 if key not in free and had[key] != value), '')


@flushed_denormals()
def execute_run(folder: Path, config: TrainConfig, device: torch.device, download: bool = False,
                quiet: bool = False, graph: bool = True) -> Evaluation:
    """
    Train what is left of the run in `folder`, evaluate it, and write the model file.

    On a GPU, `graph` has the training step replayed as a CUDA graph.

    Raises
    ------
    ValueError: for data that cannot be used, or are not those that the run was begun with, or a
        damaged checkpoint.
    OSError: when a file cannot be written.
    train.TrainingDiverged: when a loss or a weight is not finite.

    """
    # Else a run that is resumed on a GPU would differ in the last bits from one that is not.
    torch.backends.cudnn.deterministic = True
    dataset, calibration, learned = distributed.main_first(
        lambda: _load_data(folder, config, download))
    preprocessing = (preprocessing_of_imagenet(config.input_size) if config.backbone else
                     Preprocessing(config.input_size, dataset.train.mean(), SCALE))
    train, held_out = dataset.train.to(device), dataset.test.to(device)
    teacher = None if not config.teacher else Teacher(
        load_teacher(folder, dataset.class_ids), preprocessing, device)
    networks = []
    for number, name in enumerate(config.names):
        first_exit = networks[-1].depth + 1 if config.late_exits and networks else 1
        seed = _network_seed(config, number)
        started = (folder / name / CHECKPOINT).exists()
        network = new_network(config, number, len(dataset.class_ids), first_exit, seed,
                              None if started else load_pretrained(config.pretrained))
        weights = make_weights(config, [stage.depth for stage in network.exits]).to(device)
        network.to(device)
        distributed.synchronise(network)
        phases = plan(config.mode, network, weights)
        steps = len(phases) * config.epochs * data.steps_per_epoch(len(train), config.batch_size)
        with tqdm(total=steps * min(config.batch_size, len(train)), unit='image', unit_scale=True,
                  dynamic_ncols=True, disable=quiet or not distributed.is_main(),
                  desc=f'{config.strategy} {name}') as bar, \
                fitting_threads(network, config.batch_size):
            def progress(done: int, text: str) -> None:
                bar.update(done)
                if text:
                    bar.set_postfix_str(text, refresh=False)
            network = train_network(config, network, phases, preprocessing, train, held_out,
                                    folder / name, seed, progress, graph, teacher)
        networks.append(network)
    network = AnytimeSequence(networks) if len(networks) > 1 else networks[0]
    carry = uncalibrated(config, network) if calibration is None else calibrate(
        config, network, preprocessing, calibration.to(device))
    evaluation = evaluate(network, preprocessing, held_out, dataset.name, carry)
    if not distributed.is_main():
        return evaluation
    # Where this machine keeps its data is no one else's business.
    recipe = {key: value for key, value in config.to_dict().items() if key != 'data'}
    recipe |= {'pretrained': bool(config.pretrained), 'teacher': Path(config.teacher).name,
               **learned}
    model = model_file.Model(network.cpu(), dataset.class_ids, preprocessing,
                             evaluation.measured(), recipe, carry)
    model_file.save(folder / MODEL, model)
    evaluation.write(folder / EVALUATION)
    return evaluation


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
    if not len(dataset.test):
        raise ValueError('no images are left to test with: no class has two; add some')
    if not config.calibrate:
        return dataset, None
    count = min(len(dataset.train) // 10, config.calibration_images)
    if not count:
        raise ValueError(f'no images are left to calibrate with: a tenth of {len(dataset.train)} '
                         'for training is none; add some, or set calibrate=false')
    return dataset.hold_back(count)


def _network_seed(config: TrainConfig, number: int) -> int:
    units = () if config.backbone else config.units_per_block[number]
    blocks = units if isinstance(units, tuple) else (units,)
    return derived_seed(config.seed, 'network', *(blocks or (config.backbone,)))


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
        return data.difference(json.loads(path.read_text(encoding='utf-8')),
                               known)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f'{path} is damaged; remove it to go on') from error


def _load_data(folder: Path, config: TrainConfig,
               download: bool) -> tuple[data.Dataset, data.ImageSet | None, dict[str, str]]:
    """
    Return what `split` does, after a look at whether the run was begun with the same data.

    And, for the process that writes the model file, what to record of the data in there.
    """
    if not distributed.is_main():
        return *split(config, data.load(config.dataset, config.data, config.input_size,
                                        warn=lambda text: None)), {}
    path = folder / DATA
    try:
        dataset = data.load(config.dataset, config.data, config.input_size, download, tqdm.write)
        parts = split(config, dataset)
        _check_batches(config, len(parts[0].train))
        known = data.fingerprint(dataset)
        learned = data.record(dataset.name, known)
        if config.teacher:
            check_learned(load_teacher(folder, dataset.class_ids), config, learned)
    except ValueError:
        if not path.exists() and not any(folder.glob(f'*/{CHECKPOINT}')):
            for name in (CONFIG, TEACHER):  # so that it can be started with others
                (folder / name).unlink(missing_ok=True)
        raise
    if not path.exists():
        write_json(path, known)
    elif difference := changed_data(folder, known):
        raise ValueError(f'the run in {folder} was begun with other data: {difference}. Put them '
                         f'back, choose another --output, or remove {path} to go on regardless')
    if read_config_file(folder / CONFIG).get('data', '') != config.data:  # they have moved
        write_json(folder / CONFIG, config.to_dict())
    return *parts, learned


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
