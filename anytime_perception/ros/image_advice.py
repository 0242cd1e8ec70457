"""Why few images or none come from a camera's topic, and what to do: texts for people."""

from rclpy.node import Node
from rclpy.qos import qos_policy_name_from_kind, QoSPolicyKind
from sensor_msgs.msg import CompressedImage, Image

# What the parameter image_transport may be, and the messages that come then.
IMAGE_TYPES = {'raw': Image, 'compressed': CompressedImage}
_TRANSPORTS = {f'sensor_msgs/msg/{kind.__name__}': transport
               for transport, kind in IMAGE_TYPES.items()}
SILENCE = ('nobody', 'type', 'silence')  # the words for why no image may have come
_LARGE = 'defaults of Fast DDS (see docs/large_images.md: both processes need its profile)'


def incompatible(name: str, kind: QoSPolicyKind) -> str:
    """Return what to do where a policy of a publisher of the topic `name` is too little."""
    policy = qos_policy_name_from_kind(kind)
    advice = ('set the parameter reliability to match or best_effort, or give the camera the QoS '
              'reliable' if kind == QoSPolicyKind.RELIABILITY else
              f'leave the parameter qos_overrides.{name}.subscription.{policy.lower()} out, or '
              'give the camera that QoS')
    return (f'no image can come from a publisher of {name}: its QoS offers less than this node '
            f'asks for ({policy}); {advice}')


def losses(name: str, lost: int, sent: int) -> str:
    """Return what to do where `lost` of the `sent` images of the topic `name` did not come."""
    return (f'{lost} of the last {sent} images of {name} were lost on the way, as large ones are '
            f'with the {_LARGE}, or on a network that is too slow for them (the parameter '
            'image_transport can be compressed)')


def silence(node: Node, topic: str, transport: str, carried: set[str],
            seconds: float) -> tuple[str, str]:
    """
    Return why no image may have come for `seconds`, in a word of `SILENCE`, and what to do.

    `carried` are the types of message that `topic`, as the node calls it, has publishers of.
    """
    name = node.resolve_topic_name(topic)
    if not carried:
        argument = ' (launch argument image:=TOPIC)' if topic == 'image' else ''
        return 'nobody', (
            f'nobody publishes {name}; topics with images are: '
            f'{", ".join(_topics_with_images(node)) or "none"}; remap {topic} to the topic of the '
            f'camera{argument}, or name it in the parameter image_topics')
    transports = [_TRANSPORTS[kind] for kind in sorted(carried) if kind in _TRANSPORTS]
    if transport not in transports:
        advice = (f'set the parameter image_transport to {transports[0]}{_of_all(node)}'
                  if transports else f'remap {topic} to a topic of images')
        return 'type', (f'{name} carries {", ".join(sorted(carried))}, and image_transport is '
                        f'{transport}; {advice}')
    return 'silence', (
        f'{name} has a publisher, but no image has come for {seconds:g} s: either the camera '
        f'sends none (ros2 topic hz {name}), or they are lost on the way, as large images are '
        f'with the {_LARGE}')


def _of_all(node: Node) -> str:
    """Return what else to think of where the type of one of several cameras is changed."""
    return (', which is that of all image_topics (a camera of another type takes a node of its '
            'own)' if len(node.get_parameter('image_topics').value) > 1 else '')


def _topics_with_images(node: Node) -> list[str]:
    """Return the topics of images that neither come from `node` nor go to it."""
    return [name for name, types in node.get_topic_names_and_types()
            if set(types) & set(_TRANSPORTS) and node.count_publishers(name)
            and not name.startswith(f'{node.get_fully_qualified_name()}/')
            and not any(info.node_name == node.get_name()
                        and info.node_namespace == node.get_namespace()
                        for info in node.get_subscriptions_info_by_topic(name))]
