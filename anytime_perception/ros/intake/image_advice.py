"""Why few images or none come from a camera's topic, and what to do: texts for people."""

from anytime_perception.ros.intake.image_types import TRANSPORTS
from rclpy.node import Node
from rclpy.qos import qos_policy_name_from_kind, QoSPolicyKind

SILENCE = ('nobody', 'type', 'silence')  # the words for why no image may have come
_LARGE = 'defaults of Fast DDS (see docs/large_images.md: both processes need its profile)'


def incompatible(name: str, kind: QoSPolicyKind) -> str:
    """Return what to do if a publisher of the topic `name` offers too little of a QoS policy."""
    policy = qos_policy_name_from_kind(kind)
    advice = ('set the parameter reliability to match or best_effort, or give the camera the QoS '
              'reliable' if kind == QoSPolicyKind.RELIABILITY else
              f'leave the parameter qos_overrides.{name}.subscription.{policy.lower()} out, or '
              'give the camera that QoS')
    return (f'no image can come from a publisher of {name}: its QoS offers less than this node '
            f'asks for ({policy}); {advice}')


def refused(name: str, transport: str, error: Exception) -> str:
    """Return what to do if the middleware refuses a subscription to the topic `name`."""
    return (f'{name} cannot be received as {transport} images at present ({error}); where another '
            'node in this process has that topic with another type, give it a process of its own')


def losses(name: str, lost: int, sent: int) -> str:
    """Return what to do where `lost` of the `sent` images of the topic `name` did not come."""
    return (f'{lost} of the last {sent} images of {name} were lost on the way, as large ones are '
            f'with the {_LARGE}, or on a network that is too slow for them (compressed '
            'ones are smaller: remap the topic to one of these)')


def silence(node: Node, topic: str, transport: str, carried: set[str],
            seconds: float) -> tuple[str, str]:
    """
    Return why no image may have come for `seconds`, as a word of `SILENCE`, and what to do.

    `topic` is as the node calls it; `carried` are the message types that it has publishers of.
    """
    name = node.resolve_topic_name(topic)
    if not carried:
        argument = ' (launch argument image:=TOPIC)' if topic == 'image' else ''
        return 'nobody', (
            f'nobody publishes {name}; topics with images are: '
            f'{", ".join(_topics_with_images(node)) or "none"}; remap {topic} to the topic of the '
            f'camera{argument}, or name it in the parameter image_topics')
    types = ', '.join(sorted(carried))
    if carried.isdisjoint(TRANSPORTS):
        return 'type', (f'{name} carries {types}, which are no images; remap {topic} to the topic '
                        'of the camera')
    if transport not in map(TRANSPORTS.get, carried):
        return 'type', (f'{name} carries {types}, and image_transport is {transport}; set it to '
                        'match')
    return 'silence', (
        f'{name} has a publisher, but no image has come for {seconds:g} s: either the camera '
        f'sends none (ros2 topic hz {name}), or they are lost on the way, as large images are '
        f'with the {_LARGE}')


def _topics_with_images(node: Node) -> list[str]:
    """Return the topics of images that neither come from `node` nor go to it."""
    return [name for name, types in node.get_topic_names_and_types()
            if set(types) & set(TRANSPORTS) and node.count_publishers(name)
            and not name.startswith(f'{node.get_fully_qualified_name()}/')
            and not any(info.node_name == node.get_name()
                        and info.node_namespace == node.get_namespace()
                        for info in node.get_subscriptions_info_by_topic(name))]
