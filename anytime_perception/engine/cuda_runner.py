"""
Running a network as CUDA graphs, one per stage.

On small feature maps a GPU needs less time to compute a stage than Python needs to launch its
kernels. A captured graph is launched at once, so the time between two exits is the GPU's own.
"""

from anytime_perception.engine.folding import fold_stages
from anytime_perception.engine.runner import Answered
from anytime_perception.networks import StagedNetwork
from anytime_perception.networks.layers import probabilities
import torch
from torch import Tensor

_WARM_UP_PASSES = 3  # cuDNN chooses its kernels, which can't happen while a graph is captured


class CudaGraphRunner:
    """
    Replays one captured graph per stage; answers are copied to pinned memory inside the graph.

    The stage after the one that is waited for is launched already, so that the GPU never waits
    for Python. Stopping therefore waits for the stage in flight and one more.
    """

    name = 'cuda_graphs'

    def __init__(self, network: StagedNetwork, device: torch.device,
                 dtype: torch.dtype = torch.float32):
        self._stream = torch.cuda.Stream(device)
        self._staging = torch.zeros(network.image_shape, dtype=dtype).pin_memory()
        self._images = self._staging.to(device, memory_format=torch.channels_last)
        self._graphs: list[torch.cuda.CUDAGraph] = []
        self._answers: list[Tensor] = []  # (exits, classes) in pinned memory
        self._done = [torch.cuda.Event() for _ in network.stages]
        self._capture(network, device, dtype)

    def run(self, images: Tensor, answered: Answered) -> None:
        """Replay graph after graph as long as `answered` wants more."""
        self._stream.synchronize()  # with what was launched ahead for the image before
        self._staging.copy_(images)
        with torch.cuda.stream(self._stream):
            self._images.copy_(self._staging, non_blocking=True)
        launched = 0
        for index, answer in enumerate(self._answers):
            with torch.cuda.stream(self._stream):
                while launched < min(index + 2, len(self._graphs)):
                    self._graphs[launched].replay()
                    self._done[launched].record(self._stream)
                    launched += 1
            self._done[index].synchronize()
            if not answered(answer.numpy().copy()):
                return

    def _capture(self, network: StagedNetwork, device: torch.device,
                 dtype: torch.dtype) -> None:
        stages = fold_stages(network, device, dtype)
        # Held, since graphs know their weights by address only.
        self._modules = [module for trunk, head, _ in stages for module in (trunk, head)]
        self._stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UP_PASSES):
                features = self._images
                for trunk, head, takes_image in stages:
                    features = trunk(self._images if takes_image else features)
                    if head is not None:
                        probabilities(head(features))
        self._stream.synchronize()
        pool = torch.cuda.graph_pool_handle()
        # Held, so that no later graph of the pool writes where an earlier one's output lies.
        self._held: list[Tensor] = []
        features = self._images
        for trunk, head, takes_image in stages:
            graph = torch.cuda.CUDAGraph()
            answer = torch.zeros(int(head is not None), network.num_classes)
            answer = answer if head is None else answer.pin_memory()
            with torch.cuda.graph(graph, pool=pool, stream=self._stream):
                features = trunk(self._images if takes_image else features)
                if head is not None:
                    scores = probabilities(head(features))
                    answer.copy_(scores, non_blocking=True)
                    self._held.append(scores)
            self._held.append(features)
            self._graphs.append(graph)
            self._answers.append(answer)
