"""Training batches, made on the device: random crops, flips and more (paper, section 4.1)."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
import math

from anytime_perception.images.preprocessing import Preprocessing
from anytime_training.data.image_set import ImageSet
from anytime_training.random_state import generator
import torch
from torch import Tensor
from torch.nn import functional

# From the authors' code for SVHN (EchoWho/AnytimeNeuralNetwork_public, svhn-ann-paper-exp.py), in
# 0..255. It deforms images besides, which we do not; the paper's text names pad and crop alone.
BRIGHTNESS, CONTRAST = 10.0, (0.8, 1.2)


@dataclass(frozen=True)
class Augmentation:
    """
    How training images vary.

    Attributes
    ----------
    flip: mirror half of them.
    alternate_flip: the next epoch mirrors the other half, so that each image is seen as often
        either way (Jordan 2024, arXiv 2404.00498); else each epoch draws which ones.
    padding: how far random crops reach over each border, as a share of the size; the paper's is an
        eighth, 4 of 32 pixels. Less is learned sooner.
    lighting: change brightness and contrast a little, as the authors do for SVHN.
    cutout: pixels a side of a square that is blanked, 0 for none (DeVries and Taylor 2017, who
        take 16 for CIFAR-10 and 8 for CIFAR-100).

    """

    flip: bool = True
    alternate_flip: bool = False
    padding: float = 0.125
    lighting: bool = False
    cutout: int = 0


def training_batches(data: ImageSet, preprocessing: Preprocessing, batch_size: int,
                     augmentation: Augmentation, seed: int,
                     epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
    """
    Yield the augmented batches of one epoch: inputs (B, 3, size, size) float32 and labels (B,).

    Images are shuffled; each is padded, cropped back at a random place and varied as
    `augmentation` says. What is padded or blanked is zero after the mean is subtracted. What is
    drawn depends on `seed` and `epoch` alone. The last batch of an epoch is left out if it is not
    full, unless it is the only one.
    """
    draws = generator(seed, 'batches', epoch)
    count, size, device = len(data), data.images.shape[-1], data.images.device
    padding = math.ceil(size * augmentation.padding)
    # Once, or every batch would wait for a copy of the mean to the device.
    preprocessing = replace(preprocessing, mean=preprocessing.mean.to(device))
    order = torch.randperm(count, generator=draws).to(device)
    corners = torch.randint(2 * padding + 1, (2, count), generator=draws).to(device)
    share = 0.5 if augmentation.flip else 0.0
    mirrored = (torch.rand(count, generator=draws) < share).to(device)
    if augmentation.flip and augmentation.alternate_flip:
        first = torch.randint(2, (count,), generator=generator(seed, 'flips')).to(device)
        mirrored = (first[order] + epoch) % 2 == 1
    light = torch.rand(2, count, 1, 1, 1, generator=draws).to(device)
    holes = torch.randint(size, (2, count, 1), generator=draws).to(device)
    line = torch.arange(size, device=device)
    rows = corners[0, :, None] + line
    columns = corners[1, :, None] + torch.where(mirrored[:, None], line.flip(0), line)
    for start in range(0, steps_per_epoch(count, batch_size) * batch_size, batch_size):
        chosen = slice(start, min(start + batch_size, count))
        indices = order[chosen]
        pixels = data.images[indices]
        if augmentation.lighting:
            pixels = relight(pixels, *light[:, chosen])
        padded = functional.pad(preprocessing.normalise(pixels), [padding] * 4)
        image = torch.arange(len(indices), device=device)[:, None, None]
        # Indexed with channels last, the result is a batch in that memory format already.
        cropped = padded.permute(0, 2, 3, 1)[image, rows[chosen, :, None],
                                             columns[chosen, None, :]]
        if augmentation.cutout:
            # The centre may be anywhere, so that squares reach over the border.
            hidden = (line - holes[:, chosen] + augmentation.cutout // 2)
            hidden = (hidden >= 0) & (hidden < augmentation.cutout)
            cropped.masked_fill_((hidden[0, :, :, None] & hidden[1, :, None])[..., None], 0.0)
        yield cropped.permute(0, 3, 1, 2), data.labels[indices]


def relight(pixels: Tensor, brightness: Tensor, contrast: Tensor) -> Tensor:
    """
    Return `pixels` (B, 3, H, W) in 0..255 with brightness and contrast changed, as float32.

    `brightness` and `contrast` are draws in 0..1, (B, 1, 1, 1) each. They are places in the ranges
    of what is added to an image, and of the factor of its pixels' distance from the channel mean.
    """
    lit = (pixels + BRIGHTNESS * (2 * brightness - 1)).clamp(0, 255)
    mean = lit.mean(dim=(2, 3), keepdim=True)
    low, high = CONTRAST
    return torch.lerp(mean, lit, low + (high - low) * contrast).clamp(0, 255)


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Return the number of batches that `training_batches` yields for `count` images."""
    return max(1, count // batch_size)
