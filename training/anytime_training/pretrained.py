"""
Networks that start from a trained model: for other classes with few pictures, or to learn longer.

They take over its shape and preprocessing, and its classifiers' weights for classes that both
have. The weights for other classes start anew.
"""

import os
from pathlib import Path

from anytime_perception.model import Model
from anytime_perception.networks import StagedNetwork
from anytime_perception.networks.layers import Exit
from anytime_training.adopted import check_adopted
from anytime_training.config import as_json, TrainConfig
from anytime_training.train import new_network
import torch

# The settings that say what a network is.
NETWORK = ('units_per_block', 'channels', 'side_channels', 'period', 'late_exits', 'head',
           'input_size', 'backbone')


def is_model(pretrained: str) -> bool:
    """Return whether the setting `pretrained` names a model of ours, not torchvision's weights."""
    return pretrained.endswith('.safetensors') or os.path.isdir(os.path.expanduser(pretrained))


def settings_of(of_file: dict, given: dict) -> dict:
    """
    Return the settings of a configuration file and of the options given with it.

    If the network starts from a model, settings of its shape in the file are left out.
    """
    if is_model(str({**of_file, **given}.get('pretrained', ''))):
        of_file = {key: value for key, value in of_file.items() if key not in NETWORK}
    return {**of_file, **given}


def network_settings(model: Model) -> dict:
    """Return the settings of NETWORK that make a network like that of `model`."""
    members = model.network.members
    first = members[0].config
    units = [member.config.get('units_per_block') for member in members]
    return {'units_per_block': [] if 'backbone' in first else units,
            'channels': first.get('channels', 0), 'side_channels': first.get('side_channels', ()),
            'period': [member.config['period'] for member in members],
            'late_exits': any(member.config['first_exit'] > 1 for member in members[1:]),
            'head': first.get('head', 'pool'), 'input_size': first['input_size'],
            'backbone': first.get('backbone', '')}


def check_start(path: Path, config: TrainConfig) -> None:
    """
    Raise ValueError if a run with `config` cannot start from the model at `path`.

    To be called before the run starts, so that a mistake does not leave half a run behind.
    """
    model = check_adopted(path, 'pretrained', config)
    theirs, ours = TrainConfig.typed(network_settings(model)), config.to_dict()
    for key, value in theirs.items():
        if ours[key] != value:
            raise ValueError(f'{key} is {ours[key]!r}, but that of the pretrained model {path} is '
                             f'{value!r}; leave it out')
    if config.optimiser == 'muon' and model.recipe.get('optimiser') != 'muon':
        raise ValueError('optimiser is muon, which sets the norm of every kernel anew and so '
                         f'undoes what others trained, as the pretrained model {path}; set '
                         'optimiser=sgd')
    for number, member in enumerate(model.network.members):
        with torch.device('meta'):
            network = new_network(config, number, member.num_classes, config.seed)
        if _shape(network) != _shape(member):
            raise ValueError(f'the network of the pretrained model {path} is none that training '
                             f'makes: its settings are {_shape(member)}, in place of '
                             f'{_shape(network)}')


def start(network: StagedNetwork, number: int, model: Model, class_ids: tuple[str, ...]) -> None:
    """
    Give `network`, member `number` of a run's with these classes, the weights of `model`.

    The model must have passed `check_start`.
    """
    before = model.network.members[number]
    known = {class_id: row for row, class_id in enumerate(model.class_ids)}
    shared = [(row, known[name]) for row, name in enumerate(class_ids) if name in known]
    ours, theirs = zip(*shared) if shared else ((), ())
    classifying = {f'{name}.fc.{part}' for name, module in network.named_modules()
                   if isinstance(module, Exit) for part in ('weight', 'bias')}
    weights = network.state_dict()
    for name, values in before.state_dict().items():
        if name in classifying:
            weights[name][list(ours)] = values[list(theirs)]
        else:
            weights[name].copy_(values)


def _shape(network: StagedNetwork) -> dict:
    return {key: as_json(value) for key, value in network.config.items()}
