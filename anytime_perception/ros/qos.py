"""The qualities of service that are used in more than one place."""

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

# Whoever subscribes late gets the last message, too.
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
# As sensors publish: old messages are not worth sending again, or hearing late.
NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
