"""The engine: hand in the newest image, and have an answer at any moment."""

from collections.abc import Callable, Hashable, Iterator
import math
import time
from typing import Any

from anytime_perception.engine.budget import Budget
from anytime_perception.engine.device import choose_device
from anytime_perception.engine.image_pass import ImagePass
from anytime_perception.engine.profile import LatencyProfile
from anytime_perception.engine.refinement import Refinement, Status
from anytime_perception.engine.worker import Counts, Worker
from anytime_perception.held_answer import check_hysteresis
from anytime_perception.model import Model
from anytime_perception.networks import StagedNetwork
from anytime_perception.runner_names import MAX_THREADS
import numpy as np


class AnytimeEngine:
    """
    Refines images stage by stage on one worker thread, which alone computes.

    Only the newest submitted image waits: it replaces the one that waited before, and stops the
    image in flight as soon as that has an answer. Several streams (cameras) may share the engine:
    one image of each waits, the one with the earliest deadline is taken next, and the image in
    flight gives way once it has an answer and its share of the time. Use it as a context manager.

    Parameters
    ----------
    model: a Model from `model_file.load`, or a bare network.
    device: 'cpu', 'cuda', 'cuda:N', or 'auto' for a GPU where there is one.
    budget: for images that come without one: seconds from arrival, a Budget, or None for until
        complete.
    confidence: stop refining once the answer has this probability; None for never.
    hysteresis: how many times as likely as the previous answer a class must be to replace it; at
        least 1, where the answer is always the most likely class. See
        `anytime_perception.held_answer`. A change takes effect with the next image.
    supersede: whether a newer image stops the one of its stream that is in flight. False: that is
        refined until its budget is spent, or to the last exit, and the newest of those that come
        meanwhile waits. Other streams have their share all the same.
    threads: CPU threads of the network, and of OpenCV in this process. One by default: more are
        quicker on an idle machine, but on a busy one they wait for each other at every layer, and
        a pass takes many times as long.
    runner: 'torch', 'openvino' (CPU), 'cuda_graphs' (GPU), or 'auto' for the quickest that is
        available.
    precision: 'float32', in which models are evaluated, or 'bfloat16', quicker where the device
        has it; answers then differ by about a hundredth.

    Raises
    ------
    ValueError: for a budget, a confidence, a hysteresis or threads out of range.
    DeviceError: if the device is missing.
    RunnerError: if the runner or the precision is unknown, or the runner was asked for by name
        and is not available.

    """

    def __init__(self, model: Model | StagedNetwork, device: str = 'cpu', *,
                 budget: float | Budget | None = None, confidence: float | None = None,
                 hysteresis: float = 1.0, supersede: bool = True, threads: int = 1,
                 runner: str = 'auto', precision: str = 'float32'):
        if not 1 <= threads <= MAX_THREADS:
            raise ValueError(f'threads is {threads}; it must be in 1 to {MAX_THREADS}')
        _probability(confidence)
        check_hysteresis(hysteresis)
        self.model = model if isinstance(model, Model) else Model.bare(model)
        self.device = choose_device(device)
        self.precision = precision
        self.budget = budget
        self._worker = Worker(self.model, self.device, threads, runner, precision)
        self.confidence = confidence
        self.hysteresis = hysteresis
        self.supersede = supersede

    def __enter__(self) -> 'AnytimeEngine':
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @property
    def runner(self) -> str:
        """The name of the runner that was chosen."""
        return self._worker.refiner.runner.name

    @property
    def counts(self) -> Counts:
        """What became of the images."""
        return self._worker.counts

    @property
    def failure(self) -> BaseException | None:
        """Why it closed by itself, as when the network failed again and again; else None."""
        return self._worker.failure

    @property
    def stuck_for(self) -> float:
        """
        Seconds since the image in flight was begun, or an exit last answered; 0 without work.

        A stage takes milliseconds: where this grows, a decoder, a driver or the device hangs.
        """
        return self._worker.stuck_for

    @property
    def budget(self) -> Budget:
        """The standing budget, for images without one; seconds or None may be assigned, too."""
        return self._budget

    @budget.setter
    def budget(self, value: float | Budget | None) -> None:
        self._budget = Budget.of(value)

    @property
    def profile(self) -> LatencyProfile:
        """Latency of each exit on this device."""
        return self._worker.refiner.profile

    @property
    def confidence(self) -> float | None:
        """Refining stops once the answer has this probability; None for never."""
        return self._worker.refiner.confidence

    @confidence.setter
    def confidence(self, value: float | None) -> None:
        self._worker.refiner.confidence = _probability(value)

    @property
    def hysteresis(self) -> float:
        """How many times as likely as the previous answer a class must be to replace it."""
        return self._worker.refiner.hysteresis

    @hysteresis.setter
    def hysteresis(self, value: float) -> None:
        self._worker.refiner.hysteresis = check_hysteresis(value)

    @property
    def supersede(self) -> bool:
        """Whether a newer image stops the one of its stream that is in flight."""
        return self._worker.places.newer_ends

    @supersede.setter
    def supersede(self, value: bool) -> None:
        self._worker.places.newer_ends = value

    @property
    def newest(self) -> Refinement | None:
        """
        The newest refinement of the newest image that has one.

        None before the first. Never waits.
        """
        return self._worker.answers.newest(None)

    def refine(self, image: np.ndarray,
               budget: float | Budget | None = None) -> Iterator[Refinement]:
        """
        Submit `image` (H, W, 3) uint8 RGB; yield refinements, each better than the one before.

        The last has a final status and comes within `budget` (seconds from now, a Budget, or None
        for the standing budget), except that the first exit is always waited for. Leaving the
        loop early preempts. If a newer image takes its place before it was started, nothing is
        yielded.

        Raises
        ------
        ValueError: for an impossible budget, or an image of another shape or type.
        RuntimeError: if the engine is closed.

        """
        return self.submit(image, budget=budget).refinements()

    def submit(self, image: np.ndarray | Callable[[], np.ndarray], *,
               budget: float | Budget | None = None, arrival: float | None = None, tag: Any = None,
               on_refinement: Callable[[Refinement], None] | None = None,
               on_failure: Callable[[BaseException], None] | None = None,
               stream: Hashable = '', exclusive: bool = False,
               budget_from: float | None = None) -> ImagePass:
        """
        Hand in the newest image and return its pass at once.

        Parameters
        ----------
        image :
            (H, W, 3) uint8 RGB, or a function that returns it, called on the worker thread.
        budget :
            as in `refine`; counted from `budget_from`.
        arrival :
            on `time.monotonic`; None means now.
        tag :
            anything; comes back in each refinement.
        on_refinement :
            called with each refinement, in order, from the worker or from whoever stopped the
            pass; must be quick, and wait neither for an answer nor for the engine's end.
        on_failure :
            called with the exception if the image could not be prepared or run.
        stream :
            what the image comes from, anything but None; the image replaces the one of the same
            stream that still waits. The newest answer of each stream is kept until `reset`, so
            use few: one for each camera, and not one for each image.
        exclusive :
            the image is taken before those of other streams, and they do not stop it; one of
            those has its turn next.
        budget_from :
            on `time.monotonic`, such as when the picture was taken; None means `arrival`. Where
            the deadline is over by then, the image gets its first answer all the same.

        """
        arrival = time.monotonic() if arrival is None else arrival
        budget_from = arrival if budget_from is None else budget_from
        for name, value in (('arrival', arrival), ('budget_from', budget_from)):
            if not math.isfinite(value):
                raise ValueError(f'{name} is {value}; it must be a time of time.monotonic')
        budget = self.budget if budget is None else Budget.of(budget)
        image_pass = ImagePass(image, arrival, budget, tag, on_refinement, on_failure, stream,
                               exclusive, budget_from)
        self._worker.put(image_pass)
        return image_pass

    def preempt(self, stream: Hashable | None = None) -> Refinement | None:
        """
        Return the newest refinement at once and stop the image in flight. Any thread may call it.

        If the image in flight has no answer yet, it stops at its first exit, and the newest
        refinement of the previous image is returned: None if nothing was ever answered. With
        `stream`, only that stream's images are looked at and stopped.
        """
        current = self._worker.answers.in_flight(stream)
        if current is not None:
            current.stop(Status.PREEMPTED)
        return self._worker.answers.newest(stream)

    def set_current_budget(self, budget: float | Budget | None,
                           stream: Hashable | None = None) -> bool:
        """
        Set the budget of the image in flight alone; `budget` is for the images that arrive.

        With `stream`, only an image of that stream is changed. Returns whether one was: False if
        none is in flight.

        Raises
        ------
        ValueError: for an impossible budget; nothing changes.

        """
        budget = Budget.of(budget)
        current = self._worker.answers.in_flight(stream)
        return current is not None and current.set_budget(budget)

    def reset(self) -> None:
        """
        Drop the images that wait, stop the one in flight, and forget every answer.

        If the image in flight has an answer, that is final and its listener has heard of it when
        this returns; if not, it ends at its first exit. A listener must not call this.
        """
        self._worker.reset()

    def close(self) -> None:
        """
        Stop after the stage in flight and end the worker thread; safe to call twice.

        Raises
        ------
        TimeoutError: if the stage, or preparing the image, hangs. The thread is left behind, and
            ends with the process.

        """
        self._worker.close()


def _probability(value: float | None) -> float | None:
    if value is not None and not 0 <= value <= 1:
        raise ValueError(f'the confidence is {value}; it must be a probability from 0 to 1, or '
                         'None for never')
    return value
