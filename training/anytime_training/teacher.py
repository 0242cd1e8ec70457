"""
A trained network as the teacher of another (knowledge distillation, Hinton et al. 2015).

It looks at the very images that are learned from, varied as they are (Beyer et al., CVPR 2022).
"""

from pathlib import Path
import shutil

from anytime_perception import model_file
from anytime_perception.files import write_atomically
from anytime_perception.images.preprocessing import Preprocessing
import torch
from torch import Tensor

TEACHER = 'teacher.safetensors'  # its copy in the folder of a run, so that this can go on anywhere


def adopt(path: Path, folder: Path, input_size: int) -> None:
    """
    Copy the model file at `path` into `folder`, for a run that learns from it.

    Raises
    ------
    ValueError: if it is no model file, or takes images of another size than the run.
    OSError: if it cannot be written.

    """
    size = _load(path).preprocessing.size
    if size != input_size:
        raise ValueError(f'the teacher {path} takes images of {size} pixels a side, but '
                         f'input_size is {input_size}; they must be the same')
    write_atomically(folder / TEACHER, lambda copy: shutil.copyfile(path, copy))


def load_teacher(path: Path, class_ids: tuple[str, ...]) -> model_file.Model:
    """Return the model file at `path`; raise ValueError if it does not answer `class_ids`."""
    model = _load(path)
    if model.class_ids != class_ids:
        raise ValueError(f'the teacher answers {", ".join(model.class_ids)}, but the data have '
                         f'the classes {", ".join(class_ids)}; they must be the same')
    return model


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
        self._shift = ((preprocessing.mean - theirs.mean) / theirs.scale).to(device)

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
