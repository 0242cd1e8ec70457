"""Pictures and pixels: what they are on disk, in messages and before a network; no ROS."""
