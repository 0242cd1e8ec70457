"""The perception node as its parts see it, which know no more of it."""

from anytime_perception import engine
from anytime_perception.ros.node.log_once import LogOnce
from anytime_perception.ros.node.statistics import Statistics
from rclpy.lifecycle import LifecycleNode


class Host(LifecycleNode):
    """
    What the parts of the perception node share.

    Attributes
    ----------
    engine: None unless configured.
    active: whether images are taken.
    trouble: why the last transition failed, empty if it did not.
    statistics: since activation.
    log_once: for what is worth one line in each activation.

    """

    def __init__(self, **kwargs):
        super().__init__('anytime_perception', **kwargs)
        self.engine: engine.AnytimeEngine | None = None
        self.active = False
        self.trouble = ''
        self.statistics = Statistics()
        self.log_once = LogOnce(self.get_logger())

    @property
    def running(self) -> engine.AnytimeEngine:
        """The engine of a node that is configured."""
        assert self.engine is not None
        return self.engine
