"""
How stages are run on a device, behind one small interface.

Only the engine's worker thread calls it.
"""

from anytime_perception.engine.folding import fold
from anytime_perception.networks import AnytimeNetwork, AnytimeSequence
from anytime_perception.networks.layers import probabilities
import numpy as np
import torch
from torch import nn, Tensor


class TorchRunner:
    """
    Runs the stages of a network one at a time with torch, on the CPU or a GPU.

    Normalisation is folded and features are kept channels-last. `begin` takes an image, then each
    `run` computes the next stage.
    """

    def __init__(self, network: AnytimeNetwork | AnytimeSequence, device: torch.device):
        self.device = device
        self._stages: list[tuple[nn.Module, nn.Module | None, bool]] = []
        for stage in network.stages:
            trunk = fold(stage.trunk).eval().to(device, memory_format=torch.channels_last)
            head = None if stage.head is None else fold(stage.head).eval().to(device)
            self._stages.append((trunk, head, stage.takes_image))
        self._images: Tensor | None = None
        self._features: Tensor | None = None

    def begin(self, images: Tensor) -> None:
        """Take the network input (1, channels, size, size), on the CPU, for the next runs."""
        self._images = images.to(self.device, memory_format=torch.channels_last)

    def run(self, index: int) -> np.ndarray | None:
        """
        Run stage `index` after those before it.

        Return its probabilities (classes,), None without a head.
        """
        trunk, head, takes_image = self._stages[index]
        self._features = trunk(self._images if takes_image else self._features)
        if head is None:
            return None
        return probabilities(head(self._features))[0].cpu().numpy()
