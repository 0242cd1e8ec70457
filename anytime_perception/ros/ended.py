"""Failures that only mean that ROS 2 has ended, and are none."""

from collections.abc import Iterator
import contextlib

from rclpy.context import Context


@contextlib.contextmanager
def unless_ended(context: Context) -> Iterator[None]:
    """
    Suppress what the block raises if `context` has ended.

    Ctrl-C shuts the context down while threads still publish; then there is nobody to tell.
    """
    try:
        yield
    except Exception:
        if context.ok():
            raise
