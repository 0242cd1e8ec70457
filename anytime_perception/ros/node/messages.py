"""From the engine's types to messages."""

import math

from anytime_perception import engine
from anytime_perception.model import Model
from anytime_perception.msg import ExitInfo, ModelInfo, Refinement
from builtin_interfaces.msg import Time
import numpy as np
from std_msgs.msg import Header


def refinement_message(refinement: engine.Refinement, header: Header, image_topic: str,
                       class_ids: tuple[str, ...], top_k: int) -> Refinement:
    """Return the message of a refinement, with its answer and the most likely others, `top_k`."""
    order = ranking(refinement, top_k)
    return Refinement(
        header=header,
        image_topic=image_topic,
        status=int(refinement.status),
        exit_index=refinement.exit_index,
        exit_count=refinement.exit_count,
        network_index=refinement.network_index,
        depth=refinement.depth,
        cost_fraction=refinement.cost_fraction,
        elapsed_ms=refinement.elapsed * 1e3,
        budget_ms=refinement.budget * 1e3,
        confidence=refinement.confidence,
        class_ids=[class_ids[index] for index in order],
        scores=[float(refinement.probabilities[index]) for index in order])


def ranking(refinement: engine.Refinement, top_k: int) -> list[int]:
    """Return `top_k` classes: the answer first, then the others, the most likely first."""
    answer = refinement.class_index
    order = np.argsort(refinement.probabilities)[::-1]
    return [answer, *order[order != answer][:top_k - 1].tolist()]


def model_info_message(model: Model, device: str, profile: engine.LatencyProfile,
                       stamp: Time) -> ModelInfo:
    """Return the anytime contract of a loaded model: cost, quality and latency of each exit."""
    exits = model.network.exits
    measured = model.measured
    return ModelInfo(
        stamp=stamp,
        name=model.name,
        sha256=model.sha256,
        device=device,
        input_size=model.preprocessing.size,
        class_ids=list(model.class_ids),
        exits=[ExitInfo(
            network_index=stage.network_index,
            depth=stage.depth,
            cost=stage.cost,
            cost_fraction=stage.cost / exits[-1].cost,
            accuracy=1 - measured.error[index] if measured else math.nan,
            calibration_error=measured.calibration_error[index] if measured else math.nan,
            latency_median_ms=profile.median[index] * 1e3,
            latency_p99_ms=profile.p99[index] * 1e3) for index, stage in enumerate(exits)])
