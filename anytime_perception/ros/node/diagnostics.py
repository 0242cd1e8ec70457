"""The node's health on /diagnostics, once a second."""

import math
import os
import resource
import time

from anytime_perception.ros.intake.image_intake import ImageIntake
from anytime_perception.ros.node.host import Host
from anytime_perception.ros.node.parameters import PARAMETERS
from anytime_perception.ros.node.reasons import engine_failure
from anytime_perception.ros.node.statistics import Statistics
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock

_SECONDS = 1.0


class Diagnostics:
    """
    Publishes what a perception node has counted, and whether that is healthy.

    If there are several cameras, each has a status of its own beside the node's, so that a robot's
    monitor shows which one is unhealthy. These are published while the node is inactive, too, lest
    they be taken for stale.

    The timer runs on the steady clock, so also while simulation time is paused.
    """

    def __init__(self, node: Host, intake: ImageIntake, steady_clock: Clock):
        self._node = node
        self._intake = intake
        self._topics: tuple[str, ...] = ()  # as `intake` has them, or had
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 1)
        node.create_timer(_SECONDS, self.publish, clock=steady_clock)

    def publish(self) -> None:
        """Publish the current state."""
        node, statistics = self._node, self._node.statistics
        statuses = [self._status('images', self._health(statistics), self._values(statistics))]
        self._topics = self._intake.topics if node.active else self._topics
        if len(self._topics) > 1:
            statuses += [self._camera(statistics, topic) for topic in self._topics]
        message = DiagnosticArray(status=statuses)
        message.header.stamp = node.get_clock().now().to_msg()
        self._publisher.publish(message)

    def _status(self, name: str, health: tuple[bytes, str], values: dict) -> DiagnosticStatus:
        node = self._node
        return DiagnosticStatus(
            name=f'{node.get_fully_qualified_name().lstrip("/")}: {name}',
            level=health[0], message=health[1],
            hardware_id=str(node.engine.device) if node.engine is not None else '',
            values=[KeyValue(key=key, value=_text(value)) for key, value in values.items()])

    def _camera(self, statistics: Statistics, topic: str) -> DiagnosticStatus:
        rate = statistics.rates(time.monotonic()).get(topic, math.nan)
        return self._status(
            self._node.resolve_topic_name(topic), self._camera_health(statistics, topic),
            {'images_received': statistics.received_on[topic], 'input_rate_hz': rate})

    def _camera_health(self, statistics: Statistics, topic: str,
                       place: str = '') -> tuple[bytes, str]:
        """Return the level of one camera, and why; `place` tells which, where it must."""
        node, now = self._node, time.monotonic()
        if topic not in self._intake.received:
            return DiagnosticStatus.OK, 'not received'
        silence = now - self._intake.received[topic].heard
        if silence > node.get_parameter('error_silence_s').value:
            return DiagnosticStatus.ERROR, f'no image{place} for {silence:.0f} s'
        rate = statistics.rates(now).get(topic, math.nan)
        if rate < node.get_parameter('warn_rate_hz').value:
            return DiagnosticStatus.WARN, f'{rate:.1f} images a second{place}'
        return DiagnosticStatus.OK, 'active'

    def _cameras_at(self, level: bytes, statistics: Statistics) -> list[str]:
        """Return what is said of each camera whose health is at `level`."""
        node = self._node
        healths = [self._camera_health(statistics, topic, f' on {node.resolve_topic_name(topic)}')
                   for topic in self._intake.received]
        return [text for found, text in healths if found == level]

    def _health(self, statistics: Statistics) -> tuple[bytes, str]:
        node = self._node
        if node.trouble:
            return DiagnosticStatus.ERROR, node.trouble
        if node.engine is None:
            return DiagnosticStatus.WARN, 'not configured'
        if reason := engine_failure(node.engine):
            return DiagnosticStatus.ERROR, reason
        if node.engine.stuck_for > node.get_parameter('error_silence_s').value:
            return DiagnosticStatus.ERROR, \
                f'nothing has come of the image in flight for {node.engine.stuck_for:.0f} s'
        if not node.active:
            return DiagnosticStatus.OK, 'inactive'
        if self._intake.topics and not self._intake.subscribed:
            return DiagnosticStatus.OK, 'nobody listens (lazy)'
        if silent := self._cameras_at(DiagnosticStatus.ERROR, statistics):
            return DiagnosticStatus.ERROR, '; '.join(silent)
        return self._compare_with_limits(statistics)

    def _compare_with_limits(self, statistics: Statistics) -> tuple[bytes, str]:
        """Return the worst level at which a limit is exceeded, and what exceeds one."""
        age, memory = statistics.age(0.5) * 1e3, _memory_mb()
        measures = {
            'bad': (statistics.dropped_share, 'of the images were dropped as unusable'),
            'replaced': (statistics.replaced_share, 'of the images were replaced by newer ones'),
            'lost': (statistics.lost_share, 'of the images were lost on the way'),
            'missed': (statistics.missed_share, 'of the deadlines were missed'),
            'age_ms': (age, f'images are {age:.0f} ms old when they arrive'),
            'memory_mb': (memory, f'{memory:.0f} MiB of memory')}
        level, complaints = DiagnosticStatus.OK, []
        for name, (value, text) in measures.items():
            exceeded = self._exceeded(name, value)
            if exceeded != DiagnosticStatus.OK:
                level = max(level, exceeded)
                complaints.append(text if name.endswith(('_ms', '_mb')) else f'{value:.1%} {text}')
        if slow := self._cameras_at(DiagnosticStatus.WARN, statistics):
            level = max(level, DiagnosticStatus.WARN)
            complaints += slow
        return level, '; '.join(complaints) or (
            'active' if self._intake.topics else 'active, for goals only (no image_topics)')

    def _exceeded(self, name: str, value: float) -> bytes:
        for level, kind in ((DiagnosticStatus.ERROR, 'error'), (DiagnosticStatus.WARN, 'warn')):
            limit = f'{kind}_{name}'
            if limit in PARAMETERS and value > self._node.get_parameter(limit).value:
                return level
        return DiagnosticStatus.OK

    def _values(self, statistics: Statistics) -> dict[str, object]:
        node = self._node
        failed = statistics.bad['failed']
        rate = statistics.rate(time.monotonic())
        values: dict[str, object] = {
            'images_received': statistics.received,
            'images_lost': statistics.lost,
            'images_bad': statistics.dropped - failed,
            **{f'images_bad ({kind})': number for kind, number in statistics.reasons().items()
               if kind != 'failed'},
            'images_replaced': statistics.replaced,
            'images_started': statistics.started,
            'images_failed': failed,
            'images_stale': statistics.stale,
            'images_unstamped': statistics.unstamped,
            'images_from_the_future': statistics.future,
            'input_rate_hz': rate,
            'age_at_arrival_p50_ms': statistics.age(0.5) * 1e3,
            'age_at_arrival_p95_ms': statistics.age(0.95) * 1e3,
            'oldest_start_ms': statistics.oldest_start * 1e3,
            'refinements': statistics.published,
            'deadlines': statistics.budgeted,
            'deadlines_missed': statistics.missed,
            'preempts': statistics.preempts,
            'preempt_p50_ms': statistics.preempt(0.5) * 1e3,
            'preempt_p95_ms': statistics.preempt(0.95) * 1e3,
            'preempt_p99_ms': statistics.preempt(0.99) * 1e3,
            'preempt_max_ms': statistics.preempt(1.0) * 1e3,
            'memory_mb': _memory_mb(),
            'peak_memory_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        if node.engine is not None:
            model, profile = node.engine.model, node.engine.profile
            values['model'], values['model_sha256'] = model.name, model.sha256
            values['runner'] = node.engine.runner
            values['budget_ms'] = node.engine.budget.seconds * 1e3
            for index, profiled in enumerate(profile.median):
                values[f'exit {index} images'] = statistics.exits[index]
                values[f'exit {index} median_ms'] = statistics.elapsed(index) * 1e3
                values[f'exit {index} profile_ms'] = float(profiled) * 1e3
        return values


def _memory_mb() -> float:
    """Return the memory this process holds now, in MiB."""
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE') / 2**20


def _text(value: object) -> str:
    if isinstance(value, float):
        return '' if math.isnan(value) else f'{value:.3f}'
    return str(value)
