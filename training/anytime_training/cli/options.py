"""The commands of `anytime` and their options."""

import argparse

from anytime_perception.runner_names import PRECISIONS, RUNNERS
from anytime_training.cli import commands
from anytime_training.cli.shared_options import (
    add_data, add_device, add_graph, integers, place, positive, rate)
from anytime_training.cli.train_options import add_train
from anytime_training.data import DATASETS


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of a command line; call its result's `command` with that result."""
    parser = argparse.ArgumentParser(
        prog='anytime', description='Train, evaluate and inspect anytime neural networks.')
    subparsers = parser.add_subparsers(dest='name', required=True, metavar='COMMAND')
    add_train(subparsers)
    _add_evaluate(subparsers)
    _add_sweep(subparsers)
    report = subparsers.add_parser(
        'report', help="write the paper's tables and figures from runs",
        description='Write DIR/report.md with every table and figure of the paper that the runs '
                    "can fill, our numbers beside the paper's, and each table as CSV.")
    report.add_argument('runs', nargs='+', metavar='RUN', help='folders of runs, or of sweeps')
    report.add_argument('--output', type=place, default='report', metavar='DIR',
                        help='default: ./report')
    report.set_defaults(command=commands.report)
    _add_ship(subparsers)
    _add_profile(subparsers)
    info = subparsers.add_parser('info', help='say what a model file holds')
    info.add_argument('model', metavar='FILE_OR_RUN',
                      help='a model file, or the folder of a run')
    info.add_argument('--json', action='store_true', help='print JSON')
    info.set_defaults(command=commands.info)
    _add_dataset(subparsers)
    return parser


def _add_evaluate(subparsers: 'argparse._SubParsersAction[argparse.ArgumentParser]') -> None:
    evaluate = subparsers.add_parser(
        'evaluate', help='measure every exit of a model on test images',
        description='Print the top-1 error of every exit, their average (AE), and the error at '
                    '1/4, 1/2, 3/4 and all of the computation.')
    evaluate.add_argument('model', metavar='FILE_OR_RUN',
                          help='a model file, or the folder of a run')
    evaluate.add_argument('--dataset', choices=DATASETS,
                          help='default: the one it was trained on; folder where the model does '
                               'not say')
    add_data(evaluate)
    add_device(evaluate)
    evaluate.add_argument('--hysteresis', type=float, default=1.0, metavar='RATIO',
                          help='hold an answer until another class is that many times as likely, '
                               "as the node's parameter does; 1 (the default): the answer is "
                               'always the most likely class')
    evaluate.add_argument('--json', action='store_true', help='print JSON')
    evaluate.set_defaults(command=commands.evaluate)


def _add_profile(subparsers: 'argparse._SubParsersAction[argparse.ArgumentParser]') -> None:
    profile = subparsers.add_parser(
        'profile', help='measure how long each exit takes on this device',
        description='Refine camera-sized pictures at a steady rate and print the latency of every '
                    'exit; write it beside the model as JSON and as a picture.')
    profile.add_argument('model', metavar='FILE_OR_RUN',
                         help='a model file, or the folder of a run')
    add_device(profile)
    profile.add_argument('--threads', type=positive, default=1, help='of the CPU (%(default)s)')
    profile.add_argument('--runner', choices=RUNNERS, default='auto')
    profile.add_argument('--precision', choices=PRECISIONS, default='float32')
    profile.add_argument('--images', type=positive, default=200, help='how many (%(default)s)')
    profile.add_argument('--rate', type=rate, default=30, help='images per second (%(default)s)')
    profile.add_argument('--output', type=place, metavar='PATH',
                         help='of the files, without .json and .png (default: beside the model)')
    profile.set_defaults(command=commands.profile)


