"""
How soon there is an answer, and how soon computation stops.

preempt: from calling `preempt()` at a random instant, while the worker is busy, to holding the
    newest refinement. The same call while nothing is in flight says what the machine adds.
stop: from the same call to the device being idle (the runner has returned), less the longest
    stage of that network. Stages that answer together are taken to be equally long.
first: from submitting an image to the first refinement, less the time of the first stage. Waking
    a bare thread that sleeps, after a like pause, says what the machine adds.
"""

from pathlib import Path
import random
import threading
import time

from anytime_perception.engine import AnytimeEngine
import measuring
import numpy as np
import torch


def stage_seconds(engine: AnytimeEngine, image: np.ndarray, passes: int = 100) -> np.ndarray:
    """Return the median seconds of the stages, run by the engine's own runner while it is idle."""
    runner, seconds = engine._worker.refiner.runner, []
    images = engine.model.preprocessing(image)
    with torch.inference_mode():
        for _ in range(passes):
            ends, stages = [time.perf_counter()], []

            def answered(answers, ends=ends, stages=stages):
                ends.append(time.perf_counter())
                stages.append(max(1, len(answers)))
                return True

            runner.run(images, answered)
            seconds.append(np.diff(ends) / stages)
    return np.median(seconds, axis=0)


def note_ends(engine: AnytimeEngine) -> list[float]:
    """
    Have the engine's runner leave the moment of its last end in the list, which is given.

    On a GPU that is when the device is idle: a runner may return while a stage still runs there.
    """
    runner, end = engine._worker.refiner.runner, [0.0]
    run = runner.run

    def timed(images, answered):
        try:
            run(images, answered)
        finally:
            if engine.device.type == 'cuda':
                torch.cuda.synchronize(engine.device)
            end[0] = time.monotonic()

    runner.run = timed
    return end


def wake_seconds(times: int) -> list[float]:
    """Return how long it takes, each time, until a thread that waits is awake."""
    asked, awake = threading.Event(), threading.Event()
    moments: list[float] = []

    def sleeper() -> None:
        for _ in range(times):
            asked.wait()
            moments.append(time.perf_counter())
            asked.clear()
            awake.set()

    thread = threading.Thread(target=sleeper)
    thread.start()
    seconds = []
    for _ in range(times):
        time.sleep(0.002)
        started = time.perf_counter()
        asked.set()
        awake.wait()
        awake.clear()
        seconds.append(moments[-1] - started)
    thread.join()
    return seconds


def measure(units: int, channels: int, arguments) -> dict:
    """Return the row of one network."""
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    chance = random.Random()
    answers, floor, stops, firsts = [], [], [], []
    with AnytimeEngine(measuring.network(units, channels), arguments.device,
                       threads=arguments.threads) as engine:
        stages = stage_seconds(engine, image)
        whole = float(engine.profile.median[-1])
        idle = note_ends(engine)
        list(engine.refine(image))
        time.sleep(0.01)
        while len(answers) < arguments.instants:
            submitted = time.monotonic()
            image_pass = engine.submit(image)
            end = submitted + chance.uniform(0.1, 0.95) * whole
            # Waiting without holding Python's lock, as a planner would.
            time.sleep(max(0.0, end - time.monotonic()))
            in_time = image_pass.newest is not None and not image_pass.ended
            if in_time:
                started = time.perf_counter()
                answer = engine.preempt()
                answers.append(time.perf_counter() - started)
                stopped = time.monotonic()
                assert answer.arrival == image_pass.arrival
            while engine._worker.idle_since < submitted:
                time.sleep(2e-5)
            if in_time:
                stops.append(idle[0] - stopped - stages.max())
                time.sleep(chance.uniform(0.0, 0.001))
                started = time.perf_counter()
                engine.preempt()
                floor.append(time.perf_counter() - started)
        count = min(arguments.instants, 500)
        for _ in range(count):
            firsts.append(next(iter(engine.refine(image))).elapsed - stages[0])
            time.sleep(0.002)
        runner = engine.runner
        wakes = wake_seconds(count)
    found = measuring.gather(arguments.store, f'latency_{units}_{channels}', {
        'answers': answers, 'floor': floor, 'stops': stops, 'firsts': firsts, 'wakes': wakes})
    return {'network': f'({units},{channels})', 'runner': runner,
            'instants': len(found['answers']),
            'longest_stage_ms': round(1e3 * float(stages.max()), 3),
            'preempt_us': measuring.quantiles(found['answers'], 1e6),
            'preempt_when_idle_us': measuring.quantiles(found['floor'], 1e6),
            'stop_beyond_stage_ms': measuring.quantiles(found['stops']),
            'first_beyond_stage_ms': measuring.quantiles(found['firsts']),
            'thread_awake_ms': measuring.quantiles(found['wakes'])}


def main() -> None:
    """Measure, print and write."""
    parser = measuring.parser(__doc__)
    parser.add_argument('--instants', type=int, default=10_000, help='per network (%(default)s)')
    parser.add_argument('--networks', type=measuring.networks, default='9,16+25,32')
    parser.add_argument('--store', type=Path, help='folder that gathers the values of many runs')
    arguments = parser.parse_args()
    result = {'machine': measuring.machine(), 'threads': arguments.threads, 'rows': [
        measure(units, channels, arguments) for units, channels in arguments.networks]}
    measuring.finish(result, arguments.output)


if __name__ == '__main__':
    main()
