"""The node's parameters: names, defaults, ranges and what they mean."""

import math

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node


def declare_parameters(node: Node) -> None:
    """Declare every parameter of the perception node with its description and range."""
    node.declare_parameter('model', '', _describe(
        'Path of the model file. Read when the node is configured.'))
    node.declare_parameter('device', 'auto', _describe(
        'Where the network runs: auto (a GPU where there is one), cpu, cuda or cuda:N. '
        'Read when the node is configured.'))
    node.declare_parameter('threads', 1, _describe(
        'CPU threads of the network. More than one helps only on a machine with idle cores. '
        'Read when the node is configured.', integers=(1, 256)))
    node.declare_parameter('image_transport', 'raw', _describe(
        'raw (sensor_msgs/Image) or compressed (sensor_msgs/CompressedImage). '
        'Read when the node is activated.'))
    node.declare_parameter('reliability', 'best_effort', _describe(
        'QoS reliability of the image subscription: best_effort (receives from every publisher) '
        'or reliable. Read when the node is activated.'))
    node.declare_parameter('budget_ms', math.inf, _describe(
        'How long an image may be refined, in ms from its arrival; inf: until complete. '
        '~/set_budget changes it too.', number=True))
    node.declare_parameter('confidence', 1.0, _describe(
        'Stop refining an image once its most likely class has this probability; 1: never.',
        floats=(0.0, 1.0), number=True))
    node.declare_parameter('top_k', 3, _describe(
        'How many of the most likely classes a refinement names.', integers=(1, 1000)))
    node.declare_parameter('autostart', True, _describe(
        'Configure and activate at start, without waiting for a lifecycle manager.',
        read_only=True))


NAMES = ('model', 'device', 'threads', 'image_transport', 'reliability', 'budget_ms',
         'confidence', 'top_k')
# Taking effect only at a transition, these may not change while the node is past it.
READ_WHEN_CONFIGURED = ('model', 'device', 'threads')
READ_WHEN_ACTIVATED = ('image_transport', 'reliability')
_CHOICES = {'image_transport': ('raw', 'compressed'), 'reliability': ('best_effort', 'reliable')}


def reason_against(name: str, value) -> str:
    """
    Return why parameter `name` can't be `value`; empty if it can.

    Says only what the parameter's range doesn't.
    """
    if name in _CHOICES and value not in _CHOICES[name]:
        return f'{name} is {value!r}; allowed: {", ".join(_CHOICES[name])}'
    if name in ('budget_ms', 'confidence') and (
            isinstance(value, bool) or not isinstance(value, (int, float))):
        return f'{name} is {value!r}; it must be a number'
    if name == 'budget_ms' and not value > 0:
        return f'a budget of {value} ms is impossible; it must be positive (inf: until complete)'
    if name == 'confidence' and not 0 <= value <= 1:
        return f'confidence is {value}; it must be between 0 and 1 (1: never stop for it)'
    return ''


def _describe(text: str, *, integers: tuple[int, int] | None = None,
              floats: tuple[float, float] | None = None, read_only: bool = False,
              number: bool = False) -> ParameterDescriptor:
    # A number is typed dynamically, so that people may write 20 where they mean 20.0.
    descriptor = ParameterDescriptor(description=text, read_only=read_only, dynamic_typing=number)
    if integers:
        descriptor.integer_range = [
            IntegerRange(from_value=integers[0], to_value=integers[1], step=1)]
    if floats:
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=floats[0], to_value=floats[1], step=0.0)]
    return descriptor
