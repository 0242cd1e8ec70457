"""Training batches, made on the device: random crops and flips (paper, section 4.1)."""

from collections.abc import Iterator

from anytime_perception.preprocessing import Preprocessing
from anytime_training.data.image_set import ImageSet
from anytime_training.random_state import generator
import torch
from torch import Tensor
from torch.nn import functional


def training_batches(data: ImageSet, preprocessing: Preprocessing, batch_size: int, flip: bool,
                     seed: int, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """
    Yield the augmented batches of one epoch: inputs (B, 3, size, size) float32 and labels (B,).

    Images are shuffled; each is padded by an eighth of its size (4 of 32), cropped back at a
    random place and, with `flip`, mirrored half of the time. The padding is zero after the mean is
    subtracted. What is drawn depends on `seed` and `epoch` alone. The last batch of an epoch is
    left out if it is not full, unless it is the only one.
    """
    draws = generator(seed, 'batches', epoch)
    count, size, device = len(data), data.images.shape[-1], data.images.device
    padding = size // 8
    order = torch.randperm(count, generator=draws).to(device)
    corners = torch.randint(2 * padding + 1, (2, count), generator=draws).to(device)
    mirrored = (torch.rand(count, generator=draws) < (0.5 if flip else 0.0)).to(device)
    line = torch.arange(size, device=device)
    rows = corners[0, :, None] + line
    columns = corners[1, :, None] + torch.where(mirrored[:, None], line.flip(0), line)
    for start in range(0, steps_per_epoch(count, batch_size) * batch_size, batch_size):
        chosen = slice(start, min(start + batch_size, count))
        indices = order[chosen]
        pixels = preprocessing.normalise(data.images[indices])
        padded = functional.pad(pixels, [padding] * 4).permute(0, 2, 3, 1)
        image = torch.arange(len(indices), device=device)[:, None, None]
        # Indexed with channels last, the result is a batch in that memory format already.
        cropped = padded[image, rows[chosen, :, None], columns[chosen, None, :]]
        yield cropped.permute(0, 3, 1, 2), data.labels[indices]


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Return the number of batches that `training_batches` yields for `count` images."""
    return max(1, count // batch_size)
