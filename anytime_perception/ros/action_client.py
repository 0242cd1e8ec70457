"""rclpy's action client, for callers on another thread than the executor's."""

import threading

from rclpy.action import ActionClient


class ThreadedActionClient(ActionClient):
    """
    An ActionClient that knows what it has asked when the answer comes, and hears all feedback.

    rclpy's sends a request, and then notes that it has. Where the thread that sends loses the
    processor in between, the executor's drops the answer as unexpected: the goal is never
    accepted, or its result never comes. And it takes one feedback message at a time, but the
    result as soon as it is there, after which it drops the feedback that still waits: of exits
    that answer in a burst the last ones.
    """

    # What is overridden, and the names with an underscore, are not public in rclpy; read in its
    # sources of Jazzy.

    def __init__(self, *arguments, **options):
        self._asking = threading.Lock()  # first: an executor may execute what is being made
        super().__init__(*arguments, **options)

    def send_goal_async(self, *arguments, **options):
        """Send a goal, as rclpy's does."""
        with self._asking:
            return super().send_goal_async(*arguments, **options)

    def _get_result_async(self, goal_handle):
        with self._asking:
            return super()._get_result_async(goal_handle)

    def _cancel_goal_async(self, goal_handle):
        with self._asking:
            return super()._cancel_goal_async(goal_handle)

    def take_data(self) -> dict:
        """Take what has come; of feedback, all."""
        data = super().take_data()
        feedback = [data.pop('feedback')] if 'feedback' in data else []
        if feedback or 'result' in data:
            kind = self._action_type.Impl.FeedbackMessage
            while (message := self._client_handle.take_feedback(kind)) is not None:
                feedback.append(message)
        return {'all feedback': feedback, **data}

    async def execute(self, taken_data: dict) -> None:
        """Tell whoever waits for it: of feedback first, which was sent before the result."""
        with self._asking:
            pass  # whoever has asked has noted it by now
        for message in taken_data.pop('all feedback'):
            await super().execute({'feedback': message})
        await super().execute(taken_data)
