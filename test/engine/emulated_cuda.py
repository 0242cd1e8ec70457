"""
CUDA graphs without a GPU, for tests of what is captured, replayed, waited for, kept and left out.

As on a GPU, what Python does while a graph is captured is done once; a replay computes the
captured operations again, in the memory that they had. Streams are queues: what they are given is
computed when somebody waits for it, and no sooner. Memory that nobody held when the next graph was
captured is overwritten after each replay, as that graph could have done.

Kernels, the allocator itself and speed are not emulated.
"""

from collections.abc import Iterable
import contextlib
import weakref

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map_only

_COPY = torch.ops.aten.copy_.default


def _storages(values: object) -> set[int]:
    return {tensor.untyped_storage()._cdata for tensor in _tensors(values)}


def _tensors(values: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _without_waiting(args: tuple, kwargs: dict) -> bool:
    return args[2:3] == (True,) or bool(kwargs.get('non_blocking'))


class _Recorder(TorchDispatchMode):
    """Keeps in a graph every operation, with the tensors it was given and those it returned."""

    def __init__(self, graph: 'Graph'):
        super().__init__()
        self._graph = graph

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs, graph = kwargs or {}, self._graph
        assert function is not torch.ops.aten._local_scalar_dense.default, 'waits in a capture'
        graph.outer |= _storages((args, kwargs)) - graph.made.keys()
        if function is _COPY and _storages(args[0]) & graph.outer:
            assert _without_waiting(args, kwargs), 'a copy to elsewhere waits in a capture'
        results = function(*args, **kwargs)
        for tensor in _tensors(results):
            for storage in _storages(tensor) - graph.outer:
                graph.made.setdefault(storage, []).append(weakref.ref(tensor))
        graph.calls.append(tree_map_only(Tensor, Tensor.detach, (function, args, kwargs, results)))
        return results


class _Deferrer(TorchDispatchMode):
    """Leaves copies that nobody waits for to a stream."""

    def __init__(self, stream: 'Stream'):
        super().__init__()
        self._stream = stream

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is _COPY and _without_waiting(args, kwargs):
            self._stream.pending.append(lambda: function(*args, **kwargs))
            return args[0]
        return function(*args, **kwargs)


class Graph:
    """In the place of `torch.cuda.CUDAGraph`."""

    def __init__(self, cuda: 'Cuda'):
        self.calls: list[tuple] = []
        self.outer: set[int] = set()  # memory that was there before
        self.made: dict[int, list[weakref.ref]] = {}  # memory of its own, and who holds it
        self._dead: set[int] = set()
        self._cuda, self._number = cuda, cuda.captured
        cuda.captured += 1

    def replay(self) -> None:
        self._cuda.replayed.append(self._number)
        self._cuda.current[-1].pending.append(self._compute)

    @torch.no_grad()
    def _compute(self) -> None:
        for function, args, kwargs, results in self.calls:
            again = function(*args, **kwargs)
            for old, new in zip(_tensors(results), _tensors(again)):
                if old.data_ptr() != new.data_ptr():
                    old.copy_(new)
        self.overwrite(self._dead)

    def bury(self) -> None:
        """Note which of its memory is free for the next graph."""
        self._dead |= {storage for storage, holders in self.made.items()
                       if all(holder() is None for holder in holders)}

    def overwrite(self, storages: Iterable[int]) -> None:
        for *_, results in self.calls:
            for tensor in _tensors(results):
                if tensor.is_floating_point() and _storages(tensor) <= set(storages):
                    tensor.fill_(float('nan'))


class Stream:
    """In the place of `torch.cuda.Stream`."""

    def __init__(self, device: object = None):
        self.pending: list = []
        self.done = 0

    def run(self, until: int) -> None:
        while self.done < until:
            self.done += 1
            self.pending.pop(0)()

    def synchronize(self) -> None:
        self.run(self.done + len(self.pending))

    def wait_stream(self, other: object) -> None:
        pass  # the default stream has nothing to do here


class Event:
    """In the place of `torch.cuda.Event`; between any two that are recorded lie `between_ms`."""

    between_ms: float

    def __init__(self, enable_timing: bool = False):
        self._timing, self._stream = enable_timing, None

    def record(self, stream: Stream) -> None:
        self._stream, self._until = stream, stream.done + len(stream.pending)

    def synchronize(self) -> None:
        assert self._stream is not None, 'it was not recorded, and returns at once'
        self._stream.run(self._until)

    def elapsed_time(self, other: 'Event') -> float:
        for event in (self, other):
            assert event._timing and event._stream.done >= event._until, 'not ready'
        return self.between_ms


class Cuda:
    """In the place of `torch.cuda`; `replayed` are the numbers of graphs, in order."""

    def __init__(self, stage_ms: float):
        self.replayed: list[int] = []
        self.captured = 0
        self.current: list[Stream] = []
        self._graphs: list[Graph] = []
        self.Stream, self.Event = Stream, type('Event', (Event,), {'between_ms': stage_ms})

    def CUDAGraph(self) -> Graph:  # noqa: N802
        return Graph(self)

    @contextlib.contextmanager
    def graph(self, graph: Graph, pool: object, stream: Stream, capture_error_mode: str):
        stream.synchronize()
        for earlier in self._graphs:
            earlier.bury()
        with _Recorder(graph):
            yield
        self._graphs.append(graph)
        with torch.no_grad():
            graph.overwrite(graph.made)  # a capture computes nothing

    @contextlib.contextmanager
    def stream(self, stream: Stream | None):
        if stream is None:  # the default one
            yield
            return
        self.current.append(stream)
        try:
            with _Deferrer(stream):
                yield
        finally:
            self.current.pop()

    @staticmethod
    def current_stream(device: object = None) -> None:
        pass

    @staticmethod
    def graph_pool_handle() -> None:
        pass


def emulate(monkeypatch, stage_ms: float) -> Cuda:
    """Put a `Cuda` in the place of PyTorch's, on which every stage takes `stage_ms`."""
    cuda = Cuda(stage_ms)
    for name in ('CUDAGraph', 'Event', 'Stream', 'graph', 'stream', 'current_stream',
                 'graph_pool_handle'):
        monkeypatch.setattr(torch.cuda, name, getattr(cuda, name))
    monkeypatch.setattr(Tensor, 'pin_memory', lambda self: self)
    return cuda
