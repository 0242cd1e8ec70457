"""
Running a network as CUDA graphs, of a few stages each.

On small feature maps a GPU needs less time to compute a stage than Python needs to launch its
kernels. A captured graph is launched at once, so the time between two exits is the GPU's own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from anytime_perception.engine.folding import fold_stages, FoldedStage
from anytime_perception.engine.grouping import group_stages
from anytime_perception.engine.runner import Answered
from anytime_perception.networks import StagedNetwork
from anytime_perception.networks.layers import probabilities
import numpy as np
import torch
from torch import Tensor

_WARM_UP_PASSES = 3  # cuDNN chooses its kernels, which can't happen while a graph is captured
_TRIALS = 20
# How much longer than its longest stage a graph may take. A stop waits for two of them. With a
# graph per stage, an exit cost 0.04 ms more on an H100 than its share of one graph for all.
_BEYOND_STAGE_SECONDS = 0.00008


@dataclass(frozen=True)
class _Part:
    """A captured graph, the answers (exits, classes) it leaves in pinned memory, and its end."""

    graph: torch.cuda.CUDAGraph
    answers: Tensor
    done: torch.cuda.Event


class CudaGraphRunner:
    """
    Replays captured graphs, each of a few stages that answer together.

    The graph after the one that is waited for is launched already, so that the GPU never waits
    for Python. Stopping therefore waits for the graph in flight and one more.
    """

    name = 'cuda_graphs'

    def __init__(self, network: StagedNetwork, device: torch.device,
                 dtype: torch.dtype = torch.float32):
        self._classes = network.num_classes
        self._stream = torch.cuda.Stream(device)
        # In the features' memory format, so that copying it to the device is copying bytes.
        self._staging = torch.zeros(network.image_shape, dtype=dtype).to(
            memory_format=torch.channels_last).pin_memory()
        self._images = self._staging.to(device, memory_format=torch.channels_last)
        # Held, since graphs know their weights by address only.
        self._stages = fold_stages(network, device, dtype)
        before = torch.cuda.current_stream(device)
        with torch.cuda.stream(before):  # a capture that fails leaves PyTorch on its own stream
            self._stream.wait_stream(before)
            self._warm_up()
            self._capture([[stage] for stage in self._stages])
            groups = group_stages(self._stages, self._stage_seconds(), _BEYOND_STAGE_SECONDS)
            if len(groups) < len(self._stages):
                self._capture(groups)

    def run(self, images: Tensor, answered: Answered) -> None:
        """Replay graph after graph as long as `answered` wants more."""
        self._stream.synchronize()  # with what was launched ahead for the image before
        self._staging.copy_(images)
        with torch.cuda.stream(self._stream):
            self._images.copy_(self._staging, non_blocking=True)
        self._launch(self._parts[:2])
        for index, part in enumerate(self._parts):
            part.done.synchronize()
            if not answered(part.answers.numpy().copy()):
                return
            self._launch(self._parts[index + 2:index + 3])

    def _launch(self, parts: Sequence[_Part]) -> None:
        with torch.cuda.stream(self._stream):
            for part in parts:
                part.graph.replay()
                part.done.record(self._stream)

    def _warm_up(self) -> None:
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UP_PASSES):
                self._compute(self._stages, self._images)
        self._stream.synchronize()

    @torch.no_grad()
    def _compute(self, stages: Sequence[FoldedStage],
                 features: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the features after `stages`, and the probabilities (1, classes) of each exit."""
        scores = []
        for stage in stages:
            features = stage.trunk(self._images if stage.takes_image else features)
            if stage.head is not None:
                scores.append(probabilities(stage.head(features)))
        return features, scores

    def _capture(self, groups: Sequence[Sequence[FoldedStage]]) -> None:
        self._parts: list[_Part] = []
        # Held, so that no later graph of the pool writes where an earlier one's output lies.
        self._held: list[Tensor] = []
        pool, features = torch.cuda.graph_pool_handle(), self._images
        for group in groups:
            exits = sum(stage.head is not None for stage in group)
            answers = torch.zeros(exits, self._classes)
            part = _Part(torch.cuda.CUDAGraph(), answers.pin_memory() if exits else answers,
                         torch.cuda.Event())
            # Other threads, such as those of another engine, may use the GPU meanwhile.
            with torch.cuda.graph(part.graph, pool=pool, stream=self._stream,
                                  capture_error_mode='thread_local'):
                features, scores = self._compute(group, features)
                if scores:
                    together = torch.cat(scores)
                    part.answers.copy_(together, non_blocking=True)
                    self._held.append(together)
            self._held.append(features)
            self._parts.append(part)

    def _stage_seconds(self) -> list[float]:
        """Return how long each graph takes at most; a GPU may have waited for Python."""
        ends = [torch.cuda.Event(enable_timing=True) for _ in range(len(self._parts) + 1)]
        trials = []
        for _ in range(_TRIALS):
            ends[0].record(self._stream)
            for part, end in zip(self._parts, ends[1:]):
                self._launch([part])
                end.record(self._stream)
            self._stream.synchronize()
            trials.append([a.elapsed_time(b) / 1e3 for a, b in zip(ends, ends[1:])])
        return np.min(trials, axis=0).tolist()  # other processes can only have slowed it down
