"""Weights of torchvision that a backbone starts from, and their preprocessing."""

from anytime_perception.images.preprocessing import Preprocessing
from anytime_perception.networks import AnytimeBackbone, BACKBONES
from anytime_training.config import TrainConfig
import torch
from torch import Tensor

_MEAN = (123.675, 116.28, 103.53)  # of ImageNet, red, green and blue in 0..255
_SCALE = 57.63  # mean of its standard deviations, 58.395, 57.12 and 57.375


def preprocessing_of_imagenet(size: int) -> Preprocessing:
    """Return what torchvision's weights expect, with one scale for the three colours."""
    return Preprocessing(size, torch.tensor(_MEAN)[:, None, None], _SCALE)


def load_pretrained(path: str) -> dict[str, Tensor] | None:
    """
    Return the state dict in the file at `path`, or None if `path` is ''.

    Raises
    ------
    ValueError: if it cannot be read or holds anything but tensors by their names.

    """
    if not path:
        return None
    try:
        weights = torch.load(path, map_location='cpu', weights_only=True)
    except OSError as error:
        raise ValueError(f'cannot read the pretrained weights {path}: {error.strerror}; name a '
                         "file of torchvision's with --pretrained") from error
    except Exception as error:  # torch raises many kinds, with long texts, for a foreign file
        raise ValueError(_foreign(path)) from error
    if not isinstance(weights, dict) or not weights or not all(
            isinstance(value, Tensor) for value in weights.values()):
        raise ValueError(_foreign(path))
    return weights


def check_backbone(config: TrainConfig) -> None:
    """
    Raise ValueError if weights or period of `config` do not fit its backbone.

    To be called before the run starts, so that a mistake does not leave half a run behind.
    """
    if config.pretrained_sha256:
        raise ValueError(f'pretrained_sha256 is {config.pretrained_sha256}, which has a use only '
                         f'for a model file, named .safetensors, and pretrained is '
                         f'{config.pretrained!r}; leave it out')
    if not config.backbone:
        if config.pretrained:
            raise ValueError(f'pretrained is {config.pretrained!r}, which is neither a model '
                             'file, named .safetensors, nor the folder of a run; and only a '
                             f"backbone starts from torchvision's weights: {', '.join(BACKBONES)}")
        return
    weights = load_pretrained(config.pretrained)
    try:
        network = AnytimeBackbone(config.backbone, 2, input_size=config.input_size,
                                  weights=weights)
    except ValueError as error:
        raise ValueError(f'{config.pretrained or config.backbone}: {error}') from error
    if max(config.period) > network.depth:
        raise ValueError(f'period is {list(config.period)}, but the backbone {config.backbone} is '
                         f'only {network.depth} units deep')


def _foreign(path: str) -> str:
    return (f'{path} is no state dict of PyTorch tensors; make one with '
            'torch.save(network.state_dict(), FILE)')
