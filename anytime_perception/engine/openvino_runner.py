"""
Running a network with OpenVINO, the quickest there is on the CPU, and still stoppable.

The whole network is one graph, which reports answers while it runs, and can be stopped at each
report. Reports cost something, so a few short stages report together.
"""

import time
from typing import NamedTuple

from anytime_perception.engine.folding import fold
from anytime_perception.engine.grouping import group_stages
from anytime_perception.engine.openvino_graph import add_layers
from anytime_perception.engine.openvino_report import Report, Reporter
from anytime_perception.engine.runner import Answered
from anytime_perception.networks import StagedNetwork
import numpy as np
import openvino
from openvino import InferRequest, Node
from openvino import opset13 as ops
import torch
from torch import Tensor

# How much longer a stop may take because some stages report together. A report costs about a
# hundredth of a millisecond.
_BEYOND_STAGE_SECONDS = 0.0002
_TRIALS = 20


class _Stage(NamedTuple):
    """The nodes of a stage: its features (1, C, H, W), and logits (1, classes) of its exit."""

    features: Node
    head: Node | None


class OpenvinoRunner:
    """
    Runs the whole network as one compiled graph that reports answers as they come.

    Raises
    ------
    NotImplementedError: for a network with layers that `add_layers` does not know.
    RuntimeError: if OpenVINO would run the graph in another order than the network's, or for
        bfloat16 on a CPU without it.

    """

    name = 'openvino'

    def __init__(self, network: StagedNetwork, threads: int,
                 precision: str = 'float32'):
        self._settings = settings(threads, precision)
        self._images = np.zeros(network.image_shape, np.float32)
        self._classes = network.num_classes
        self._parameter = ops.parameter(list(network.image_shape), np.float32)
        stages = _stages(network, self._parameter)
        self._reporter, self._request = self._compile([[stage] for stage in stages])
        groups = group_stages(stages, self._stage_seconds(), _BEYOND_STAGE_SECONDS)
        if len(groups) < len(stages):
            self._reporter, self._request = self._compile(groups)

    def run(self, images: Tensor, answered: Answered) -> None:
        """Run the graph as long as `answered` wants more."""
        self._images[...] = images.numpy()
        self._reporter.run(self._request, answered)

    def _compile(self, groups: list[list[_Stage]]) -> tuple[Reporter, InferRequest]:
        reporter = Reporter(len(groups))
        reports = []
        for position, group in enumerate(groups):
            scores = [stage.head for stage in group if stage.head is not None]
            told = (ops.softmax(ops.concat(scores, 0), 1) if scores
                    else _nothing(group[-1].features, self._classes))
            reports.append(Report([told], reporter, len(scores), position))
        model = openvino.Model(reports, [self._parameter])
        request = openvino.Core().compile_model(
            model, 'CPU', self._settings).create_infer_request()
        # The request does not keep alive the array that its tensor is made of.
        request.set_input_tensor(openvino.Tensor(self._images, shared_memory=True))
        return reporter, request

    def _stage_seconds(self) -> list[float]:
        """Return how long each stage takes on this machine."""
        trials = []
        for _ in range(_TRIALS):
            ends = [time.perf_counter()]

            def answered(_answers: np.ndarray) -> bool:
                ends.append(time.perf_counter())
                return True
            self.run(torch.from_numpy(self._images), answered)
            trials.append(np.diff(ends))
        return np.min(trials, axis=0).tolist()  # other processes can only have slowed it down


def _stages(network: StagedNetwork, image: Node) -> list[_Stage]:
    stages, features = [], image
    for stage in network.stages:
        features = add_layers(fold(stage.trunk), image if stage.takes_image else features)
        head = None if stage.head is None else add_layers(fold(stage.head), features)
        # A ladder's features and what it has seen: the latter is computed last.
        stages.append(_Stage(features[-1] if isinstance(features, tuple) else features, head))
    return stages


def settings(threads: int, precision: str = 'float32') -> dict:
    """
    Return the settings of a graph that is run alone and at once, on `threads` threads.

    Raises
    ------
    RuntimeError: for bfloat16 on a CPU without it, which OpenVINO would not say.

    """
    hint = {'float32': 'f32', 'bfloat16': 'bf16'}[precision]
    if precision == 'bfloat16':
        can = openvino.Core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
        if 'BF16' not in can:
            raise RuntimeError('this CPU does not compute with bfloat16; use the precision '
                               'float32')
    # A thread that is pinned to a core waits there for others, while the next core is idle.
    return {'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_NUM_THREADS': threads,
            'ENABLE_CPU_PINNING': False, 'INFERENCE_PRECISION_HINT': hint}


def _nothing(features: Node, classes: int) -> Node:
    """Return a row in the form of an answer that costs nothing and follows `features`."""
    zeros, ones = np.zeros(4, np.int64), np.ones(4, np.int64)
    number = ops.strided_slice(features, zeros, ones, ones, [0] * 4, [0] * 4)
    return ops.tile(ops.reshape(number, np.array([1, 1]), False), np.array([1, classes]))
