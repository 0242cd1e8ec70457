"""
A trained network as the teacher of another (knowledge distillation, Hinton et al. 2015).

It is asked about the very images that are learned from, varied as they are (Beyer et al., CVPR
2022).
"""

import hashlib
from pathlib import Path
import shutil

from anytime_perception import model_file
from anytime_perception.files import write_atomically
from anytime_perception.images.preprocessing import Preprocessing
from anytime_training import data
from anytime_training.checks import check_classes
from anytime_training.config import TrainConfig
import torch
from torch import Tensor

TEACHER = 'teacher.safetensors'  # its copy in the folder of a run, so that this can go on anywhere


def check_teacher(path: Path, config: TrainConfig) -> None:
    """
    Raise ValueError if the model file at `path` cannot teach a run with `config`.

    To be called before it starts: a mistake shall not leave half a run behind.
    """
    model = _load(path)
    size, sha256, recipe = model.preprocessing.size, model.sha256, model.recipe
    if size != config.input_size:
        raise ValueError(f'the teacher {path} takes images of {size} pixels a side, but '
                         f'input_size is {config.input_size}; they must be the same')
    if config.teacher_sha256 not in ('', sha256):
        raise ValueError(f'the teacher {path} has the SHA-256 {sha256}, but teacher_sha256 is '
                         f'{config.teacher_sha256}; name the file that this is of, or leave it '
                         'out')
    if recipe.get('weights') == 'optimal' and recipe.get('exit_share') != 1:
        raise ValueError(f'the teacher {path} is OPT of an exit before its last, which has '
                         'learned nothing that it could teach; name another one')
    if config.validation and recipe.get('dataset') == config.dataset and not recipe.get(
            'validation'):
        raise ValueError(f'the teacher {path} has learned from the images that --validation holds '
                         'back here; train it with --validation, too')


def adopt(path: Path, folder: Path) -> str:
    """Copy the model file at `path` into `folder`, and return its SHA-256."""
    copy = folder / TEACHER
    write_atomically(copy, lambda temporary: shutil.copyfile(path, temporary))
    return hashlib.sha256(copy.read_bytes()).hexdigest()


def load_teacher(folder: Path, class_ids: tuple[str, ...]) -> model_file.Model:
    """Return the teacher in `folder`; raise ValueError if it does not answer `class_ids`."""
    model = _load(folder / TEACHER)
    check_classes('teacher', model.class_ids, class_ids)
    return model


def check_learned(model: model_file.Model, config: TrainConfig, now: dict[str, str]) -> None:
    """
    Raise ValueError if the teacher `model` learned from other images under the name of today's.

    `now` is the record of the data of a run with `config`, see data/fingerprint.py.
    """
    if difference := data.other_images(model.recipe, config.dataset, now):
        raise ValueError(f'the teacher may have learned from the test images: {difference}. Train '
                         'it anew on these, or give their folder another name if it has seen none '
                         'of their test images')


class Teacher:
    """
    What a model answers to images that are on their way into another network.

    Parameters
    ----------
    model: the teacher.
    preprocessing: that the images have been through.
    device: to answer on.

    """

    def __init__(self, model: model_file.Model, preprocessing: Preprocessing,
                 device: torch.device):
        self._network = model.network.to(device, memory_format=torch.channels_last)
        self._network.eval().requires_grad_(False)
        self._carry = model.carry or (0.0,) * len(model.network.exits)
        theirs = model.preprocessing
        self._scale = preprocessing.scale / theirs.scale
        # What was subtracted from a pixel has been moved along with it: only what means differ by
        # all over the picture can be put right.
        difference = (preprocessing.mean - theirs.mean).mean(dim=(1, 2), keepdim=True)
        self._shift = (difference / theirs.scale).to(device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """
        Return the logits (N, classes), float32, of its last answer to `images`.

        They are (N, 3, size, size), as the network that learns has them. Where exits build on the
        answer before (see `anytime_perception.carried_answer`), so does the last one.
        """
        answer = torch.zeros((), device=images.device)
        for carry, alone in zip(self._carry, self._network(images * self._scale + self._shift)):
            answer = carry * answer + alone.float()
        return answer


def _load(path: Path) -> model_file.Model:
    try:
        return model_file.load(path)
    except ValueError as error:
        raise ValueError(f'there is no teacher to learn from: {error}') from error
