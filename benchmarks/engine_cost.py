"""
What being stoppable costs, and how quick a pass is at all.

Compares, in turns in one run, batch 1, from the network's input to its answers:

eager: what most people would write, `model(x)` in inference mode, all exits, float32.
oneshot: the trunk with only its final head, in one piece: an OpenVINO graph, or a CUDA graph.
torch: the same trunk with only its final head, in torch, folded and channels-last.
engine: a full pass of AnytimeEngine with every exit, every check and every refinement delivered.
engine_torch: the same with the torch runner.

The engine's passes include handing the image to the worker thread and preprocessing a picture that
has the network's size already; the others do not.
"""

import copy

from anytime_perception.engine import AnytimeEngine, choose_device
from anytime_perception.engine.folding import fold
from anytime_perception.engine.runner import Runner
from anytime_perception.networks import Stage
import measuring
import numpy as np
import torch
from torch import nn


class FinalOnly(nn.Module):
    """A network's trunk with its last head, as one stage, in the form that runners take."""

    def __init__(self, network):
        super().__init__()
        trunk = nn.Sequential(*(layer for stage in network.stages for layer in stage.trunk))
        self.stages = [Stage(trunk, network.stages[-1].head, network.depth, takes_image=True)]
        self.stages[0].cost = network.stages[-1].cost
        self.image_shape = network.image_shape
        self.num_classes = network.num_classes


def oneshot_runner(network: FinalOnly, device: torch.device, threads: int) -> Runner:
    """Return the means that the engine uses on the device, for a network in one piece."""
    if device.type == 'cpu':
        from anytime_perception.engine.openvino_runner import OpenvinoRunner
        return OpenvinoRunner(network, threads)
    from anytime_perception.engine.cuda_runner import CudaGraphRunner
    return CudaGraphRunner(network, device)


def measure(units: int, channels: int, device: torch.device, threads: int, rounds: int,
            calls: int) -> dict:
    """Return the row of one network."""
    network = measuring.network(units, channels)
    torch.set_num_threads(threads)
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    final = FinalOnly(network)
    stage = final.stages[0]
    trunk = fold(stage.trunk).to(device, memory_format=torch.channels_last)
    head = fold(stage.head).to(device)
    eager = copy.deepcopy(network).to(device)
    where = {'device': str(device), 'threads': threads}
    with AnytimeEngine(network, **where) as engine, \
            AnytimeEngine(network, runner='torch', **where) as engine_torch, \
            torch.inference_mode():
        oneshot = oneshot_runner(final, device, threads)
        images = engine.model.preprocessing(image)
        there = images.to(device)
        last = there.to(memory_format=torch.channels_last)
        oneshot.begin(images)
        seconds = measuring.in_turns({
            'eager': lambda: eager(there)[-1].cpu(),
            'torch': lambda: torch.softmax(head(trunk(last)), 1).cpu(),
            'engine_torch': lambda: list(engine_torch.refine(image)),
            'oneshot': lambda: (oneshot.begin(images), oneshot.run(0)),
            'engine': lambda: list(engine.refine(image))}, rounds, calls)
        pieces = engine._refiner._runner.piece_count
    return {
        'network': f'({units},{channels})', 'runner': engine.runner,
        'exits': len(network.exits), 'pieces': pieces,
        'ms': {name: round(1e3 * value, 3) for name, value in seconds.items()},
        'engine_over_oneshot': round(seconds['engine'] / seconds['oneshot'], 3),
        'engine_torch_over_torch': round(seconds['engine_torch'] / seconds['torch'], 3),
        'engine_over_eager': round(seconds['engine'] / seconds['eager'], 3)}


def main() -> None:
    """Measure, print and write."""
    parser = measuring.parser(__doc__)
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--calls', type=int, default=20, help='per round and way')
    arguments = parser.parse_args()
    result = {'machine': measuring.machine(), 'threads': arguments.threads, 'rows': [
        measure(units, channels, choose_device(arguments.device), arguments.threads,
                arguments.rounds, arguments.calls)
        for units, channels in ((9, 16), (9, 32), (25, 32))]}
    measuring.finish(result, arguments.output)


if __name__ == '__main__':
    main()
