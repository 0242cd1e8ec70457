"""The services with which a planner controls the budget."""

from collections.abc import Sequence
import math
import time

from anytime_perception import engine
from anytime_perception.ros.intake.image_intake import ImageIntake
from anytime_perception.ros.node import parameters
from anytime_perception.ros.node.host import Host
from anytime_perception.ros.node.outputs import Outputs
from anytime_perception.ros.node.promise import last_exit
from anytime_perception.ros.node.reasons import budget_refusal, engine_failure, inactive_reason
from anytime_perception.ros.node.speed import SpeedBudget
from anytime_perception.srv import Preempt, SetBudget
from rclpy.parameter import Parameter


class Control:
    """Serves ~/set_budget and ~/preempt of a perception node."""

    def __init__(self, node: Host, intake: ImageIntake, outputs: Outputs, speed: SpeedBudget):
        self._node = node
        self._intake, self._outputs, self._speed = intake, outputs, speed
        node.create_service(SetBudget, '~/set_budget', self._set_budget)
        node.create_service(Preempt, '~/preempt', self._preempt)

    def _preempt(self, request: Preempt.Request, response: Preempt.Response) -> Preempt.Response:
        started = time.monotonic()
        response.age_ms = math.nan
        if not self._node.active:
            response.message = inactive_reason(self._node)
            return response
        if reason := engine_failure(self._node.running):
            response.message = reason
            return response
        try:
            topics = self._cameras(request.image_topic)
        except ValueError as error:
            response.message = str(error)
            return response
        response.accepted = True
        answers = [self._node.running.preempt(topic) for topic in topics]
        newest = max(filter(None, answers), default=None,
                     key=lambda answer: answer.arrival + answer.elapsed)
        if newest is None:
            response.message = 'nothing was answered yet'
            return response
        response.success = True
        response.refinement = self._outputs.message(newest)
        response.age_ms = (time.monotonic() - newest.arrival) * 1e3
        self._node.statistics.count_preempt(time.monotonic() - started)
        return response

    def _set_budget(self, request: SetBudget.Request,
                    response: SetBudget.Response) -> SetBudget.Response:
        node, running = self._node, self._node.engine
        current_only = request.scope == SetBudget.Request.CURRENT_IMAGE
        response.exit_index = -1
        response.expected_latency_ms = response.expected_p99_ms = math.nan
        response.expected_accuracy = math.nan
        topics = self._intake.topics  # of the images that the budget is for
        if running is None:
            reason = node.trouble or 'the node is not configured; configure it first'
        elif running.failure is not None:
            reason = engine_failure(running)
        elif current_only and not node.active:
            reason = inactive_reason(node)
        elif current_only:
            reason = budget_refusal(running, request.budget_ms)
            if not reason:
                reason, changed = self._set_current(request.budget_ms, request.image_topic)
                topics = changed or topics
        elif request.image_topic:
            reason = (f'image_topic is {request.image_topic!r}, but the budget of every image is '
                      'that of all cameras; leave it out, or set scope to 1 (CURRENT_IMAGE)')
        elif request.scope == SetBudget.Request.EVERY_IMAGE:
            result = node.set_parameters([Parameter('budget_ms', value=request.budget_ms)])[0]
            reason = result.reason
        else:
            reason = f'the scope is {request.scope}; allowed: 0 (EVERY_IMAGE), 1 (CURRENT_IMAGE)'
        response.accepted = not reason
        response.message = reason
        budget_ms = node.get_parameter('budget_ms').value
        # A node that could not be configured may have any value there.
        response.budget_ms = (math.nan if parameters.reason_against('budget_ms', budget_ms)
                              else float(budget_ms))
        if running is not None:
            if response.accepted and current_only:
                response.budget_ms = request.budget_ms
            else:
                response.budget_ms = min(response.budget_ms, self._speed.budget_ms)
            index, doubts = last_exit(
                running, response.budget_ms, node.statistics.spent(0.99),
                node.statistics.period_of(topics, time.monotonic()))
            response.message = reason or '; '.join(filter(None, (
                _shortened(request.budget_ms, response.budget_ms), doubts)))
            if index is not None:
                _expect(running, index, response)
        return response

    def _set_current(self, budget_ms: float, camera: str) -> tuple[str, tuple[str, ...]]:
        """
        Set the budget of the camera image in flight.

        Returns why not, empty if there is one, and the topic that it is of (several: unlikely, as
        one image ended meanwhile).
        """
        try:
            topics = self._cameras(camera)
        except ValueError as error:
            return str(error), ()
        changed = tuple(topic for topic in topics
                        if self._node.running.set_current_budget(budget_ms / 1e3, topic))
        return '' if changed else 'no image is in flight that has not been told to stop', changed

    def _cameras(self, name: str) -> Sequence[str]:
        """
        Return the camera topics that are meant by `name`, short or in full; with '' all of them.

        Goals of ~/classify are not among them: they have an answer and an end of their own.

        Raises
        ------
        ValueError: if there is no such camera.

        """
        node, topics = self._node, self._intake.topics
        meant = [topic for topic in topics
                 if name in ('', topic) or name == node.resolve_topic_name(topic)]
        if name and not meant:
            raise ValueError(f'image_topic is {name!r}; allowed: {", ".join(topics) or "none"}, '
                             'or empty for all')
        return meant


def _shortened(asked_ms: float, budget_ms: float) -> str:
    """Return that the robot's speed allows less than was asked for; empty if it does not."""
    return '' if budget_ms >= asked_ms else \
        f"the robot's speed allows {budget_ms:g} ms at present (speed_budgets)"


def _expect(running: engine.AnytimeEngine, index: int, response: SetBudget.Response) -> None:
    """Fill in what is expected of exit `index` on this device."""
    profile, measured = running.profile, running.model.measured
    response.exit_index = index
    response.expected_latency_ms = profile.median[index] * 1e3
    response.expected_p99_ms = profile.p99[index] * 1e3
    if measured is not None:
        response.expected_accuracy = 1 - measured.error[index]
