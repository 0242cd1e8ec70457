"""The worker: the one thread that computes, the places where images wait for it, and its end."""

import atexit
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
import logging
import threading
import time

from anytime_perception.engine.answers import Answers
from anytime_perception.engine.image_pass import ImagePass
from anytime_perception.engine.places import Places
from anytime_perception.engine.refinement import Status
from anytime_perception.engine.refiner import Refiner
from anytime_perception.engine.runners import make_runner
from anytime_perception.model import Model
import cv2
import torch

_logger = logging.getLogger(__name__)
_MOST_FAILURES = 5  # of the network in a row, after which it is no use to go on
_END_SECONDS = 10.0  # for a stage in flight to end; one that takes longer hangs


@dataclass
class Counts:
    """What became of the images since the engine was made."""

    submitted: int = 0
    replaced: int = 0  # by a newer one, before being started
    started: int = 0
    failed: int = 0


class Worker:
    """
    Prepares and measures a model on its thread, then refines image after image until it is closed.

    Only this thread calls torch and OpenCV for the network. Both compute with `threads` threads;
    OpenCV has one such number for the whole process.

    Attributes
    ----------
    refiner: of the model on the device.
    places: where images wait.
    answers: the image in flight, and the newest answers.
    counts: what became of the images.
    failure: why it closed by itself, as when the network failed again and again; else None.
    idle_since: when it last had nothing to do, on `time.monotonic`.

    Raises
    ------
    RunnerError: if there is no such runner for this model and device.

    """

    def __init__(self, model: Model, device: torch.device, threads: int, runner: str,
                 precision: str):
        self.answers = Answers()
        self.counts = Counts()
        self.failure: BaseException | None = None
        self.idle_since = 0.0
        self.places = Places()
        self._closing = False
        self._wake = threading.Condition(threading.Lock())

        def prepare() -> Refiner:
            torch.set_num_threads(threads)
            cv2.setNumThreads(threads)
            return Refiner(model, make_runner(model.network, device, threads, runner, precision))

        ready: Future[Refiner] = Future()
        self._thread = threading.Thread(
            target=self._work, args=(prepare, ready), name='anytime_engine', daemon=True)
        try:
            self._thread.start()
            # A program that ends while the network runs would abort: the thread can't be ended
            # then.
            atexit.register(self.close)
            self.refiner = ready.result()
        except Exception:
            self.close()
            raise
        except BaseException:  # Ctrl-C: nobody waits for the thread, which ends once it is ready
            self._close_entry()
            raise

    @property
    def stuck_for(self) -> float:
        """Seconds since the image in flight was begun, or an exit last answered; 0 if none is."""
        since, current = self.answers.started, self.answers.current
        if current is None or since < self.idle_since:
            return 0.0
        newest = current.newest
        if newest is not None:
            since = max(since, newest.arrival + newest.elapsed)
        return time.monotonic() - since

    def put(self, image_pass: ImagePass) -> None:
        """
        Put an image into its stream's place; one that waits there ends without an answer.

        Raises
        ------
        RuntimeError: if the worker is closed.

        """
        with self._wake:
            if self._closing:
                reason = f': {self.failure!r}' if self.failure is not None else ''
                raise RuntimeError(f'the engine is closed{reason}') from self.failure
            replaced = self.places.put(image_pass)
            self.counts.submitted += 1
            self.counts.replaced += replaced is not None
            self._wake.notify()
        if replaced is not None:
            replaced.drop()

    def reset(self) -> None:
        """Drop what waits, end what is in flight, forget every answer; see AnytimeEngine.reset."""
        with self._wake:
            waiting = self.places.clear()
            self.answers.forget()
        for image_pass in waiting:
            image_pass.drop()
        current = self.answers.current
        if current is not None:
            current.stop(Status.PREEMPTED)
            current.settle()

    def close(self) -> None:
        """
        Stop after the stage in flight and end the thread; safe to call twice.

        Raises
        ------
        TimeoutError: if the stage, or preparing the image, hangs. The thread is left behind, and
            ends with the process.

        """
        self._close_entry()
        atexit.unregister(self.close)
        if self._thread.ident is not None:  # else it could not be started
            self._thread.join(_END_SECONDS)
        if self._thread.is_alive():
            raise TimeoutError(
                f'the image in flight has not ended in {_END_SECONDS:g} s (a decoder, a driver or '
                'the device hangs); its thread ends with the process, so restart that')

    def _close_entry(self, error: BaseException | None = None) -> None:
        """Take nothing more; what waits ends, or fails with `error`."""
        with self._wake:
            self._closing = True
            waiting = self.places.clear()
            self._wake.notify()
        for image_pass in waiting:
            image_pass.drop(error)

    @torch.inference_mode()
    def _work(self, prepare: Callable[[], Refiner], ready: Future) -> None:
        try:
            refiner = prepare()
        except BaseException as error:  # else the engine's constructor would wait for ever
            ready.set_exception(error)
            return
        ready.set_result(refiner)
        while (image_pass := self._take()) is not None:
            try:
                refiner.refine(
                    image_pass, max(0.0, self.idle_since - image_pass.arrival),
                    lambda: self.places.supersede(image_pass, self.answers.started),
                    lambda: self._closing)
            except BaseException as error:
                self.counts.failed += 1
                if image_pass.ended:
                    _logger.warning('an image failed after it was stopped: %r', error)
                image_pass.drop(error)
                if refiner.failures_in_a_row >= _MOST_FAILURES:
                    self._give_up(f'the network failed {_MOST_FAILURES} times in a row', error)
                elif not isinstance(error, Exception):  # a listener that calls sys.exit
                    self._give_up('its thread was told to end', error)

    def _give_up(self, reason: str, error: BaseException) -> None:
        _logger.error('%s, so the engine closes: %r', reason, error)
        self.failure = error
        self._close_entry(error)

    def _take(self) -> ImagePass | None:
        """Wait for an image and make it the one in flight; None when the worker closes."""
        with self._wake:
            self.idle_since = time.monotonic()
            self._wake.wait_for(lambda: self.places or self._closing)
            if self._closing:
                return None
            image_pass = self.places.take()
            self.answers.begin(image_pass)
            self.counts.started += 1
            return image_pass
