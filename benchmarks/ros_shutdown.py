"""
How long the node takes to end, in every state: by the transition shutdown, and by SIGTERM.

A network of 27 exits; when it is active, a camera of 30 Hz keeps it busy. Needs the environment:
source scripts/env.sh.

python3 benchmarks/ros_shutdown.py --output build/ros_shutdown.json
"""

from pathlib import Path
import sys
import tempfile
import time

from anytime_perception.model_file import Model, save
from anytime_perception.ros.client import AnytimeClient
from anytime_perception.ros.spin import serving
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from measuring import finish, machine, network, parser, quantiles
import rclpy
from rclpy.node import Node
from ros_processes import (
    new_name, prepare_environment, start, start_node, stop, until, WAIT_S)

_CONFIGURE, _ACTIVATE = Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE
# Of each state: what leads there, and its shutdown.
_STATES = {
    'unconfigured': ((), Transition.TRANSITION_UNCONFIGURED_SHUTDOWN),
    'inactive': ((_CONFIGURE,), Transition.TRANSITION_INACTIVE_SHUTDOWN),
    'active': ((_CONFIGURE, _ACTIVATE), Transition.TRANSITION_ACTIVE_SHUTDOWN)}


def main() -> None:
    """Measure every state a few times; print and write what was found."""
    arguments = parser(__doc__)
    arguments.add_argument('--times', type=int, default=5, help='for each (%(default)s)')
    options = arguments.parse_args()
    prepare_environment()
    rclpy.init()
    found: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder, 'model.safetensors')
        save(model, Model.bare(network(9, 64)))
        for _ in range(options.times):
            for state in _STATES:
                for how in ('transition', 'sigterm'):
                    found.setdefault((state, how), []).append(measure(model, state, how))
    rclpy.shutdown()
    finish({'machine': machine(), 'network': '(9, 64)', 'times': options.times,
            'ms': {f'{state}, {how}': quantiles(seconds)
                   for (state, how), seconds in found.items()}}, options.output)


def measure(model: Path, state: str, how: str) -> float:
    """Return the seconds that a node takes to end in a state."""
    way, shutdown = _STATES[state]
    name = new_name()
    served = start_node(name, model, '-p', 'autostart:=false')
    camera = start('camera', 640, 480, 'raw', 30.0) if state == 'active' else None
    with serving(Node('benchmark')) as node:
        client = node.create_client(ChangeState, f'{name}/change_state')
        client.wait_for_service(WAIT_S)
        for transition in way:
            change(client, transition)
        if camera is not None:
            perception = AnytimeClient(node, name)
            until(lambda: perception.newest is not None)
            perception.close()
        started = time.perf_counter()
        if how == 'transition':
            change(client, shutdown)
            seconds = time.perf_counter() - started
        served.terminate()
        status = served.wait(WAIT_S)
        if how == 'sigterm':
            seconds = time.perf_counter() - started
    if status:
        sys.exit(f'the node ended with status {status}')
    if camera is not None:
        stop(camera)
    return seconds


def change(client, transition: int) -> None:
    """Make a transition, or end."""
    request = ChangeState.Request(transition=Transition(id=transition))
    if not client.call(request, WAIT_S).success:
        sys.exit(f'the transition {transition} failed')


if __name__ == '__main__':
    main()
