"""
The perception node: camera images in, successively refined classifications out.

The executor thread only stores the newest image, flips state, reads the newest refinement and
publishes the final answer of an image that it stops; the engine's worker thread decodes, computes
and publishes all else. That is why services answer while the network runs.
"""

from collections.abc import Callable
import gc
import traceback

from anytime_perception import engine, model_file
from anytime_perception.ros.intake.image_intake import ImageIntake
from anytime_perception.ros.node.camera_images import CameraImages
from anytime_perception.ros.node.classify import ClassifyAction
from anytime_perception.ros.node.control import Control
from anytime_perception.ros.node.diagnostics import Diagnostics
from anytime_perception.ros.node.host import Host
from anytime_perception.ros.node.log_forward import LogForward
from anytime_perception.ros.node.outputs import Outputs
from anytime_perception.ros.node.parameters import declare_parameters
from anytime_perception.ros.node.reasons import budget_warning, engine_failure
from anytime_perception.ros.node.settings import Settings
from anytime_perception.ros.node.speed import SpeedBudget
from anytime_perception.ros.node.statistics import Statistics
from anytime_perception.ros.node.transitions import refuse_wrong_transitions
from anytime_perception.ros.spin import spin
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn

_WATCH_SECONDS = 0.5  # between two looks at who publishes and who listens


class PerceptionNode(Host):
    """
    Lifecycle node around an AnytimeEngine.

    configure loads the model, checks and measures it; activate subscribes; deactivate keeps the
    weights; cleanup frees them.

    Attributes
    ----------
    intake, images, outputs: the camera topics, their images, and what is published.
    speed: the budget that the robot's speed allows.

    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        refuse_wrong_transitions(self)
        declare_parameters(self)
        # Timers of the node itself run on the steady clock: simulated time may stand still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.outputs = Outputs(self)
        self._action = ClassifyAction(self, self.outputs)
        self.speed = SpeedBudget(
            self, steady, lambda: self._settings.apply_budget(), self.log_once.warning)
        self.images = CameraImages(self, self.outputs)
        self._settings = Settings(self, self.images, self.outputs, self.speed)
        self.intake = ImageIntake(
            self, self.images.take,
            lambda number: self.statistics.count_lost(number), self.outputs.wanted,
            lambda: self.statistics.forget_arrivals(), self.log_once.warning, self.log_once.over)
        self._control = Control(self, self.intake, self.outputs, self.speed)
        self._diagnostics = Diagnostics(self, self.intake, steady)
        self.create_timer(_WATCH_SECONDS, self._watch, clock=steady)
        self._settings.listen()
        self._log_forward = LogForward(self.get_logger())
        if self.get_parameter('autostart').value:
            if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
                self.trigger_activate()

    # Transitions.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """
        Load the model, check it, and measure it on the device.

        FAILURE leaves the node unconfigured.
        """
        return self._transition('configure', self._configure, self._release)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the camera."""
        result = self._transition('activate', self._activate, self._stop)
        return super().on_activate(state) if result == TransitionCallbackReturn.SUCCESS else result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and stop the image in flight; the model stays loaded."""
        result = self._transition('deactivate', self._stop, done='inactive')
        return super().on_deactivate(state) if result == TransitionCallbackReturn.SUCCESS \
            else result

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the model."""
        return self._transition('clean up', self._release, done='unconfigured')

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free everything, from whatever state."""
        return self._transition('shut down', self._end)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free what a failed transition has left; the node is unconfigured then."""
        return self._attempt('free what is left', self._end)

    def close(self) -> None:
        """Stop the threads before the node is destroyed."""
        try:
            self._end()
        finally:
            self._action.close()
            self.outputs.close()
            self._log_forward.close()

    def _transition(self, what: str, do: Callable[[], None],
                    undo: Callable[[], None] | None = None, done: str = '',
                    ) -> TransitionCallbackReturn:
        self.trouble = ''
        result = self._attempt(what, do, undo)
        if done and result == TransitionCallbackReturn.SUCCESS:
            self.get_logger().info(done)
        return result

    def _attempt(self, what: str, do: Callable[[], None],
                 undo: Callable[[], None] | None = None) -> TransitionCallbackReturn:
        """
        Do a transition; if it fails, say why, which rclpy would not, and undo it.

        If it can't be undone, that is an ERROR, for `on_error`.
        """
        try:
            do()
        except Exception as error:
            foreseen = isinstance(error, (OSError, ValueError))
            reason = f' {error}' if foreseen else f'\n{traceback.format_exc()}'
            if self.context.ok():  # else Ctrl-C came meanwhile, and nothing is wrong
                self.get_logger().error(f'cannot {what}:{reason}')
                self.trouble = self.trouble or \
                    f'cannot {what}: {error if foreseen else repr(error)}'
            if undo is None:
                return TransitionCallbackReturn.ERROR
            undone = self._attempt(f'undo what {what} has done', undo)
            return undone if undone == TransitionCallbackReturn.ERROR else \
                TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def _configure(self) -> None:
        path = self.get_parameter('model').value
        if not path:
            raise model_file.ModelFileError(
                'the parameter model is empty; set it to the path of a model file')
        model = model_file.load(path)
        self._settings.check()
        self.engine = engine.AnytimeEngine(
            model, self.get_parameter('device').value, threads=self.get_parameter('threads').value,
            runner=self.get_parameter('runner').value,
            precision=self.get_parameter('precision').value)
        profile = self.engine.profile
        self.outputs.configure(model, str(self.engine.device), profile,
                               self.get_parameter('trace_file').value)
        self._settings.apply()
        if reason := budget_warning(self.engine, self.get_parameter('budget_ms').value):
            self.get_logger().warning(reason)
        self.get_logger().info(
            f'{model.name} on {self.engine.device} ({self.engine.runner}): {len(profile.median)} '
            f'exits, the first after {profile.median[0] * 1e3:.1f} ms, the last after '
            f'{profile.median[-1] * 1e3:.1f} ms')
        # A full garbage collection would look at all objects of PyTorch, and stop everything for
        # 200 ms. Those that are there by now stay.
        gc.collect()
        gc.freeze()

    def _activate(self) -> None:
        self._settings.check()
        if reason := engine_failure(self.running):
            raise ValueError(reason)
        self.statistics = Statistics(self.running.counts)
        self.log_once.forget()
        self.active = True
        self.speed.start(self.get_parameter('speed_budgets').value)
        if reason := budget_warning(self.running, self.speed.shortest_ms):
            self.log_once.warning('speed_budgets', f'the shortest of speed_budgets: {reason}')
        self._settings.apply_budget()
        self.intake.start()
        topics = ', '.join(self.resolve_topic_name(topic) for topic in self.intake.topics)
        self.get_logger().info(
            f'active: takes images of {topics or "goals only, as image_topics is empty"}')

    def _stop(self) -> None:
        try:
            self.intake.stop()
            self.speed.stop()
            if self.engine is not None:
                self.engine.reset()  # publishes the final answer
        finally:
            self.active = False
        self._action.stop()

    def _end(self) -> None:
        try:
            self._stop()
        finally:
            self._release()

    def _release(self) -> None:
        running, self.engine = self.engine, None
        try:
            if running is not None:
                gc.unfreeze()  # else nothing of it would be freed
                running.close()
        finally:
            self.outputs.cleanup()

    def _watch(self) -> None:
        if self.active:
            self.intake.watch()
            self.speed.watch()


def main(args: list[str] | None = None) -> int:
    """Run the node until it is told to stop."""
    return spin(PerceptionNode, args)
