"""
How long after its start a node answers a camera, and the memory it takes, beside its imports.

The baseline is a process that imports torch, OpenVINO, OpenCV and rclpy, and ends. A camera of
30 Hz is there already. Needs the environment: source scripts/env.sh.

python3 benchmarks/ros_startup.py --output build/ros_startup.json
"""

import os
from pathlib import Path
import subprocess
import sys
import time

from anytime_perception.ros.client import AnytimeClient
from anytime_perception.ros.spin import serving
from measuring import finish, machine, parser, quantiles
import rclpy
from rclpy.node import Node
from ros_processes import new_name, prepare_environment, start, start_node, stop, until

_IMPORTS = 'import cv2, openvino, rclpy, torch'
_MODELS = Path(__file__).parent.parent / 'models'
_SETTLED = 3.0  # seconds after the first answer, when memory is looked at


def main() -> None:
    """Start the imports and a node with each model in turns; print and write what was found."""
    arguments = parser(__doc__)
    arguments.add_argument('--times', type=int, default=7, help='for each (%(default)s)')
    arguments.add_argument('--models', type=Path, nargs='+', metavar='FILE',
                           default=sorted(_MODELS.glob('*.safetensors')),
                           help='model files (those of models/)')
    options = arguments.parse_args()
    prepare_environment()
    rclpy.init()
    camera = start('camera', 640, 480, 'raw', 30.0)
    names = ['imports alone', *(model.stem for model in options.models)]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    mebibytes: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(options.times):
        for name, found in zip(names, [imports(), *map(answer, options.models)]):
            seconds[name].append(found[0])
            mebibytes[name].append(found[1])
    stop(camera)
    rclpy.shutdown()
    result = {name: {'seconds': quantiles(seconds[name], 1), 'mib': quantiles(mebibytes[name], 1)}
              for name in names}
    for found in result.values():
        found['times_the_imports'] = {
            unit: round(found[unit]['p50'] / result['imports alone'][unit]['p50'], 2)
            for unit in ('seconds', 'mib')}
    finish({'machine': machine(), 'times': options.times, 'of': result}, options.output)


def imports() -> tuple[float, float]:
    """Return the seconds and the MiB that a process takes which only imports."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, '-c', _IMPORTS])
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f'the imports ended with status {process.returncode}')
    return seconds, usage.ru_maxrss / 1024


def answer(model: Path) -> tuple[float, float]:
    """Return the seconds from a node's start to its first answer, and the MiB it then holds."""
    name = new_name()
    with serving(Node('benchmark')) as node:
        heard = []
        perception = AnytimeClient(
            node, name, on_refinement=lambda _: heard.append(time.perf_counter()))
        started = time.perf_counter()
        served = start_node(name, model)
        until(lambda: heard)
        time.sleep(_SETTLED)
        mebibytes = resident(served.pid)
        perception.close()
    served.terminate()
    if served.wait(60):
        sys.exit(f'the node ended with status {served.returncode}')
    return heard[0] - started, mebibytes


def resident(process: int) -> float:
    """Return how many MiB of memory a process holds."""
    lines = Path(f'/proc/{process}/status').read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith('VmRSS:'))


if __name__ == '__main__':
    main()
