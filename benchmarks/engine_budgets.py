"""
Whether there is always an answer at the deadline, and whether promises are kept.

missed: random budgets of at least the first exit (p99) + 1 ms; how many images have no refinement
    at their deadline, and by how much the worst was late. With --stress, beside processes that
    keep every core busy; with --priority, that is for us what `chrt -r` makes of a robot's node.
honest: the exit that the latency profile promises for a budget against the exit reached.
"""

import multiprocessing
import os
from pathlib import Path
import random
import time

from anytime_perception.engine import AnytimeEngine
import measuring
import numpy as np


def burn() -> None:
    """Keep one core busy until killed."""
    while True:
        pass


def measure(units: int, channels: int, arguments) -> dict:
    """Return the row of one network."""
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    chance = random.Random()
    late, kept, more, reader_late = [], [], [], []
    with AnytimeEngine(measuring.network(units, channels), arguments.device,
                       threads=arguments.threads) as engine:
        for _ in range(arguments.images):
            first, last = float(engine.profile.p99[0]), float(engine.profile.p99[-1])
            budget = chance.uniform(first + 0.001, 1.2 * max(last, first + 0.001))
            promised = engine.profile.exit_within(budget)
            promised = -1 if promised is None else promised  # the profile has just changed
            deadline = time.monotonic() + budget
            refinements = list(engine.refine(image, budget=budget))
            reader_late.append(time.monotonic() - deadline)
            late.append(refinements[0].arrival + refinements[0].elapsed - deadline)
            reached = refinements[-1].exit_index
            kept.append(reached >= promised)
            more.append(reached > promised)
            time.sleep(0.001)
        runner = engine.runner
    name = (f'budgets_{units}_{channels}' + ('_stress' if arguments.stress else '')
            + (f'_priority_{arguments.priority}' if arguments.priority else ''))
    found = measuring.gather(arguments.store, name, {
        'late': late, 'kept': kept, 'more': more, 'reader_late': reader_late})
    late = found['late']
    return {'network': f'({units},{channels})', 'runner': runner, 'images': len(late),
            'missed': int((late > 0).sum()),
            'missed_by_more_than_ms': {limit: int((late > limit / 1e3).sum())
                                       for limit in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50)},
            'worst_late_ms': round(1e3 * max(0.0, float(late.max())), 3),
            'promise_kept': round(float(found['kept'].mean()), 5),
            'reached_more': round(float(found['more'].mean()), 5),
            'reader_back_over_1ms_late': int((found['reader_late'] > 0.001).sum())}


def main() -> None:
    """Measure, print and write."""
    parser = measuring.parser(__doc__)
    parser.add_argument('--images', type=int, default=10_000, help='per network (%(default)s)')
    parser.add_argument('--networks', type=measuring.networks, default='9,16+9,32')
    parser.add_argument('--stress', action='store_true', help='keep every core busy meanwhile')
    parser.add_argument('--priority', type=int, default=0,
                        help='real-time priority of everything but the load, 1 to 99 (none)')
    parser.add_argument('--store', type=Path, help='folder that gathers the values of many runs')
    arguments = parser.parse_args()
    load = [multiprocessing.Process(target=burn, daemon=True) for _ in range(os.cpu_count())]
    machine = measuring.machine()
    for process in load if arguments.stress else []:
        process.start()
    try:
        if arguments.priority:  # threads that are started later inherit it
            os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(arguments.priority))
        rows = [measure(units, channels, arguments) for units, channels in arguments.networks]
    finally:
        for process in load if arguments.stress else []:
            process.kill()
    measuring.finish({'machine': machine, 'threads': arguments.threads,
                      'stress': arguments.stress, 'priority': arguments.priority,
                      'rows': rows}, arguments.output)


if __name__ == '__main__':
    main()
