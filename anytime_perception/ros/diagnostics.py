"""The node's health on /diagnostics, once a second."""

import math
import os
import resource
import time

from anytime_perception.ros.parameters import PARAMETERS
from anytime_perception.ros.reasons import why_given_up
from anytime_perception.ros.statistics import Statistics
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

_SECONDS = 1.0


class Diagnostics:
    """
    Publishes what a perception node has counted, and whether that is healthy.

    Of several cameras each has a status of its own beside the node's, so that a robot's monitor
    shows which one it is; they stay while the node is inactive, lest they be taken for stale.

    The timer runs on the steady clock, so that it does under paused simulation time, too. The node
    has `engine` (None without), `active`, `trouble`, `intake`, `outputs` and `statistics`.
    """

    def __init__(self, node, steady_clock):
        self._node = node
        self._topics: tuple[str, ...] = ()  # as `intake` has them, or had
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 1)
        node.create_timer(_SECONDS, self.publish, clock=steady_clock)

    def publish(self) -> None:
        """Publish the state of now."""
        node, statistics = self._node, self._node.statistics
        statuses = [self._status('images', self._health(statistics), self._values(statistics))]
        self._topics = node.intake.topics or self._topics
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
        now, name = time.monotonic(), self._node.resolve_topic_name(topic)
        rate = statistics.rates(now).get(topic, math.nan)
        if topic not in self._node.intake.received:
            health = DiagnosticStatus.OK, 'not received'
        elif topic in (silent := self._silent(now)):
            health = DiagnosticStatus.ERROR, f'no image for {silent[topic]:.0f} s'
        elif self._is_slow(rate):
            health = DiagnosticStatus.WARN, f'{rate:.1f} images a second'
        else:
            health = DiagnosticStatus.OK, 'active'
        return self._status(name, health, {
            'images_received': statistics.received_on[topic], 'input_rate_hz': rate})

    def _silent(self, now: float) -> dict[str, float]:
        """Return the topics that have been silent for too long, and for how long."""
        patience = self._node.get_parameter('error_silence_s').value
        silences = {topic: now - camera.heard
                    for topic, camera in self._node.intake.received.items()}
        return {topic: silence for topic, silence in silences.items() if silence > patience}

    def _is_slow(self, rate: float) -> bool:
        return rate < self._node.get_parameter('warn_rate_hz').value

    def _health(self, statistics: Statistics) -> tuple[bytes, str]:
        node = self._node
        if node.trouble:
            return DiagnosticStatus.ERROR, node.trouble
        if node.engine is None:
            return DiagnosticStatus.WARN, 'not configured'
        if reason := why_given_up(node.engine):
            return DiagnosticStatus.ERROR, reason
        patience = node.get_parameter('error_silence_s').value
        if node.engine.stuck_for > patience:
            return DiagnosticStatus.ERROR, \
                f'nothing has come of the image in flight for {node.engine.stuck_for:.0f} s'
        if not node.active:
            return DiagnosticStatus.OK, 'inactive'
        if not node.intake.subscribed:
            return DiagnosticStatus.OK, 'nobody listens (lazy)'
        if silent := self._silent(time.monotonic()):
            return DiagnosticStatus.ERROR, '; '.join(
                f'no image on {node.resolve_topic_name(topic)} for {silence:.0f} s'
                for topic, silence in silent.items())
        return self._compare_with_limits(statistics)

    def _compare_with_limits(self, statistics: Statistics) -> tuple[bytes, str]:
        """Return the worst level that a limit is exceeded at, and what exceeds one."""
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
        for topic, rate in statistics.rates(time.monotonic()).items():
            if self._is_slow(rate):
                level = max(level, DiagnosticStatus.WARN)
                complaints.append(
                    f'{rate:.1f} images a second on {self._node.resolve_topic_name(topic)}')
        return level, '; '.join(complaints) or 'active'

    def _exceeded(self, name: str, value: float) -> bytes:
        for level, kind in ((DiagnosticStatus.ERROR, 'error'), (DiagnosticStatus.WARN, 'warn')):
            limit = f'{kind}_{name}'
            if limit in PARAMETERS and value > self._node.get_parameter(limit).value:
                return level
        return DiagnosticStatus.OK

    def _values(self, statistics: Statistics) -> dict:
        node = self._node
        failed = statistics.bad['failed']
        rate = statistics.rate(time.monotonic())
        values = {
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


def _text(value) -> str:
    if isinstance(value, float):
        return '' if math.isnan(value) else f'{value:.3f}'
    return str(value)
