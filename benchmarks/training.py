"""
Training speed: our step against the loop most people would write, and against the trunk alone.

Prints images/s of four ways to train the same network on random images of CIFAR's size, taken in
turns on this machine, and their ratios; --output writes them as JSON.

a. plain: DataLoader workers, one image augmented at a time, float32, a loss per exit in a Python
   loop, the loss read back every iteration.
b. trunk: our step, with the last exit only.
c. ours: our step with every exit, AANN with sieve weights.
d. muon: the same by Muon in place of SGD.

On a GPU also: eager, ours without a CUDA graph, and free, ours where cuDNN may choose kernels
whose sums differ from run to run, which `anytime train` does not let it.
"""

from collections.abc import Callable
import time

from anytime_perception.engine import choose_device
from anytime_perception.images.preprocessing import Preprocessing
from anytime_perception.networks import AnytimeNetwork
from anytime_training.config import TrainConfig
from anytime_training.data import Augmentation, ImageSet, training_batches
from anytime_training.device import fitting_threads
from anytime_training.epoch import Learner, train_epoch
from anytime_training.optimiser import make_optimiser
from anytime_training.phases import plan
from anytime_training.step import make_step, Step
from anytime_training.strategies import make_sampler, make_weights
import measuring
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

SIZE, CLASSES = 32, 100
WARM_UP = {'cpu': 2, 'cuda': 5}  # steps; on a GPU a graph is captured in them


class PlainImages(Dataset):
    """Images that are cropped, flipped and normalised one at a time, as in most tutorials."""

    def __init__(self, images: torch.Tensor, labels: torch.Tensor):
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int):
        image = functional.pad((self.images[index].float() - 127.5) / 128, [4] * 4)
        top, left = torch.randint(9, (2,)).tolist()
        image = image[:, top:top + SIZE, left:left + SIZE]
        return image.flip(2) if torch.rand(()) < 0.5 else image, self.labels[index]


def plain_loop(config: TrainConfig, data: ImageSet, device: torch.device, steps: int,
               workers: int) -> float:
    """Return images/s of the loop most people would write."""
    network = AnytimeNetwork(config.units_per_block[0], config.channels, CLASSES).to(device)
    weights = make_weights(config, [stage.depth for stage in network.exits]).tolist()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=2e-4)
    loader = DataLoader(PlainImages(data.images, data.labels), config.batch_size, shuffle=True,
                        num_workers=workers, drop_last=True, pin_memory=device.type == 'cuda')
    batches = iter(loader)
    start = None
    for step in range(-WARM_UP[device.type], steps):
        if step == 0:
            start = time.perf_counter()
        images, labels = (tensor.to(device) for tensor in next(batches))
        loss = sum(weight * functional.cross_entropy(logits, labels)
                   for weight, logits in zip(weights, network(images)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        loss.item()
    return steps * config.batch_size / (time.perf_counter() - start)


def our_loop(config: TrainConfig, data: ImageSet, device: torch.device, steps: int,
             make: Callable = make_step) -> float:
    """Return images/s of the step that `anytime train` runs, or another that `make` makes."""
    network = AnytimeNetwork(config.units_per_block[0], config.channels, CLASSES).to(
        device, memory_format=torch.channels_last)
    depths = [stage.depth for stage in network.exits]
    weights = make_weights(config, depths).to(device)
    phase, = plan('joint', network, weights)
    sampler = make_sampler(config, phase.weights, depths, steps, seed=0)
    optimiser = make_optimiser(network, phase, config)
    learner = Learner(network, phase, optimiser, sampler,
                      make(config, network, phase, optimiser))
    preprocessing = Preprocessing.default(SIZE)
    seconds = 0.0
    for epoch, count in ((0, WARM_UP[device.type]), (1, steps)):
        batches = training_batches(data, preprocessing, config.batch_size, Augmentation(), 0,
                                   epoch)
        start = time.perf_counter()
        first = (batch for _, batch in zip(range(count), batches))
        train_epoch(learner, first, config, 0, count, 0, lambda images: None)
        seconds = time.perf_counter() - start
    return steps * config.batch_size / seconds


def freely(way: Callable[[], float]) -> float:
    """Return the images/s of `way` where cuDNN may choose any kernel."""
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = False, True
    try:
        return way()
    finally:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = True, False


def main() -> None:
    """Measure, print and write."""
    parser = measuring.parser(__doc__)
    parser.set_defaults(device='auto', threads=torch.get_num_threads())
    parser.add_argument('--units', type=int, default=9)
    parser.add_argument('--channels', type=int, default=32)
    parser.add_argument('--steps', type=int, default=0, help='default: 100 on a GPU, else 4')
    parser.add_argument('--rounds', type=int, default=3, help='each way is measured this often')
    parser.add_argument('--workers', type=int, default=2, help='of the plain loop')
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    device, machine = choose_device(arguments.device), measuring.machine()
    torch.backends.cudnn.deterministic = True  # as in `anytime train`
    steps = arguments.steps or (100 if device.type == 'cuda' else 4)
    values = {'dataset': 'cifar100', 'units_per_block': [arguments.units],
              'channels': arguments.channels}
    config = TrainConfig.of(values)
    trunk_only = TrainConfig.of({**values, 'weights': 'optimal', 'strategy': 'none'})
    muon = TrainConfig.of({**values, 'optimiser': 'muon'})
    count = 128 * (steps + WARM_UP[device.type])
    images = torch.randint(256, (count, 3, SIZE, SIZE), dtype=torch.uint8)
    data = ImageSet(images, torch.randint(CLASSES, (len(images),)))
    ways = {'plain': lambda: plain_loop(config, data, device, steps, arguments.workers),
            'trunk': lambda: our_loop(trunk_only, data.to(device), device, steps),
            'ours': lambda: our_loop(config, data.to(device), device, steps),
            'muon': lambda: our_loop(muon, data.to(device), device, steps)}
    if device.type == 'cuda':
        ways['eager'] = lambda: our_loop(config, data.to(device), device, steps, Step)
        ways['free'] = lambda: freely(ways['ours'])
    # In turns, and the best of each, as other processes can only ever slow one down.
    network = AnytimeNetwork(arguments.units, arguments.channels, CLASSES)
    with fitting_threads(network, config.batch_size):
        rounds = [{name: way() for name, way in ways.items()} for _ in range(arguments.rounds)]
    best = {name: max(result[name] for result in rounds) for name in ways}
    measuring.finish({
        'network': f'n={arguments.units}, c={arguments.channels}', 'device': str(device),
        'threads': torch.get_num_threads(), 'machine': machine,
        'images_per_s': {name: round(speed, 1) for name, speed in best.items()},
        'epochs_of_50000_in_10_minutes': int(600 * best['ours'] / 50000),
        'ours_over_plain': round(best['ours'] / best['plain'], 2),
        'ours_over_trunk': round(best['ours'] / best['trunk'], 2),
        'muon_over_ours': round(best['muon'] / best['ours'], 2)}, arguments.output)


if __name__ == '__main__':
    main()
