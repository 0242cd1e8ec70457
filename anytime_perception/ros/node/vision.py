"""The same answers as vision_msgs, for whoever expects those; only where they are installed."""

from collections.abc import Sequence

from anytime_perception.engine import Refinement
from anytime_perception.model import Model
from builtin_interfaces.msg import Time
from std_msgs.msg import Header

try:
    from vision_msgs.msg import (Classification, LabelInfo, ObjectHypothesis, VisionClass)
except ImportError:
    Classification = LabelInfo = None


def classification(refinement: Refinement, header: Header, classes: Sequence[int],
                   ) -> 'Classification':
    """
    Return what a refinement says of `classes` as vision_msgs/Classification.

    Classes are given by their numbers in the model; ~/label_info has their names.
    """
    return Classification(header=header, results=[
        ObjectHypothesis(class_id=str(number), score=float(refinement.probabilities[number]))
        for number in classes])


def label_info(model: Model, stamp: Time) -> 'LabelInfo':
    """Return a model's labels as vision_msgs/LabelInfo."""
    message = LabelInfo(
        class_map=[VisionClass(class_id=index, class_name=class_id)
                   for index, class_id in enumerate(model.class_ids)], threshold=0.0)
    message.header.stamp = stamp
    return message
