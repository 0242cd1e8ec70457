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

    The timer runs on the steady clock, so that it does under paused simulation time, too. The node
    has `engine` (None without), `active`, `trouble`, `intake`, `outputs` and `statistics`.
    """

    def __init__(self, node, steady_clock):
        self._node = node
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 1)
        node.create_timer(_SECONDS, self.publish, clock=steady_clock)

    def publish(self) -> None:
        """Publish the state of now."""
        node = self._node
        level, summary = self._health(node.statistics)
        status = DiagnosticStatus(
            level=level, message=summary,
            name=f'{node.get_fully_qualified_name().lstrip("/")}: images',
            hardware_id=str(node.engine.device) if node.engine is not None else '',
            values=[KeyValue(key=key, value=_text(value))
                    for key, value in self._values(node.statistics).items()])
        message = DiagnosticArray(status=[status])
        message.header.stamp = node.get_clock().now().to_msg()
        self._publisher.publish(message)

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
        if silent := node.intake.silent(patience):
            now = time.monotonic()
            return DiagnosticStatus.ERROR, '; '.join(
                f'no image on {topic.full_name} for {now - topic.heard:.0f} s' for topic in silent)
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
        rate = statistics.rate(time.monotonic())
        if rate < self._node.get_parameter('warn_rate_hz').value:
            level = max(level, DiagnosticStatus.WARN)
            complaints.append(f'{rate:.1f} images a second')
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
