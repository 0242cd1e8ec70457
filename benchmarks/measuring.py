"""What the benchmarks share: taking turns, naming the machine, writing JSON."""

import argparse
from collections.abc import Callable, Sequence
import json
import os
from pathlib import Path
import platform
import time

from anytime_perception.networks import AnytimeNetwork, AnytimePyramid, StagedNetwork
import numpy as np
import torch
from torch import nn


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options every benchmark has."""
    result = argparse.ArgumentParser(description=description.strip().split('\n')[0])
    result.add_argument('--device', default='cpu', help='cpu or cuda:N (%(default)s)')
    result.add_argument('--threads', type=int, default=2, help='of the network (%(default)s)')
    result.add_argument('--output', type=Path, help='file to write the result to, as JSON')
    return result


def networks(text: str) -> list[tuple[int, int]]:
    """Return the (units, channels) of a text like 9,16+9,32."""
    return [tuple(int(number) for number in item.split(',')) for item in text.split('+')]


def network(units: int | Sequence[int], channels: int | Sequence[int],
            side_channels: Sequence[int] = (), head: str = 'pool') -> StagedNetwork:
    """
    Return an evaluation-mode network, or pyramid, with normalisations as training leaves them.

    With those of a fresh network, folding would have less to do than on a robot.
    """
    torch.manual_seed(0)
    result = (AnytimePyramid(units, channels, side_channels, 10) if side_channels else
              AnytimeNetwork(units, channels, 10, head=head)).eval()
    for module in result.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.8, 1.2)
            nn.init.normal_(module.bias, 0, 0.1)
    return result


def in_turns(ways: dict[str, Callable[[], object]], rounds: int, calls: int) -> dict[str, float]:
    """
    Return each way's seconds per call: the median over rounds of each round's median.

    The ways take turns, so that what slows the machine down for a while slows all of them.
    """
    medians: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            seconds = []
            for _ in range(calls):
                started = time.perf_counter()
                way()
                seconds.append(time.perf_counter() - started)
            medians[name].append(float(np.median(seconds)))
    return {name: float(np.median(values)) for name, values in medians.items()}


def gather(store: Path | None, name: str, values: dict[str, list]) -> dict[str, np.ndarray]:
    """
    Return `values` after those that earlier runs left in the folder `store` under `name`.

    So many values can be measured in several short runs.
    """
    arrays = {key: np.asarray(value, np.float64) for key, value in values.items()}
    if store is not None:
        store.mkdir(parents=True, exist_ok=True)
        path = store / f'{name}.npz'
        if path.exists():
            with np.load(path) as before:
                arrays = {key: np.concatenate([before[key], value])
                          for key, value in arrays.items()}
        np.savez(path, **arrays)
    return arrays


def quantiles(seconds, unit: float = 1e3) -> dict[str, float]:
    """Return median, p99, p99.9 and maximum of `seconds`, in ms unless `unit` says otherwise."""
    values = np.asarray(seconds) * unit
    return {**{name: round(float(np.quantile(values, q)), 4)
               for name, q in (('p50', 0.5), ('p99', 0.99), ('p99_9', 0.999))},
            'max': round(float(values.max()), 4)}


def machine() -> dict:
    """Return what the numbers were measured on."""
    with open('/proc/cpuinfo') as file:
        models = [line.split(':')[1].strip() for line in file if line.startswith('model name')]
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {'cpu': models[0] if models else platform.machine(), 'cores': os.cpu_count(),
            'gpu': gpu,
            'load_1min_before': round(os.getloadavg()[0], 2), 'torch': torch.__version__,
            'python': platform.python_version()}


def finish(result: dict, output: Path | None) -> None:
    """Print the result and write it to `output`."""
    text = json.dumps(result, indent=1)
    print(text)
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text + '\n')
