"""The action ~/classify: one image and a budget, feedback at every exit, cancel for the answer."""


from anytime_perception import engine
from anytime_perception.action import Classify
from anytime_perception.ros.ended import unless_ended
from anytime_perception.ros.intake.decode import check_image, to_rgb
from anytime_perception.ros.node.host import Host
from anytime_perception.ros.node.outputs import Outputs
from anytime_perception.ros.node.reasons import budget_refusal, inactive_reason
from anytime_perception.ros.node.trace import ImageTrace
from anytime_perception.ros.qos import BURST
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.qos import QoSProfile
from rclpy.task import Future
from sensor_msgs.msg import CompressedImage, Image

_MOST_GOALS = 16       # at once; each holds an image
_RESULT_SECONDS = 10  # that a result is kept for its client
_FEEDBACK = QoSProfile(depth=50)  # exits may answer in a burst of more than rclpy's 10


class ClassifyAction:
    """
    Serves ~/classify of a perception node; goals and cameras share its engine.

    Goals are refined one after the other, the one with the earliest deadline first; between two
    goals a camera's image has its turn. The engine's worker thread publishes feedback; the rest
    happens on the executor's.
    """

    def __init__(self, node: Host, outputs: Outputs):
        self._node = node
        self._outputs = outputs
        self._passes: dict[bytes, engine.ImagePass] = {}
        self._ends: dict[bytes, Future] = {}
        self._numbers: dict[bytes, int] = {}
        self._server = ActionServer(
            node, Classify, '~/classify', self._execute, goal_callback=self._accept,
            cancel_callback=self._cancel, result_timeout=_RESULT_SECONDS,
            goal_service_qos_profile=BURST, result_service_qos_profile=BURST,
            cancel_service_qos_profile=BURST, feedback_pub_qos_profile=_FEEDBACK)

    def stop(self) -> None:
        """End every goal, with the answer it has."""
        for image_pass in list(self._passes.values()):
            image_pass.stop(engine.Status.PREEMPTED)
        for key in list(self._ends):
            self._finish(key, 'the node was deactivated')

    def close(self) -> None:
        """Remove the action from the node."""
        self.stop()
        self._server.destroy()

    def _accept(self, _goal: Classify.Goal) -> GoalResponse:
        if len(self._ends) < _MOST_GOALS:
            return GoalResponse.ACCEPT
        self._node.get_logger().warning(
            f'a goal of ~/classify was rejected: {_MOST_GOALS} are waiting already')
        return GoalResponse.REJECT

    def _cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        image_pass = self._passes.get(bytes(handle.goal_id.uuid))
        if image_pass is not None:
            image_pass.stop(engine.Status.PREEMPTED)
        return CancelResponse.ACCEPT

    async def _execute(self, handle: ServerGoalHandle) -> Classify.Result:
        """Refine the goal's image; the executor serves others until that ends."""
        key = bytes(handle.goal_id.uuid)
        end = self._ends[key] = Future()
        try:
            self._offer(key, handle)
            reason = await end
        except (ValueError, RuntimeError) as error:  # the latter: the engine gave up
            reason = str(error)
        finally:
            del self._ends[key]
            self._numbers.pop(key, None)
            image_pass = self._passes.pop(key, None)
            # rclpy keeps the request for as long as the result.
            handle.request.image, handle.request.compressed_image = Image(), CompressedImage()
        newest = image_pass.newest if image_pass is not None else None
        result = Classify.Result(success=newest is not None, message=reason)
        if newest is not None:
            result.refinement = self._outputs.message(newest)
        if handle.is_cancel_requested:
            handle.canceled()
        elif result.success and not reason:
            handle.succeed()
        else:
            handle.abort()
        return result

    def _offer(self, key: bytes, handle: ServerGoalHandle) -> None:
        """Hand the image to the engine; raise ValueError with the reason where that can't be."""
        if not self._node.active:
            raise ValueError(inactive_reason(self._node))
        running, goal = self._node.running, handle.request
        budget = None
        if goal.budget_ms:
            if reason := budget_refusal(running, goal.budget_ms):
                raise ValueError(reason)
            budget = goal.budget_ms / 1e3
        if not goal.image.width and not goal.image.height and not goal.compressed_image.data:
            raise ValueError('the goal has no image: both image and compressed_image are empty')
        image = goal.image if goal.image.width or not goal.compressed_image.data \
            else goal.compressed_image
        check_image(image)
        size = running.model.preprocessing.size

        def refined(refinement: engine.Refinement) -> None:
            try:
                with unless_ended(self._node.context):
                    handle.publish_feedback(
                        Classify.Feedback(refinement=self._outputs.message(refinement)))
            finally:
                if refinement.status.final:
                    self._finish(key)

        # Streams are numbered, not named after goals: the engine remembers each stream's answer.
        number = min(set(range(_MOST_GOALS)) - set(self._numbers.values()))
        self._numbers[key] = number
        self._passes[key] = running.submit(
            lambda: to_rgb(image, size), stream=('goal', number), exclusive=True, budget=budget,
            tag=ImageTrace(image.header), on_refinement=refined,
            on_failure=lambda error: self._finish(key, str(error) or repr(error)))
        if handle.is_cancel_requested:  # while the goal waited for the executor
            self._passes[key].stop(engine.Status.PREEMPTED)

    def _finish(self, key: bytes, reason: str = '') -> None:
        """Let the goal end, from any thread; the first reason counts."""
        end, executor = self._ends.get(key), self._node.executor
        if end is not None and not end.done():
            end.set_result(reason)
            if executor is not None:
                executor.wake()
