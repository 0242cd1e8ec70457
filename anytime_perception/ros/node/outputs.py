"""Answers out: refinements at the chosen rate, the annotated picture, vision_msgs, traces."""


from anytime_perception import engine
from anytime_perception.model import Model
from anytime_perception.msg import Refinement, Trace
from anytime_perception.ros.ended import unless_ended
from anytime_perception.ros.node import vision
from anytime_perception.ros.node.annotated import Annotator
from anytime_perception.ros.node.announcement import Announcement
from anytime_perception.ros.node.host import Host
from anytime_perception.ros.node.messages import ranking, refinement_message
from anytime_perception.ros.node.trace import ImageTrace
from anytime_perception.ros.node.trace_file import TraceFile
from rclpy.lifecycle import LifecycleNode
from rclpy.publisher import Publisher
from rclpy.qos import QoSPolicyKind
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image


class Outputs:
    """
    The publishers of a perception node's answers, which are of use while it is `active`.

    `publish` is called from the worker thread, or from whoever stopped an image; everything else
    from the executor's.

    Attributes
    ----------
    rate: every, final or change: which refinements are published.
    top_k: how many classes they name.

    """

    def __init__(self, node: Host):
        self.rate = 'every'
        self.top_k = 3
        self._node = node
        self._class_ids: tuple[str, ...] = ()
        self._trace_file: TraceFile | None = None
        self._refinements = _publisher(node, Refinement, '~/refinements', 50)
        self._annotated = _publisher(node, Image, '~/annotated', 1)
        self._trace = _publisher(node, Trace, '~/trace', 50)
        self._classification = None if vision.Classification is None else \
            _publisher(node, vision.Classification, '~/classification', 50)
        self._announcement = Announcement(node)
        self._annotator = Annotator(self._publish_picture)

    def configure(self, model: Model, device: str, profile: engine.LatencyProfile,
                  trace_path: str) -> None:
        """
        Announce a model, whose answers follow.

        Raises
        ------
        OSError: if the file for traces can't be written.

        """
        self._class_ids = model.class_ids
        self._trace_file = TraceFile(trace_path) if trace_path else None
        self._announcement.make(model, device, profile)

    def cleanup(self) -> None:
        """Take the announcement back and close the file."""
        self._announcement.withdraw()
        if self._trace_file is not None:
            self._trace_file.close()
            self._trace_file = None

    def close(self) -> None:
        """End the thread that draws."""
        self.cleanup()
        self._annotator.close()

    def wanted(self) -> bool:
        """Return whether anybody listens to what comes of images."""
        return any(publisher is not None and publisher.get_subscription_count() for publisher in
                   (self._refinements, self._annotated, self._classification, self._trace))

    def message(self, refinement: engine.Refinement) -> Refinement:
        """Return the message of a refinement whose tag is an ImageTrace."""
        trace = refinement.tag
        return refinement_message(
            refinement, trace.header, trace.image_topic, self._class_ids, self.top_k)

    def publish(self, refinement: engine.Refinement) -> bool:
        """
        Publish what is wanted of a refinement whose tag is an ImageTrace.

        Returns whether that was the refinement itself. Of a node that is not active nothing is.
        """
        if not self._node.active:
            return False
        with unless_ended(self._node.context):
            return self._publish(refinement, refinement.tag)
        return False

    def _publish(self, refinement: engine.Refinement, trace: ImageTrace) -> bool:
        final = refinement.status.final
        changed = trace.answered(refinement)
        wanted = final or self.rate == 'every' or (self.rate == 'change' and changed)
        if wanted:
            message = self.message(refinement)
            self._refinements.publish(message)
            if self._classification is not None and \
                    self._classification.get_subscription_count():
                self._classification.publish(vision.classification(
                    refinement, trace.header, ranking(refinement, self.top_k)))
        if final:
            self._finish(refinement, trace)
        return wanted

    def _finish(self, refinement: engine.Refinement, trace: ImageTrace) -> None:
        """Publish what is published once for an image."""
        trace.published()
        if self._annotated.get_subscription_count() and trace.image is not None:
            self._annotator.offer(trace.image, self.message(refinement))
        trace.image = None
        if self._trace_file is not None or self._trace.get_subscription_count():
            message = trace.message(refinement)
            self._trace.publish(message)
            if self._trace_file is not None:
                self._trace_file.write(message)

    def _publish_picture(self, message: Image) -> None:
        """Publish an annotated picture, on the thread that draws."""
        with unless_ended(self._node.context):
            self._annotated.publish(message)

    @property
    def keeps_pictures(self) -> bool:
        """Whether somebody looks at ~/annotated, so that pictures are needed to the end."""
        return self._annotated.get_subscription_count() > 0


def _publisher(node: LifecycleNode, kind: type, topic: str, depth: int) -> Publisher:
    """
    Make a publisher whose reliability and depth users may override.

    Raises
    ------
    ValueError: for a reliability that there is not.

    """
    try:
        return node.create_publisher(
            kind, topic, depth, qos_overriding_options=QoSOverridingOptions(
                (QoSPolicyKind.RELIABILITY, QoSPolicyKind.DEPTH)))
    except RuntimeError as error:
        if type(error) is not RuntimeError:  # the middleware's, and not of an override
            raise
        raise ValueError(f'qos_overrides of {node.resolve_topic_name(topic)}: {error}; allowed: '
                         'reliable, best_effort') from error
