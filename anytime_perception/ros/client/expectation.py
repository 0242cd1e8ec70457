"""What a planner is told of a budget that it asks for."""

from dataclasses import dataclass
import math

from anytime_perception.ros.client.calls import PerceptionError
from anytime_perception.srv import SetBudget


@dataclass(frozen=True)
class Expectation:
    """
    What a budget buys on the node's device.

    Attributes
    ----------
    budget: in force now, in seconds from an image's arrival, or from its stamp where the node's
        budget_from says so; inf for none. The robot's speed may allow less than was asked for.
    exit_index: the last exit that answers in time (p99), None where none does.
    latency, latency_p99: seconds until it answers.
    accuracy: when the model was evaluated; NaN where it was not.
    message: what speaks against relying on the budget at present; empty where nothing does.

    """

    budget: float
    exit_index: int | None
    latency: float
    latency_p99: float
    accuracy: float
    message: str


def budget_request(seconds: float | None, current_only: bool,
                   image_topic: str) -> SetBudget.Request:
    """Return what asks for a budget of `seconds`, None for none."""
    return SetBudget.Request(
        budget_ms=math.inf if seconds is None else seconds * 1e3,
        scope=SetBudget.Request.CURRENT_IMAGE if current_only else SetBudget.Request.EVERY_IMAGE,
        image_topic=image_topic)


def expectation(response: SetBudget.Response) -> Expectation:
    """Return what a granted budget buys; raise PerceptionError where it was refused."""
    if not response.accepted:
        raise PerceptionError(response.message)
    return Expectation(
        response.budget_ms / 1e3, None if response.exit_index < 0 else response.exit_index,
        response.expected_latency_ms / 1e3, response.expected_p99_ms / 1e3,
        response.expected_accuracy, response.message)
