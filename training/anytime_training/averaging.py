"""A moving average of a network's weights, which answers better than the last weights alone."""

import copy

from anytime_perception.networks import StagedNetwork
from torch.optim.swa_utils import get_ema_multi_avg_fn


class MovingAverage:
    """
    Keep average ← decay · average + (1 - decay) · weights of a network.

    The decay starts low and rises with the number of updates, so that the random start is
    forgotten.

    Attributes
    ----------
    network: the averaged copy, for evaluation.

    """

    def __init__(self, network: StagedNetwork, decay: float):
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self._decay = decay
        self._source = [tensor for tensor in network.state_dict().values()
                        if tensor.is_floating_point()]
        self._average = [tensor for tensor in self.network.state_dict().values()
                         if tensor.is_floating_point()]

    def update(self, step: int) -> None:
        """Add the network's weights after iteration `step` to the average."""
        decay = min(self._decay, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(self._average, self._source, None)
