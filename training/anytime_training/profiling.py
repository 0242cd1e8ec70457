"""How long each exit of a model takes on this device: `anytime profile`."""

from pathlib import Path
import time
from typing import Any

from anytime_perception import model_file
from anytime_perception.engine import AnytimeEngine
from anytime_perception.files import write_json
from matplotlib.figure import Figure
import numpy as np
from tqdm import tqdm

_FRAME = (480, 640, 3)


def profile(path: Path, images: int, rate: float, *, threads: int, precision: str,
            **others: Any) -> dict:
    """
    Refine `images` camera-sized pictures at `rate` per second until complete; return what it took.

    Latencies are in ms from a picture's arrival, as on a robot: in the pauses between pictures
    caches grow cold and clocks slow down. Threads, precision and the rest are the engine's.
    """
    model = model_file.load(path)
    frames = np.random.default_rng(0).integers(0, 256, (8, *_FRAME), dtype=np.uint8)
    elapsed = []
    with AnytimeEngine(model, threads=threads, precision=precision, **others) as engine:
        due = time.monotonic()
        for index in tqdm(range(images), desc=path.name, unit='image', leave=False):
            time.sleep(max(0.0, due - time.monotonic()))
            due = time.monotonic() + 1 / rate
            elapsed.append([1e3 * refinement.elapsed
                            for refinement in engine.refine(frames[index % len(frames)])])
        name, chosen = engine.runner, str(engine.device)
    latencies = np.array(elapsed)
    whole = model.network.exits[-1].cost
    return {
        'model': path.name, 'sha256': model.sha256, 'device': chosen, 'runner': name,
        'precision': precision, 'threads': threads, 'images': images, 'rate_hz': rate, 'exits': [{
            'network': stage.network_index, 'depth': stage.depth, 'cost': stage.cost,
            'cost_fraction': round(stage.cost / whole, 4),
            'error': model.measured.error[index] if model.measured else None,
            'median_ms': round(float(np.median(latencies[:, index])), 3),
            'p99_ms': round(float(np.quantile(latencies[:, index], 0.99)), 3),
        } for index, stage in enumerate(model.network.exits)]}


def table(result: dict) -> str:
    """Return the profile as lines for people."""
    lines = [f'{result["model"]} on {result["device"]} ({result["runner"]}, '
             f'{result["precision"]}, {result["threads"]} threads), {result["images"]} images at '
             f'{result["rate_hz"]:g} Hz',
             f'{"exit":>4} {"net":>3} {"depth":>5} {"cost":>6} {"error":>7} {"median ms":>10} '
             f'{"p99 ms":>8}']
    for index, row in enumerate(result['exits']):
        error = '-' if row['error'] is None else f'{row["error"]:.1%}'
        lines.append(f'{index:>4} {row["network"]:>3} {row["depth"]:>5} '
                     f'{row["cost_fraction"]:>6.1%} {error:>7} {row["median_ms"]:>10.2f} '
                     f'{row["p99_ms"]:>8.2f}')
    return '\n'.join(lines)


def write(result: dict, path: Path) -> list[Path]:
    """Write the profile to `path`.json and, as a picture, to `path`.png; return the files."""
    files = [path.with_suffix('.json'), path.with_suffix('.png')]
    write_json(files[0], result)
    figure = Figure(figsize=(7, 4.2), layout='constrained')
    axes = figure.subplots()
    exits = range(len(result['exits']))
    for key, label in (('median_ms', 'median'), ('p99_ms', '99th percentile')):
        axes.plot(exits, [row[key] for row in result['exits']], marker='.', label=label)
    axes.set(xlabel='exit', ylabel='ms from arrival to answer', ylim=(0, None),
             title=f'{result["model"]} on {result["device"]} ({result["runner"]})')
    axes.legend(loc='upper left')
    if result['exits'][0]['error'] is not None:
        errors = axes.twinx()
        errors.plot(exits, [100 * row['error'] for row in result['exits']], color='grey', ls=':')
        errors.set(ylabel='top-1 error, % (dotted)', ylim=(0, None))
    axes.grid(alpha=0.3)
    figure.savefig(files[1], dpi=120)
    return files
