"""
Over DDS, against a node that computes in its subscription's callback, in one run, in turns.

For images of 640x480 and 1920x1080, raw and compressed, at 30 Hz: image published to first answer
received; round trip of ~/preempt; periods missed by a 100 Hz timer in the node's own executor.
Three processes (camera, node, planner). Needs the environment: source scripts/env.sh.

python3 benchmarks/ros_latency.py --output build/ros_latency.json
"""

from pathlib import Path
import random
import sys
import tempfile
import threading
import time

from anytime_perception.model_file import Model, save
from anytime_perception.msg import Refinement
from anytime_perception.ros.client import AnytimeClient, PerceptionError
from anytime_perception.ros.spin import serving
from measuring import finish, machine, network, parser, quantiles
import rclpy
from rclpy.node import Node
from ros_processes import prepare_environment, start, stop

_SIZES = ((640, 480), (1920, 1080))
_RATE = 30.0


def main() -> None:
    """Measure every kind of image with both nodes, and print the numbers side by side."""
    arguments = parser(__doc__)
    arguments.add_argument('--seconds', type=float, default=10, help='for each (%(default)s)')
    arguments.add_argument('--units', type=int, default=9, help='per block (%(default)s)')
    arguments.add_argument('--channels', type=int, default=64, help='(%(default)s)')
    options = arguments.parse_args()
    prepare_environment()
    result = {'machine': machine(), 'network': f'({options.units}, {options.channels})',
              'camera_hz': _RATE, 'seconds': options.seconds, 'kinds': {}}
    rclpy.init()
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, 'model.safetensors')
        save(model, Model.bare(network(options.units, options.channels)))
        for width, height in _SIZES:
            for transport in ('raw', 'compressed'):
                kind = {which: measure(which, model, width, height, transport, options.seconds)
                        for which in ('ours', 'callback')}
                kind['times_quicker'] = {
                    name: round(kind['callback'][name]['p99'] / kind['ours'][name]['p99'], 1)
                    for name in ('first_answer_ms', 'preempt_ms')}
                result['kinds'][f'{width}x{height} {transport}'] = kind
    rclpy.shutdown()
    finish(result, options.output)


def measure(which: str, model: Path, width: int, height: int, transport: str,
            seconds: float) -> dict:
    """Return what a planner sees of one node, and what a timer beside it missed."""
    first: dict[tuple[int, int], float] = {}

    def heard(refinement: Refinement) -> None:
        stamp = refinement.header.stamp
        first.setdefault((stamp.sec, stamp.nanosec),
                         time.time() - stamp.sec - stamp.nanosec / 1e9)

    served = start(which, model, transport)
    with serving(Node('benchmark_planner')) as node:
        perception = AnytimeClient(node, on_refinement=heard, timeout=20)
        camera = start('camera', width, height, transport, _RATE)
        end = time.monotonic() + 60
        while not first:
            if time.monotonic() > end:
                sys.exit(f'{which} answered no image within a minute')
            time.sleep(0.1)
        time.sleep(1.0)  # for what is only slow at the beginning
        first.clear()
        round_trips = demand(perception, seconds)
        perception.close()
    sent, ticks = stop(camera), stop(served)
    return {'answered_share': round(len(first) / (seconds * _RATE), 3),
            'first_answer_ms': quantiles(list(first.values())),
            'preempt_ms': quantiles(round_trips), 'camera_sent': sent['sent'],
            'timer_missed_share': round(ticks['missed'] / (ticks['ticks'] + ticks['missed']), 5)}


def demand(perception: AnytimeClient, seconds: float) -> list[float]:
    """Preempt at random moments; return how long each answer took, in seconds."""
    moments, round_trips = random.Random(0), []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        threading.Event().wait(moments.expovariate(25))
        started = time.perf_counter()
        try:
            perception.preempt()
        except PerceptionError as error:
            sys.exit(str(error))
        round_trips.append(time.perf_counter() - started)
    return round_trips


if __name__ == '__main__':
    main()
