"""What each command of the command line does with its parsed arguments."""

from argparse import Namespace
import contextlib
import dataclasses
import json
from pathlib import Path
import sys

from anytime_perception import model_file
from anytime_perception.engine import choose_device
from anytime_perception.held_answer import check_hysteresis
from anytime_perception.networks import AnytimeSequence
from anytime_training import data, distributed
from anytime_training.config import TrainConfig
from anytime_training.evaluate import evaluate as evaluate_network
from anytime_training.lock import locked
from anytime_training.pretrained import settings_of
from anytime_training.report.finished_runs import find_results
from anytime_training.run import execute_run
from anytime_training.run_data import load_to_measure
from anytime_training.run_folder import check_begun, CONFIG, MODEL, model_path, start_run
from anytime_training.settings import assignment, parse_assignment, parse_vary, read_config_file
from anytime_training.sweep import check_jobs, plan_jobs, run_jobs


def train(arguments: Namespace) -> None:
    """Start a run, or go on with one."""
    given = {}
    for field in dataclasses.fields(TrainConfig):
        value = getattr(arguments, field.name, None)
        if value is not None:
            given[field.name] = value
    for text in arguments.set:
        given.update(parse_assignment(text))
    values = settings_of(read_config_file(arguments.config) if arguments.config else {}, given)
    folder = Path(arguments.output)
    unsaid = 'dataset' not in values and not (folder / CONFIG).exists()
    with distributed.joined(arguments.device) as device:
        # The other processes find the run that the main one has just started.
        config = distributed.main_first(lambda: start_run(
            folder, values, arguments.resume or not distributed.is_main()))
        if unsaid and distributed.is_main():
            print(f'anytime train: the data set is {config.dataset}, as no --dataset is named',
                  file=sys.stderr)
        with locked(folder) if distributed.is_main() else contextlib.nullcontext():
            if distributed.is_main():
                check_begun(folder, config)
            evaluation = execute_run(folder, config, device, arguments.download, arguments.quiet,
                                     arguments.graph)
        if distributed.is_main():
            print(evaluation.table())
            print(f'model: {folder / MODEL}')


def evaluate(arguments: Namespace) -> None:
    """Measure every exit of a model file."""
    hysteresis = check_hysteresis(arguments.hysteresis)
    device = choose_device(arguments.device)
    model = _load(arguments.model)
    recipe = model.recipe
    folder = arguments.data or ''
    name = arguments.dataset or recipe.get('dataset') or ('folder' if folder else '')
    if not name:
        raise ValueError(f'{arguments.model} does not say which data set it was trained on; name '
                         'its test images: --data FOLDER or --dataset')
    run = Path(arguments.model)
    if not folder and name == recipe.get('dataset') and run.is_dir():
        folder = read_config_file(run / CONFIG).get('data', '')
    dataset, difference = load_to_measure(model, run, name, folder, arguments.download,
                                          lambda text: print(text, file=sys.stderr))
    if difference:
        warning = (f'the run was begun with other data ({difference})' if run.is_dir() else
                   f'the model was trained on other data ({difference}; name those with --data)')
        print(f'anytime evaluate: warning: {warning}, so these test images may be among those '
              'that it was trained on', file=sys.stderr)
    network = model.network.to(device)
    images = dataset.test.to(device)
    evaluation = evaluate_network(network, model.preprocessing, images, dataset.name,
                                  model.carry, hysteresis)
    if arguments.json:
        print(json.dumps(evaluation.to_dict(), indent=1))
        return
    print(evaluation.table())
    print(evaluation.by_class(dataset.class_ids))


def sweep(arguments: Namespace) -> None:
    """Run many trainings."""
    vary = [parse_vary(text) for text in arguments.vary]
    for device in arguments.devices:
        choose_device(device)
    common = [assignment(name, getattr(arguments, name)) for name in ('dataset', 'data')
              if getattr(arguments, name)]
    jobs = plan_jobs(Path(arguments.output), arguments.config, list(arguments.seeds), vary,
                     [*common, *arguments.set])
    configs = check_jobs(jobs)
    if arguments.download:  # once, not by many runs at a time into one folder
        for place in sorted({(config.dataset, config.data, config.input_size)
                             for config in configs}):
            data.load(*place, download=True)
    failed = run_jobs(jobs, arguments.devices, arguments.graph, print)
    if failed:
        names = ', '.join(job.folder.name for job in failed)
        raise ValueError(f'{len(failed)} of {len(jobs)} runs failed: {names}; run the same sweep '
                         'again to go on with them')


