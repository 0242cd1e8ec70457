"""The commands of `anytime` and their options."""

import argparse
import inspect
import math
import textwrap

from anytime_perception.engine.runners import PRECISIONS, RUNNERS
from anytime_perception.networks import BACKBONES
from anytime_training import commands
from anytime_training.checks import OPTIMISERS
from anytime_training.config import TrainConfig
from anytime_training.data import DATASETS
from anytime_training.phases import MODES
from anytime_training.schedule import SCHEDULES
from anytime_training.settings import assignment
from anytime_training.strategies import STRATEGIES
from anytime_training.weights import SCHEMES


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of a command line; `command` of what it gives is to be called with it."""
    parser = argparse.ArgumentParser(
        prog='anytime', description='Train, evaluate and inspect anytime neural networks.')
    subparsers = parser.add_subparsers(dest='name', required=True, metavar='COMMAND')
    _add_train(subparsers)
    _add_evaluate(subparsers)
    _add_sweep(subparsers)
    report = subparsers.add_parser(
        'report', help="write the paper's tables and figures from runs",
        description='Write DIR/report.md with every table and figure of the paper that the runs '
                    "can fill, our numbers beside the paper's, and each table as CSV.")
    report.add_argument('runs', nargs='+', metavar='RUN', help='folders of runs, or of sweeps')
    report.add_argument('--output', default='report', metavar='DIR', help='default: ./report')
    report.set_defaults(command=commands.report)
    _add_ship(subparsers)
    _add_profile(subparsers)
    info = subparsers.add_parser('info', help='say what a model file holds')
    info.add_argument('model', metavar='FILE')
    info.add_argument('--json', action='store_true', help='print JSON')
    info.set_defaults(command=commands.info)
    _add_dataset(subparsers)
    return parser


def _add_train(subparsers) -> None:
    train = subparsers.add_parser(
        'train', help='train an anytime network, or a sequence of them',
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=_settings(),
        description='Train an anytime network and write DIR/model.safetensors. Options that are\n'
                    'left out are the recipe of the data set: for digits a small network in\n'
                    "under a minute on two cores, else the paper's. --config recipe is ours, and\n"
                    'the best to begin with.')
    train.add_argument('--output', required=True, metavar='DIR',
                       help='folder of the run: checkpoints, log, model')
    train.add_argument('--resume', action='store_true',
                       help='go on with the run in DIR (or start it, if there is none)')
    train.add_argument('--config', metavar='FILE',
                       help='JSON object of settings, or the name of one of ours, such as n9-c32; '
                            'options override it')
    _add_device(train)
    train.add_argument('--quiet', action='store_true', help='no progress bar')
    _add_graph(train)
    train.add_argument('--dataset', choices=DATASETS, help='default: digits')
    _add_data(train)
    train.add_argument('--units-per-block', type=_integers, metavar='N[,N…]',
                       help="the paper's n, for a network of 3n units; several, growing, train a "
                            'sequence (EANN); --set units_per_block=[[0,1,4]] says how many each '
                            'block has; with side_channels, as in --config recipe, they are of a '
                            'pyramid')
    train.add_argument('--channels', type=int,
                       help="the paper's c, channels of the first block, twice as many in each "
                            'after it; --set channels=[16,32,96] says how many each block has')
    train.add_argument('--period', type=_integers, metavar='S[,S…]',
                       help="the paper's s, units from one exit to the next")
    train.add_argument('--input-size', type=int, help='pixels a side that images are scaled to')
    train.add_argument('--backbone', choices=BACKBONES,
                       help="put exits on torchvision's network, in place of the paper's")
    train.add_argument('--pretrained', metavar='FILE',
                       help="state dict of torchvision's network, as torch.save writes it")
    train.add_argument('--mode', choices=MODES,
                       help="joint trains all exits at once (the paper's way); mixed the last "
                            'alone first, then all; midfeat the last, then heads on what it '
                            'found; no_grad exit by exit, each with all before it frozen')
    train.add_argument('--weights', choices=SCHEMES,
                       help="how much the loss of each exit counts: sieve (the paper's) half of "
                            'all for the last, and of the rest most for the one midway, then for '
                            'those at the quarters, and so on; half_end half for the last, the '
                            'rest alike; optimal all for one exit (OPT)')
    train.add_argument('--weights-base', type=float, help='base of exponential weights')
    train.add_argument('--exit-share', type=float,
                       help='how deep the one exit is that optimal weights train (OPT), in (0, 1]')
    train.add_argument('--strategy', choices=STRATEGIES,
                       help="which exit counts more in an iteration: aann (the paper's) draws "
                            'it by the weights, milestone from those at the quarters; exp3, rwm '
                            'and avgl (appendix D) learn which to draw; adaloss weighs by mean '
                            'losses; with none (ANN) nothing alternates')
    train.add_argument('--tau', type=float,
                       help='by how much it is amplified, as a share of all weights')
    train.add_argument('--epochs', type=int, help='how often every training image is seen')
    train.add_argument('--batch-size', type=int, help='images of one step')
    train.add_argument('--optimiser', choices=OPTIMISERS,
                       help="sgd is the paper's; muon, with settings of its own, learns more in "
                            'as many epochs')
    train.add_argument('--lr', type=float, help='highest learning rate')
    train.add_argument('--schedule', choices=SCHEDULES,
                       help="of the learning rate: paper has the authors' steps, cosine falls to "
                            '0, one_cycle rises first')
    train.add_argument('--flip', action=argparse.BooleanOptionalAction,
                       help='mirror half of the training images')
    train.add_argument('--seed', type=int, help='of everything random')
    train.add_argument('--validation', action=argparse.BooleanOptionalAction,
                       help='hold back training images and evaluate on them, not on the tests')
    train.add_argument('--set', action='append', default=[], metavar='KEY=VALUE',
                       help='any setting, also those below')
    train.set_defaults(command=commands.train)


def _settings() -> str:
    """Return what can be set, and what it is where nothing is given, for people."""
    _, _, meanings = inspect.cleandoc(TrainConfig.__doc__).partition('----------\n')
    defaults = ' '.join(assignment(name, value) for name, value in TrainConfig().to_dict().items())
    return '\n\n'.join((
        'settings, for --set and configuration files:', textwrap.indent(meanings, '  '),
        'where nothing is given, and --dataset has no recipe of its own:',
        textwrap.fill(defaults, 98, initial_indent='  ', subsequent_indent='  ',
                      break_on_hyphens=False)))


def _add_evaluate(subparsers) -> None:
    evaluate = subparsers.add_parser(
        'evaluate', help='measure every exit of a model on test images',
        description='Print the top-1 error of every exit, their average (AE), and the error at '
                    '1/4, 1/2, 3/4 and all of the computation.')
    evaluate.add_argument('model', metavar='FILE_OR_RUN',
                          help='a model file, or the folder of a run')
    evaluate.add_argument('--dataset', choices=DATASETS, help='default: the one it was trained on')
    _add_data(evaluate)
    _add_device(evaluate)
    evaluate.add_argument('--hysteresis', type=float, default=1.0, metavar='RATIO',
                          help='hold an answer until another class is that many times as likely, '
                               "as the node's parameter does; 1 (the default): the answer is "
                               'always the most likely class')
    evaluate.add_argument('--json', action='store_true', help='print JSON')
    evaluate.set_defaults(command=commands.evaluate)


def _add_profile(subparsers) -> None:
    profile = subparsers.add_parser(
        'profile', help='measure how long each exit takes on this device',
        description='Refine camera-sized pictures at a steady rate and print the latency of every '
                    'exit; write it beside the model as JSON and as a picture.')
    profile.add_argument('model', metavar='FILE_OR_RUN',
                         help='a model file, or the folder of a run')
    _add_device(profile)
    profile.add_argument('--threads', type=_positive, default=1, help='of the CPU (%(default)s)')
    profile.add_argument('--runner', choices=RUNNERS, default='auto')
    profile.add_argument('--precision', choices=PRECISIONS, default='float32')
    profile.add_argument('--images', type=_positive, default=200, help='how many (%(default)s)')
    profile.add_argument('--rate', type=_rate, default=30, help='images per second (%(default)s)')
    profile.add_argument('--output', metavar='PATH',
                         help='of the files, less .json and .png (default: beside the model)')
    profile.set_defaults(command=commands.profile)


def _add_ship(subparsers) -> None:
    ship = subparsers.add_parser(
        'ship', help='write the model of a run for others, and a card that says what it is',
        description='Write FILE with what the model in it does on the test images, and beside it '
                    'a card in Markdown: data, recipe, cost and quality of every exit, and the '
                    'commands that make it again.')
    ship.add_argument('run', metavar='RUN', help='folder of a finished run')
    ship.add_argument('--output', required=True, metavar='FILE', help='NAME.safetensors')
    ship.add_argument('--half', action='store_true',
                      help='weights as float16: half the size, and measured as such')
    ship.add_argument('--data', metavar='DIR',
                      help='folder that the data set is read from (default: as in the run)')
    ship.add_argument('--data-name', metavar='TEXT', help='what to call the data set')
    ship.add_argument('--data-note', metavar='TEXT', help='where it is from, and its licence')
    _add_device(ship)
    ship.set_defaults(command=commands.ship)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a positive integer')
    return int(text)


def _rate(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f'{text!r} is not a positive number')
    return value


def _add_sweep(subparsers) -> None:
    sweep = subparsers.add_parser(
        'sweep', help='run many trainings: configurations, varied values and seeds',
        description='Train every combination, each in its own folder under DIR. Runs that are '
                    'complete are skipped and others go on from their checkpoints, so the same '
                    'command again picks up where it was stopped.')
    sweep.add_argument('--output', required=True, metavar='DIR')
    sweep.add_argument('--config', nargs='+', required=True, metavar='FILE',
                       help='JSON files of settings, or names of ours, such as n9-c32')
    sweep.add_argument('--seeds', type=_integers, default=(0,), metavar='S[,S…]')
    sweep.add_argument('--vary', action='append', default=[], metavar='KEY=VALUE,VALUE',
                       help='train with each of these values, e.g. strategy=none,aann')
    sweep.add_argument('--set', action='append', default=[], metavar='KEY=VALUE',
                       help='a setting of all runs')
    sweep.add_argument('--devices', nargs='+', default=['auto'], metavar='DEVICE',
                       help='one run at a time on each; name a device twice for two')
    _add_graph(sweep)
    sweep.add_argument('--dataset', choices=DATASETS)
    _add_data(sweep)
    sweep.set_defaults(command=commands.sweep)


def _add_dataset(subparsers) -> None:
    dataset = subparsers.add_parser(
        'dataset', help="write a data set, or a robot's recording, as class folders of PNG files",
        description='Write train/<class>/NNNN.png and test/<class>/NNNN.png, to train with, to '
                    'look at, or to replay as a camera.')
    kinds = dataset.add_subparsers(dest='dataset', required=True, metavar='NAME')
    for name in DATASETS:
        kind = kinds.add_parser(name, help='all of its images')
        kind.add_argument('--output', required=True, metavar='DIR')
        kind.add_argument('--size', type=_positive,
                          help='pixels a side (default: 8 for digits, else 32)')
        _add_data(kind)
        kind.set_defaults(command=commands.dataset)
    bag = kinds.add_parser(
        'from-bag', help='images of a recording (rosbag2: sqlite3 or MCAP)',
        description='In time, the last fifth of the images of each label is for tests.')
    bag.add_argument('bag', metavar='BAG', help='its folder, or one file')
    bag.add_argument('--topic', required=True, help='of Image or CompressedImage messages')
    bag.add_argument('--labels', required=True, metavar='CSV',
                     help='columns start,end,label: what was to be seen when, in seconds since '
                          'the recording began')
    bag.add_argument('--output', required=True, metavar='DIR')
    bag.add_argument('--absolute', action='store_true',
                     help='the times of the labels are seconds since 1970')
    bag.add_argument('--gap', type=float, default=1.0, metavar='SECONDS',
                     help='images nearer than that to a test image are not for training '
                          '(%(default)s)')
    bag.add_argument('--quiet', action='store_true', help='no progress bar')
    bag.set_defaults(command=commands.from_bag)


def _add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--device', default='auto', metavar='auto|cpu|cuda|cuda:N',
                        help='default: auto, a GPU where there is one')


def _add_graph(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--no-graph', dest='graph', action='store_false',
                        help='on a GPU, run every training step anew, not as one CUDA graph: '
                             'slower, for where that fails')


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--data', metavar='DIR',
                        help='folder that the data set is read from (all but digits)')
    parser.add_argument('--download', action='store_true',
                        help='fetch the data set into --data first')


def _integers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(','))
    except ValueError as error:
        message = f'{text!r} is not a comma-separated list of integers'
        raise argparse.ArgumentTypeError(message) from error
