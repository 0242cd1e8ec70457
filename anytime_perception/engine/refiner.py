"""What the worker thread does with one image: stage after stage, until the pass has ended."""

from collections.abc import Callable, Sequence
import time

from anytime_perception.carried_answer import CarriedAnswer
from anytime_perception.engine.image_pass import ImagePass
from anytime_perception.engine.latency import measure_latency
from anytime_perception.engine.profile import LatencyProfile
from anytime_perception.engine.refinement import Refinement, Status
from anytime_perception.engine.runner import Runner
from anytime_perception.held_answer import HeldAnswer
from anytime_perception.model import Model
import numpy as np


class Refiner:
    """
    Refines images with a runner and learns how long that takes.

    Attributes
    ----------
    runner: runs the network on the device.
    profile: latency of each exit on this device.
    confidence: stop refining once the answer has this probability; None for never.
    hysteresis: how many times as likely as the previous answer a class must be to replace it.
    failures_in_a_row: passes in which the runner has failed since one in which it did not.

    """

    def __init__(self, model: Model, runner: Runner):
        self._model = model
        self.runner = runner
        exits, whole = model.network.exits, model.network.exits[-1].cost
        # What every refinement of an exit says: the first fields of Refinement.
        self._exits = [(index, len(exits), stage.network_index, stage.depth, stage.cost,
                        stage.cost / whole) for index, stage in enumerate(exits)]
        self.confidence: float | None = None
        self.hysteresis = 1.0
        self.failures_in_a_row = 0
        self.profile = LatencyProfile(*measure_latency(model, runner))

    def refine(self, image_pass: ImagePass, queued: float, superseded: Callable[[], bool],
               closing: Callable[[], bool]) -> None:
        """
        Compute until the pass has ended; it was `queued` for that many seconds behind others.

        `superseded` and `closing` say, between stages, whether a newer image waits and whether
        the engine closes.

        Raises
        ------
        Exception: whatever preparing or running the image raises; the pass is not ended then.

        """
        elapsed: list[float] = []  # until each exit so far
        prepared: float | None = None  # until the network began
        carry = self._model.carry
        carried = CarriedAnswer(carry) if carry else None
        held = HeldAnswer(self.hysteresis) if self.hysteresis > 1 else None

        def answered(answers: np.ndarray) -> bool:
            """Take what was computed; return whether more is needed."""
            each = [alone if carried is None else carried.add(alone) for alone in answers]
            classes = [int(answer.argmax() if held is None else held.add(answer))
                       for answer in each]
            now = time.monotonic()
            self._add(image_pass, each, classes, len(elapsed), now, superseded)
            elapsed.extend([now - image_pass.arrival] * len(answers))
            if closing():
                image_pass.stop(Status.PREEMPTED)
                image_pass.drop()
            return not image_pass.ended

        try:
            image = image_pass.image
            images = self._model.preprocessing(image() if callable(image) else image)
            prepared = time.monotonic() - image_pass.arrival
            try:
                self.runner.run(images, answered)
            except Exception:
                self.failures_in_a_row += 1
                raise
            self.failures_in_a_row = 0
        finally:
            self.profile.learn(elapsed, queued, prepared)

    def _add(self, image_pass: ImagePass, answers: Sequence[np.ndarray],
             classes: Sequence[int], exit_index: int, now: float,
             superseded: Callable[[], bool]) -> None:
        """Add answers that came together, or end the pass if they came too late."""
        if (exit_index > 0 or not len(answers)) and image_pass.run_out(now):
            return  # the answer before was there in time
        if len(answers):
            following = exit_index + len(answers)
            image_pass.add(*(
                self._refinement(image_pass, index, answer, chosen, now, following, superseded)
                for index, (answer, chosen) in enumerate(zip(answers, classes), start=exit_index)))
        elif superseded():
            image_pass.stop(Status.SUPERSEDED)

    def _refinement(self, image_pass: ImagePass, index: int, probabilities: np.ndarray,
                    class_index: int, now: float, following: int,
                    superseded: Callable[[], bool]) -> Refinement:
        """Return the refinement of exit `index`; `following` is the next that is computed."""
        # Another thread may change either.
        confidence, deadline = self.confidence, image_pass.deadline
        if index + 1 == len(self._exits):
            status = Status.COMPLETE
        elif confidence is not None and probabilities[class_index] >= confidence:
            status = Status.CONFIDENT
        elif index + 1 < following:
            status = Status.REFINING
        elif now + self.profile.step[following] > deadline:
            status = Status.BUDGET_SPENT
        else:
            status = Status.SUPERSEDED if superseded() else Status.REFINING
        return Refinement(
            *self._exits[index], probabilities, class_index, self._model.class_ids[class_index],
            now - image_pass.arrival, image_pass.arrival, deadline - image_pass.arrival, status,
            image_pass.tag)
