"""The folder of a training run: its files, its configuration, and whether it goes on."""

from dataclasses import replace
import os
from pathlib import Path

from anytime_perception.files import write_json
from anytime_training.adopted import adopt, load_adopted
from anytime_training.backbone_weights import check_backbone
from anytime_training.checks import check_use
from anytime_training.config import TrainConfig
from anytime_training.pretrained import check_start, is_model, NETWORK, network_settings
from anytime_training.settings import read_config_file
from anytime_training.teacher import check_teacher
from anytime_training.train import CHECKPOINT

CONFIG, DATA, MODEL, EVALUATION = ('config.json', 'data.json', 'model.safetensors',
                                   'evaluation.json')


def is_complete(folder: Path) -> bool:
    """Return whether `folder` holds a run that was trained and evaluated to the end."""
    return (folder / EVALUATION).is_file()  # written last


def model_path(path: str | Path) -> Path:
    """
    Return the model file at `path`, a file or the folder of a run.

    Raises
    ------
    ValueError: for a run that is not finished.

    """
    path = Path(os.path.expanduser(path))  # Path's own raises for unknown users
    if not path.is_dir():
        return path
    if (path / CONFIG).exists() and not (path / MODEL).exists():
        raise ValueError(f'the run in {path} is not finished; go on with anytime train --resume '
                         f'--output {path}')
    return path / MODEL


def check_new(config: TrainConfig) -> None:
    """Raise ValueError for mistakes that show before a run with `config` starts."""
    check_use(config)
    if is_model(config.pretrained):
        check_start(model_path(config.pretrained), config)
    else:
        check_backbone(config)
    if config.teacher:
        check_teacher(model_path(config.teacher), config)


def configuration(values: dict, stored: TrainConfig | None = None) -> TrainConfig:
    """
    Return the configuration that `values` describe.

    If the network starts from a model, it takes over that model's shape: from the model's file, or
    from the configuration that is `stored` in the folder of the run.
    """
    shape: dict = {}
    if is_model(path := TrainConfig.typed(values).get('pretrained', '')):
        shape = ({key: getattr(stored, key) for key in NETWORK} if stored else
                 network_settings(load_adopted(model_path(path), 'pretrained')))
    return TrainConfig.of({**shape, **values})


def start_run(folder: Path, values: dict, resume: bool) -> TrainConfig:
    """
    Return the configuration for the run in `folder`, writing it there if the run is new.

    `values` are the keys that were given. They cannot change the settings of an existing run,
    except for where its data are.

    Raises
    ------
    ValueError: for a wrong configuration, a run that exists when not resuming, or one that
        differs.
    OSError: if it cannot be written.

    """
    path = folder / CONFIG
    if not path.exists():
        config = configuration(values)
        check_new(config)
        roles = ['pretrained'] * is_model(config.pretrained) + ['teacher'] * bool(config.teacher)
        hashes: dict = {f'{role}_sha256': adopt(model_path(getattr(config, role)), folder, role)
                        for role in roles}
        config = replace(config, **hashes)
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


def check_begun(folder: Path, config: TrainConfig) -> None:
    """
    Raise ValueError if another process has begun the run in `folder`, with another `config`.

    To be called once the folder is locked: two processes that start at once both find it empty.
    """
    if difference := changed_setting(TrainConfig.of(read_config_file(folder / CONFIG)),
                                     config.to_dict()):
        raise ValueError(f'another process has just begun a run in {folder}, with {difference}; '
                         'choose another --output')


def changed_setting(before: TrainConfig, values: dict) -> str:
    """
    Return what `before` has other than `values`, the first only, as 'epochs 1, not 2'; '' if none.

    Where the data are does not count, nor does a hash that is not given. Values are as in
    `TrainConfig.to_dict`.
    """
    had = before.to_dict()
    free = {'data', *(key for key in ('pretrained_sha256', 'teacher_sha256')
                      if not values.get(key))}
    return next((f'{key} {had[key]!r}, not {value!r}' for key, value in values.items()
                 if key not in free and had[key] != value), '')
