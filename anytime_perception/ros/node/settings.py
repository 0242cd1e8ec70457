"""A change of a parameter: refused with the reason, or made to take effect."""

from collections.abc import Callable
from typing import Any

from anytime_perception.images.region import Region
from anytime_perception.ros.node import parameters
from anytime_perception.ros.node.camera_images import CameraImages
from anytime_perception.ros.node.host import Host
from anytime_perception.ros.node.outputs import Outputs
from anytime_perception.ros.node.reasons import budget_refusal
from anytime_perception.ros.node.speed import speed_table, SpeedBudget
from anytime_perception.ros.parameters import Read
from rcl_interfaces.msg import SetParametersResult
from rclpy.parameter import Parameter

# What parameters that are texts are read by; it raises ValueError for what it can't read.
_PARSED: dict[str, Callable[[str], object]] = {
    'region': Region.parse, 'speed_budgets': speed_table}


class Settings:
    """What the parameters of a perception node change."""

    def __init__(self, node: Host, images: CameraImages, outputs: Outputs, speed: SpeedBudget):
        self._node = node
        self._images, self._outputs, self._speed = images, outputs, speed

    def listen(self) -> None:
        """Look at changes from now on."""
        self._node.add_on_set_parameters_callback(self._change)

    def check(self) -> None:
        """
        Look at what was given at start, which nothing else has checked.

        Raises
        ------
        ValueError: for an impossible value.

        """
        for name in parameters.PARAMETERS:
            if reason := parameters.reason_against(name, self._value(name)):
                raise ValueError(reason)
        for name, parse in _PARSED.items():
            parse(self._value(name))

    def apply(self) -> None:
        """Make every live parameter take effect."""
        for name in parameters.PARAMETERS:
            self._apply(name, self._value(name))

    def apply_budget(self, budget_ms: float | None = None) -> None:
        """Give the engine the standing budget, or the shorter one for the robot's speed."""
        node = self._node
        if budget_ms is None:
            budget_ms = self._value('budget_ms')
        if node.engine is not None:
            node.engine.budget = min(budget_ms, self._speed.budget_ms) / 1e3

    def _value(self, name: str) -> Any:
        return self._node.get_parameter(name).value

    def _change(self, changes: list[Parameter]) -> SetParametersResult:
        for change in changes:
            if reason := self._reason_against(change):
                return SetParametersResult(successful=False, reason=reason)
        for change in changes:
            self._apply(change.name, change.value)
        return SetParametersResult(successful=True)

    def _reason_against(self, change: Parameter) -> str:
        spec = parameters.PARAMETERS.get(change.name)
        if spec is None:
            return ''  # rclpy's own, such as use_sim_time
        if spec.read is Read.CONFIGURED and self._node.engine is not None:
            return f'{change.name} is read when the node is configured; clean it up first'
        if spec.read is Read.ACTIVATED and self._node.active:
            return f'{change.name} is read when the node is activated; deactivate it first'
        if change.name == 'budget_ms':
            return budget_refusal(self._node.engine, change.value)
        if parse := _PARSED.get(change.name):
            try:
                parse(change.value)
            except ValueError as error:
                return str(error)
        return parameters.reason_against(change.name, change.value)

    def _apply(self, name: str, value: Any) -> None:
        """Make a live parameter take effect; others are read when they are needed."""
        outputs, engine = self._outputs, self._node.engine
        if name == 'region':
            self._images.region = Region.parse(value)
        elif name == 'budget_from':
            self._images.budget_from = value
        elif name == 'top_k':
            outputs.top_k = value
        elif name == 'publish':
            outputs.rate = value
        elif name == 'budget_ms':
            self.apply_budget(value)
        elif name == 'confidence' and engine is not None:
            engine.confidence = value if value < 1 else None
        elif name in ('hysteresis', 'supersede') and engine is not None:
            setattr(engine, name, value)