def _add_ship(subparsers: 'argparse._SubParsersAction[argparse.ArgumentParser]') -> None:
    ship = subparsers.add_parser(
        'ship', help='write the model of a run for others, and a card that says what it is',
        description='Write the model to FILE, with its quality on the test images, and beside it '
                    'a card in Markdown: data, recipe, cost and quality of every exit, and the '
                    'commands that make it again.')
    ship.add_argument('run', metavar='RUN', help='folder of a finished run')
    ship.add_argument('--output', type=place, required=True, metavar='FILE',
                      help='NAME.safetensors')
    ship.add_argument('--half', action='store_true',
                      help='weights as float16: half the size, and measured as such')
    ship.add_argument('--data', metavar='DIR',
                      help='folder that the data set is read from (default: as in the run)')
    ship.add_argument('--data-name', metavar='TEXT', help='what to call the data set')
    ship.add_argument('--data-note', metavar='TEXT', help='where it is from, and its licence')
    add_device(ship)
    ship.set_defaults(command=commands.ship)


def _add_sweep(subparsers: 'argparse._SubParsersAction[argparse.ArgumentParser]') -> None:
    sweep = subparsers.add_parser(
        'sweep', help='run many trainings: configurations, varied values and seeds',
        description='Train every combination, each in its own folder under DIR. Runs that are '
                    'complete are skipped and others go on from their checkpoints, so the same '
                    'command again picks up where it was stopped.')
    sweep.add_argument('--output', type=place, required=True, metavar='DIR')
    sweep.add_argument('--config', nargs='+', required=True, metavar='FILE',
                       help='JSON files of settings, or names of ours, such as n9-c32')
    sweep.add_argument('--seeds', type=integers, default=(0,), metavar='S[,S...]')
    sweep.add_argument('--vary', nargs='+', action='extend', default=[],
                       metavar='KEY=VALUE,VALUE',
                       help='train with each of these values, e.g. strategy=none,aann')
    sweep.add_argument('--set', nargs='+', action='extend', default=[], metavar='KEY=VALUE',
                       help='settings of all runs')
    sweep.add_argument('--devices', nargs='+', default=['auto'], metavar='DEVICE',
                       help='one run at a time on each; name a device twice for two')
    add_graph(sweep)
    sweep.add_argument('--dataset', choices=DATASETS)
    add_data(sweep)
    sweep.set_defaults(command=commands.sweep)


def _add_dataset(subparsers: 'argparse._SubParsersAction[argparse.ArgumentParser]') -> None:
    dataset = subparsers.add_parser(
        'dataset', help="write a data set, or a robot's recording, as class folders of PNG files",
        description='Write train/<class>/NNNN.png and test/<class>/NNNN.png, to train with, to '
                    'look at, or to replay as a camera.')
    kinds = dataset.add_subparsers(dest='dataset', required=True, metavar='NAME')
    for name in DATASETS:
        kind = kinds.add_parser(name, help='all of its images')
        kind.add_argument('--output', type=place, required=True, metavar='DIR')
        kind.add_argument('--size', type=positive,
                          help='pixels a side (default: 8 for digits, else 32)')
        add_data(kind)
        kind.set_defaults(command=commands.dataset)
    bag = kinds.add_parser(
        'from-bag', help='images of a recording (rosbag2: sqlite3 or MCAP)',
        description='The last fifth of the images of each label, in time, is for tests.')
    bag.add_argument('bag', metavar='BAG', help='its folder, or one file')
    bag.add_argument('--topic', required=True, help='of Image or CompressedImage messages')
    bag.add_argument('--labels', required=True, metavar='CSV',
                     help='columns start,end,label: what was in view when, in seconds since '
                          'the recording began')
    bag.add_argument('--output', type=place, required=True, metavar='DIR')
    bag.add_argument('--absolute', action='store_true',
                     help='the times of the labels are seconds since 1970')
    bag.add_argument('--gap', type=float, default=1.0, metavar='SECONDS',
                     help='images nearer than that to a test image are not for training '
                          '(%(default)s)')
    bag.add_argument('--quiet', action='store_true', help='no progress bar')
    bag.set_defaults(command=commands.from_bag)
