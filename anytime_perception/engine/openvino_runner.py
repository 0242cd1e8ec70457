"""
Running a network with OpenVINO, the quickest there is on the CPU, and still stoppable.

A graph that is run whole can't be stopped with its answers so far, and one graph per stage pays
for every boundary. So stages are joined to pieces, as long as a piece ends soon enough.
"""

import time

from anytime_perception.engine.folding import fold
from anytime_perception.engine.openvino_graph import add_layers
from anytime_perception.networks import AnytimeNetwork, AnytimeSequence, Stage
import numpy as np
import openvino
from openvino import opset13 as ops
from torch import Tensor

# How much longer than its longest stage a piece may take: what stopping may cost more than
# stopping after every stage would.
_LONGER_SECONDS = 0.0002
_TRIALS = 20


class OpenvinoRunner:
    """
    Runs pieces of several stages, each one compiled graph with its exits as outputs.

    The first piece ends with the first exit, so that the first answer comes early. Tensors are
    bound once, and features pass between pieces channels-last, as the kernels have them.

    Raises
    ------
    NotImplementedError: for a network with layers that are none of ours.

    """

    name = 'openvino'

    def __init__(self, network: AnytimeNetwork | AnytimeSequence, threads: int):
        self._core = openvino.Core()
        self._settings = {'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_NUM_THREADS': threads,
                          'INFERENCE_PRECISION_HINT': 'f32'}
        self._images = np.zeros(network.image_shape, np.float32)
        self._pieces: list[_Piece] = []
        stages = list(network.stages)
        first = next(index for index, stage in enumerate(stages) if stage.head is not None) + 1
        groups = group_stages(stages[first:], stages[first - 1].cost,
                              self._seconds_per_mac(stages))
        for group in [stages[:first], *groups]:
            self._pieces.append(self._piece(group))
        self.piece_count = len(self._pieces)

    def begin(self, images: Tensor) -> None:
        """Take the network input (1, channels, size, size), on the CPU, for the next runs."""
        self._images[...] = images.numpy()

    def run(self, index: int) -> list[np.ndarray]:
        """Run piece `index` after those before it; return its exits' probabilities (classes,)."""
        return self._pieces[index].run()

    def _piece(self, stages: list[Stage]) -> '_Piece':
        features = None if stages[0].takes_image else self._pieces[-1].features
        return _Piece(self._core, self._settings, stages, self._images, features)

    def _seconds_per_mac(self, stages: list[Stage]) -> float:
        """Return how quick this machine is, by running the last network in one piece."""
        start = max(index for index, stage in enumerate(stages) if stage.takes_image)
        cost = stages[-1].cost - (stages[start - 1].cost if start else 0)
        piece, seconds = self._piece(stages[start:]), []
        for _ in range(_TRIALS):
            started = time.perf_counter()
            piece.run()
            seconds.append(time.perf_counter() - started)
        return min(seconds) / cost  # other processes can only have slowed it down


class _Piece:
    """Some consecutive stages of one network as a compiled graph with its tensors bound."""

    def __init__(self, core: openvino.Core, settings: dict, stages: list[Stage],
                 images: np.ndarray, features: np.ndarray | None):
        takes = images if features is None else features
        parameter = ops.parameter(list(takes.shape), np.float32)
        node = parameter
        if features is not None:
            node = ops.transpose(node, np.array([0, 3, 1, 2]))
        results = []
        for stage in stages:
            node = add_layers(fold(stage.trunk), node)
            if stage.head is not None:
                results.append(ops.softmax(add_layers(fold(stage.head), node), 1))
        results.append(ops.transpose(node, np.array([0, 2, 3, 1])))
        model = openvino.Model(results, [parameter])
        self._request = core.compile_model(model, 'CPU', settings).create_infer_request()
        outputs = [np.zeros(list(result.output(0).shape), np.float32) for result in results]
        # The request does not keep the arrays alive that its tensors are made of.
        self._arrays = [takes, *outputs]
        self._request.set_input_tensor(openvino.Tensor(takes, shared_memory=True))
        for index, output in enumerate(outputs):
            self._request.set_output_tensor(index, openvino.Tensor(output, shared_memory=True))
        *self._answers, self.features = outputs

    def run(self) -> list[np.ndarray]:
        self._request.infer()
        return [answer[0].copy() for answer in self._answers]


def group_stages(stages: list[Stage], cost_before: int, seconds_per_mac: float
                 ) -> list[list[Stage]]:
    """
    Join consecutive stages to groups that take little longer than their longest stage.

    Their costs grow from `cost_before`, the MACs of what is run before them. `seconds_per_mac`
    is how quick the machine is. A network's first stage begins a group.
    """
    groups: list[list[Stage]] = []
    total = longest = 0.0
    for stage in stages:
        seconds = (stage.cost - cost_before) * seconds_per_mac
        cost_before = stage.cost
        total, longest = total + seconds, max(longest, seconds)
        if not groups or stage.takes_image or total > longest + _LONGER_SECONDS:
            groups.append([])
            total = longest = seconds
        groups[-1].append(stage)
    return groups
