"""
Calibration of confidences, one exit after the other.

The logits of an exit are scaled by a factor, the inverse of a temperature (Guo et al. 2017). As
the last layer of a head is linear, that is done once and for all in its weights: a calibrated
network is an ordinary one. Where exits build on the answer before (see
`anytime_perception.carried_answer`), the factor is the weight of the exit beside it.
"""

import math

from anytime_perception.images.preprocessing import Preprocessing
from anytime_perception.networks import StagedNetwork
from anytime_training.config import TrainConfig
from anytime_training.data import ImageSet
from anytime_training.evaluate import predict_logits
import torch
from torch import Tensor
from torch.nn import functional

_RANGE = (0.05, 20.0)  # of factors; for a network without errors the best would be infinity


def uncalibrated(config: TrainConfig, network: StagedNetwork) -> tuple[float, ...]:
    """Return how much of the previous answer each exit carries over before calibration."""
    carry = 1.0 if config.boosted else config.carry
    return (carry,) * len(network.exits) if carry else ()


def calibrate(config: TrainConfig, network: StagedNetwork, preprocessing: Preprocessing,
              data: ImageSet) -> tuple[float, ...]:
    """
    Scale the heads of `network` so that its confidences fit `data`; return its new `carry`.

    Boosted answers name the same classes as before. If an exit becomes more or less
    sure, so does what it carries over. `network` may be a sequence. `data`, on its device, must
    not have been trained on.
    """
    logits, labels = predict_logits(network, preprocessing, data).double(), data.labels
    carry, factors = uncalibrated(config, network), []
    if config.boosted:
        factors = [fit_factor(total, labels) for total in logits.cumsum(dim=0)]
        carry = tuple(factor / before for factor, before in zip(factors, [1.0, *factors]))
    else:
        answer = torch.zeros_like(logits[0])
        for alone in logits:
            given = config.carry * answer
            factors.append(fit_factor(alone, labels, given))
            answer = given + factors[-1] * alone
    with torch.no_grad():
        for head, factor in zip(network.heads, factors):
            for parameter in head.get_submodule('fc').parameters():  # weight and bias
                parameter.mul_(factor)
    return carry


def fit_factor(logits: Tensor, labels: Tensor, given: Tensor | float = 0.0) -> float:
    """
    Return the factor f, in 0.05..20, that makes `labels` (N,) likeliest with given + f · logits.

    `logits` and `given` are (N, classes). The cross-entropy is convex in f: there is one minimum.
    """
    from scipy.optimize import minimize_scalar  # slow to import

    def entropy(log_factor: float) -> float:
        return functional.cross_entropy(given + math.exp(log_factor) * logits, labels).item()
    found = minimize_scalar(entropy, bounds=[math.log(end) for end in _RANGE], method='bounded')
    return math.exp(found.x)
