"""
How a network is run on a device, piece by piece, behind one small interface.

Only the engine's worker thread calls it. A piece is one or more stages that are run without a
stop; all their exits answer when it ends.
"""

import copy
import logging
from typing import Protocol

from anytime_perception.engine.folding import fold
from anytime_perception.networks import AnytimeNetwork, AnytimeSequence
from anytime_perception.networks.layers import probabilities
import numpy as np
import torch
from torch import nn, Tensor

_logger = logging.getLogger(__name__)
RUNNERS = ('auto', 'torch', 'openvino', 'cuda_graphs')
_AGREEMENT = 0.02  # of probabilities: a GPU may compute with TF32


class RunnerError(ValueError):
    """A runner was asked for that is unknown, not installed, or no match for device or network."""


class Runner(Protocol):
    """
    Runs a network piece by piece.

    Attributes
    ----------
    name: for people.
    piece_count: how many pieces make a pass.

    """

    name: str
    piece_count: int

    def begin(self, images: Tensor) -> None:
        """Take the network input (1, channels, size, size), on the CPU, for the next runs."""

    def run(self, index: int) -> list[np.ndarray]:
        """Run piece `index` after those before it; return its exits' probabilities (classes,)."""


class TorchRunner:
    """
    Runs each stage as a piece with torch, on the CPU or a GPU.

    Normalisation is folded and features are kept channels-last.
    """

    name = 'torch'

    def __init__(self, network: AnytimeNetwork | AnytimeSequence, device: torch.device):
        self.device = device
        self._stages: list[tuple[nn.Module, nn.Module | None, bool]] = []
        for stage in network.stages:
            trunk = fold(stage.trunk).eval().to(device, memory_format=torch.channels_last)
            head = None if stage.head is None else fold(stage.head).eval().to(device)
            self._stages.append((trunk, head, stage.takes_image))
        self.piece_count = len(self._stages)
        self._images: Tensor | None = None
        self._features: Tensor | None = None

    def begin(self, images: Tensor) -> None:
        """Take the network input (1, channels, size, size), on the CPU, for the next runs."""
        self._images = images.to(self.device, memory_format=torch.channels_last)

    def run(self, index: int) -> list[np.ndarray]:
        """Run stage `index` after those before it; return its exit's probabilities, if any."""
        trunk, head, takes_image = self._stages[index]
        self._features = trunk(self._images if takes_image else self._features)
        if head is None:
            return []
        return [probabilities(head(self._features))[0].cpu().numpy()]


def make_runner(network: AnytimeNetwork | AnytimeSequence, device: torch.device, threads: int,
                name: str = 'auto') -> Runner:
    """
    Return the runner called `name` for a network on a device.

    'auto' takes OpenVINO on the CPU where it is installed and knows the network's layers, CUDA
    graphs on a GPU where they can be captured and agree with torch, else torch.

    Raises
    ------
    RunnerError: if the runner is unknown, or was asked for by name and can't be had.

    """
    if name not in RUNNERS:
        raise RunnerError(f'runner {name!r} is unknown; allowed: {", ".join(RUNNERS)}')
    network = copy.deepcopy(network).eval()  # the caller's stays as it is, and where it is
    for runner, kind in (('openvino', 'cpu'), ('cuda_graphs', 'cuda')):
        if name == runner and device.type != kind:
            raise RunnerError(f'the runner {runner} is for {kind}, and the device is {device}')
    if name != 'torch' and device.type == 'cpu':
        try:
            from anytime_perception.engine.openvino_runner import OpenvinoRunner
            return OpenvinoRunner(network, threads)
        except (ImportError, NotImplementedError, OSError, RuntimeError) as error:
            if name == 'openvino':
                raise RunnerError(f'the runner openvino is not to be had ({error}); install it '
                                  'with pip install openvino, or use the runner torch') from error
            _logger.info('running on torch, which is slower than OpenVINO: %s', error)
    runner = TorchRunner(network, device)
    if name != 'torch' and device.type == 'cuda':
        try:
            from anytime_perception.engine.cuda_runner import CudaGraphRunner
            graphs = CudaGraphRunner(network, device)
            _check_agreement(graphs, runner, network.image_shape)
            return graphs
        except RuntimeError as error:
            if name == 'cuda_graphs':
                raise RunnerError(f'CUDA graphs are not to be had: {error}') from error
            _logger.warning('running on %s without CUDA graphs, so slower: %s', device, error)
    return runner


def _check_agreement(runner: Runner, reference: Runner, image_shape: tuple[int, ...]) -> None:
    """Raise RuntimeError unless both runners answer the same about a random image."""
    images = torch.randn(image_shape, generator=torch.Generator().manual_seed(0))
    runner.begin(images)
    reference.begin(images)
    for index in range(reference.piece_count):
        for ours, theirs in zip(runner.run(index), reference.run(index)):
            if not np.allclose(ours, theirs, atol=_AGREEMENT):
                raise RuntimeError(f'stage {index} does not agree with torch')
