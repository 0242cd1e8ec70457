"""What a planner imports: a client of the perception node."""

from anytime_perception.ros.client.anytime_client import AnytimeClient
from anytime_perception.ros.client.calls import PerceptionError
from anytime_perception.ros.client.expectation import Expectation

__all__ = ['AnytimeClient', 'Expectation', 'PerceptionError']
