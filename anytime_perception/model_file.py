"""
The model file: weights, architecture, labels, preprocessing and what was measured, in one file.

The container is safetensors: tensors and a JSON header, so loading never runs code from the file.
The header's metadata hold a JSON text under `anytime_perception`; `mean` is the preprocessing's
mean and `network.*` are the weights.
"""

from dataclasses import asdict
import hashlib
import inspect
import json
from pathlib import Path

from anytime_perception.files import write_atomically
from anytime_perception.images.preprocessing import Preprocessing
from anytime_perception.model import Measured, Model
from anytime_perception.networks import (
    AnytimeBackbone, AnytimeNetwork, AnytimePyramid, AnytimeSequence, StagedNetwork)
from anytime_perception.networks.blocks import BLOCKS
from safetensors import SafetensorError
import safetensors.torch
import torch

VERSION = 1
# Far above any real network; bounds what a damaged file can make us build.
_MAX_UNITS = 3000
_UNITS_OF_BACKBONES = 12  # per block, as if they had three: the deepest has 36


class ModelFileError(ValueError):
    """A model file that is missing, damaged, foreign or too new; the text says which and why."""


def save(path: str | Path, model: Model) -> None:
    """
    Write `model` to `path` in one step.

    Whatever happens, the file is the old one or the whole new one.
    """
    header = {
        'version': VERSION,
        'networks': [network.config for network in model.network.members],
        'sequence': isinstance(model.network, AnytimeSequence),
        'class_ids': list(model.class_ids),
        'preprocessing': {'size': model.preprocessing.size, 'scale': model.preprocessing.scale},
        'measured': model.measured and asdict(model.measured),
        'recipe': model.recipe,
        'carry': list(model.carry),
    }
    tensors = {f'network.{name}': tensor.detach().cpu().contiguous()
               for name, tensor in model.network.state_dict().items()}
    tensors['mean'] = model.preprocessing.mean.cpu().contiguous()
    metadata = {'anytime_perception': json.dumps(header)}
    # Not save_file: its files are for their owner's eyes alone.
    content = safetensors.torch.save(tensors, metadata)
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def load(path: str | Path) -> Model:
    """
    Read a model file; the network comes in evaluation mode on the CPU.

    Raises
    ------
    ModelFileError: if there is no such file, or it is not a whole model file of a version we know.

    """
    path = Path(path)
    try:
        path = path.expanduser()
        data = path.read_bytes()
    except (OSError, RuntimeError) as error:  # RuntimeError: ~user, and there is no such user
        reason = getattr(error, 'strerror', None) or error
        raise ModelFileError(f'cannot read the model file {path}: {reason}') from error
    try:
        tensors = safetensors.torch.load(data)
        header = _parse_header(data)
        network = _build(header)
        _load_weights(network, tensors)
        network.eval().requires_grad_(False)
        return Model(
            network, tuple(str(class_id) for class_id in header['class_ids']),
            Preprocessing(mean=tensors['mean'], **header['preprocessing']),
            _measured(header['measured']), dict(header['recipe']),
            tuple(float(share) for share in header.get('carry', ())), path.name,
            hashlib.sha256(data).hexdigest())
    except ModelFileError as error:
        raise ModelFileError(f'{path}: {error}') from error
    except ImportError as error:
        raise ModelFileError(f'{path} holds a backbone of torchvision, which cannot be imported '
                             f'({error}); install one that fits your PyTorch, such as pip '
                             'install torchvision for PyTorch from PyPI') from error
    except SafetensorError as error:
        raise ModelFileError(
            f'{path} is not a model file, or is truncated or damaged: {error}') from error
    except Exception as error:  # a damaged header may hold anything
        raise ModelFileError(f'{path} is damaged: {error!r}') from error


def _parse_header(data: bytes) -> dict:
    """Return the JSON header of a model file, its version checked."""
    end = 8 + int.from_bytes(data[:8], 'little')  # the format's own header: its length, then JSON
    metadata = json.loads(data[8:end]).get('__metadata__')
    if not metadata or 'anytime_perception' not in metadata:
        raise ModelFileError('a safetensors file, but not one of anytime_perception; '
                             'make one with `anytime train` or model_file.save')
    header = json.loads(metadata['anytime_perception'])
    if header['version'] != VERSION:
        raise ModelFileError(f'written in version {header["version"]} of the format, and this '
                             f'software reads version {VERSION}; update one of the two')
    return header


def _build(header: dict) -> StagedNetwork:
    """Return the network of a header, without memory for its weights yet."""
    believed = _MAX_UNITS
    for config in header['networks']:
        units = config.get('units_per_block', _UNITS_OF_BACKBONES)
        # A block without units has layers, too.
        believed -= sum(units, len(units)) if isinstance(units, list) else BLOCKS * units
        if believed < 0:
            raise ModelFileError('units_per_block of its networks comes to more units than any '
                                 f'real network has, {_MAX_UNITS} in all')
    for config in header['networks']:
        unknown = set(config).difference(inspect.signature(_kind(config)).parameters)
        if unknown:
            raise ModelFileError(f'its network has {", ".join(sorted(unknown))}, which this '
                                 'software does not know; update it')
    with torch.device('meta'):
        networks = [_kind(config)(**config) for config in header['networks']]
        return AnytimeSequence(networks) if header['sequence'] else networks[0]


def _kind(config: dict) -> type[StagedNetwork]:
    """Return the class whose `config` a header holds."""
    if 'backbone' in config:
        return AnytimeBackbone
    return AnytimePyramid if 'side_channels' in config else AnytimeNetwork


def _measured(values: dict | None) -> Measured | None:
    if values is None:
        return None
    errors, calibration = (tuple(float(value) for value in values[name])
                           for name in ('error', 'calibration_error'))
    return Measured(str(values['dataset']), int(values['images']), errors, calibration)


def _load_weights(network: torch.nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    """Give the network its weights; names, shapes and values are checked before."""
    expected = network.state_dict()
    weights = {name.removeprefix('network.'): tensor for name, tensor in tensors.items()
               if name.startswith('network.')}
    if set(weights) != set(expected):
        odd = sorted(set(weights) ^ set(expected))
        raise ModelFileError('its weights are not those of its network: '
                             f'{len(odd)} names differ, e.g. {odd[0]!r}')
    for name, parameter in expected.items():
        if weights[name].shape != parameter.shape:
            raise ModelFileError(f'weight {name!r} has shape {tuple(weights[name].shape)}; '
                                 f'its network needs {tuple(parameter.shape)}')
        if weights[name].is_floating_point():
            weights[name] = weights[name].float()
        if not weights[name].isfinite().all():
            raise ModelFileError(f'weight {name!r} has values that are infinite or no numbers')
    network.load_state_dict(weights, assign=True)
