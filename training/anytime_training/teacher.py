"""
A trained network as the teacher of another (knowledge distillation, Hinton et al. 2015).

It is asked about the same augmented images that the other learns from (Beyer et al., CVPR 2022).
"""

from pathlib import Path

from anytime_perception.images.preprocessing import Preprocessing
from anytime_perception.model import Model
from anytime_training.adopted import check_adopted, load_copy
from anytime_training.checks import check_classes
from anytime_training.config import TrainConfig
import torch
from torch import Tensor


def check_teacher(path: Path, config: TrainConfig) -> None:
    """
    Raise ValueError if the model file at `path` cannot teach a run with `config`.

    To be called before the run starts, so that a mistake does not leave half a run behind.
    """
    model = check_adopted(path, 'teacher', config)
    size, recipe = model.preprocessing.size, model.recipe
    if size != config.input_size:
        raise ValueError(f'the teacher {path} takes images of {size} pixels a side, but '
                         f'input_size is {config.input_size}; they must be the same')
    if recipe.get('weights') == 'optimal' and recipe.get('exit_share') != 1:
        raise ValueError(f'the teacher {path} is OPT of an exit before its last, which has '
                         'learned nothing that it could teach; name another one')


def load_teacher(folder: Path, class_ids: tuple[str, ...]) -> Model:
    """Return the teacher in `folder`; raise ValueError if it does not answer `class_ids`."""
    model = load_copy(folder, 'teacher')
    check_classes('teacher', model.class_ids, class_ids)
    return model


class Teacher:
    """
    The answers of a model to images that are prepared for another network.

    Parameters
    ----------
    model: the teacher.
    preprocessing: the one that the images have been through.
    device: to answer on.

    """

    def __init__(self, model: Model, preprocessing: Preprocessing,
                 device: torch.device):
        # The stub of Module.to knows nothing of memory_format.
        self._network = model.network.to(  # type: ignore[call-overload]
            device, memory_format=torch.channels_last)
        self._network.eval().requires_grad_(False)
        self._carry = model.carry or (0.0,) * len(model.network.exits)
        theirs = model.preprocessing
        self._scale = preprocessing.scale / theirs.scale
        # Crops have moved a mean per pixel along with the pixels, so only the mean difference of
        # the means can be corrected.
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
