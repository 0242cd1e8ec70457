"""Shipping: a run's model as a file for others, measured as in that file, with its card."""

import copy
import dataclasses
from pathlib import Path

from anytime_perception import model_file
from anytime_perception.files import write_atomically
from anytime_perception.networks import StagedNetwork
from anytime_training.card import card
from anytime_training.config import TrainConfig
from anytime_training.evaluate import measure, predict
from anytime_training.run_data import load_to_measure, split
from anytime_training.run_folder import CONFIG, DATA, MODEL, model_path
from anytime_training.settings import read_config_file
import torch

_HYSTERESES = 2.0, 5.0, 10.0  # values for which a card says how good held answers are


def ship_run(run: Path, output: Path, half: bool, place: str | None, name: str | None,
             note: str | None, device: torch.device) -> tuple[Path, Path]:
    """
    Write the model of the folder `run` to `output` and a card beside it; return both paths.

    With `half`, weights are float16, also when the exits are measured on the test images. `place`
    is the folder of the data if that has moved, `name` what to call the data, and `note` what else
    to say about them.

    Raises
    ------
    ValueError: for no run, one that is not finished, its own model as the output, data that cannot
        be used or are not those that the run was begun with, or weights that float16 cannot hold.
    OSError: if a file cannot be written.

    """
    if output.suffix != '.safetensors':
        raise ValueError(f'the output is {output}; its name must end in .safetensors')
    if not run.is_dir():
        raise ValueError(f'{run} is no folder of a run, whose model could be shipped; anytime '
                         'train makes one')
    if output.resolve() == (run / MODEL).resolve():
        raise ValueError(f"{output} is the run's own model, which would be lost; choose another "
                         '--output')
    model = model_file.load(model_path(run))
    config = TrainConfig.of(read_config_file(run / CONFIG))
    dataset, difference = load_to_measure(model, run, config.dataset, place or config.data)
    if difference:  # the test images of these may be among those that it was trained on
        raise ValueError(f'the run in {run} was begun with other data: {difference}. Name them '
                         f'with --data, or remove {run / DATA} to ship it regardless')
    called = name or dataset.name
    network = _halved(model.network) if half else model.network
    measured = copy.deepcopy(network).float().to(device)
    answers = predict(measured, model.preprocessing, dataset.test.to(device), model.carry)
    evaluation, *held = (measure(measured, answers, dataset.test.labels.cpu(), called, hysteresis)
                         for hysteresis in (1.0, *_HYSTERESES))
    model_file.save(output, dataclasses.replace(
        model, network=network, measured=evaluation.measured()))
    shipped = model_file.load(output)
    said = {'--half': half, '--data-name': name, '--data-note': note}
    # The data of today tell of those it was trained on only where these are known to be the same.
    trained_on = len(split(config, dataset)[0].train) if (run / DATA).exists() else None
    text = card(shipped, output.stat().st_size, evaluation, held, config, trained_on, said)
    beside = output.with_suffix('.md')
    write_atomically(beside, lambda temporary: temporary.write_text(text, encoding='utf-8'))
    return output, beside


def _halved(network: StagedNetwork) -> StagedNetwork:
    halved = copy.deepcopy(network).half()
    for key, tensor in halved.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ValueError(f'{key} has values that float16 cannot hold; leave --half out')
    return halved
