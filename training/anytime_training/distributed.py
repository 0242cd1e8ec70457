"""
One training by several processes, which torchrun starts: each takes a part of every batch.

All draw the same batches and hold the same network. Batch normalisation sees the whole batch and
gradients are averaged, so the result is that of one process but for rounding. Started without
torchrun, nothing here does anything.
"""

from collections.abc import Callable, Iterator
import contextlib
from datetime import timedelta
import os
import sys
from typing import Any

from anytime_perception.engine import choose_device
import torch
from torch import distributed, nn, Tensor

# How long processes wait for each other: one may have a large data set to fetch and decode.
_PATIENCE = timedelta(hours=6)


@contextlib.contextmanager
def joined(device: str) -> Iterator[torch.device]:
    """
    Join the processes of this training, if torchrun started several; yield the device for it.

    Raises
    ------
    ValueError: for a device that is not there, or the same GPU for all processes.

    """
    if int(os.environ.get('WORLD_SIZE', 1)) == 1:
        yield choose_device(device)
        return
    if device.startswith('cuda:'):
        raise ValueError(f'the device is {device!r}, but each process takes a GPU of its own; '
                         'use --device cuda')
    on_gpu = choose_device(device).type == 'cuda'
    chosen = choose_device(f'cuda:{os.environ["LOCAL_RANK"]}' if on_gpu else 'cpu')
    if on_gpu:
        torch.cuda.set_device(chosen)
    distributed.init_process_group('nccl' if on_gpu else 'gloo', timeout=_PATIENCE)
    try:
        yield chosen
    finally:
        distributed.destroy_process_group()


def count() -> int:
    """Return how many processes train together."""
    return distributed.get_world_size() if _several() else 1


def is_main() -> bool:
    """Return whether this is the process that writes and prints."""
    return not _several() or distributed.get_rank() == 0


def own_number() -> tuple[int, ...]:
    """Return what makes the purpose of draws differ between processes (see random_state.py)."""
    return () if is_main() else (distributed.get_rank(),)


def main_first(function: Callable[[], Any]) -> Any:
    """Return what `function` returns in each process; the others call it after the main one."""
    if not _several():
        return function()
    result = function() if is_main() else None
    try:
        distributed.barrier()
    except RuntimeError as error:
        # The main process failed, and has said why, or took far too long.
        print(f'the main process did not get ready: {error}', file=sys.stderr)
        sys.exit(2)
    return result if is_main() else function()


def own_part(*tensors: Tensor) -> list[Tensor]:
    """Return this process's part of `tensors`, (B, …) each, split along the batch."""
    if not _several():
        return list(tensors)
    rank, size = distributed.get_rank(), len(tensors[0])
    part = slice(size * rank // count(), size * (rank + 1) // count())
    return [tensor[part] for tensor in tensors]


@torch.no_grad()
def average(tensors: list[Tensor]) -> None:
    """Replace each of `tensors` by its mean over the processes."""
    if not _several() or not tensors:
        return
    together = torch.cat([tensor.flatten() for tensor in tensors])
    distributed.all_reduce(together)
    together /= count()
    for tensor, mean in zip(tensors, together.split([tensor.numel() for tensor in tensors])):
        tensor.copy_(mean.view_as(tensor))


def synchronise(network: nn.Module) -> None:
    """Let the batch normalisations of `network` see all processes' batches."""
    if not _several():
        return
    if next(network.parameters()).is_cuda:
        nn.SyncBatchNorm.convert_sync_batchnorm(network)
        return
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            # It has the same state, and so stays where others refer to it.
            module.__class__ = _SynchronisedBatchNorm


class _SynchronisedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation over the batches of all processes; PyTorch's own is for GPUs only."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, features: Tensor) -> Tensor:
        if not self.training:
            return super().forward(features)
        values = features.float()
        images, _, height, width = values.shape
        number = _Sum.apply(values.new_tensor(images * height * width))
        mean = _Sum.apply(values.sum(dim=(0, 2, 3))) / number
        centred = values - mean[:, None, None]
        variance = _Sum.apply(centred.square().sum(dim=(0, 2, 3))) / number
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * number / (number - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        result = centred * scale[:, None, None] + self.bias[:, None, None]
        return result.to(features.dtype)


class _Sum(torch.autograd.Function):
    """The sum over all processes; its gradient is that of the sum of all their losses."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        return _Sum.forward(context, gradient)


def _several() -> bool:
    return distributed.is_available() and distributed.is_initialized()
