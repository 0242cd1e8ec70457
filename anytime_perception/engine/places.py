"""Where images wait: a place for the newest of each stream, and who goes next."""

from collections.abc import Hashable
import math
import time

from anytime_perception.engine.image_pass import ImagePass

_PATIENCE_SECONDS = 1.0  # how long a stream without deadlines waits at most for its turn


class Places:
    """
    One place per stream.

    `put`, `take` and `clear` are called with the engine's lock held; whether anybody waits, and
    whether the image in flight must give way, may be asked without it.

    Attributes
    ----------
    newer_ends: whether a newer image of its stream ends the one in flight.

    """

    def __init__(self):
        self.newer_ends = True
        self._waiting: dict[Hashable, ImagePass] = {}
        self._since: dict[Hashable, float] = {}  # arrival of the first image that was replaced
        self._passed_over = False  # whether the last image taken was exclusive

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, image_pass: ImagePass) -> ImagePass | None:
        """Put an image into its stream's place; return the one that it replaces, if any."""
        replaced = self._waiting.get(image_pass.stream)
        self._waiting[image_pass.stream] = image_pass
        if replaced is None:
            self._since[image_pass.stream] = image_pass.arrival
        return replaced

    def take(self) -> ImagePass:
        """
        Take an exclusive image if there is one, else the one with the earliest deadline.

        No stream waits for ever. If its images are replaced while they wait, the deadline of the
        first counts; an image without a deadline is due after a second; and after an exclusive
        image, those that are not exclusive go first.
        """
        taken = min(self._waiting.values(), key=lambda waiting: (
            waiting.exclusive == self._passed_over, self._turn(waiting)))
        del self._waiting[taken.stream]
        self._passed_over = taken.exclusive
        return taken

    def _turn(self, waiting: ImagePass) -> float:
        patience = waiting.deadline - waiting.arrival
        return self._since[waiting.stream] + (
            _PATIENCE_SECONDS if math.isinf(patience) else patience)

    def clear(self) -> list[ImagePass]:
        """Empty all places and return what was in them."""
        waiting, self._waiting = self._waiting, {}
        return list(waiting.values())

    def supersede(self, current: ImagePass, started: float) -> bool:
        """
        Return whether `current`, in flight since `started`, must give way once it is answered.

        It gives way at once to a newer image of its own stream, if `newer_ends`, else not at all.
        To an image of another stream it gives way when its share is over: half of the time until
        the other's deadline. It does so at once if the other has no deadline or is exclusive, and
        never if `current` is exclusive.
        """
        if not self._waiting:
            return False
        for waiting in list(self._waiting.values()):
            if waiting.stream == current.stream:
                if self.newer_ends:
                    return True
                continue
            share_end = (started + waiting.deadline) / 2
            if not current.exclusive and (
                    waiting.exclusive or math.isinf(share_end) or time.monotonic() > share_end):
                return True
        return False
