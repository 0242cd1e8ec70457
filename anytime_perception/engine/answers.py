"""The newest answers, of each stream and of all of them."""

from collections.abc import Hashable
import time

from anytime_perception.engine.image_pass import ImagePass
from anytime_perception.engine.refinement import Refinement


class Answers:
    """
    The image in flight, and the newest answer about those before it.

    The worker calls `begin`; everything else may be called from any thread and never waits.

    Attributes
    ----------
    current: in flight, or the last that was; None before the first.
    started: when it was begun, on `time.monotonic`.

    """

    def __init__(self):
        self.current: ImagePass | None = None
        self.started = 0.0
        # The newest of the passes before the current one: of each stream and (None) of all.
        self._last: dict[Hashable, Refinement] = {}
        self._forgotten = 0.0  # no answers about images that arrived before

    def begin(self, image_pass: ImagePass) -> None:
        """Make an image the one in flight."""
        current = self.current
        if current is not None and current.newest is not None:
            self._last[None] = self._last[current.stream] = current.newest
        self.started = time.monotonic()
        self.current = image_pass

    def in_flight(self, stream: Hashable | None) -> ImagePass | None:
        """Return the image in flight if it is of that stream; for None, of whatever stream."""
        current = self.current
        return current if current is not None and stream in (None, current.stream) else None

    def newest(self, stream: Hashable | None) -> Refinement | None:
        """Return the newest refinement of the newest image of a stream, or, for None, of all."""
        current = self.in_flight(stream)
        newest = (current.newest if current is not None else None) or self._last.get(stream)
        return newest if newest is not None and newest.arrival >= self._forgotten else None

    def forget(self) -> None:
        """Stop giving answers about images that have arrived so far."""
        self._forgotten = time.monotonic()
