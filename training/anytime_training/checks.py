"""Checking that settings of a training run are in range and go together."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from anytime_perception.networks import BACKBONES
from anytime_perception.networks.network import HEADS
from anytime_perception.networks.pyramid import pyramid_blocks
from anytime_training.data import DATASETS
from anytime_training.phases import MODES, ONE_BY_ONE
from anytime_training.schedule import SCHEDULES
from anytime_training.strategies import STRATEGIES, STRATEGY_SETTINGS
from anytime_training.weights import SCHEMES

if TYPE_CHECKING:
    from anytime_training.config import TrainConfig

OPTIMISERS = 'sgd', 'muon'
_NO_PYRAMID = 'set side_channels=[] for a residual network'


def check_settings(config: 'TrainConfig') -> None:
    """Raise ValueError, naming the setting and the way out, for impossible settings."""
    check_choice('dataset', config.dataset, DATASETS)
    check_choice('weights', config.weights, SCHEMES)
    check_choice('strategy', config.strategy, STRATEGIES)
    check_choice('schedule', config.schedule, SCHEDULES)
    check_choice('mode', config.mode, MODES)
    check_choice('head', config.head, HEADS)
    check_choice('optimiser', config.optimiser, OPTIMISERS)
    check_choice('precision', config.precision, ('auto', 'float32', 'bfloat16'))
    _check_network(config)
    _check_boosted(config)
    _check_ladder(config)
    if config.nesterov and not config.momentum:
        raise ValueError('nesterov is True, but momentum is 0; leave one of the two out')
    if config.optimiser == 'muon' and config.weight_decay:
        raise ValueError(f'weight_decay is {config.weight_decay}, but optimiser is muon, which '
                         'has none; leave one of the two out')
    if len(config.period) not in (1, len(config.names)) or min(config.period) < 1:
        raise ValueError(f'period is {list(config.period)}; it must be one positive number, '
                         'or one for each of units_per_block')
    for index, (units, depth) in enumerate(zip(config.units_per_block, config.depths)):
        if config.period[index % len(config.period)] > depth:
            raise ValueError(f'period is {list(config.period)}, but the network with {units} '
                             f'units_per_block is only {depth} units deep; give one that '
                             'is no greater, or one for each of units_per_block')
    if config.weights == 'optimal' and len(config.names) > 1:
        raise ValueError('weights is optimal, which trains one exit of one network, but '
                         f'units_per_block has {len(config.names)} networks; name one')
    if not 0 < config.exit_share <= 1:
        raise ValueError(f'exit_share is {config.exit_share}; it must be in (0, 1]')
    if config.batch_size < 2:
        raise ValueError(f'batch_size is {config.batch_size}; it must be at least 2, for batch '
                         'normalisation')
    for name in ('input_size', 'epochs', 'calibration_images'):
        if getattr(config, name) < 1:
            raise ValueError(f'{name} is {getattr(config, name)}; it must be at least 1')
    for name in ('lr', 'weights_base'):
        if not getattr(config, name) > 0:
            raise ValueError(f'{name} is {getattr(config, name)}; it must be greater than 0')
    if config.cutout >= config.input_size:
        raise ValueError(f'cutout is {config.cutout}; it must be below input_size, '
                         f'{config.input_size}, or nothing is left to see')
    if not 0 <= config.carry <= 1:
        raise ValueError(f'carry is {config.carry}; it must be in [0, 1]')
    for name in ('last_share', 'gamma', 'avgl_momentum', 'momentum', 'distillation',
                 'label_smoothing', 'padding', 'average'):
        if not 0 <= getattr(config, name) < 1:
            raise ValueError(f'{name} is {getattr(config, name)}; it must be in [0, 1)')
    if config.mixup and not 0.001 <= config.mixup <= 1000:
        raise ValueError(f'mixup is {config.mixup}; it must be in [0.001, 1000], or 0 for none')
    for name in ('tau', 'eta', 'delta', 'weight_decay', 'cutout', 'seed'):
        if not getattr(config, name) >= 0:
            raise ValueError(f'{name} is {getattr(config, name)}; it must not be negative')


def check_use(config: 'TrainConfig') -> None:
    """
    Raise ValueError if `config` has a setting that has no effect together with the others.

    It would change nothing but what the run is called.
    """
    one_by_one = config.mode in ONE_BY_ONE
    together = 'exits are trained together'
    used = {
        'data': (config.dataset != 'digits', 'dataset is read from a folder, which digits, the '
                                             'default, is not; class folders are --dataset '
                                             'folder'),
        'calibration_images': (config.calibrate, 'calibrate is true'),
        'distillation': (not one_by_one or config.teacher, f'{together}, or there is a teacher'),
        'teacher': (config.distillation, 'distillation is above 0'),
        'teacher_sha256': (config.teacher, 'there is a teacher'),
        'pretrained_sha256': (config.pretrained, 'there is a pretrained model'),
        'gradient_equilibrium': (not one_by_one, together),
        'strategy': (not one_by_one or config.strategy == 'none', together),
        'weights': (not one_by_one, together),
        'exit_share': (config.weights == 'optimal' and not one_by_one, 'weights is optimal'),
        'weights_base': (config.weights == 'exponential' and not one_by_one,
                         'weights is exponential'),
        'last_share': (config.weights != 'optimal' and not one_by_one, together),
        'late_exits': (len(config.names) > 1, 'there are several networks in units_per_block')}
    for name in STRATEGY_SETTINGS:
        having = ', '.join(other for other, names in STRATEGIES.items() if name in names)
        used[name] = (name in STRATEGIES[config.strategy] and not one_by_one,
                      together if one_by_one else f'strategy is one of {having}')
    for name, (in_use, condition) in sorted(used.items()):
        if not in_use and getattr(config, name) != getattr(type(config), name):
            raise ValueError(f'{name} is {getattr(config, name)}, which has a use only where '
                             f'{condition}; leave it out, or change that')


def _check_network(config: 'TrainConfig') -> None:
    if config.backbone:
        check_choice('backbone', config.backbone, BACKBONES)
        given = [name for name in ('units_per_block', 'channels', 'side_channels')
                 if getattr(config, name)]
        if given:
            raise ValueError(f'backbone is {config.backbone}, which has a shape of its own, but '
                             f'these are given: {", ".join(given)}; leave one of the two out, and '
                             'a configuration file that sets these, as recipe does')
        if config.optimiser == 'muon':
            raise ValueError('optimiser is muon, which sets the norm of every kernel anew and '
                             'so undoes trained weights; train the backbone '
                             f'{config.backbone} by sgd')
        return
    if not config.units_per_block:
        raise ValueError('units_per_block is empty; it must name at least one network')
    if 0 in config.units_per_block or list(config.depths) != sorted(set(config.depths)):
        units = config.to_dict()['units_per_block']
        raise ValueError(f'units_per_block is {units}; it must be positive and, for a sequence of '
                         'networks, growing. To give one network units for each block, put a '
                         'list into the list, as in [[0, 1, 4]]')
    if config.side_channels:
        _check_pyramid(config)


def _check_pyramid(config: 'TrainConfig') -> None:
    if config.head != 'pool':
        raise ValueError(f'head is {config.head}, but a pyramid has exits of its own; leave it '
                         f'out, or {_NO_PYRAMID}')
    try:
        for units in config.units_per_block:
            pyramid_blocks(units, config.channels, config.side_channels, config.input_size)
    except ValueError as error:
        raise ValueError(f'{error}; or {_NO_PYRAMID}') from error


def _check_ladder(config: 'TrainConfig') -> None:
    if config.head == 'ladder' and config.backbone:
        raise ValueError(f'head is ladder, which the backbone {config.backbone} cannot have; '
                         'choose pool or coarse')
    if (config.head == 'ladder' or config.side_channels) and config.gradient_equilibrium:
        raise ValueError('gradient_equilibrium is True, but exits of a ladder or a pyramid reach '
                         'the trunk through those after them, too; leave it out, or set '
                         'head=pool side_channels=[]')


def _check_boosted(config: 'TrainConfig') -> None:
    if (config.boosted or config.carry) and config.weights == 'optimal':
        raise ValueError('weights is optimal, which trains one exit only, but with '
                         'boosted or carry exits answer together; leave these out')
    if not config.boosted:
        return
    if config.carry:
        raise ValueError(f'carry is {config.carry}, but boosted exits carry everything over; '
                         'leave one of the two out')
    if config.mode not in ('joint', 'mixed'):
        raise ValueError(f'boosted is True, but mode {config.mode} trains exits one by one; '
                         'set mode=joint, or carry=1')
    if len(config.units_per_block) > 1:
        raise ValueError('boosted is True, but the networks of a sequence are trained one by '
                         'one; set carry=1')


def check_classes(who: str, class_ids: tuple[str, ...], of_data: tuple[str, ...]) -> None:
    """Raise ValueError unless `who`, a model with `class_ids`, answers the classes of the data."""
    if class_ids != of_data:
        raise ValueError(f'the {who} answers {", ".join(class_ids)}, but the data have the '
                         f'classes {", ".join(of_data)}; they must be the same')


def check_choice(name: str, value: str, allowed: Collection[str]) -> None:
    """Raise ValueError, naming what is allowed, unless `value` is among it."""
    if value not in allowed:
        raise ValueError(f'{name} is {value!r}; it must be one of {", ".join(allowed)}')
