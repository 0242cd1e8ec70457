"""A parameter of a node: its default, range, when it is read, and what it means."""

from collections.abc import Sequence
from dataclasses import dataclass
import enum
import math
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from rclpy.parameter import Parameter


class Read(enum.Enum):
    """When a change of a parameter takes effect; later it is refused."""

    LIVE = 'at any time'
    ACTIVATED = 'when activated'
    CONFIGURED = 'when configured'
    START = 'at start'


@dataclass(frozen=True)
class Spec:
    """
    One parameter.

    Numbers have a range `minimum` to `maximum`; `above` excludes the minimum itself. Texts may
    have `choices`. A list is of `items`: texts, or numbers of that range.
    """

    default: Any
    text: str
    read: Read = Read.LIVE
    minimum: float = -math.inf
    maximum: float = math.inf
    above: bool = False
    choices: tuple[str, ...] = ()
    items: type[str] | type[float] = str

    @property
    def allowed(self) -> str:
        """What values are allowed, in words; empty for any."""
        if self.choices:
            return ', '.join(self.choices)
        if self.minimum == -math.inf:
            return ''
        if self.maximum == math.inf:
            return f'{"above" if self.above else "at least"} {self.minimum:g}'
        return f'{self.minimum:g} to {self.maximum:g}'

    def reason_against(self, name: str, value: Any) -> str:
        """Return why parameter `name` can't be `value`; empty if it can."""
        if self.choices and value not in self.choices:
            return f'{name} is {value!r}; allowed: {", ".join(self.choices)}'
        if isinstance(self.default, list):
            return self._reason_against_list(name, value)
        if not isinstance(self.default, float):
            return ''  # rclpy checks the type, and the range of integers
        if not _is_number(value):
            return f'{name} is {value!r}; it must be a number, {self.allowed} (infinity is .inf)'
        return '' if self._in_range(value) else f'{name} is {value}; allowed: {self.allowed}'

    def descriptor(self) -> ParameterDescriptor:
        """Return what `ros2 param describe` shows."""
        read = '' if self.read is Read.LIVE else f' Read {self.read.value}.'
        # A number is typed dynamically, so that people may write 20 where they mean 20.0, and a
        # list, as an empty one has no type in YAML.
        descriptor = ParameterDescriptor(
            description=self.text + read, additional_constraints=self.allowed,
            read_only=self.read is Read.START,
            dynamic_typing=isinstance(self.default, (float, list)))
        if type(self.default) is int:
            descriptor.integer_range = [IntegerRange(
                from_value=int(self.minimum), to_value=int(self.maximum), step=1)]
        elif isinstance(self.default, float) and math.isfinite(self.minimum + self.maximum):
            descriptor.floating_point_range = [FloatingPointRange(
                from_value=float(self.minimum), to_value=float(self.maximum), step=0.0)]
        return descriptor

    def _in_range(self, value: float) -> bool:
        return self.minimum <= value <= self.maximum and not (self.above and value == self.minimum)

    def _is_item(self, value: Any) -> bool:
        return isinstance(value, str) if self.items is str else \
            _is_number(value) and self._in_range(value)

    def _reason_against_list(self, name: str, values: Any) -> str:
        listed = isinstance(values, Sequence) and not isinstance(values, str)
        if listed and all(map(self._is_item, values)):
            return ''
        wanted = "names, such as ['front', 'rear']" if self.items is str else \
            f'numbers {self.allowed}, such as [5.0, 20.0]'
        return f'{name} is {values!r}; it must be a list of {wanted}'


def declare_unchecked(node: Node, name: str, spec: Spec) -> Any:
    """Declare one parameter of a node, and return its value, which may be impossible."""
    value = node.declare_parameter(name, spec.default, spec.descriptor()).value
    if value is None and isinstance(spec.default, list):  # YAML's []
        value = []
        node.set_parameters([Parameter(name, Parameter.Type.STRING_ARRAY, value)])
    return value


def declare(node: Node, name: str, spec: Spec) -> Any:
    """
    Declare one parameter of a node that can't do without, and return its value.

    Raises
    ------
    ValueError: for an impossible value.

    """
    value = declare_unchecked(node, name, spec)
    if reason := spec.reason_against(name, value):
        raise ValueError(reason)
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
