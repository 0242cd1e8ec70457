"""rclpy's action client, for callers on another thread than the executor's."""

import threading

from rclpy.action import ActionClient


class ThreadedActionClient(ActionClient):
    """
    An ActionClient that misses no answer and no feedback.

    rclpy's sends a request, and only then notes that it has. If the executor's thread takes the
    answer in between, it drops it as unexpected: the goal is never accepted, or its result never
    comes. It also takes one feedback message at a time, but the result as soon as it is there, and
    then drops the feedback that still waits: that of the last exits, if they answer in a burst.
    """

    # What is overridden, and the names with an underscore, are not public in rclpy; see its
    # sources of Jazzy.

    def __init__(self, *arguments, **options):
        self._asking = threading.Lock()  # first: an executor may already serve what is being made
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
        """Take what has come, including all feedback."""
        data = super().take_data()
        feedback = [data.pop('feedback')] if 'feedback' in data else []
        if feedback or 'result' in data:
            kind = self._action_type.Impl.FeedbackMessage
            while (message := self._client_handle.take_feedback(kind)) is not None:
                feedback.append(message)
        return {'all feedback': feedback, **data}

    async def execute(self, taken_data: dict) -> None:
        """Pass on what has come: feedback first, as it was sent before the result."""
        with self._asking:
            pass  # whoever has sent a request has noted it by now
        for message in taken_data.pop('all feedback'):
            await super().execute({'feedback': message})
        await super().execute(taken_data)