def report(arguments: Namespace) -> None:
    """Write the report over finished runs."""
    # Matplotlib is slow to load, and the other commands do without it.
    from anytime_training.report.report import write_report
    results = find_results(arguments.runs, print)
    print(f'report: {write_report(results, Path(arguments.output))}')


def ship(arguments: Namespace) -> None:
    """Write the model of a run for others, with its card."""
    from anytime_training.ship import ship_run
    for path in ship_run(Path(arguments.run), Path(arguments.output), arguments.half,
                         arguments.data, arguments.data_name, arguments.data_note,
                         choose_device(arguments.device)):
        print(f'wrote {path}')


def info(arguments: Namespace) -> None:
    """Say what a model file holds."""
    model = _load(arguments.model)
    sequence = isinstance(model.network, AnytimeSequence)
    exits: list[dict[str, float]] = [
        {'exit': index, 'network': stage.network_index, 'depth': stage.depth, 'macs': stage.cost}
        for index, stage in enumerate(model.network.exits)]
    measured = model.measured
    if measured:
        for entry, error, gap in zip(exits, measured.error, measured.calibration_error):
            entry.update(error=error, calibration_error=gap)
    content = {
        'file': model.name, 'sha256': model.sha256, 'kind': 'EANN' if sequence else 'ANN',
        'networks': [member.config for member in model.network.members],
        'parameters': sum(parameter.numel() for parameter in model.network.parameters()),
        'class_ids': list(model.class_ids), 'input_size': model.preprocessing.size,
        'carry': list(model.carry),
        'measured_on': measured and f'{measured.images} images of {measured.dataset}',
        'exits': exits, 'recipe': model.recipe}
    if arguments.json:
        print(json.dumps(content, indent=1))
        return
    for key, value in content.items():
        if key != 'exits':
            print(f'{key}: {_readable(value)}')
    for entry in exits:
        quality = f'  error {entry["error"]:.2%}' if 'error' in entry else ''
        print(f'exit {entry["exit"]:3}  network {entry["network"]}  depth {entry["depth"]:3}  '
              f'{entry["macs"] / 1e6:8.2f} M MACs{quality}')


def _readable(value: object) -> str:
    if isinstance(value, dict):
        return ' '.join(assignment(key, part) for key, part in value.items())
    if isinstance(value, list):
        return ('; ' if isinstance(value[0], dict) else ', ').join(map(_readable, value)) \
            if value else 'none'
    return str(value)


def profile(arguments: Namespace) -> None:
    """Measure the latency of every exit on this device and write it beside the model."""
    from anytime_training import profiling  # for the robot: needs no data sets
    path = model_path(arguments.model)
    output = Path(arguments.output or path.with_suffix('.profile'))
    output = output.with_name(output.name + '.json')  # fails before the measuring if it is no path
    result = profiling.profile(
        path, arguments.images, arguments.rate, device=arguments.device,
        threads=arguments.threads, runner=arguments.runner, precision=arguments.precision)
    print(profiling.table(result))
    for file in profiling.write(result, output):
        print(f'wrote {file}')


def dataset(arguments: Namespace) -> None:
    """Write a data set as class folders."""
    size = arguments.size or (8 if arguments.dataset == 'digits' else 32)
    images = data.load(arguments.dataset, arguments.data or '', size, arguments.download)
    count = data.export(images, arguments.output)
    print(f'wrote {count} images to {arguments.output}')


def from_bag(arguments: Namespace) -> None:
    """Write the labelled images of a recording as class folders."""
    print(data.from_bag(arguments.bag, arguments.topic, arguments.labels, arguments.output,
                        arguments.absolute, arguments.gap, arguments.quiet))


def _load(path: str) -> model_file.Model:
    """Return the model at `path`, a model file or the folder of a run."""
    return model_file.load(model_path(path))
