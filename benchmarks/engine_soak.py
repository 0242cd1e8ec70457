"""
Nothing grows: many images through one engine, with what robots do to it.

Of every four images one runs to its end, one has a budget, one is preempted and one is replaced
by the next. Resident memory, threads and open files, before and after.
"""

import gc
import os
import threading
import time

from anytime_perception.engine import AnytimeEngine
import measuring
import numpy as np


def state() -> dict:
    """Return what must not grow."""
    gc.collect()
    with open('/proc/self/statm') as file:
        pages = int(file.read().split()[1])
    return {'resident_mb': round(pages * os.sysconf('SC_PAGE_SIZE') / 2**20, 2),
            'threads': len(os.listdir('/proc/self/task')),
            'python_threads': threading.active_count(),
            'open_files': len(os.listdir('/proc/self/fd'))}


def treat(engine: AnytimeEngine, image: np.ndarray, kind: int) -> None:
    """Hand in one image, or two, and wait for the answer."""
    if kind == 0:
        list(engine.refine(image))
    elif kind == 1:
        list(engine.refine(image, budget=0.001))
    elif kind == 2:
        next(iter(engine.refine(image)))
        engine.preempt()
    else:
        engine.submit(image)
        list(engine.refine(image))


def main() -> None:
    """Measure, print and write."""
    parser = measuring.parser(__doc__)
    parser.add_argument('--images', type=int, default=100_000)
    arguments = parser.parse_args()
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    with AnytimeEngine(measuring.network(9, 16), arguments.device,
                       threads=arguments.threads) as engine:
        rows, started = [], time.monotonic()
        for index in range(arguments.images + 1):
            if index == 1000 or (index and index % (arguments.images // 4) == 0):
                rows.append({'images': index, **state()})
            treat(engine, image, index % 4)
        result = {'machine': measuring.machine(), 'threads': arguments.threads,
                  'runner': engine.runner, 'minutes': round((time.monotonic() - started) / 60, 1),
                  'rows': rows, 'grown_mb': round(
                      rows[-1]['resident_mb'] - rows[0]['resident_mb'], 2)}
    measuring.finish(result, arguments.output)


if __name__ == '__main__':
    main()
