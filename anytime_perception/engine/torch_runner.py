"""Running a network with torch, on whatever device."""

from anytime_perception.engine.folding import fold_stages
from anytime_perception.engine.runner import Answered
from anytime_perception.networks import StagedNetwork
from anytime_perception.networks.layers import probabilities
import numpy as np
import torch
from torch import Tensor


class TorchRunner:
    """
    Runs stage by stage with torch, on the CPU or a GPU.

    Normalisation is folded and features are kept channels-last.
    """

    name = 'torch'

    def __init__(self, network: StagedNetwork, device: torch.device,
                 dtype: torch.dtype = torch.float32):
        self._device, self._dtype = device, dtype
        self._none = np.zeros((0, network.num_classes), np.float32)
        self._stages = fold_stages(network, device, dtype)

    def run(self, images: Tensor, answered: Answered) -> None:
        """Run stage after stage as long as `answered` wants more."""
        images = features = images.to(self._device, self._dtype,
                                      memory_format=torch.channels_last)
        for trunk, head, takes_image in self._stages:
            features = trunk(images if takes_image else features)
            answer = self._none if head is None else probabilities(head(features)).cpu().numpy()
            if not answered(answer):
                return
