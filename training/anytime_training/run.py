"""A training run from its data to its model file, or what is left of it."""

from pathlib import Path

from anytime_perception import model_file
from anytime_perception.images.preprocessing import Preprocessing
from anytime_perception.networks import AnytimeSequence
from anytime_training import data, distributed
from anytime_training.adopted import load_copy
from anytime_training.backbone_weights import load_pretrained, preprocessing_of_imagenet
from anytime_training.calibrate import calibrate, uncalibrated
from anytime_training.config import TrainConfig
from anytime_training.device import (
    deterministic_convolutions, fitting_threads, flushed_denormals)
from anytime_training.evaluate import evaluate, Evaluation
from anytime_training.phases import plan
from anytime_training.pretrained import start
from anytime_training.random_state import derived_seed
from anytime_training.run_data import load_data
from anytime_training.run_folder import EVALUATION, MODEL
from anytime_training.strategies import make_weights
from anytime_training.teacher import load_teacher, Teacher
from anytime_training.train import CHECKPOINT, new_network, train_network
import torch
from tqdm import tqdm

SCALE = 128.0  # the divisor of the authors' code


@flushed_denormals()
@deterministic_convolutions()
def execute_run(folder: Path, config: TrainConfig, device: torch.device, download: bool = False,
                quiet: bool = False, graph: bool = True) -> Evaluation:
    """
    Train what is left of the run in `folder`, evaluate it, and write the model file.

    With `graph`, a GPU replays the training step as a CUDA graph.

    Raises
    ------
    ValueError: for data that cannot be used, or are not those that the run was begun with, or a
        damaged checkpoint.
    OSError: when a file cannot be written.
    train.TrainingDiverged: when a loss or a weight is not finite.

    """
    dataset, calibration, learned = distributed.main_first(
        lambda: load_data(folder, config, download))
    before = None if not config.pretrained_sha256 else load_copy(folder, 'pretrained')
    preprocessing = before.preprocessing if before else (
        preprocessing_of_imagenet(config.input_size) if config.backbone else
        Preprocessing(config.input_size, dataset.train.mean(), SCALE))
    train, held_out = dataset.train.to(device), dataset.test.to(device)
    teacher = None if not config.teacher else Teacher(
        load_teacher(folder, dataset.class_ids), preprocessing, device)
    networks = []
    for number, name in enumerate(config.names):
        seed = _network_seed(config, number)
        started = (folder / name / CHECKPOINT).exists()
        trunk = None if started or before else load_pretrained(config.pretrained)
        network = new_network(config, number, len(dataset.class_ids), seed, trunk)
        if before and not started:
            start(network, number, before, dataset.class_ids)
        weights = make_weights(config, [stage.depth for stage in network.exits]).to(device)
        network.to(device)
        distributed.synchronise(network)
        phases = plan(config.mode, network, weights)
        steps = len(phases) * config.epochs * data.steps_per_epoch(len(train), config.batch_size)
        with tqdm(total=steps * min(config.batch_size, len(train)), unit='image', unit_scale=True,
                  dynamic_ncols=True, disable=quiet or not distributed.is_main(),
                  desc=f'{config.strategy} {name}') as bar, \
                fitting_threads(network, config.batch_size):
            def progress(done: int, text: str) -> None:
                bar.update(done)
                if text:
                    bar.set_postfix_str(text, refresh=False)
            network = train_network(config, network, phases, preprocessing, train, held_out,
                                    folder / name, seed, progress, graph, teacher)
        networks.append(network)
    network = AnytimeSequence(networks) if len(networks) > 1 else networks[0]
    carry = uncalibrated(config, network) if calibration is None else calibrate(
        config, network, preprocessing, calibration.to(device))
    evaluation = evaluate(network, preprocessing, held_out, dataset.name, carry)
    if not distributed.is_main():
        return evaluation
    # Folders of this machine are nobody else's business.
    recipe = {key: value for key, value in config.to_dict().items() if key != 'data'}
    recipe |= {'pretrained': bool(config.pretrained), 'teacher': Path(config.teacher).name,
               **learned}
    model = model_file.Model(network.cpu(), dataset.class_ids, preprocessing,
                             evaluation.measured(), recipe, carry)
    model_file.save(folder / MODEL, model)
    evaluation.write(folder / EVALUATION)
    return evaluation


def _network_seed(config: TrainConfig, number: int) -> int:
    units = () if config.backbone else config.units_per_block[number]
    blocks = units if isinstance(units, tuple) else (units,)
    return derived_seed(config.seed, 'network', *(blocks or (config.backbone,)))
