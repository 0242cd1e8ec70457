"""The options of `anytime train`, and a list of all that can be set."""

import argparse
import inspect
import textwrap

from anytime_perception.networks import BACKBONES
from anytime_training.checks import OPTIMISERS
from anytime_training.cli import commands
from anytime_training.cli.shared_options import (
    add_data, add_device, add_graph, integers, place, source)
from anytime_training.config import TrainConfig
from anytime_training.data import DATASETS
from anytime_training.phases import MODES
from anytime_training.schedule import SCHEDULES
from anytime_training.settings import assignment
from anytime_training.strategies import STRATEGIES
from anytime_training.weights import SCHEMES


def add_train(subparsers: 'argparse._SubParsersAction[argparse.ArgumentParser]') -> None:
    """Add the command."""
    train = subparsers.add_parser(
        'train', help='train an anytime network, or a sequence of them',
        formatter_class=argparse.RawDescriptionHelpFormatter, epilog=_settings(),
        description='Train an anytime network and write DIR/model.safetensors. Options that are\n'
                    'left out are standard for the data set: for digits a small network in\n'
                    "under a minute on two cores, else the paper's. --config recipe is ours, and\n"
                    'the best to begin with.')
    train.add_argument('--output', type=place, required=True, metavar='DIR',
                       help='folder of the run: checkpoints, log, model')
    train.add_argument('--resume', action='store_true',
                       help='go on with the run in DIR (or start it, if there is none)')
    train.add_argument('--config', type=source, metavar='FILE',
                       help='JSON object of settings, or the name of one of ours, such as n9-c32; '
                            'options override it')
    add_device(train)
    train.add_argument('--quiet', action='store_true', help='no progress bar')
    add_graph(train)
    train.add_argument('--dataset', choices=DATASETS, help='default: digits')
    add_data(train)
    train.add_argument('--units-per-block', type=integers, metavar='N[,N...]',
                       help="the paper's n, for a network of 3n units; several, growing, train a "
                            'sequence (EANN); --set units_per_block=[[0,1,4]] says how many each '
                            'block has; with side_channels, as in --config recipe, they are of a '
                            'pyramid')
    train.add_argument('--channels', type=int,
                       help="the paper's c, channels of the first block, twice as many in each "
                            'after it; --set channels=[16,32,96] says how many each block has')
    train.add_argument('--period', type=integers, metavar='S[,S...]',
                       help="the paper's s, units from one exit to the next")
    train.add_argument('--input-size', type=int, help='pixels a side that images are scaled to')
    train.add_argument('--backbone', choices=BACKBONES,
                       help="put exits on torchvision's network, in place of the paper's")
    train.add_argument('--pretrained', type=source, metavar='FILE_OR_RUN',
                       help='model file, or run, to go on from, of this network or for other '
                            "classes, or, for a backbone, state dict of torchvision's, as "
                            'torch.save writes it')
    train.add_argument('--teacher', type=source, metavar='FILE_OR_RUN',
                       help='model file, or run, of a better network for the same classes, from '
                            'whose answers all exits learn, by the share of --set distillation')
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
    train.add_argument('--set', nargs='+', action='extend', default=[], metavar='KEY=VALUE',
                       help='any settings, also those below')
    train.set_defaults(command=commands.train)


def _settings() -> str:
    """Return what can be set, and what it is where nothing is given, for people."""
    _, _, meanings = inspect.cleandoc(TrainConfig.__doc__ or '').partition('----------\n')
    defaults = ' '.join(assignment(name, value) for name, value in TrainConfig().to_dict().items()
                        if name != 'dataset')  # digits, which has standards of its own
    return '\n\n'.join((
        'settings, for --set and configuration files:', textwrap.indent(meanings, '  '),
        'where nothing is given, and --dataset has no standards of its own:',
        textwrap.fill(defaults, 98, initial_indent='  ', subsequent_indent='  ',
                      break_on_hyphens=False)))
