"""What the worker thread does with one image: piece after piece, until the pass has ended."""

from collections.abc import Callable
import time

from anytime_perception.carried_answer import CarriedAnswer
from anytime_perception.engine.image_pass import ImagePass
from anytime_perception.engine.profile import LatencyProfile
from anytime_perception.engine.refinement import Refinement, Status
from anytime_perception.engine.runner import Runner
from anytime_perception.model_file import Model
import numpy as np

_PROFILE_PASSES = 100
_PROFILE_SECONDS = 3.0
_WARM_UP_PASSES = 5
_PROFILE_PAUSE = 0.005  # between passes: a camera leaves the caches time to grow cold, too
_PROFILE_IMAGE = (480, 640, 3)  # what a camera sends, so that preprocessing is in the profile


class Refiner:
    """
    Refines images with a runner and learns how long that takes.

    Attributes
    ----------
    profile: latency of each exit on this device.
    confidence: stop refining once the most likely class has this probability; None for never.
    failures_in_a_row: how many passes the runner failed in since the last without.

    """

    def __init__(self, model: Model, runner: Runner):
        self._model = model
        self._runner = runner
        self._exits = model.network.exits
        self.confidence: float | None = None
        self.failures_in_a_row = 0
        self.profile = LatencyProfile(self._measure())

    def refine(self, image_pass: ImagePass, queued: float, superseded: Callable[[], bool],
               closing: Callable[[], bool]) -> None:
        """
        Compute until the pass has ended, which was `queued` for some seconds behind others.

        `superseded` and `closing` say, between pieces, whether a newer image waits and whether
        the engine closes.

        Raises
        ------
        Exception: whatever preparing or running the image raises; the pass is not ended then.

        """
        elapsed: list[float] = []  # until each exit so far
        try:
            image = image_pass.image
            images = self._model.preprocessing(image() if callable(image) else image)
            self._trying(self._runner.begin, images)
            carry = self._model.carry
            carried = CarriedAnswer(carry) if carry else None
            for index in range(self._runner.piece_count):
                answers = self._trying(self._runner.run, index)
                if carried is not None:
                    answers = [carried.add(alone) for alone in answers]
                now = time.monotonic()
                self._add(image_pass, answers, len(elapsed), now, superseded)
                elapsed += [now - image_pass.arrival] * len(answers)
                if not answers and now > image_pass.deadline:
                    image_pass.stop(Status.BUDGET_SPENT)
                if not answers and superseded():
                    image_pass.stop(Status.SUPERSEDED)
                if closing():
                    image_pass.stop(Status.PREEMPTED)
                    image_pass.drop()
                if image_pass.ended:
                    break
            self.failures_in_a_row = 0
        finally:
            self.profile.learn(elapsed, queued)

    def _trying(self, call: Callable, argument):
        try:
            return call(argument)
        except Exception:
            self.failures_in_a_row += 1
            raise

    def _add(self, image_pass: ImagePass, answers: list[np.ndarray], exit_index: int, now: float,
             superseded: Callable[[], bool]) -> None:
        """Add the answers of a piece to the pass, or end the pass if they came too late."""
        if answers and exit_index > 0 and now > image_pass.deadline:
            image_pass.stop(Status.BUDGET_SPENT)  # the answer before was there in time
            return
        following = exit_index + len(answers)
        refinements = []
        for exit_index, probabilities in enumerate(answers, start=exit_index):
            stage, whole = self._exits[exit_index], self._exits[-1].cost
            if exit_index + 1 == len(self._exits):
                status = Status.COMPLETE
            elif self.confidence is not None and probabilities.max() >= self.confidence:
                status = Status.CONFIDENT
            elif exit_index + 1 < following:
                status = Status.REFINING
            elif now + self.profile.step[following] > image_pass.deadline:
                status = Status.BUDGET_SPENT
            else:
                status = Status.SUPERSEDED if superseded() else Status.REFINING
            refinements.append(Refinement(
                exit_index, len(self._exits), stage.network_index, stage.depth, stage.cost,
                stage.cost / whole, probabilities, now - image_pass.arrival, image_pass.arrival,
                image_pass.deadline - image_pass.arrival, status, image_pass.tag))
        image_pass.add(*refinements)

    def _measure(self) -> np.ndarray:
        """Warm up, then return the seconds from an image to each exit (passes, exits)."""
        image = np.random.default_rng(0).integers(0, 256, _PROFILE_IMAGE, dtype=np.uint8)
        passes: list[list[float]] = []
        end = time.monotonic() + _PROFILE_SECONDS
        while len(passes) < _PROFILE_PASSES + _WARM_UP_PASSES and (
                len(passes) <= _WARM_UP_PASSES or time.monotonic() < end):
            arrival = time.monotonic()
            self._runner.begin(self._model.preprocessing(image))
            elapsed: list[float] = []
            for index in range(self._runner.piece_count):
                answers = self._runner.run(index)
                elapsed += [time.monotonic() - arrival] * len(answers)
            passes.append(elapsed)
            time.sleep(_PROFILE_PAUSE)
        return np.array(passes[_WARM_UP_PASSES:])
