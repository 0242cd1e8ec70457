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
_OURS = 'ANYTIME_TRAINING_SHARES_CPU'  # says that the number of threads is not the user's choice


def is_small(network: StagedNetwork, batch_size: int) -> bool:
    """Return whether a CPU spends more on handing out the work of `network` than on the work."""
    convolutions = sum(isinstance(module, nn.Conv2d) for module in network.modules())
    return network.exits[-1].cost * batch_size / convolutions < _SMALL_MACS


@contextlib.contextmanager
def fitting_threads(network: StagedNetwork, batch_size: int) -> Iterator[None]:
    """
    Use one thread of the CPU for a network so small that more would only wait for each other.

    Measured on two cores: a batch of 64 of the digits network takes 50 ms with one thread and 100
    to 900 ms with two as soon as another process needs a core. What is chosen depends on network
    and batch only, as the last bits of the weights depend on it. OMP_NUM_THREADS overrides it,
    unless it is of `shared_cpu`.
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
    Return what to add to the environment of processes, one on each of `devices`, by their names.

    Those on the CPU get an equal part of its threads; else each takes all, and they wait for each
    other (five times as long, measured with two on two cores). It is nothing where the user has
    set OMP_NUM_THREADS.
    """
    sharing = sum(choose_device(device).type == 'cpu' for device in devices)
    if sharing < 2 or _THREADS in os.environ:
        return {}
    return {_THREADS: str(max(1, torch.get_num_threads() // sharing)), _OURS: '1'}


@contextlib.contextmanager
def flushed_denormals() -> Iterator[None]:
    """
    Have the CPU take numbers below 1.2e-38 for zero.

    It needs many times as long for each of them, and they gather in a long run: the moments of
    weights that no gradient reaches any more fall through them on their way to zero. Measured
    after 25 epochs of (3, 16) by Muon: without this a step takes 2.5 times as long.

    Holds for this thread and those that it starts, so enter it before PyTorch has any.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextlib.contextmanager
def deterministic_convolutions() -> Iterator[None]:
    """Have a GPU compute alike each time, so that a run that is resumed is as one that is not."""
    before, torch.backends.cudnn.deterministic = torch.backends.cudnn.deterministic, True
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before


def use_bfloat16(precision: str, device: torch.device, small: bool) -> bool:
    """
    Return whether a network runs in bfloat16 while it is trained.

    With `precision` 'auto' that is where it is faster: on GPUs that have it, and on CPUs that have
    it for networks that are not `small`; measured 1.5 times the images/s of float32 at (3, 32).
    """
    if precision != 'auto':
        return precision == 'bfloat16'
    if device.type == 'cuda':
        # PyTorch's is_bf16_supported also counts what is only emulated, on the current device.
        return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= (8, 0)
    # Not a public name of PyTorch's; without it nothing is lost but speed.
    native = getattr(torch.cpu, '_is_avx512_bf16_supported', lambda: False)
    return not small and native()


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor of the CPU to `device`, without waiting for a GPU to be done with the rest."""
    if device.type == 'cuda':
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
