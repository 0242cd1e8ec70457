"""A budget that follows the robot's speed: who moves fast must decide soon."""

from collections.abc import Callable
import math
import time

from anytime_perception.ros.qos import NEWEST
from geometry_msgs.msg import TwistStamped, Vector3
import numpy as np
from rclpy.clock import Clock
from rclpy.node import Node
from rclpy.timer import Timer

try:
    from nav_msgs.msg import Odometry
except ImportError:
    Odometry = None

_STALE = 1.0     # seconds after which a speed is too old
_PATIENCE = 5.0  # seconds without a speed before that is worth a word


def speed_table(text: str) -> list[tuple[float, float]]:
    """
    Return the points (speed in m/s, budget in ms) of a text like '0:100, 0.5:40, 2:10'.

    Raises
    ------
    ValueError: if it is not such a text, speeds do not grow, or a budget is not positive and
        finite.

    """
    points = []
    for pair in filter(None, (pair.strip() for pair in text.split(','))):
        left, colon, right = pair.partition(':')
        try:
            points.append((float(left), float(right)))
        except ValueError:
            colon = ''
        if not colon:
            raise ValueError(f'speed_budgets has {pair!r}; it must be pairs SPEED:BUDGET in m/s '
                             "and ms, such as '0:100, 0.5:40, 2:10'")
    for (speed, budget), (before, _) in zip(points, [(-math.inf, 0.0), *points]):
        if not before < speed < math.inf or speed < 0:
            raise ValueError(f'speed_budgets has speed {speed:g} m/s; speeds must be at least 0, '
                             'and grow')
        if not 0 < budget < math.inf:
            raise ValueError(f'speed_budgets has budget {budget:g} ms; it must be above 0 and '
                             'finite')
    return points


class SpeedBudget:
    """
    Maps the speed heard on `speed` (TwistStamped) or `odometry` to a budget.

    Between the points of the table it is interpolated. Without a speed that is at most a second
    old, the robot may be at its fastest: the shortest budget of the table holds.

    Parameters
    ----------
    node: that listens.
    steady_clock: on which a speed becomes old.
    changed: called when there is a new speed, and when the last one becomes too old.
    warn: called with the kind of a warning and its text; is expected to say each kind once.

    """

    def __init__(self, node: Node, steady_clock: Clock, changed: Callable[[], None],
                 warn: Callable[[str, str], None]):
        self._node = node
        self._clock = steady_clock
        self._changed = changed
        self._warn = warn
        self._started = math.inf
        self._table: list[tuple[float, float]] = []
        self._speed = math.inf
        self._heard = -math.inf
        self._subscriptions: list = []
        self._stale: Timer | None = None  # while there is a table

    def start(self, table: str) -> None:
        """Begin to listen if there is a `table`, a text as for `speed_table`."""
        self._table = speed_table(table)
        if not self._table:
            return
        self._started = time.monotonic()
        self._stale = self._node.create_timer(_STALE, self._changed, clock=self._clock)
        self._subscriptions = [self._node.create_subscription(
            TwistStamped, 'speed', self._hear_twist, NEWEST)]
        if Odometry is not None:
            self._subscriptions.append(self._node.create_subscription(
                Odometry, 'odometry', self._hear_odometry, NEWEST))

    def stop(self) -> None:
        """Stop listening."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        if self._stale is not None:
            self._node.destroy_timer(self._stale)
        self._stale, self._subscriptions, self._table = None, [], []

    def watch(self) -> None:
        """Warn if no speed comes; to be called regularly."""
        if self._table and time.monotonic() > max(self._heard, self._started) + _PATIENCE:
            topics = ' and '.join(subscription.topic_name for subscription in self._subscriptions)
            self._warn('no speed', f'speed_budgets is set, but no speed has come for '
                       f'{_PATIENCE:g} s on {topics}; without one the shortest budget holds, '
                       f'{self.shortest_ms:g} ms; remap speed (TwistStamped)'
                       f'{"" if Odometry is None else " or odometry (Odometry)"} to where the '
                       'robot publishes it')

    @property
    def shortest_ms(self) -> float:
        """The shortest budget of the table, inf without one."""
        return min((budget for _, budget in self._table), default=math.inf)

    @property
    def budget_ms(self) -> float:
        """The budget for the speed now, inf without a table."""
        if not self._table:
            return math.inf
        speeds, budgets = zip(*self._table)
        if time.monotonic() >= self._heard + _STALE:
            return self.shortest_ms
        return float(np.interp(self._speed, speeds, budgets))

    def _hear_twist(self, message: TwistStamped) -> None:
        self._hear(message.twist.linear)

    def _hear_odometry(self, message: 'Odometry') -> None:
        self._hear(message.twist.twist.linear)

    def _hear(self, velocity: Vector3) -> None:
        speed = math.hypot(velocity.x, velocity.y, velocity.z)
        if math.isfinite(speed) and self._stale is not None:
            self._speed, self._heard = speed, time.monotonic()
            self._stale.reset()
            self._changed()
