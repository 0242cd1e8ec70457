"""Run the `anytime` command as `python -m anytime_training`."""

import sys

from anytime_training.cli import main

if __name__ == '__main__':
    sys.exit(main())
