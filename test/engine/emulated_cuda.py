"""
CUDA graphs without a GPU, for tests of what is captured, replayed, waited for and left out.

As on a GPU, what Python does while a graph is captured is done once; a replay computes the
captured operations again, in the memory that they had. Streams have nothing to do here, as all is
computed at once.
"""

import contextlib

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class _Recorder(TorchDispatchMode):
    """Keeps every operation, with the tensors it was given and those it returned."""

    def __init__(self, calls: list):
        super().__init__()
        self._calls = calls

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        results = function(*args, **(kwargs or {}))
        self._calls.append((function, args, kwargs or {}, results))
        return results


class Cuda:
    """What takes the place of `torch.cuda`; `replayed` are the numbers of graphs, in order."""

    def __init__(self, stage_ms: float):
        self.replayed: list[int] = []
        self.captured = 0
        cuda = self

        class Graph:

            def __init__(self):
                self.calls: list = []
                self.number = cuda.captured
                cuda.captured += 1

            @torch.no_grad()
            def replay(self) -> None:
                cuda.replayed.append(self.number)
                for function, args, kwargs, results in self.calls:
                    again = function(*args, **kwargs)
                    for old, new in zip(tree_leaves(results), tree_leaves(again)):
                        if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():
                            old.copy_(new)

        class Event:

            def __init__(self, enable_timing: bool = False):
                self.recorded = False

            def record(self, stream) -> None:
                self.recorded = True

            def synchronize(self) -> None:
                assert self.recorded, 'nobody would ever wake up'

            def elapsed_time(self, other: 'Event') -> float:
                assert self.recorded and other.recorded
                return stage_ms

        class Stream:

            def __init__(self, device=None):
                pass

            def synchronize(self) -> None:
                pass

            def wait_stream(self, other) -> None:
                pass

        self.CUDAGraph, self.Event, self.Stream = Graph, Event, Stream

    @contextlib.contextmanager
    def graph(self, graph, pool, stream):
        """Record into `graph` what is computed inside."""
        with _Recorder(graph.calls):
            yield

    @staticmethod
    def stream(stream):
        """Enter a stream: nothing."""
        return contextlib.nullcontext()

    @staticmethod
    def current_stream(device=None):
        """Return what `Stream.wait_stream` takes."""

    @staticmethod
    def graph_pool_handle():
        """Return what `graph` takes."""


def emulate(monkeypatch, stage_ms: float) -> Cuda:
    """Put a `Cuda` in the place of PyTorch's, on which every stage takes `stage_ms`."""
    cuda = Cuda(stage_ms)
    for name in ('CUDAGraph', 'Event', 'Stream', 'graph', 'stream', 'current_stream',
                 'graph_pool_handle'):
        monkeypatch.setattr(torch.cuda, name, getattr(cuda, name))
    monkeypatch.setattr(torch.Tensor, 'pin_memory', lambda self: self)
    return cuda
