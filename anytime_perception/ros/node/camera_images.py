"""A camera's images, from message to answers, on the executor's and the engine's threads."""

import functools
import math
import time

from anytime_perception import engine
from anytime_perception.images.region import Region
from anytime_perception.ros.intake.decode import BadImageError, check_image, to_rgb
from anytime_perception.ros.node.host import Host
from anytime_perception.ros.node.outputs import Outputs
from anytime_perception.ros.node.statistics import Statistics
from anytime_perception.ros.node.trace import ImageTrace
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

_OLDEST = 10.0  # seconds; a stamp that was longer ago is of another clock, or of a recording
_AHEAD = 0.05   # seconds that clocks of two machines, or that of a simulation, may be apart


class CameraImages:
    """
    Takes the camera images of a perception node through its engine.

    `take` is called on the executor's thread and only stores the image; the engine's worker does
    the rest. An image is counted in the statistics that were in force when it arrived, even if it
    ends after the node was deactivated and activated again.

    Attributes
    ----------
    region: the part of every picture that the network sees.
    budget_from: what budgets count from, arrival or stamp.

    """

    def __init__(self, node: Host, outputs: Outputs):
        self._node = node
        self._outputs = outputs
        self.region = Region()
        self.budget_from = 'arrival'

    def take(self, topic: str, message: Image | CompressedImage) -> None:
        """Hand a message to the engine, or count why that can't be."""
        node, statistics, arrival = self._node, self._node.statistics, time.monotonic()
        # Without rclpy's Time, which refuses a negative stamp.
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        age = (node.get_clock().now().nanoseconds - stamp) / 1e9 if stamp else math.nan
        spent = self._spent(topic, age)
        statistics.count_arrival(topic, arrival, age, spent)
        trace = ImageTrace(message.header, topic, arrival, age)
        fail = functools.partial(self._fail, statistics, topic)
        try:
            check_image(message)
            node.running.submit(
                functools.partial(self._decode, statistics, topic, message, trace,
                                  node.running.model.preprocessing.size),
                stream=topic, tag=trace, arrival=arrival, budget_from=arrival - spent,
                on_failure=fail, on_refinement=functools.partial(self._publish, statistics))
        except (BadImageError, RuntimeError) as error:  # the latter: the engine gave up
            fail(error)

    def _spent(self, topic: str, age: float) -> float:
        """Return how many seconds of its budget an image has spent before it arrived."""
        node = self._node
        if self.budget_from == 'arrival':
            return 0.0
        if reason := doubt_of_age(age):
            node.log_once.warning(f'stamp {topic}', (
                f'an image of {node.resolve_topic_name(topic)} has {reason}, so its budget counts '
                'from its arrival; budget_from is stamp, which needs stamps of the clock that '
                'this node has (use_sim_time with a recording)'))
            return 0.0
        if age >= node.running.budget.seconds:
            node.log_once.warning(f'late {topic}', (
                f'an image of {node.resolve_topic_name(topic)} was {age * 1e3:.1f} ms old when it '
                f'came, and its budget of {node.running.budget.seconds * 1e3:g} ms spent '
                '(budget_from is stamp): such images have their first answer only; are the '
                "camera's clock and this node's the same?"))
        return max(0.0, age)

    def _decode(self, statistics: Statistics, topic: str, message: Image | CompressedImage,
                trace: ImageTrace, size: int) -> np.ndarray:
        trace.started()
        statistics.count_start(topic, trace.age, trace.waited)
        region = self.region  # another thread may change it
        picture = region.crop(to_rgb(message, region.least(size)))
        if self._outputs.keeps_pictures:
            trace.image = message
        trace.decoded()
        return picture

    def _publish(self, statistics: Statistics, refinement: engine.Refinement) -> None:
        statistics.count_refinement(refinement, fresh=refinement.tag.is_fresh(refinement))
        # An image of an activation before is not published in this one.
        if statistics is self._node.statistics and self._outputs.publish(refinement):
            statistics.count_publication()

    def _fail(self, statistics: Statistics, topic: str, error: Exception) -> None:
        kind = error.kind if isinstance(error, BadImageError) else 'failed'
        statistics.count_bad(kind)
        self._node.log_once.error(
            f'{kind} {topic}', f'an image of {self._node.resolve_topic_name(topic)} was dropped: '
                               f'{error} (reported once; /diagnostics counts them)')


def doubt_of_age(age: float) -> str:
    """Return what is wrong with a stamp that says an image is `age` seconds old; empty if not."""
    if math.isnan(age):
        return 'no stamp'
    if age < -_AHEAD:
        return f'a stamp {-age * 1e3:.1f} ms later than its arrival'
    return f'a stamp {age:.0f} s before its arrival' if age > _OLDEST else ''
