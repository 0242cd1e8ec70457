"""The same answers as vision_msgs, for whoever expects those; only where they are installed."""

from anytime_perception.model_file import Model
from anytime_perception.msg import Refinement

try:
    from vision_msgs.msg import (Classification, LabelInfo, ObjectHypothesis, VisionClass)
except ImportError:
    Classification = None


def publishers(node, latched) -> tuple:
    """Return publishers of ~/classification and ~/label_info; without vision_msgs, None."""
    if Classification is None:
        return None, None
    return (node.create_publisher(Classification, '~/classification', 50),
            node.create_publisher(LabelInfo, '~/label_info', latched))


def classification(refinement: Refinement, class_ids: tuple[str, ...]):
    """
    Return a refinement as vision_msgs/Classification.

    Its classes are numbers in `class_ids`, those of the model, whose names ~/label_info tells.
    """
    return Classification(header=refinement.header, results=[
        ObjectHypothesis(class_id=str(class_ids.index(class_id)), score=float(score))
        for class_id, score in zip(refinement.class_ids, refinement.scores)])


def label_info(model: Model, stamp):
    """Return a model's labels as vision_msgs/LabelInfo."""
    message = LabelInfo(
        class_map=[VisionClass(class_id=index, class_name=class_id)
                   for index, class_id in enumerate(model.class_ids)], threshold=0.0)
    message.header.stamp = stamp
    return message
