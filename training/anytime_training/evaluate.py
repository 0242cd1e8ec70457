"""Evaluation of a model on labelled images: quality and cost of every exit."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
import math
from pathlib import Path

from anytime_perception.carried_answer import CarriedAnswer
from anytime_perception.files import write_json
from anytime_perception.held_answer import HeldAnswer
from anytime_perception.images.preprocessing import Preprocessing
from anytime_perception.model import Measured
from anytime_perception.networks import StagedNetwork
from anytime_perception.networks.layers import probabilities
from anytime_training import metrics
from anytime_training.data import ImageSet
import torch
from torch import Tensor


@dataclass(frozen=True)
class Evaluation:
    """
    What was measured; lists hold one number per exit, in order. Errors are in 0..1, costs in MACs.

    `lost` is the share of images that had the right answer at an exit and a wrong one later on.
    `class_error` has a row for each exit, with the error of each class: nan (null in JSON) for a
    class without images. With `hysteresis` above 1 answers were held, see
    `anytime_perception.held_answer`.

    Milestones are at 1/4, 1/2, 3/4 and 1, both of the units, by which the paper counts cost as its
    units cost the same, and of the cost itself. An error there is nan (null in JSON) where no exit
    has answered yet.
    """

    dataset: str
    images: int
    depth: tuple[int, ...]
    units: tuple[int, ...]
    cost: tuple[int, ...]
    error: tuple[float, ...]
    calibration_error: tuple[float, ...]
    lost: float = math.nan  # old runs did not measure it
    hysteresis: float = 1.0
    class_error: tuple[tuple[float, ...], ...] = ()  # old runs have none

    @property
    def average_error(self) -> float:
        """AE: the mean error over the exits."""
        return metrics.average_error(self.error)

    @property
    def milestones_by_units(self) -> list[float]:
        """Error at each milestone, counted in units."""
        return metrics.milestone_errors(self.error, self.units)

    @property
    def milestones_by_cost(self) -> list[float]:
        """Error at each milestone, counted in cost."""
        return metrics.milestone_errors(self.error, self.cost)

    def measured(self) -> Measured:
        """Return the part that goes into a model file."""
        return Measured(self.dataset, self.images, self.error, self.calibration_error)

    def to_dict(self) -> dict:
        """Return everything as JSON can hold it."""
        def milestones(errors: list[float]) -> dict[str, float | None]:
            return {str(share): _to_json(error)
                    for share, error in zip(metrics.MILESTONES, errors)}
        return {**asdict(self), 'lost': _to_json(self.lost),
                'class_error': [list(map(_to_json, row)) for row in self.class_error],
                'average_error': self.average_error,
                'milestones_by_units': milestones(self.milestones_by_units),
                'milestones_by_cost': milestones(self.milestones_by_cost)}

    @classmethod
    def from_dict(cls, values: dict) -> 'Evaluation':
        """Return what `to_dict` gave."""
        known = {field.name: values[field.name] for field in fields(cls)
                 if values.get(field.name) is not None}
        known['class_error'] = [tuple(math.nan if error is None else error for error in row)
                                for row in values.get('class_error', ())]
        tuples: dict = {name: tuple(value) if isinstance(value, list) else value
                        for name, value in known.items()}
        return cls(**tuples)

    def write(self, path: Path) -> None:
        """Write everything to `path` as JSON."""
        write_json(path, self.to_dict())

    def table(self) -> str:
        """Return a table for people."""
        lines = [f'{self.images} images of {self.dataset}',
                 'exit depth  MACs (M)   cost   error calib. error']
        for index, (depth, cost, error, calibration) in enumerate(zip(
                self.depth, self.cost, self.error, self.calibration_error)):
            lines.append(f'{index:4} {depth:5} {cost / 1e6:9.2f} {cost / self.cost[-1]:6.1%} '
                         f'{error:7.2%} {calibration:12.2%}')
        for name, errors in (('units', self.milestones_by_units),
                             ('cost', self.milestones_by_cost)):
            found = '  '.join(f'{label} {"no answer" if math.isnan(error) else f"{error:.2%}"}'
                              for label, error in zip(('1/4', '1/2', '3/4', '1'), errors))
            lines.append(f'error at milestones by {name}: {found}')
        if self.hysteresis > 1:
            lines.append(f'answers are held until a class is {self.hysteresis:g} times as likely')
        return '\n'.join([*lines, f'average error (AE): {self.average_error:.2%}',
                          f'right answers lost again: {self.lost:.2%} of the images'])

    def by_class(self, class_ids: Sequence[str]) -> str:
        """Return a line for people: what the last exit's error is class by class."""
        errors = dict(zip(class_ids, self.class_error[-1]))
        known = {name: error for name, error in errors.items() if not math.isnan(error)}
        worst = max(known, key=known.__getitem__)
        mean = metrics.balanced_error(self.class_error[-1])
        return (f'error of the last exit by class: mean {mean:.2%} (balanced error), worst '
                f'{known[worst]:.2%} ({worst})')


