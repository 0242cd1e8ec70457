"""Learning rates over a training run."""

import math

# The authors' 300 epochs: 0.1, a tenth from epoch 82, a hundredth from 123, and 0.0002 from 250.
_PAPER_STEPS = ((250 / 300, 0.002), (123 / 300, 0.01), (82 / 300, 0.1))


def paper(progress: float) -> float:
    """Drop in steps at the fractions of the run at which the authors' code does."""
    return next((factor for start, factor in _PAPER_STEPS if progress >= start), 1.0)


def cosine(progress: float) -> float:
    """Fall from 1 to 0 as half a cosine."""
    return (1 + math.cos(math.pi * progress)) / 2


def one_cycle(progress: float, peak: float = 0.2) -> float:
    """Rise in a straight line, from 0.05, to 1 at `peak` of the run; then fall in one to 0."""
    return max(0.05, progress / peak) if progress < peak else (1 - progress) / (1 - peak)


SCHEDULES = {'paper': paper, 'cosine': cosine, 'one_cycle': one_cycle}
