"""The command line: `anytime train | evaluate | sweep | report | ship | profile | …`."""

import os
import sys


def main(argv: list[str] | None = None) -> int:
    """Run one command; return its exit status: 0, 2 for an error, 130 for Ctrl-C."""
    try:  # PyTorch takes seconds to import, when Ctrl-C may come, too
        from anytime_training.cli.options import make_parser
        from anytime_training.train import TrainingDiverged
    except KeyboardInterrupt:
        return 130
    _open_what_is_closed()
    arguments = make_parser().parse_args(argv)
    try:
        arguments.command(arguments)
        sys.stdout.flush()
        return 0
    except BrokenPipeError:  # whoever reads has enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing to flush at exit
        return 1
    except (ValueError, TrainingDiverged) as error:
        print(f'anytime {arguments.name}: error: {error}', file=sys.stderr)
    except ImportError as error:
        print(f"anytime {arguments.name}: error: {error}; pip install '.[train]' brings what "
              'training needs', file=sys.stderr)
    except OSError as error:
        place = error.filename or getattr(arguments, 'output', '')  # '': on standard output
        print(f'anytime {arguments.name}: error: {error.strerror or error}'
              f'{f": {place}" if place else ""} (what was written before is intact)',
              file=sys.stderr)
    except KeyboardInterrupt:
        output = getattr(arguments, 'output', '')
        hint = {'train': f'; go on with: anytime train --resume --output {output}',
                'sweep': '; the same command again goes on'}.get(arguments.name, '')
        print(f'\nanytime {arguments.name}: interrupted{hint}', file=sys.stderr)
        return 130
    return 2


def _open_what_is_closed() -> None:
    """Open the null device as stdout or stderr where that is closed (`>&-`): Python has None."""
    for name in ('stdout', 'stderr'):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, 'w', encoding='utf-8'))
