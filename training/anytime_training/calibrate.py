"""
Answers from exits: how exits answer together, and confidences that mean what they say.

An exit's logits may be divided by a temperature (Guo et al. 2017), and in a product of exits each
may have a weight. As the last layer of a head is linear, both are done once and for all in its
weights, so what comes out is an ordinary network. What can't be is the exponent of each answer
of a product, see `anytime_perception.combination`.
"""

from anytime_perception.preprocessing import Preprocessing
from anytime_training.data import ImageSet
from anytime_training.evaluate import predict_logits
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

COMBINATIONS = ('none', 'product', 'boosted')
_RANGE = (0.05, 20.0)  # of factors; a network whose errors are all gone would want infinity


def uncalibrated(combination: str, exits: int) -> tuple[float, ...]:
    """Return the exponents of `exits` that answer in the way `combination`, if none are fitted."""
    return () if combination == 'none' else (1.0,) * exits


def calibrate(network, combination: str, preprocessing: Preprocessing,
              data: ImageSet) -> tuple[float, ...]:
    """
    Make the confidences of `network` fit `data`, and return the exponents of its answers.

    `none`: scale every head by a factor of its own. `product`: weigh every head so that each
    answer, the product up to there, fits best. `boosted`: heads stay as they are, trained to be
    summed up. Heads may be scaled; `network` may be a sequence. `data`, on its device, must not
    have been trained on.
    """
    logits, labels = predict_logits(network, preprocessing, data), data.labels
    if combination == 'none':
        _scale_heads(network, [fit_factors(alone[None], labels)[0] for alone in logits])
        return ()
    if combination == 'boosted':
        return tuple(fit_factors(total[None], labels)[0] for total in logits.cumsum(dim=0))
    first = fit_factors(logits[:1], labels)[0]
    weights, exponents, product = [first], [1.0], first * logits[0]
    for alone in logits[1:]:
        kept, added = fit_factors(torch.stack([exponents[-1] * product, alone]), labels)
        exponents.append(kept * exponents[-1])
        weights.append(added / exponents[-1])
        product = product + weights[-1] * alone
    _scale_heads(network, weights)
    return tuple(exponents)


@torch.no_grad()
def _scale_heads(network, factors: list[float]) -> None:
    for stage, factor in zip(network.exits, factors):
        stage.head.fc.weight *= factor
        stage.head.fc.bias *= factor


def fit_factors(logits: Tensor, labels: Tensor) -> list[float]:
    """
    Return the positive factors (K,) whose sum of logits (K, N, classes) makes `labels` likeliest.

    The cross-entropy is convex in them; they stay in 0.05 to 20. For K = 1 that is the inverse of
    a temperature.
    """
    from scipy.optimize import minimize  # slow to import
    logits = logits.double()

    def entropy(values: np.ndarray) -> tuple[float, np.ndarray]:
        factors = torch.tensor(values, device=logits.device, requires_grad=True)
        loss = functional.cross_entropy(torch.tensordot(factors, logits, dims=1), labels)
        return loss.item(), torch.autograd.grad(loss, factors)[0].cpu().numpy()
    found = minimize(entropy, np.full(len(logits), 1 / len(logits)), jac=True, method='L-BFGS-B',
                     bounds=[_RANGE] * len(logits), options={'ftol': 1e-10})
    return found.x.tolist()
