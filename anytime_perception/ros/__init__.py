"""The ROS 2 side: lifecycle node, conversions, parameters, diagnostics, a camera and a planner."""
