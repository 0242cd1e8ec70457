"""How many threads of a device to train with, and in which precision."""

from collections.abc import Iterator
import contextlib
import os

from anytime_perception.engine import choose_device
from anytime_perception.networks import StagedNetwork
import torch
from torch import nn, Tensor

_SMALL_MACS = 100e6  # of one convolution on one batch
_THREADS = 'OMP_NUM_THREADS'
_OURS = 'ANYTIME_TRAINING_SHARES_CPU'  # set if the number of threads is not the user's choice


def is_small(network: StagedNetwork, batch_size: int) -> bool:
    """Return whether a CPU spends more time on handing out the work than on the work itself."""
    convolutions = sum(isinstance(module, nn.Conv2d) for module in network.modules())
    return network.exits[-1].cost * batch_size / convolutions < _SMALL_MACS


@contextlib.contextmanager
def fitting_threads(network: StagedNetwork, batch_size: int) -> Iterator[None]:
    """
    Use one thread of the CPU for a network so small that more would only wait for each other.

    Measured on two cores: a batch of 64 of the digits network takes 50 ms with one thread and 100
    to 900 ms with two as soon as another process needs a core. The choice depends on network and
    batch only, because the last bits of the weights depend on it. OMP_NUM_THREADS overrides it,
    unless `shared_cpu` has set that.
    """
    threads = torch.get_num_threads()
    if is_small(network, batch_size) and (_THREADS not in os.environ or _OURS in os.environ):
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def shared_cpu(devices: list[str]) -> dict[str, str]:
    """
    Return what to add to the environment of processes that run on `devices`, one on each.

    Those on the CPU get an equal part of its threads; else each would take all, and they would
    wait for each other (five times as long, measured with two on two cores). Nothing is added if
    the user has set OMP_NUM_THREADS.
    """
    sharing = sum(choose_device(device).type == 'cpu' for device in devices)
    if sharing < 2 or _THREADS in os.environ:
        return {}
    return {_THREADS: str(max(1, torch.get_num_threads() // sharing)), _OURS: '1'}


@contextlib.contextmanager
def flushed_denormals() -> Iterator[None]:
    """
    Have the CPU take numbers below 1.2e-38 for zero.

    Computing with them takes many times as long, and they gather in a long run: the moments of
    weights that no gradient reaches any more pass through that range on their way to zero. Without
    this, a step takes 2.5 times as long after 25 epochs of (3, 16) by Muon.

    It holds for this thread and those that it starts, so enter it before PyTorch has any.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextlib.contextmanager
def deterministic_convolutions() -> Iterator[None]:
    """Have a GPU compute the same each time, so that resuming does not change a run."""
    before, torch.backends.cudnn.deterministic = torch.backends.cudnn.deterministic, True
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before


def use_bfloat16(precision: str, device: torch.device, small: bool) -> bool:
    """
    Return whether a network runs in bfloat16 while it is trained.

    With `precision` 'auto' it does where that is faster: on GPUs that have it, and on CPUs that
    have it if the network is not `small` (1.5 times the images/s of float32 at (3, 32)).
    """
    if precision != 'auto':
        return precision == 'bfloat16'
    if device.type == 'cuda':
        # PyTorch's is_bf16_supported also counts what is only emulated, on the current device.
        return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= (8, 0)
    # Not a public name of PyTorch's; without it only speed is lost.
    native = getattr(torch.cpu, '_is_avx512_bf16_supported', lambda: False)
    return not small and native()


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor of the CPU to `device`, without waiting for the work a GPU still has."""
    if device.type == 'cuda':
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
