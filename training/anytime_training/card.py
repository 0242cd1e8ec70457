"""The card of a model: what it is, what it does, and how to make it again, in Markdown."""

from collections.abc import Sequence
from dataclasses import fields
import math
from pathlib import Path
import shlex

from anytime_perception.model import Model
from anytime_perception.networks import AnytimeSequence
from anytime_training.architecture import Architecture
from anytime_training.config import TrainConfig
from anytime_training.evaluate import Evaluation
from anytime_training.markdown import cell
from anytime_training.recipes import recipe
from anytime_training.settings import assignment

# Where the data come from and what their authors say about their use.
NOTES = {
    'digits': 'Optical recognition of handwritten digits (Alpaydin and Kaynak 1998, UCI machine '
              'learning repository), as scikit-learn carries it; CC BY 4.0.',
    'cifar10': 'CIFAR-10 (Krizhevsky 2009); its authors state no licence and ask to be cited.',
    'cifar100': 'CIFAR-100 (Krizhevsky 2009); its authors state no licence and ask to be cited.',
    'svhn': 'SVHN (Netzer et al. 2011); for non-commercial use only.',
    'folder': 'Class folders; nothing is known about their licence.'}


def card(model: Model, size: int, evaluation: Evaluation, held: Sequence[Evaluation],
         config: TrainConfig, train_images: int | None,
         options: dict[str, str | bool | None]) -> str:
    """
    Return the card of `model`, as it was loaded from its file of `size` bytes.

    `evaluation` was measured with the weights in that file, `held` are evaluations of the same
    answers with hysteresis, `train_images` is how many it was trained on, if that is known, and
    `options` are those options of `anytime ship` that the card repeats.
    """
    sequence = isinstance(model.network, AnytimeSequence)
    kind = (f'{len(model.network.members)} anytime networks, one after the other (EANN)'
            if sequence else 'An anytime network')
    parameters = sum(parameter.numel() for parameter in model.network.parameters())
    return f"""# {model.name}

{kind}: {Architecture.of(config).title}, {len(evaluation.depth)} exits, \
{parameters / 1e6:.2f} million parameters, \
{evaluation.cost[-1] / 1e6:.1f} million multiply-adds in all.
It answers with one of {len(model.class_ids)} classes ({_few(model.class_ids)}) for pictures that \
are scaled to {model.preprocessing.size}x{model.preprocessing.size} pixels.

| | |
|---|---|
| file | {size / 1e6:.2f} MB, weights in {'float16' if options['--half'] else 'float32'} |
| SHA-256 | `{model.sha256}` |
| data | {cell(str(options['--data-note'] or NOTES[config.dataset]))} |
| trained on | {_count(train_images)} of {cell(evaluation.dataset)} |
| measured on | {evaluation.images} test images of {cell(evaluation.dataset)}, with the weights \
in this file |
| recipe | {config.strategy}, {config.weights} weights, mode {config.mode}; \
{recipe(config) or 'else the standard one'} |{_adopted(config)}
| answers | {_answers(model.carry)} |

## Quality

{_milestones(evaluation)}

| exit | units | multiply-adds, million | of all | error | calibration error |
|---|---|---|---|---|---|
{_exits(evaluation)}

Mean error of the exits (AE): {evaluation.average_error:.2%}. Right answers that a later exit \
loses again: {evaluation.lost:.2%} of the images.

With the node's parameter `hysteresis` an answer is held until another class is that many times \
as likely:

| hysteresis | error of the last exit | AE | images that lose a right answer | worst calibration \
error |
|---|---|---|---|---|
{_held([evaluation, *held])}

## Made with

```bash
{_commands(model.name, config, options)}
```

On other machines rounding differs, and so do the last digits of the numbers above.
"""


def _few(class_ids: tuple[str, ...]) -> str:
    shown = ', '.join(class_ids[:10])
    return shown if len(class_ids) <= 10 else f'{shown}, …'


def _count(train_images: int | None) -> str:
    return ('training images, their number not recorded,' if train_images is None else
            f'{train_images} training images')


def _adopted(config: TrainConfig) -> str:
    return ''.join(
        f'\n| {words} | {cell(Path(file).name)}, SHA-256 `{sha256}` |' for words, file, sha256 in (
            ('started from', config.pretrained, config.pretrained_sha256),
            ('learned from', config.teacher, config.teacher_sha256)) if sha256)


def _pretrained(config: TrainConfig) -> str:
    return Path(config.pretrained).name if config.pretrained_sha256 else 'WEIGHTS.pth'


def _answers(carry: tuple[float, ...]) -> str:
    if not carry:
        return 'each exit answers alone'
    shares = sorted({round(share, 2) for share in carry})
    return ('each exit builds on the answer before, of which it carries over '
            + ' to '.join(f'{share:g}' for share in shares[:1] + shares[1:][-1:]))


def _milestones(evaluation: Evaluation) -> str:
    lines = ['| error after | 1/4 | 1/2 | 3/4 | all |', '|---|---|---|---|---|']
    for name, errors in (('of the cost', evaluation.milestones_by_cost),
                         ('of the units', evaluation.milestones_by_units)):
        cells = ('no answer' if math.isnan(error) else f'{error:.2%}' for error in errors)
        lines.append(f'| {name} | {" | ".join(cells)} |')
    return '\n'.join(lines)


def _exits(evaluation: Evaluation) -> str:
    rows = zip(evaluation.units, evaluation.cost, evaluation.error, evaluation.calibration_error)
    return '\n'.join(
        f'| {index} | {units} | {cost / 1e6:.2f} | {cost / evaluation.cost[-1]:.1%} | '
        f'{error:.2%} | {gap:.2%} |' for index, (units, cost, error, gap) in enumerate(rows))


def _held(evaluations: Sequence[Evaluation]) -> str:
    return '\n'.join(
        f'| {found.hysteresis:g} | {found.error[-1]:.2%} | {found.average_error:.2%} | '
        f'{found.lost:.2%} | {max(found.calibration_error):.2%} |'
        for found in evaluations)


def _commands(name: str, config: TrainConfig, options: dict[str, str | bool | None]) -> str:
    """Return the commands that make the model again, without the folders of this machine."""
    standard = config.standard()
    run = f'runs/{Path(name).stem}'
    places = {'data': Path(config.data).name, 'pretrained': _pretrained(config),
              'teacher': Path(config.teacher).name}
    words = ['anytime', 'train', '--dataset', config.dataset]
    if config.backbone:
        words += ['--backbone', config.backbone]
    if config.optimiser != 'sgd':
        words += ['--optimiser', config.optimiser]
    for field in fields(config):
        value = getattr(config, field.name)
        if field.name != 'dataset' and value != getattr(standard, field.name):
            words += ['--set', assignment(field.name, places.get(field.name, value))]
    ship = ['anytime', 'ship', run, '--output', name]
    for option, value in options.items():
        if value:
            ship += [option] if value is True else [option, value]
    return f"{shlex.join([*words, '--output', run])}\n{shlex.join(ship)}"
