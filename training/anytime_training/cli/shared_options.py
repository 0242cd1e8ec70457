"""Options, and kinds of values, that several commands of `anytime` have."""

import argparse
import math


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add --device."""
    parser.add_argument('--device', default='auto', metavar='auto|cpu|cuda|cuda:N',
                        help='default: auto, a GPU where there is one')


def add_graph(parser: argparse.ArgumentParser) -> None:
    """Add --no-graph."""
    parser.add_argument('--no-graph', dest='graph', action='store_false',
                        help='on a GPU, run every training step anew, not as one CUDA graph: '
                             'slower, for where that fails')


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add --data and --download."""
    parser.add_argument('--data', metavar='DIR',
                        help='folder that the data set is read from (all but digits)')
    parser.add_argument('--download', action='store_true',
                        help='fetch the data set into --data first')


def place(text: str) -> str:
    """Return the path of what is to be written, which an empty text is not; for argparse."""
    return _named(text, 'name the place to write to')


def source(text: str) -> str:
    """Return the path of what is to be read, which an empty text is not; for argparse."""
    return _named(text, 'name what to read, or leave the option out')


def _named(text: str, way_out: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError(f'it is empty; {way_out} (a variable of the shell that '
                                         'is not set?)')
    return text


def integers(text: str) -> tuple[int, ...]:
    """Return the numbers of a text like 1,3,7; for argparse."""
    try:
        return tuple(int(part) for part in text.split(','))
    except ValueError as error:
        message = f'{text!r} is not a comma-separated list of integers'
        raise argparse.ArgumentTypeError(message) from error


def positive(text: str) -> int:
    """Return a positive integer; for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is not a positive integer')
    return int(text)


def rate(text: str) -> float:
    """Return a positive number; for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f'{text!r} is not a positive number')
    return value
