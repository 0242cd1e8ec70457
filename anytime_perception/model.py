"""The model: a network with all that is needed to use it, and what was measured of it."""

from dataclasses import dataclass, field
import math

from anytime_perception.images.preprocessing import Preprocessing
from anytime_perception.networks import StagedNetwork


@dataclass(frozen=True)
class Measured:
    """What an evaluation found, on images that were not trained on; one number per exit."""

    dataset: str
    images: int
    error: tuple[float, ...]              # top-1, in 0..1
    calibration_error: tuple[float, ...]  # expected calibration error, in 0..1


@dataclass(frozen=True)
class Model:
    """
    A network with all that is needed to use it.

    Attributes
    ----------
    network: in evaluation mode, on the CPU.
    class_ids: label of each output.
    preprocessing: from camera image to network input.
    measured: per-exit quality, or None if it was never evaluated.
    recipe: how it was trained, any JSON object. It is for people, but training reads some keys of
        it if they are there: `dataset`, `data_name`, `data_sha256` and `validation` (which
        images it learned from), `weights` and `exit_share` (whether its last exit has learned).
    carry: how much of the previous answer each exit carries over, 0 or more, mostly up to 1 (see
        carried_answer.py); empty where each exit answers alone.
    name, sha256: of the file it was loaded from; empty for a model that was not.

    """

    network: StagedNetwork
    class_ids: tuple[str, ...]
    preprocessing: Preprocessing
    measured: Measured | None = None
    recipe: dict = field(default_factory=dict)
    carry: tuple[float, ...] = ()
    name: str = ''
    sha256: str = ''

    def __post_init__(self):
        if len(self.class_ids) != self.network.num_classes:
            raise ValueError(f'there are {len(self.class_ids)} labels, but the network has '
                             f'{self.network.num_classes} outputs')
        if self.preprocessing.size != self.network.input_size:
            raise ValueError(f'preprocessing makes images of {self.preprocessing.size} pixels a '
                             f'side, but the network takes {self.network.input_size}')
        channels = self.network.image_shape[1]
        if channels != 3:
            raise ValueError(f'the network takes images of {channels} channels, but preprocessing '
                             'makes RGB; build it with in_channels=3')
        if self.measured is not None:
            for values in (self.measured.error, self.measured.calibration_error):
                if len(values) != len(self.network.exits):
                    raise ValueError(f'there are measurements of {len(values)} exits, but the '
                                     f'network has {len(self.network.exits)}')
        if self.carry and len(self.carry) != len(self.network.exits):
            raise ValueError(f'carry has {len(self.carry)} numbers, but the network has '
                             f'{len(self.network.exits)} exits')
        if not all(0 <= share < math.inf for share in self.carry):
            raise ValueError(f'carry is {self.carry}; its numbers must be finite and not negative')

    @classmethod
    def bare(cls, network: StagedNetwork) -> 'Model':
        """
        Wrap a network without labels or preprocessing of its own.

        Classes are numbered, pixels map to -1..1.
        """
        class_ids = tuple(str(index) for index in range(network.num_classes))
        return cls(network, class_ids, Preprocessing.default(network.input_size))
