"""
Model files that a run builds on: the teacher, and the model that its network starts from.

The folder of the run keeps a copy of each, so that the run can go on anywhere. `role` is the
setting that names the file, 'teacher' or 'pretrained'.
"""

import hashlib
from pathlib import Path
import shutil

from anytime_perception import model_file
from anytime_perception.files import write_atomically
from anytime_training import data
from anytime_training.config import TrainConfig

WORDS = {'teacher': 'teacher', 'pretrained': 'pretrained model'}


def copy_path(folder: Path, role: str) -> Path:
    """Return where the folder of a run keeps the file."""
    return folder / f'{role}.safetensors'


def adopt(path: Path, folder: Path, role: str) -> str:
    """Copy the model file at `path` into `folder`, and return its SHA-256."""
    copy = copy_path(folder, role)
    write_atomically(copy, lambda temporary: shutil.copyfile(path, temporary))
    return hashlib.sha256(copy.read_bytes()).hexdigest()


def load_adopted(path: Path, role: str) -> model_file.Model:
    """Return the model at `path`; raise ValueError, which names its role, if it can't be read."""
    try:
        return model_file.load(path)
    except ValueError as error:
        raise ValueError(f'there is no {WORDS[role]} to learn from: {error}') from error


def load_copy(folder: Path, role: str) -> model_file.Model:
    """Return the copy in the folder of a run."""
    return load_adopted(copy_path(folder, role), role)


def check_adopted(path: Path, role: str, config: TrainConfig) -> model_file.Model:
    """
    Return the model at `path`; raise ValueError if a run with `config` must not build on it.

    To be called before the run starts, so that a mistake does not leave half a run behind.
    """
    model = load_adopted(path, role)
    wanted = getattr(config, f'{role}_sha256')
    if wanted not in ('', model.sha256):
        raise ValueError(f'the {WORDS[role]} {path} has the SHA-256 {model.sha256}, but '
                         f'{role}_sha256 is {wanted}; name the file with that hash, or leave '
                         'it out')
    if config.validation and model.recipe.get('dataset') == config.dataset and \
            not model.recipe.get('validation'):
        raise ValueError(f'the {WORDS[role]} {path} has learned from the images that --validation '
                         'holds back here; train it with --validation, too')
    return model


def check_learned(model: model_file.Model, role: str, config: TrainConfig,
                  now: dict[str, str]) -> None:
    """
    Raise ValueError if `model` learned from other images of the same name.

    `now` is the record of the data of a run with `config`, see data/fingerprint.py.
    """
    if difference := data.other_images(model.recipe, config.dataset, now):
        raise ValueError(f'the {WORDS[role]} may have learned from the test images: {difference}. '
                         'Train it anew on these, or give their folder another name if it has '
                         'seen none of their test images')
