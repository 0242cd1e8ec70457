"""What a training run is: one frozen record, kept in its folder and in the model file."""

import dataclasses
from dataclasses import dataclass
import difflib
import sys
from typing import Any

from anytime_perception.networks.blocks import make_blocks
from anytime_training.checks import check_choice, check_settings, OPTIMISERS
from anytime_training.data import DATASETS
from anytime_training.standards import standard_settings

# What the standard settings depend on.
_KIND = 'dataset', 'backbone', 'optimiser'
# Settings that may be a list, one number for each block, in place of one number.
_BY_BLOCK = 'units_per_block', 'channels'


@dataclass(frozen=True)
class TrainConfig:
    """
    Everything that decides which network a run gives, except the machine it runs on.

    Attributes
    ----------
    dataset, data: name of the data set, and the folder it is read from ('' for digits).
    units_per_block: the paper's n, or a list of the units that each block has; several train a
        sequence (EANN), one network each.
    channels, period, input_size: the paper's c, or a list of the channels that each block has; the
        paper's s (one for all networks, or one for each); and pixels a side.
    backbone: torchvision's network to put exits on, which has no units_per_block and channels; ''
        for a network as the paper's.
    pretrained: model file, or folder of its run, that the network starts from and takes its shape
        from, see pretrained.py; or a file of torchvision's weights for a backbone.
    pretrained_sha256: of that model file; if given, the file must have it, else it is filled in.
    side_channels: of a pyramid's side network, for each block but the first; a network that has
        them is a pyramid, see `anytime_perception.networks.pyramid`.
    late_exits: members of a sequence answer only where they are deeper than the one before.
    head: kind of the exits, pool (the paper's), coarse or ladder; a pyramid has its own.
    mode: joint, midfeat or no_grad (section 4.2), or mixed; see phases.py.
    weights, weights_base, exit_share: weight scheme, the base of the exponential one, and the exit
        of the optimal one.
    last_share: share of all weight that the last exit gets, in any scheme but the optimal one; the
        others share the rest as in the scheme. 0 leaves it to the scheme.
    strategy, tau: alternating strategy (none is ANN) and how much it amplifies.
    gamma, eta, avgl_momentum: of the learned strategies (appendix D.4).
    delta: of adaloss, see adaloss.py.
    epochs, batch_size, lr, schedule, momentum, nesterov, weight_decay: of the gradient descent;
        every phase of a mode takes that many epochs.
    optimiser: sgd (the paper's) or muon, which learns in less time, has an lr of its own and no
        weight_decay: see optimiser.py.
    gradient_equilibrium, distillation, label_smoothing, mixup, average: beyond the paper, off at
        0: see phases.py, objective.py and averaging.py.
    teacher: model file of a trained network, or folder of its run, from whose answers all exits
        learn by the share of distillation; if '', the last exit teaches the others.
    teacher_sha256: of that file; if given, the file must have it, else it is filled in.
    compiled: have torch.compile make one program of the network; pays off in long runs only.
    carry: how much of the previous answer each exit carries over, from 0 (each answers alone) to 1
        (the product of all so far); see `anytime_perception.carried_answer`.
    boosted: carry everything over, and train exits to add what the earlier ones leave to be
        learned; see objective.py.
    calibrate: fit the confidence of every exit, on training images held back.
    calibration_images: how many are held back for that, at most a tenth of all; 2000 are enough
        to fit the one number that an exit has (docs/experiments.md, 16).
    precision: of the network in training: float32, bfloat16, or auto for the faster of the two on
        this machine, see device.py.
    flip, alternate_flip, padding, lighting, cutout: how training images are varied: see
        data/augment.py.
    seed: of everything random.
    validation: hold back a part of the training images and evaluate on it, not on the test images.

    """

    dataset: str = 'digits'
    data: str = ''
    units_per_block: tuple[int | tuple[int, ...], ...] = (9,)
    channels: int | tuple[int, ...] = 16
    side_channels: tuple[int, ...] = ()
    period: tuple[int, ...] = (1,)
    late_exits: bool = False
    head: str = 'pool'
    input_size: int = 32
    backbone: str = ''
    pretrained: str = ''
    pretrained_sha256: str = ''
    mode: str = 'joint'
    weights: str = 'sieve'
    weights_base: float = 2.0
    exit_share: float = 1.0
    last_share: float = 0.0
    strategy: str = 'aann'
    tau: float = 0.5
    gamma: float = 0.3
    eta: float = 0.8
    avgl_momentum: float = 0.9
    delta: float = 0.0
    optimiser: str = 'sgd'
    epochs: int = 300
    batch_size: int = 128
    lr: float = 0.1
    schedule: str = 'paper'
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 2e-4
    gradient_equilibrium: bool = False
    distillation: float = 0.0
    teacher: str = ''
    teacher_sha256: str = ''
    label_smoothing: float = 0.0
    mixup: float = 0.0
    average: float = 0.0
    precision: str = 'auto'
    compiled: bool = False
    carry: float = 0.0
    boosted: bool = False
    calibrate: bool = False
    calibration_images: int = 5000
    flip: bool = True
    alternate_flip: bool = False
    padding: float = 0.125
    lighting: bool = False
    cutout: int = 0
    seed: int = 0
    validation: bool = False

    def __post_init__(self):
        check_settings(self)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the networks, and of their folders in the run: n3, n0-1-4, or the backbone."""
        return tuple('n' + '-'.join(map(str, units)) if isinstance(units, tuple) else f'n{units}'
                     for units in self.units_per_block) or (self.backbone,)

    @property
    def depths(self) -> tuple[int, ...]:
        """Units of each network of the paper's kind, without a backbone."""
        return tuple(sum(block.units for block in make_blocks(units, self.channels))
                     for units in self.units_per_block)

    @classmethod
    def of(cls, values: dict) -> 'TrainConfig':
        """
        Make a configuration from `values`; what they leave out is standard, see standards.py.

        Raises
        ------
        ValueError: for an unknown key (naming the nearest known one), a value of the wrong type or
            range.

        """
        values = cls.typed(values)
        kind = {name: values.get(name, getattr(cls, name)) for name in _KIND}
        check_choice('dataset', kind['dataset'], DATASETS)
        check_choice('optimiser', kind['optimiser'], OPTIMISERS)
        merged = {**standard_settings(**kind), **values}
        return cls(**{key: _of_type(key, value, type(getattr(cls, key)))
                      for key, value in merged.items()})

    @classmethod
    def typed(cls, values: dict) -> dict:
        """
        Return `values` with the types that they have in `to_dict`.

        Raises
        ------
        ValueError: for an unknown key (naming the nearest known one) or a value of the wrong type.

        """
        known = [field.name for field in dataclasses.fields(cls)]
        for key in values:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
                raise ValueError(f'unknown key {key!r} in the configuration; '
                                 f'did you mean {near!r}?')
        return {key: as_json(_of_type(key, value, type(getattr(cls, key))))
                for key, value in values.items()}

    def standard(self) -> 'TrainConfig':
        """Return the standard settings of the same data set, backbone and optimiser."""
        return self.of({name: getattr(self, name) for name in _KIND})

    def to_dict(self) -> dict:
        """Return the configuration as JSON can hold it; `of` reads it back."""
        return {name: as_json(value) for name, value in dataclasses.asdict(self).items()}


def _of_type(key: str, value: Any, kind: type) -> Any:
    """Return `value` as the `kind` that the field `key` has."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    listed = isinstance(value, (list, tuple))
    if kind is tuple:
        return tuple(_of_type(key, item, int) for item in (value if listed else [value]))
    if listed and key in _BY_BLOCK:
        return tuple(_of_type(f'each of {key}', item, int) for item in value)
    if kind is float and number:
        if not abs(value) <= sys.float_info.max:  # also for NaN and an int that no float can hold
            raise ValueError(f'{key} is {value!r}; it must be finite')
        return float(value)
    if type(value) is not kind:
        raise ValueError(f'{key} is {value!r}; it must be of type {kind.__name__}')
    return value


def as_json(value: object) -> object:
    """Return `value` with lists in place of tuples."""
    return list(map(as_json, value)) if isinstance(value, tuple) else value
