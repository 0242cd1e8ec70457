"""Which runners there are, and choosing the quickest for a network on a device."""

import logging

from anytime_perception.engine.runner import answers, Runner
from anytime_perception.engine.torch_runner import TorchRunner
from anytime_perception.networks import StagedNetwork
from anytime_perception.runner_names import PRECISIONS, RUNNERS
import numpy as np
import torch

_logger = logging.getLogger(__name__)
# How far probabilities may differ. A GPU may compute with TF32. An untrained network may amplify
# the rounding of bfloat16 to anything.
_AGREEMENT = {'float32': {'cpu': 1e-3, 'cuda': 0.02}, 'bfloat16': {'cpu': 1.0, 'cuda': 1.0}}
_INSTALL = {'openvino': ', or install it with pip install openvino'}


class RunnerError(ValueError):
    """
    The runner that was asked for is not available.

    It, or the precision, is unknown, not installed, or does not fit the device or the network.
    """


def make_runner(network: StagedNetwork, device: torch.device, threads: int,
                name: str = 'auto', precision: str = 'float32') -> Runner:
    """
    Return the runner called `name` for a network on a device.

    With `precision` bfloat16 weights and features are kept in that format, which is quicker where
    the device has it, and changes answers by about a hundredth; sums are float32.

    'auto' takes OpenVINO on the CPU where it is installed and knows the network's layers, CUDA
    graphs on a GPU where they can be captured, each only if it answers as torch does; else torch.

    Raises
    ------
    RunnerError: if the runner is unknown, or was asked for by name and is not available.

    """
    if name not in RUNNERS:
        raise RunnerError(f'runner {name!r} is unknown; allowed: {", ".join(RUNNERS)}')
    if precision not in PRECISIONS:
        raise RunnerError(f'precision {precision!r} is unknown; allowed: {", ".join(PRECISIONS)}')
    for runner, kind in (('openvino', 'cpu'), ('cuda_graphs', 'cuda')):
        if name == runner and device.type != kind:
            raise RunnerError(f'the runner {runner} is for {kind}, and the device is {device}; '
                              f'use the runner auto, or a {kind} device')
    plain = TorchRunner(network, device, getattr(torch, precision))
    if name == 'torch':
        return plain
    try:
        quicker = _quicker(network, device, threads, precision)
        _check_agreement(quicker, plain, network.image_shape, _AGREEMENT[precision][device.type])
        return quicker
    except Exception as error:  # OpenVINO and its converter have exceptions of their own
        if name != 'auto':
            raise RunnerError(f'the runner {name} is not available ({error}); use the runner '
                              'torch' + _INSTALL.get(name, '')) from error
        _logger.warning('running on torch, which is slower than the runner for %s: %s',
                        device, error)
    return plain


def _quicker(network: StagedNetwork, device: torch.device,
             threads: int, precision: str) -> Runner:
    if device.type == 'cpu':
        from anytime_perception.engine.openvino_runner import OpenvinoRunner
        return OpenvinoRunner(network, threads, precision)
    from anytime_perception.engine.cuda_runner import CudaGraphRunner
    return CudaGraphRunner(network, device, getattr(torch, precision))


@torch.inference_mode()
def _check_agreement(runner: Runner, reference: Runner, image_shape: tuple[int, ...],
                     tolerance: float) -> None:
    """Raise RuntimeError unless both runners answer the same about a random image."""
    images = torch.randn(image_shape, generator=torch.Generator().manual_seed(0))
    ours, theirs = answers(runner, images), answers(reference, images)
    if ours.shape != theirs.shape or not np.allclose(ours, theirs, atol=tolerance):
        raise RuntimeError('its answers differ from those of torch')
