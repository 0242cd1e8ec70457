"""
What being stoppable costs, and how quick a pass is at all.

Compares, in turns in one run, batch 1, from the network's input to its answers:

eager: what most people would write, `model(x)` in inference mode, all exits, float32.
one_graph: the trunk with only its final head, as one OpenVINO graph, or one CUDA graph.
torch: the same trunk with only its final head, in torch, folded and channels-last.
engine: a full pass of AnytimeEngine with every exit, every check and every refinement delivered.
listener: the same, with the refinements given to a function instead of a loop in another thread.
engine_torch: as engine, with the torch runner.
engine_bfloat16: as engine, with the precision bfloat16.

The engine's passes include handing the image to the worker thread and preprocessing a picture that
has the network's size already; the others do not.
"""

from collections.abc import Callable
import copy
import threading

from anytime_perception.engine import AnytimeEngine, choose_device
from anytime_perception.engine.folding import fold
from anytime_perception.networks import AnytimeBackbone, AnytimeNetwork, Stage
import measuring
import numpy as np
import torch
from torch import nn


def one_graph(network: AnytimeNetwork, threads: int) -> Callable[[torch.Tensor], object]:
    """Return what runs the trunk with its last head only: OpenVINO at its quickest."""
    from anytime_perception.engine.openvino_graph import add_layers
    from anytime_perception.engine.openvino_runner import settings
    import openvino
    from openvino import opset13 as ops
    images = np.zeros(network.image_shape, np.float32)
    parameter = node = ops.parameter(list(images.shape), np.float32)
    for stage in network.stages:
        node = add_layers(fold(stage.trunk), node)
    node = ops.softmax(add_layers(fold(network.stages[-1].head), node), 1)
    request = openvino.Core().compile_model(
        openvino.Model([node], [parameter]), 'CPU', settings(threads)).create_infer_request()
    request.set_input_tensor(openvino.Tensor(images, shared_memory=True))
    answer = request.get_output_tensor(0)

    def run(given: torch.Tensor) -> np.ndarray:
        images[...] = given.numpy()
        request.infer()
        return answer.data[0].copy()

    return run


class FinalOnly(nn.Module):
    """A network's trunk with its last head, as one stage, in the form that runners take."""

    def __init__(self, network):
        super().__init__()
        trunk = nn.Sequential(*(layer for stage in network.stages for layer in stage.trunk))
        self.stages = [Stage(trunk, network.stages[-1].head, network.depth, takes_image=True)]
        self.stages[0].cost = network.stages[-1].cost
        self.image_shape = network.image_shape
        self.num_classes = network.num_classes


def one_cuda_graph(network: AnytimeNetwork, device: torch.device) -> Callable:
    """Return what runs the trunk with its last head only, as one CUDA graph."""
    from anytime_perception.engine.cuda_runner import CudaGraphRunner
    runner = CudaGraphRunner(FinalOnly(network), device)
    return lambda images: runner.run(images, lambda answer: True)


def measure(name: str, network: AnytimeNetwork | AnytimeBackbone, device: torch.device,
            threads: int, rounds: int, calls: int) -> dict:
    """Return the row of one network."""
    torch.set_num_threads(threads)
    side = network.input_size
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)
    stages = network.stages
    trunk = fold(nn.Sequential(*(layer for stage in stages for layer in stage.trunk))).to(
        device, memory_format=torch.channels_last)
    head = fold(stages[-1].head).to(device)
    eager = copy.deepcopy(network).to(device)
    one = (one_graph(network, threads) if device.type == 'cpu'
           else one_cuda_graph(network, device))
    where = {'device': str(device), 'threads': threads}
    with AnytimeEngine(network, **where) as engine, \
            AnytimeEngine(network, runner='torch', **where) as engine_torch, \
            AnytimeEngine(network, precision='bfloat16', **where) as engine_bfloat16, \
            torch.inference_mode():
        images = engine.model.preprocessing(image)
        there = images.to(device)
        last = there.to(memory_format=torch.channels_last)
        seconds = measuring.in_turns({
            'eager': lambda: eager(there)[-1].cpu(),
            'torch': lambda: torch.softmax(head(trunk(last)), 1).cpu(),
            'engine_torch': lambda: list(engine_torch.refine(image)),
            'one_graph': lambda: one(images),
            'engine_bfloat16': lambda: list(engine_bfloat16.refine(image)),
            'listener': lambda: hear(engine, image),
            'engine': lambda: list(engine.refine(image))}, rounds, calls)
    return {
        'network': name, 'runner': engine.runner, 'exits': len(network.exits),
        'ms': {name: round(1e3 * value, 3) for name, value in seconds.items()},
        'engine_over_one_graph': round(seconds['engine'] / seconds['one_graph'], 3),
        'listener_over_one_graph': round(seconds['listener'] / seconds['one_graph'], 3),
        'bfloat16_over_engine': round(seconds['engine_bfloat16'] / seconds['engine'], 3),
        'engine_torch_over_torch': round(seconds['engine_torch'] / seconds['torch'], 3),
        'engine_over_eager': round(seconds['engine'] / seconds['eager'], 3)}


def hear(engine: AnytimeEngine, image: np.ndarray) -> None:
    """Have a whole pass delivered to a listener, as the node does."""
    done = threading.Lock()
    done.acquire()
    engine.submit(image, on_refinement=lambda answer: answer.status.final and done.release())
    done.acquire()


def main() -> None:
    """Measure, print and write."""
    parser = measuring.parser(__doc__)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--calls', type=int, default=20, help='per round and way')
    arguments = parser.parse_args()
    torch.manual_seed(0)
    networks = {f'({units},{channels})': measuring.network(units, channels)
                for units, channels in ((9, 16), (9, 32), (25, 32))}
    networks['ResNet-18'] = AnytimeBackbone('resnet18', 1000).eval()
    result = {'machine': measuring.machine(), 'threads': arguments.threads, 'rows': [
        measure(name, network, choose_device(arguments.device), arguments.threads,
                arguments.rounds, arguments.calls) for name, network in networks.items()]}
    measuring.finish(result, arguments.output)


if __name__ == '__main__':
    main()
