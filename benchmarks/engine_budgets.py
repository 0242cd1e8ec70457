"""
Whether there is always an answer at the deadline, and whether promises are kept.

missed: random budgets of at least the first exit (p99) + 1 ms; how many images have no refinement
    at their deadline, and by how much the worst was late. With --stress, beside processes that
    keep every core busy.
honest: the exit that the latency profile promises for a budget against the exit reached.
"""

import multiprocessing
import os
import random
import time

from anytime_perception.engine import AnytimeEngine
import measuring
import numpy as np


def burn() -> None:
    """Keep one core busy until killed."""
    while True:
        pass


def measure(units: int, channels: int, device: str, threads: int, images: int) -> dict:
    """Return the row of one network."""
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    chance = random.Random(0)
    late, kept, reached_more, early_stops = [], 0, 0, 0
    with AnytimeEngine(measuring.network(units, channels), device, threads=threads) as engine:
        for _ in range(images):
            first, last = float(engine.profile.p99[0]), float(engine.profile.p99[-1])
            budget = chance.uniform(first + 0.001, 1.2 * max(last, first + 0.001))
            promised = engine.profile.exit_within(budget)
            deadline = time.monotonic() + budget
            refinements = list(engine.refine(image, budget=budget))
            answered = refinements[0].arrival + refinements[0].elapsed
            late.append(max(0.0, answered - deadline))
            reached = refinements[-1].exit_index
            kept += reached >= promised
            reached_more += reached > promised
            early_stops += time.monotonic() > deadline + 0.001
            time.sleep(0.001)
        runner = engine.runner
    late = np.array(late)
    return {'network': f'({units},{channels})', 'runner': runner, 'images': images,
            'missed': int((late > 0).sum()), 'worst_late_ms': round(1e3 * float(late.max()), 3),
            'promise_kept': round(kept / images, 5),
            'reached_more': round(reached_more / images, 5),
            'reader_back_over_1ms_late': early_stops}


def main() -> None:
    """Measure, print and write."""
    parser = measuring.parser(__doc__)
    parser.add_argument('--images', type=int, default=10_000, help='per network (%(default)s)')
    parser.add_argument('--stress', action='store_true', help='keep every core busy meanwhile')
    arguments = parser.parse_args()
    load = [multiprocessing.Process(target=burn, daemon=True) for _ in range(os.cpu_count())]
    machine = measuring.machine()
    for process in load if arguments.stress else []:
        process.start()
    try:
        rows = [measure(units, channels, arguments.device, arguments.threads, arguments.images)
                for units, channels in ((9, 16), (9, 32))]
    finally:
        for process in load if arguments.stress else []:
            process.kill()
    measuring.finish({'machine': machine, 'threads': arguments.threads,
                      'stress': arguments.stress, 'rows': rows}, arguments.output)


if __name__ == '__main__':
    main()
