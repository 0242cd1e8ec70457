"""
Temperature calibration: confidences that mean what they say (Guo et al. 2017), one per exit.

Dividing logits by a temperature leaves every answer what it is. As the last layer of a head is
linear, the division is done once and for all in its weights: a calibrated network is an ordinary
one.
"""

from anytime_perception.networks import AnytimeNetwork
from anytime_perception.preprocessing import Preprocessing
from anytime_training.data import ImageSet
from anytime_training.evaluate import fitting_batch
import torch
from torch import Tensor

_RANGE = (0.05, 20.0)  # of temperatures; a network whose errors are all gone would want 0
_STEPS = 40


def best_temperature(logits: Tensor, labels: Tensor) -> float:
    """
    Return the temperature that makes `labels` (N,) most likely given `logits` (N, classes).

    The cross-entropy has one minimum in 1/T; it is found by bisection of its slope.
    """
    logits = logits.double()
    right = logits.gather(1, labels[:, None]).squeeze(1)
    low, high = 1 / _RANGE[1], 1 / _RANGE[0]
    for _ in range(_STEPS):
        middle = (low + high) / 2
        expected = (torch.softmax(logits * middle, dim=1) * logits).sum(dim=1)
        if (expected - right).mean() < 0:
            low = middle  # sharper answers would fit better
        else:
            high = middle
    return 2 / (low + high)


@torch.no_grad()
def calibrate(network: AnytimeNetwork, preprocessing: Preprocessing,
              data: ImageSet) -> list[float]:
    """
    Scale the heads of `network` so that its confidences fit `data`; return the temperatures.

    `data`, on the network's device, must not have been trained on.
    """
    network.eval()
    batches = [torch.stack(network(preprocessing.normalise(pixels))).float()
               for pixels in data.images.split(fitting_batch(preprocessing.size))]
    temperatures = [best_temperature(logits, data.labels) for logits in torch.cat(batches, dim=1)]
    for stage, temperature in zip(network.exits, temperatures):
        stage.head.fc.weight /= temperature
        stage.head.fc.bias /= temperature
    return temperatures
