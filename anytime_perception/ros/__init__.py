"""The ROS 2 side: the lifecycle node, conversions, parameters, diagnostics, a camera and a planner."""
