"""
What a pass takes where about as many multiply-adds are in other blocks.

Compares, in turns in one run, batch 1, from the network's input to its answers, networks with
ladder exits: the paper's shape (three blocks of n units), those with hardly any units before the
last block, and the pyramid of our recipe. Weights are random: they don't matter for the time.
"""

from anytime_perception.engine import choose_device
from anytime_perception.engine.runner import answers
from anytime_perception.engine.runners import make_runner
import measuring
import torch

SHAPES = {  # units and channels of each block, and those of a pyramid's side network
    '3,3,3': ((3, 3, 3), 16), '1,1,7': ((1, 1, 7), 16), '0,1,7': ((0, 1, 7), 16),
    '0,1,4 with 80 late': ((0, 1, 4), (16, 32, 80)),
    'pyramid 2,2,1': ((2, 2, 1), (32, 128, 192), (64, 96))}


def main() -> None:
    """Measure, print and write."""
    parser = measuring.parser(__doc__)
    parser.add_argument('--runner', default='auto')
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device = choose_device(arguments.device)
    networks = {name: measuring.network(*shape, head='ladder') for name, shape in SHAPES.items()}
    with torch.inference_mode():
        runners = {name: make_runner(network, device, arguments.threads, arguments.runner)
                   for name, network in networks.items()}
        images = torch.rand(networks['3,3,3'].image_shape)
        seconds = measuring.in_turns(
            {name: lambda runner=runner: answers(runner, images)
             for name, runner in runners.items()}, rounds=9, calls=100)
    costs = {name: network.exits[-1].cost for name, network in networks.items()}
    first, *_ = seconds
    measuring.finish({
        'machine': measuring.machine(), 'threads': arguments.threads, 'device': str(device),
        'runner': runners[first].name,
        'million_multiply_adds': {name: round(cost / 1e6, 2) for name, cost in costs.items()},
        'ms': {name: round(1e3 * value, 4) for name, value in seconds.items()},
        'time_over_papers_shape': {name: round(value / seconds[first], 3)
                                   for name, value in seconds.items()},
        'cost_over_papers_shape': {name: round(cost / costs[first], 3)
                                   for name, cost in costs.items()}}, arguments.output)


if __name__ == '__main__':
    main()
