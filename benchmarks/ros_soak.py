"""
What goes wrong on a robot, again and again: the node stays right, complete and small.

A node in a process of its own; here a camera that changes size and encoding, floods, sends what
can't be used, has wrong stamps and restarts with another QoS, and a planner that preempts, changes
budgets, deactivates and reconfigures. In the end every answer stood under the header of its image,
every image is accounted for, and memory, threads and files have not grown, or it exits with 1.

source scripts/env.sh; python3 benchmarks/ros_soak.py --minutes 60 --output build/ros_soak.json
"""

import array
from pathlib import Path
import random
import sys
import tempfile
import time

from anytime_perception.engine import AnytimeEngine
from anytime_perception.model_file import load, Model, save
from anytime_perception.ros.client import AnytimeClient, PerceptionError
from anytime_perception.ros.intake.decode import to_rgb
from anytime_perception.ros.spin import serving
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from measuring import finish, machine, network, parser
import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_processes import prepare_environment, start_node
from sensor_msgs.msg import Image
from soak_checks import Answers, kinds_of_images, Process

_PERIOD = 1 / 30
_BAD = ({'encoding': 'purple8'}, {'step': 1}, {'width': 0}, {'data': array.array('B', b'abc')})


class Soak(Node):
    """Camera and planner at once, on the main thread, while an executor hears the answers."""

    def __init__(self, answers: Answers, seed: int):
        super().__init__('soak')
        self.random = random.Random(seed)
        self.answers = answers
        self.health: dict[str, str] = {}
        self.done = dict.fromkeys(('sent', 'bad', 'floods', 'camera_restarts', 'preempts',
                                   'budgets', 'refused', 'reactivations', 'reconfigurations'), 0)
        self.perception = AnytimeClient(self, on_refinement=answers.check, timeout=30)
        self._states = self.create_client(ChangeState, 'anytime_perception/change_state')
        self.create_subscription(DiagnosticArray, '/diagnostics', self._take_health, 10)
        self._camera = self._new_camera(ReliabilityPolicy.BEST_EFFORT)

    def _new_camera(self, reliability: ReliabilityPolicy):
        return self.create_publisher(Image, 'image', QoSProfile(depth=1, reliability=reliability))

    def _take_health(self, message: DiagnosticArray) -> None:
        self.health = {entry.key: entry.value for entry in message.status[0].values}

    def shoot(self, count: int, pause: float) -> None:
        """Publish images of random kinds; some have no stamp, or one of the future."""
        for _ in range(count):
            name = self.random.choice(sorted(self.answers.kinds))
            message = self.answers.kinds[name]
            message.header.frame_id = name
            moment = self.random.choice((0.0, time.time(), time.time() + 1000))
            message.header.stamp.sec = int(moment)
            message.header.stamp.nanosec = int(moment % 1 * 1e9)
            self._camera.publish(message)
            self.done['sent'] += 1
            time.sleep(pause)

    # What goes wrong, one at a time.

    def steady(self) -> None:
        self.shoot(60, _PERIOD)

    def flood(self) -> None:
        self.done['floods'] += 1
        self.shoot(500, 0.001)

    def send_bad(self) -> None:
        good = next(iter(self.answers.kinds.values()))
        for change in _BAD:
            message = Image(header=good.header, height=good.height, width=good.width,
                            encoding=good.encoding, step=good.step, data=good.data)
            for field, value in change.items():
                setattr(message, field, value)
            self._camera.publish(message)
            self.done['bad'] += 1
            time.sleep(_PERIOD)

    def restart_camera(self) -> None:
        self.destroy_publisher(self._camera)
        time.sleep(self.random.uniform(0, 1))
        self._camera = self._new_camera(self.random.choice(
            (ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE)))
        self.done['camera_restarts'] += 1
        self.shoot(30, _PERIOD)

    def preempt(self) -> None:
        for _ in range(50):
            self.shoot(1, self.random.uniform(0, _PERIOD))
            answer = self.perception.preempt()
            self.done['preempts'] += 1
            if answer is not None:
                self.answers.check(answer, published=False)

    def change_budgets(self) -> None:
        for _ in range(20):
            seconds = self.random.choice((None, 1e-6, 0.002, 0.01, 1.0))
            try:
                self.perception.set_budget(
                    seconds, current_only=self.random.random() < 0.3)
                self.done['budgets'] += 1
            except PerceptionError:
                self.done['refused'] += 1
            self.shoot(2, _PERIOD)
        self.perception.set_budget(None)

    def reactivate(self) -> None:
        self._settle_and_change(Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE)
        self.done['reactivations'] += 1

    def reconfigure(self) -> None:
        self._settle_and_change(Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP,
                                Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE)
        self.done['reconfigurations'] += 1

    def _settle_and_change(self, *transitions: int) -> None:
        self.account()
        for transition in transitions:
            request = ChangeState.Request(transition=Transition(id=transition))
            if not self._states.call(request, 60).success:
                raise RuntimeError(f'transition {transition} failed')

    def account(self) -> None:
        """Wait until the node has nothing to do; check that its counts add up."""
        received = None
        while received != (received := self.health.get('images_received')):
            time.sleep(1.5)  # diagnostics come once a second
        self.answers.account(self.health)


def soak(node: Soak, process: Process, minutes: float) -> dict:
    """Let things go wrong at random until the time is over; return what was found."""
    if node.perception.wait_for_model(60) is None:
        sys.exit('the node was not configured within a minute')
    faults = (node.steady, node.flood, node.send_bad, node.restart_camera, node.preempt,
              node.change_budgets, node.reactivate, node.reconfigure)
    order: list = []
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end or order:  # every fault as often as every other
        order = order or node.random.sample(faults, len(faults))
        order.pop()()
        process.sample()
    node.account()
    wrong = {text: number for text, number in node.answers.wrong.items() if number}
    return {'wrong': wrong, 'grown': process.grown(), 'node': process.summary(),
            'answers_checked': node.answers.heard, 'images_accounted': node.answers.accounted,
            'done': node.done}


def main() -> int:
    """Run until the time is over; print and write what was found."""
    arguments = parser(__doc__)
    arguments.add_argument('--minutes', type=float, default=60, help='(%(default)s)')
    arguments.add_argument('--seed', type=int, default=0, help='of what happens (%(default)s)')
    options = arguments.parse_args()
    prepare_environment()
    rclpy.init()
    kinds = kinds_of_images()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'model.safetensors')
        save(path, Model.bare(network(3, 16)))
        with AnytimeEngine(load(path)) as engine:
            answers = Answers(kinds, {
                name: [refinement.probabilities for refinement in engine.refine(to_rgb(message))]
                for name, message in kinds.items()})
        served = start_node('anytime_perception', path, '-p', 'top_k:=10')
        try:
            with serving(Soak(answers, options.seed)) as node:
                result = soak(node, Process(served.pid), options.minutes)
                node.perception.close()
        finally:
            served.terminate()
            status = served.wait(30)
    rclpy.shutdown()
    passed = not (result['wrong'] or result['grown'] or status)
    finish({'machine': machine(), 'minutes': options.minutes, 'passed': passed,
            'node_exit_status': status, **result}, options.output)
    return 0 if passed else 1


if __name__ == '__main__':
    sys.exit(main())
