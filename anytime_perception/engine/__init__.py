"""
Runs a network stage by stage under a budget, preemptible at any moment.

Knows networks, no ROS.
"""

from anytime_perception.engine.budget import Budget
from anytime_perception.engine.device import choose_device, DeviceError
from anytime_perception.engine.engine import AnytimeEngine
from anytime_perception.engine.image_pass import ImagePass
from anytime_perception.engine.profile import LatencyProfile
from anytime_perception.engine.refinement import Refinement, Status
from anytime_perception.engine.runners import RunnerError

__all__ = ['AnytimeEngine', 'Budget', 'DeviceError', 'ImagePass', 'LatencyProfile', 'Refinement',
           'RunnerError', 'Status', 'choose_device']
