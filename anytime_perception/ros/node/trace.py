"""What happened to an image, and when."""

import time

from anytime_perception import engine
from anytime_perception.msg import Trace
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header


class ImageTrace:
    """
    The times of one image, filled in on its way; it is the tag of its refinements.

    Attributes
    ----------
    header: of its message.
    image_topic: of its camera, empty for the image of a goal.
    age: seconds from its stamp to its arrival, on the node's clock.
    image: its message, kept only while somebody wants to see it.

    """

    def __init__(self, header: Header, image_topic: str = '', arrival: float = 0.0,
                 age: float = 0.0):
        self.header = header
        self.image_topic = image_topic
        self.age = age
        self.image: Image | CompressedImage | None = None
        self._arrival = arrival
        self._started = self._decoded = self._published = 0.0
        self._exits: list[float] = []
        self._answer: int | None = None

    def started(self) -> None:
        """Note that work on the image begins."""
        self._started = time.monotonic() - self._arrival

    def decoded(self) -> None:
        """Note that the picture is decoded."""
        self._decoded = time.monotonic() - self._arrival

    def is_fresh(self, refinement: engine.Refinement) -> bool:
        """Return whether this is a new answer, neither noted yet nor repeated from before."""
        return refinement.exit_index >= len(self._exits)

    def answered(self, refinement: engine.Refinement) -> bool:
        """Note an answer; return whether it differs from the one before."""
        if self.is_fresh(refinement):
            self._exits.append(refinement.elapsed)
        changed = refinement.class_index != self._answer
        self._answer = refinement.class_index
        return changed

    def published(self) -> None:
        """Note that the last answer was published."""
        self._published = time.monotonic() - self._arrival

    @property
    def waited(self) -> float:
        """Seconds from arrival to start."""
        return self._started

    def message(self, refinement: engine.Refinement) -> Trace:
        """Return the message, given the image's final refinement."""
        return Trace(
            header=self.header, image_topic=self.image_topic, age_ms=self.age * 1e3,
            start_ms=self._started * 1e3, decoded_ms=self._decoded * 1e3,
            exit_ms=[1e3 * seconds for seconds in self._exits],
            published_ms=self._published * 1e3, budget_ms=refinement.budget * 1e3,
            status=int(refinement.status))
