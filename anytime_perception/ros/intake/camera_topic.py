"""One camera topic: a subscription that suits its publishers, and a word where little comes."""

from collections.abc import Callable, Iterable
import functools
import time
from typing import Any

from anytime_perception.ros.event_callbacks import (SubscriptionEventCallbacks,
                                                    UnsupportedEventTypeError)
from anytime_perception.ros.intake import image_advice
from anytime_perception.ros.intake.image_types import IMAGE_TYPES, TRANSPORTS
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

_RELIABILITY = {'best_effort': ReliabilityPolicy.BEST_EFFORT,
                'reliable': ReliabilityPolicy.RELIABLE}
# Whether a subscription says when its messages were sent; on Humble none does.
_KNOWS_WHEN_SENT = hasattr(Subscription, 'CallbackType')
_LOST_SHARE = 0.1  # of the images, from which on that is worth one
_FEWEST_IMAGES = 20  # that the share is of


class CameraTopic:
    """
    Receives the images of one topic, of the type and the reliability that suit its publishers.

    Publishers come and go. When they ask for another reliability, a second subscription is made,
    and the first goes only when `watch` is called next: until the second is connected, images
    come through the first. An image that comes through both is taken once.

    Parameters
    ----------
    node: whose parameters say which type and QoS.
    name: of the topic, relative to the node.
    take: called with each message.
    count_lost: called with how many messages were lost on the way, where the middleware tells.
    warn: called with the kind of a warning and its text; is expected to say each kind once.
    over: called with kinds of warnings and a text, when what they say is over.

    Attributes
    ----------
    heard: when the last image came, or waiting for one began.

    """

    def __init__(self, node: LifecycleNode, name: str,
                 take: Callable[[Image | CompressedImage], None],
                 count_lost: Callable[[int], None], warn: Callable[[str, str], None],
                 over: Callable[[Iterable[str], str], None]):
        self._node = node
        self._name = name
        self._take = take
        self._count_lost = count_lost
        self._warn = warn
        self._over = over
        self._subscriptions: list = []  # the newest last
        self._transport = 'raw'         # of all of them
        self._reliability = ''          # of the newest
        self._made = 0                  # how many were made
        self._receiving = 0             # the newest that an image came through
        self._sent: int | tuple[int, int] | None = None  # when the last image was, or its stamp
        self._explained = 0.0           # when silence was last looked into
        self._came = self._lost = 0     # messages since losses were last looked into
        self.heard = time.monotonic()
        self._suit()

    def watch(self) -> None:
        """Suit the publishers there are now; complain where little or nothing comes."""
        self._destroy(self._subscriptions[:-1])
        self._suit()
        if self._came + self._lost >= _FEWEST_IMAGES:
            self._explain_losses()
        now, patience = time.monotonic(), self._node.get_parameter('error_silence_s').value
        if self._subscriptions and now > max(self.heard, self._explained) + patience:
            self._explained = now
            self._explain_silence(patience)

    def close(self) -> None:
        """Receive nothing any more."""
        self._destroy(self._subscriptions[:])

    def _destroy(self, subscriptions: list) -> None:
        for subscription in subscriptions:
            self._subscriptions.remove(subscription)
            self._node.destroy_subscription(subscription)

    @property
    def full_name(self) -> str:
        """The topic's name, resolved."""
        return self._node.resolve_topic_name(self._name)

    def _publishers(self) -> list:
        # By the name as it was before remaps, which rclpy applies itself.
        return self._node.get_publishers_info_by_topic(self._name)

    def _suit(self) -> None:
        transport = self._fitting_transport()
        if self._subscriptions and transport != self._transport:
            # A process has one type for a topic until all that is of it is gone, which rclpy may
            # put off until after this call: the other one is for the next look.
            self.close()
            self._reliability = ''
            return
        self._transport = transport
        reliability = self._fitting_reliability()
        if reliability != self._reliability:
            try:
                self._subscribe(reliability)
            except RuntimeError as error:  # rclpy's; what is in the way may go, so look again
                self._say('refused', image_advice.refused(self.full_name, self._transport, error))

    def _fitting_transport(self) -> str:
        transport = self._node.get_parameter('image_transport').value
        if transport != 'match':
            return transport
        carried = {TRANSPORTS[info.topic_type] for info in self._publishers()
                   if info.topic_type in TRANSPORTS}
        # Without a publisher as before, since the one that has gone may come back.
        return self._transport if not carried or self._transport in carried else carried.pop()

    def _fitting_reliability(self) -> str:
        reliability = self._node.get_parameter('reliability').value
        if reliability != 'match':
            return reliability
        offers = [info.qos_profile.reliability for info in self._publishers()
                  if TRANSPORTS.get(info.topic_type) == self._transport]
        # Without a publisher best effort, which will receive from the first there is.
        return 'reliable' if offers and all(
            offer == ReliabilityPolicy.RELIABLE for offer in offers) else 'best_effort'

    def _subscribe(self, reliability: str) -> None:
        # Depth one: a queue would only hold images that are too old to be worth an answer.
        qos = QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=1,
                         reliability=_RELIABILITY[reliability])
        self._made += 1
        receive = functools.partial(self._receive, self._made)
        subscribe = functools.partial(
            self._node.create_subscription, IMAGE_TYPES[self._transport], self._name,
            receive if _KNOWS_WHEN_SENT else functools.partial(receive, info={}), qos,
            # Reliability has a parameter of its own, which may change; these are declared once.
            qos_overriding_options=QoSOverridingOptions(
                (QoSPolicyKind.DURABILITY, QoSPolicyKind.DEPTH)))
        events = functools.partial(SubscriptionEventCallbacks,
                                   incompatible_qos=self._meet_incompatible)
        try:
            subscription = subscribe(event_callbacks=events(message_lost=self._meet_lost))
        except UnsupportedEventTypeError:  # a middleware that does not tell
            subscription = subscribe(event_callbacks=events())
        self._subscriptions.append(subscription)
        self._reliability = reliability

    def _receive(self, number: int, message: Image | CompressedImage, info: dict) -> None:
        """Take a message that came through subscription `number`."""
        if number < self._receiving:
            return  # a newer one receives by now
        stamp = message.header.stamp
        sent = info.get('source_timestamp') or (stamp.sec, stamp.nanosec)
        again = number > self._receiving and sent == self._sent != (0, 0)
        if self._explained > self.heard:
            self._end_silence(time.monotonic() - self.heard)
        self._receiving, self._sent, self.heard = number, sent, time.monotonic()
        if not again:
            self._came += 1
            self._take(message)

    def _meet_lost(self, event: Any) -> None:
        self._lost += event.total_count_change
        self._count_lost(event.total_count_change)

    def _meet_incompatible(self, event: Any) -> None:
        if self._node.get_parameter('reliability').value == 'match' and \
                event.last_policy_kind == QoSPolicyKind.RELIABILITY:
            self._suit()
        else:
            self._say('qos', image_advice.incompatible(self.full_name, event.last_policy_kind))

    def _explain_losses(self) -> None:
        sent = self._came + self._lost
        if self._lost > _LOST_SHARE * sent:
            self._say('lost', image_advice.losses(self.full_name, self._lost, sent))
        self._came = self._lost = 0

    def _explain_silence(self, seconds: float) -> None:
        carried = {info.topic_type for info in self._publishers()}
        self._say(*image_advice.silence(self._node, self._name, self._transport, carried, seconds))

    def _end_silence(self, seconds: float) -> None:
        self._over([f'{kind} {self._name}' for kind in image_advice.SILENCE],
                   f'an image of {self.full_name} has come, after {seconds:.0f} s without')

    def _say(self, kind: str, text: str) -> None:
        """Warn of a thing of some kind, once for each topic."""
        self._warn(f'{kind} {self._name}', text)
