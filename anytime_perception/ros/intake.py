"""Camera images in: subscriptions that suit their publishers, and a word where nothing arrives."""

from collections.abc import Callable
import functools

from anytime_perception.ros.statistics import now
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import (HistoryPolicy, qos_policy_name_from_kind, QoSPolicyKind, QoSProfile,
                       ReliabilityPolicy)
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CompressedImage, Image

try:
    from rclpy.event_handler import SubscriptionEventCallbacks
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks

IMAGE_TYPES = {'raw': Image, 'compressed': CompressedImage}
_RELIABILITY = {'best_effort': ReliabilityPolicy.BEST_EFFORT,
                'reliable': ReliabilityPolicy.RELIABLE}
_PATIENCE = 5.0  # seconds without an image before that is worth a word


class ImageIntake:
    """
    Subscribes to the camera topics and says what to do where no image comes.

    Parameters
    ----------
    node: whose parameters say which topics, type and QoS.
    take: called with the topic and each message.
    wanted: whether anybody listens; asked in `watch` where the parameter `lazy` is set.
    warn: called with the kind of a warning and its text; is expected to say each kind once.

    """

    def __init__(self, node: LifecycleNode, take: Callable[[str, Image | CompressedImage], None],
                 wanted: Callable[[], bool], warn: Callable[[str, str], None]):
        self._node = node
        self._take = take
        self._wanted = wanted
        self._warn = warn
        self._topics: tuple[str, ...] = ()
        self._subscriptions: dict[str, tuple] = {}  # topic: (subscription, reliability)
        self._heard: dict[str, float] = {}  # topic: when the last image came, or waiting began

    @property
    def topics(self) -> tuple[str, ...]:
        """The camera topics, as the parameter names them; none while stopped."""
        return self._topics

    @property
    def heard(self) -> float:
        """When the last image came, or waiting for one began."""
        return max(self._heard.values(), default=0.0)

    @property
    def subscribed(self) -> bool:
        """Whether images are being received."""
        return bool(self._subscriptions)

    def start(self) -> None:
        """Begin to receive images, or to wait for somebody to want answers."""
        self._topics = tuple(self._value('image_topics')) or ('image',)
        self.watch()

    def stop(self) -> None:
        """Receive nothing any more."""
        self._topics = ()
        for topic in list(self._subscriptions):
            self._unsubscribe(topic)

    def watch(self) -> None:
        """Suit the subscriptions to who publishes and listens now; call it every now and then."""
        wanted = not self._value('lazy') or self._wanted()
        for topic in self._topics:
            if not wanted:
                self._unsubscribe(topic)
                continue
            reliability = self._reliability(topic)
            if topic in self._subscriptions and self._subscriptions[topic][1] != reliability:
                self._unsubscribe(topic)
            if topic not in self._subscriptions:
                self._subscribe(topic, reliability)
            elif now() > self._heard[topic] + _PATIENCE:
                self._explain_silence(topic)

    def _value(self, name: str):
        return self._node.get_parameter(name).value

    def _publishers(self, topic: str) -> list:
        name = self._node.resolve_topic_name(topic)
        return self._node.get_publishers_info_by_topic(name)

    def _reliability(self, topic: str) -> str:
        """Return the reliability to ask for: reliable if every publisher offers it."""
        wish = self._value('reliability')
        if wish != 'match':
            return wish
        offers = [info.qos_profile.reliability for info in self._publishers(topic)]
        return 'reliable' if offers and all(
            offer == ReliabilityPolicy.RELIABLE for offer in offers) else 'best_effort'

    def _subscribe(self, topic: str, reliability: str) -> None:
        # Depth one: a queue would only hold images that are too old to be worth an answer.
        qos = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
                         reliability=_RELIABILITY[reliability])
        subscription = self._node.create_subscription(
            IMAGE_TYPES[self._value('image_transport')], topic,
            functools.partial(self._receive, topic), qos,
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=functools.partial(self._explain_qos, topic)),
            # Reliability has a parameter of its own, which may change; these are declared once.
            qos_overriding_options=QoSOverridingOptions(
                (QoSPolicyKind.DURABILITY, QoSPolicyKind.DEPTH)))
        self._subscriptions[topic] = (subscription, reliability)
        self._heard[topic] = now()

    def _unsubscribe(self, topic: str) -> None:
        subscription, _ = self._subscriptions.pop(topic, (None, None))
        if subscription is not None:
            self._node.destroy_subscription(subscription)

    def _receive(self, topic: str, message: Image | CompressedImage) -> None:
        self._heard[topic] = now()
        self._take(topic, message)

    def _explain_qos(self, topic: str, event) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        name = self._node.resolve_topic_name(topic)
        self._warn(
            f'qos {topic}', f'no image can come from a publisher of {name}: its QoS offers less '
            f'than this node asks for ({policy}); set the parameter reliability to match or '
            'best_effort, or give the camera the QoS reliable')

    def _explain_silence(self, topic: str) -> None:
        """Say once why no image may have come for some time, and what to do."""
        name = self._node.resolve_topic_name(topic)
        publishers = self._publishers(topic)
        transport = self._value('image_transport')
        kinds = {f'sensor_msgs/msg/{kind.__name__}': transport
                 for transport, kind in IMAGE_TYPES.items()}
        others = {info.topic_type for info in publishers}
        if not publishers:
            there = [other for other, types in self._node.get_topic_names_and_types()
                     if set(types) & set(kinds) and self._node.count_publishers(other)
                     and not other.startswith(f'{self._node.get_fully_qualified_name()}/')]
            self._warn(f'nobody {topic}', f'nobody publishes {name}; topics with images are: '
                       f'{", ".join(there) or "none"}; remap image to the topic of the camera '
                       '(launch argument image:=TOPIC)')
        elif not any(kinds.get(kind) == transport for kind in others):
            kind = next((kinds[kind] for kind in others if kind in kinds), None)
            advice = (f'set the parameter image_transport to {kind}' if kind else
                      'remap image to a topic of images')
            self._warn(f'type {topic}', f'{name} carries {", ".join(sorted(others))}, and '
                       f'image_transport is {transport}; {advice}')
        else:
            self._warn(f'silence {topic}', f'{name} has a publisher, but no image has come for '
                       f'{_PATIENCE:g} s: either the camera sends none (ros2 topic hz {name}), or '
                       'they are lost on the way, as large images are with the defaults of Fast '
                       'DDS (see docs/large_images.md: both processes need its profile)')