def _to_json(value: float) -> float | None:
    return None if math.isnan(value) else value


def evaluate(network: StagedNetwork, preprocessing: Preprocessing, data: ImageSet, dataset: str,
             carry: Sequence[float] = (), hysteresis: float = 1.0) -> Evaluation:
    """
    Return the evaluation of `network` on `data`, on the device of both.

    With `carry`, exits build on earlier answers, see `anytime_perception.carried_answer`. With
    `hysteresis`, a class is held until another is that many times as likely. The network is left
    in evaluation mode.
    """
    probable = predict(network, preprocessing, data, carry)
    return measure(network, probable, data.labels.cpu(), dataset, hysteresis)


def measure(network: StagedNetwork, probable: Tensor, labels: Tensor, dataset: str,
            hysteresis: float = 1.0) -> Evaluation:
    """Return the evaluation of answers (exits, N, classes) to images that have `labels` (N,)."""
    held = HeldAnswer(hysteresis)
    answers = torch.stack([torch.from_numpy(held.add(exit_answer.numpy()))
                           for exit_answer in probable])
    confidence = probable.gather(2, answers[..., None])[..., 0]
    right, exits = answers == labels, network.exits
    return Evaluation(
        dataset, len(labels), tuple(stage.depth for stage in exits),
        tuple(metrics.unit_positions(network)), tuple(stage.cost for stage in exits),
        tuple(metrics.top1_error(answer, labels) for answer in answers),
        tuple(map(metrics.expected_calibration_error, confidence, right)),
        metrics.lost_answers(right), hysteresis,
        tuple(tuple(metrics.class_errors(answer, labels, probable.shape[2]))
              for answer in answers))


def predict(network: StagedNetwork, preprocessing: Preprocessing, data: ImageSet,
            carry: Sequence[float] = ()) -> Tensor:
    """Return the answers (exits, N, classes) of every exit for every image, on the CPU."""
    alone = probabilities(predict_logits(network, preprocessing, data)).cpu()
    if not carry:
        return alone
    carried = CarriedAnswer(carry)
    return torch.stack([torch.from_numpy(carried.add(exit_alone.numpy())) for exit_alone in alone])


@torch.no_grad()
def predict_logits(network: StagedNetwork, preprocessing: Preprocessing, data: ImageSet) -> Tensor:
    """
    Return the logits (exits, N, classes) of every exit for every image, on their device.

    It puts the network in evaluation mode.
    """
    network.eval()
    batches = [torch.stack(network(preprocessing.normalise(pixels)))
               for pixels in data.images.split(fitting_batch(preprocessing.size))]
    return torch.cat(batches, dim=1).float()


def fitting_batch(size: int) -> int:
    """Return how many images of `size` pixels a side to run at once: 500 of 64, fewer of 224."""
    return max(16, min(500, 500 * 64 ** 2 // size ** 2))
