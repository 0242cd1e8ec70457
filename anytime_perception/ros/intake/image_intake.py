"""Camera images in, from one topic or several, and only while somebody wants answers."""

from collections.abc import Callable, Iterable, Mapping
import functools
from types import MappingProxyType

from anytime_perception.ros.intake.camera_topic import CameraTopic
from rclpy.exceptions import NameValidationException
from rclpy.expand_topic_name import expand_topic_name
from rclpy.lifecycle import LifecycleNode
from rclpy.validate_full_topic_name import validate_full_topic_name
from rclpy.validate_topic_name import validate_topic_name
from sensor_msgs.msg import CompressedImage, Image


class ImageIntake:
    """
    Subscribes to the camera topics that the node's parameter names.

    Parameters
    ----------
    node: whose parameters say which topics, type and QoS.
    take: called with the topic and each message.
    count_lost: called with how many messages were lost on the way.
    wanted: whether anybody listens; asked in `watch` where the parameter `lazy` is set.
    paused: called when no images are received any more, because nobody listens.
    warn: called with the kind of a warning and its text; is expected to say each kind once.
    over: called with kinds of warnings and a text, when what was warned of is over.

    Attributes
    ----------
    topics: the camera topics, as the parameter names them; none while stopped, or without cameras.

    """

    def __init__(self, node: LifecycleNode, take: Callable[[str, Image | CompressedImage], None],
                 count_lost: Callable[[int], None], wanted: Callable[[], bool],
                 paused: Callable[[], None], warn: Callable[[str, str], None],
                 over: Callable[[Iterable[str], str], None]):
        self._node = node
        self._take = take
        self._count_lost = count_lost
        self._wanted = wanted
        self._paused = paused
        self._warn = warn
        self._over = over
        self._received: dict[str, CameraTopic] = {}
        self.topics: tuple[str, ...] = ()

    @property
    def received(self) -> Mapping[str, CameraTopic]:
        """The topics that are received, by the names in `topics`, in their order."""
        return MappingProxyType(self._received)

    @property
    def subscribed(self) -> bool:
        """Whether images are being received."""
        return bool(self._received)

    def start(self) -> None:
        """
        Begin to receive images, or to wait for somebody to want answers.

        Raises
        ------
        ValueError: for a name that no topic can have.

        """
        self.topics = tuple(self._node.get_parameter('image_topics').value)
        for topic in self.topics:
            _check_name(self._node, topic)
        # Also if nobody wants answers yet, so that what is wrong with a subscription shows now,
        # and not when somebody relies on the node.
        self._subscribe()
        self.watch()

    def stop(self) -> None:
        """Stop receiving images."""
        self.topics = ()
        self._close()

    def watch(self) -> None:
        """Adapt the subscriptions to who publishes and listens now; to be called regularly."""
        if self._node.get_parameter('lazy').value and not self._wanted():
            if self._received:
                self._close()
                self._paused()
        else:
            self._subscribe()

    def _subscribe(self) -> None:
        for topic in self.topics:
            if topic in self._received:
                self._received[topic].watch()
            else:
                self._received[topic] = CameraTopic(
                    self._node, topic, functools.partial(self._take, topic), self._count_lost,
                    self._warn, self._over)

    def _close(self) -> None:
        while self._received:
            self._received.popitem()[1].close()


def _check_name(node: LifecycleNode, topic: str) -> None:
    try:
        validate_topic_name(topic)
        validate_full_topic_name(
            expand_topic_name(topic, node.get_name(), node.get_namespace()))
    except (NameValidationException, ValueError) as error:
        reason = str(error).splitlines()[0].rstrip(':')
        raise ValueError(f'image_topics has {topic!r}: {reason}') from None
