"""
The perception node: camera images in, successively refined classifications out.

The executor thread only stores the newest image, flips state and reads the newest refinement; the
engine's worker thread decodes, computes and publishes. That is why services answer while the
network runs.
"""

import math
import traceback

from anytime_perception import engine, model_file
from anytime_perception.msg import ModelInfo, Refinement
from anytime_perception.ros import parameters
from anytime_perception.ros.images import BadImageError, check_image, to_rgb
from anytime_perception.ros.messages import model_info_message, refinement_message
from anytime_perception.ros.parameters import Read
from anytime_perception.ros.spin import spin
from anytime_perception.ros.statistics import LogOnce, now, Statistics
from anytime_perception.srv import Preempt, SetBudget
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rcl_interfaces.msg import SetParametersResult
import rclpy
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from sensor_msgs.msg import CompressedImage, Image

_IMAGE_TYPES = {'raw': Image, 'compressed': CompressedImage}
_RELIABILITY = {
    'best_effort': ReliabilityPolicy.BEST_EFFORT, 'reliable': ReliabilityPolicy.RELIABLE}


class PerceptionNode(LifecycleNode):
    """
    Lifecycle node around an AnytimeEngine.

    configure loads the model, checks and measures it; activate subscribes; deactivate keeps the
    weights; cleanup frees them.
    """

    def __init__(self, **kwargs):
        super().__init__('anytime_perception', **kwargs)
        parameters.declare_parameters(self)
        self._engine: engine.AnytimeEngine | None = None
        self._statistics = Statistics()
        self._log_once = LogOnce()
        self._top_k = self.get_parameter('top_k').value
        self._active = False

        self._refinements = self.create_publisher(Refinement, '~/refinements', 50)
        self._model_info = self.create_publisher(
            ModelInfo, '~/model_info',
            QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL))
        self._diagnostics = self.create_publisher(DiagnosticArray, '/diagnostics', 1)
        self.create_timer(1.0, self._publish_diagnostics)
        self.create_service(SetBudget, '~/set_budget', self._set_budget)
        self.create_service(Preempt, '~/preempt', self._preempt)
        self.add_on_set_parameters_callback(self._check_parameters)
        self._subscription = None

        if self.get_parameter('autostart').value:
            if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
                self.trigger_activate()

    # Transitions. An exception inside one would be swallowed without a trace, so each is caught
    # and logged.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """
        Load the model, check it, and measure it on the device.

        FAILURE leaves the node unconfigured.
        """
        try:
            path = self.get_parameter('model').value
            if not path:
                raise model_file.ModelFileError(
                    'the parameter model is empty; set it to the path of a model file')
            model = model_file.load(path)
            self._check_values()
            self._engine = engine.AnytimeEngine(
                model, self.get_parameter('device').value,
                threads=self.get_parameter('threads').value)
        except ValueError as error:
            self.get_logger().error(f'cannot configure: {error}')
            return TransitionCallbackReturn.FAILURE
        except Exception:
            self.get_logger().error(f'cannot configure:\n{traceback.format_exc()}')
            return TransitionCallbackReturn.FAILURE
        for name in ('budget_ms', 'confidence', 'top_k'):
            self._apply(name, self.get_parameter(name).value)
        if reason := self._why_not(self.get_parameter('budget_ms').value):
            self.get_logger().warning(
                f'{reason}; images will be refined up to that exit all the same')
        profile, device = self._engine.profile, str(self._engine.device)
        self._model_info.publish(
            model_info_message(model, device, profile, self.get_clock().now().to_msg()))
        self.get_logger().info(
            f'{model.name} on {device}: {len(profile.median)} exits, the first after '
            f'{profile.median[0] * 1e3:.1f} ms, the last after {profile.median[-1] * 1e3:.1f} ms')
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the camera."""
        try:
            self._check_values()
        except ValueError as error:
            self.get_logger().error(f'cannot activate: {error}')
            return TransitionCallbackReturn.FAILURE
        self._statistics = Statistics()
        self._log_once = LogOnce()
        self._active = True
        # Depth one: a queue would only hold images that are too old to be worth an answer.
        qos = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
                         reliability=_RELIABILITY[self.get_parameter('reliability').value])
        self._subscription = self.create_subscription(
            _IMAGE_TYPES[self.get_parameter('image_transport').value], 'image',
            self._take_image, qos)
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and stop the image in flight; the model stays loaded."""
        self._unsubscribe()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything, from whatever state."""
        self._unsubscribe()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def close(self) -> None:
        """Stop the worker before the node is destroyed."""
        self._unsubscribe()
        self._release()

    def _unsubscribe(self) -> None:
        self._active = False
        if self._subscription is not None:
            self.destroy_subscription(self._subscription)
            self._subscription = None
        if self._engine is not None:
            self._engine.preempt()

    def _release(self) -> None:
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    # Images: stored here, refined and published on the engine's worker thread.

    def _take_image(self, message: Image | CompressedImage) -> None:
        arrival = now()
        self._statistics.count_arrival(arrival)
        try:
            check_image(message)
        except BadImageError as error:
            self._count_bad(error)
            return
        self._engine.submit(
            lambda: self._decode(message), arrival=arrival, tag=message.header,
            on_refinement=self._publish, on_failure=self._count_bad)

    def _decode(self, message: Image | CompressedImage):
        age = (self.get_clock().now() - Time.from_msg(message.header.stamp)).nanoseconds / 1e9
        self._statistics.count_start(age)
        return to_rgb(message)

    def _publish(self, refinement: engine.Refinement) -> None:
        if rclpy.ok(context=self.context):
            self._refinements.publish(self._message(refinement))
            self._statistics.refinements += 1

    def _message(self, refinement: engine.Refinement) -> Refinement:
        return refinement_message(
            refinement, refinement.tag, self._engine.model.class_ids, self._top_k)

    def _count_bad(self, error: Exception) -> None:
        kind = error.kind if isinstance(error, BadImageError) else 'failed'
        self._statistics.bad[kind] += 1
        self._log_once(self.get_logger().error, kind, f'an image was dropped: {error} '
                       f'(reported once; /diagnostics counts them)')

    # Services.

    def _preempt(self, _request: Preempt.Request, response: Preempt.Response) -> Preempt.Response:
        started = now()
        newest = self._engine.preempt() if self._active else None
        if newest is None:
            response.message = ('nothing was answered yet' if self._active else
                                'the node is not active; activate it first')
            return response
        response.success = True
        response.refinement = self._message(newest)
        response.age_ms = (now() - newest.arrival) * 1e3
        self._statistics.count_preempt(now() - started)
        return response

    def _set_budget(self, request: SetBudget.Request,
                    response: SetBudget.Response) -> SetBudget.Response:
        current_only = request.scope == SetBudget.Request.CURRENT_IMAGE
        response.exit_index = -1
        response.expected_accuracy = math.nan
        if self._engine is None:
            reason = 'the node is not configured; configure it first'
        elif not current_only:
            result = self.set_parameters([Parameter('budget_ms', value=request.budget_ms)])[0]
            reason = result.reason
        else:
            reason = self._why_not(request.budget_ms)
            if not reason:
                self._engine.set_budget(request.budget_ms / 1e3, current_only=True)
        response.accepted = not reason
        response.message = reason
        response.budget_ms = (request.budget_ms if response.accepted and current_only
                              else self.get_parameter('budget_ms').value)
        if self._engine is not None:
            self._expect(response)
        return response

    def _expect(self, response: SetBudget.Response) -> None:
        """Fill in what the budget in force is expected to reach on this device."""
        profile, measured = self._engine.profile, self._engine.model.measured
        index = profile.exit_within(response.budget_ms / 1e3)
        if index is not None:
            response.exit_index = index
            response.expected_latency_ms = profile.median[index] * 1e3
            response.expected_p99_ms = profile.p99[index] * 1e3
            if measured is not None:
                response.expected_accuracy = 1 - measured.error[index]

    def _why_not(self, budget_ms: float) -> str:
        """Return why `budget_ms` is no budget for this model on this device; empty if it is."""
        if reason := parameters.reason_against('budget_ms', budget_ms):
            return reason
        if self._engine is not None and self._engine.profile.exit_within(budget_ms / 1e3) is None:
            first = self._engine.profile.p99[0] * 1e3
            return (f'a budget of {budget_ms:g} ms is shorter than the first exit, which takes up '
                    f'to {first:.1f} ms on this device (p99)')
        return ''

    # Parameters.

    def _check_parameters(self, changes: list[Parameter]) -> SetParametersResult:
        for change in changes:
            if reason := self._reason_against(change):
                return SetParametersResult(successful=False, reason=reason)
        for change in changes:
            self._apply(change.name, change.value)
        return SetParametersResult(successful=True)

    def _reason_against(self, change: Parameter) -> str:
        spec = parameters.PARAMETERS.get(change.name)
        if spec is None:
            return ''  # rclpy's own, such as use_sim_time
        if spec.read is Read.CONFIGURED and self._engine is not None:
            return f'{change.name} is read when the node is configured; clean it up first'
        if spec.read is Read.ACTIVATED and self._active:
            return f'{change.name} is read when the node is activated; deactivate it first'
        if reason := parameters.reason_against(change.name, change.value):
            return reason
        return self._why_not(change.value) if change.name == 'budget_ms' else ''

    def _check_values(self) -> None:
        """Raise ValueError for a parameter that was given an impossible value at start."""
        for name in parameters.PARAMETERS:
            if reason := parameters.reason_against(name, self.get_parameter(name).value):
                raise ValueError(reason)

    def _apply(self, name: str, value) -> None:
        """Make a live parameter take effect."""
        if name == 'top_k':
            self._top_k = value
        elif name == 'budget_ms' and self._engine is not None:
            self._engine.set_budget(value / 1e3)
        elif name == 'confidence' and self._engine is not None:
            self._engine.confidence = value if value < 1 else None

    def _publish_diagnostics(self) -> None:
        running = self._engine
        bad = sum(self._statistics.bad.values())
        if running is None:
            level, summary = DiagnosticStatus.WARN, 'not configured'
        elif not self._active:
            level, summary = DiagnosticStatus.OK, 'inactive'
        elif bad:
            level, summary = DiagnosticStatus.WARN, f'{bad} images were dropped as unusable'
        else:
            level, summary = DiagnosticStatus.OK, 'active'
        self._diagnostics.publish(self._statistics.diagnostics(
            f'{self.get_fully_qualified_name().lstrip("/")}: images',
            str(running.device) if running else '', level, summary,
            running.counts if running else None, self.get_clock().now().to_msg()))


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop."""
    return spin(PerceptionNode, args)
