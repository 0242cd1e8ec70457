"""The qualities of service that are used in more than one place."""

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

# Whoever subscribes late gets the last message, too.
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
# As sensors publish: old messages are not worth sending again, or hearing late.
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
# Of an action's services: rclpy's default is 10, and of more goals or answers that come at once
# some would be lost without a word.
BURST = QoSProfile(depth=100)
