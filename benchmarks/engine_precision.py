"""
What bfloat16 changes: the time of a pass and the answers, of one model on labelled pictures.

Compares, on the same pictures and in turns, the runner in float32 and in bfloat16, from the
network's input to its answers. Pictures lie in class folders.

    python benchmarks/engine_precision.py --threads 1 --images pictures/cifar10/test
"""

from pathlib import Path

from anytime_perception import model_file
from anytime_perception.engine import choose_device
from anytime_perception.engine.runner import answers
from anytime_perception.engine.runners import make_runner
from anytime_perception.runner_names import PRECISIONS
import cv2
import measuring
import numpy as np
import torch


def pictures(folder: Path, model: model_file.Model, per_class: int):
    """Yield (network input, class index) of the first pictures of each class."""
    for index, name in enumerate(model.class_ids):
        for path in sorted((folder / name).iterdir())[:per_class]:
            yield model.preprocessing(cv2.imread(str(path))[:, :, ::-1]), index


def main() -> None:
    """Measure, print and write."""
    parser = measuring.parser(__doc__)
    parser.add_argument('--model', type=Path, default=Path('models/cifar10-aann.safetensors'))
    parser.add_argument('--images', type=Path, required=True, help='folder of class folders')
    parser.add_argument('--per-class', type=int, default=200, help='pictures (%(default)s)')
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    model = model_file.load(arguments.model)
    device = choose_device(arguments.device)
    given = list(pictures(arguments.images, model, arguments.per_class))
    labels = np.array([label for _, label in given])
    with torch.inference_mode():
        runners = {precision: make_runner(model.network, device, arguments.threads, 'auto',
                                          precision) for precision in PRECISIONS}
        found = {precision: np.stack([answers(runner, images) for images, _ in given])
                 for precision, runner in runners.items()}  # (pictures, exits, classes)
        seconds = measuring.in_turns(
            {precision: lambda runner=runner: answers(runner, given[0][0])
             for precision, runner in runners.items()}, rounds=9, calls=50)
    named = {precision: values.argmax(-1) for precision, values in found.items()}
    measuring.finish({
        'machine': measuring.machine(), 'threads': arguments.threads, 'device': str(device),
        'runner': runners['float32'].name, 'model': arguments.model.name, 'pictures': len(given),
        'ms': {precision: round(1e3 * value, 4) for precision, value in seconds.items()},
        'bfloat16_over_float32': round(seconds['bfloat16'] / seconds['float32'], 3),
        'error': {precision: [round(float(value), 4) for value in
                              (classes != labels[:, None]).mean(0)]
                  for precision, classes in named.items()},
        'other_class': [round(float(value), 4) for value in
                        (named['float32'] != named['bfloat16']).mean(0)],
        'largest_difference': round(
            float(np.abs(found['float32'] - found['bfloat16']).max()), 4)}, arguments.output)


if __name__ == '__main__':
    main()
