"""Images with labels, held whole in memory as uint8, and ways to split them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from anytime_perception.images.preprocessing import square
from anytime_training.random_state import generator
import numpy as np
import torch
from torch import Tensor

TEST_FRACTION = 0.2  # if the images do not say which of them are for tests
SPLIT_SEED = 2017  # of every fixed-seed split: the same images are held back in every run


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images (N, 3, size, size) uint8 RGB with labels (N,) int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Tensor) -> 'ImageSet':
        """Return the images at `indices`."""
        return ImageSet(self.images[indices], self.labels[indices])

    def to(self, device: torch.device) -> 'ImageSet':
        """Return the set on `device`."""
        return ImageSet(self.images.to(device), self.labels.to(device))

    def mean(self) -> Tensor:
        """Return the mean image, float32 (3, size, size) in 0..255."""
        total = torch.zeros(self.images.shape[1:], dtype=torch.float64)
        for chunk in self.images.split(4096):
            total += chunk.sum(dim=0, dtype=torch.int64)
        return (total / len(self)).float()


@dataclass(frozen=True, eq=False)
class Dataset:
    """
    Training and test images of one task.

    Attributes
    ----------
    validation_at_end: images at the end of `train` to validate on; 0 means a stratified tenth of
        them.
    neighbours: whether images that follow each other may be nearly the same, as in a recording.
        Then the last ones of each class are held back, else random ones: measuring on an image
        says nothing if its twin was learned from.

    """

    name: str
    class_ids: tuple[str, ...]
    train: ImageSet
    test: ImageSet
    validation_at_end: int = 0
    neighbours: bool = False

    def with_validation(self) -> 'Dataset':
        """Return the data set with images held back from training in place of its test images."""
        if self.validation_at_end:
            cut = len(self.train) - min(self.validation_at_end, len(self.train) // 10)
            indices = torch.arange(len(self.train))
            rest, held_back = indices[:cut], indices[cut:]
        else:
            rest, held_back = stratified_split(self.train.labels, 0.1, self.neighbours)
        return replace(self, name=f'{self.name} (validation)', train=self.train.subset(rest),
                       test=self.train.subset(held_back))

    def hold_back(self, count: int) -> tuple['Dataset', ImageSet]:
        """
        Return the data set without `count` of the training images, and those.

        The same share of each class is held back, as nearly as possible: none of a tiny one.
        """
        labels = self.train.labels
        places = torch.empty(len(labels), dtype=torch.float64)  # in the class, from 0 to 1
        for members in _classes(labels, self.neighbours):
            order = torch.arange(len(members), dtype=torch.float64)
            places[members] = (order + 0.5) / len(members)
        held_back = torch.zeros(len(labels), dtype=torch.bool)
        held_back[places.argsort(stable=True)[:count]] = True
        return (replace(self, train=self.train.subset(~held_back)),
                self.train.subset(held_back))


def room(count: int, size: int) -> Tensor:
    """Return images (count, 3, size, size) to fill; raise ValueError where memory is short."""
    try:
        return torch.empty(count, 3, size, size, dtype=torch.uint8)
    except (RuntimeError, TypeError) as error:  # TypeError: for sizes beyond 64 bits
        gigabytes = 3e-9 * count * size ** 2
        raise ValueError(f'{count} images of {size} pixels a side take {gigabytes:.4g} GB, and '
                         'there is not so much memory; choose a smaller size') from error


def from_pictures(pictures: Sequence[np.ndarray], size: int) -> Tensor:
    """Return pictures (H, W, 3) uint8 RGB of any size as images (N, 3, size, size)."""
    images = room(len(pictures), size)
    for image, picture in zip(images, pictures):
        image.copy_(torch.from_numpy(square(picture, size)).permute(2, 0, 1))
    return images


def stratified_split(labels: Tensor, fraction: float,
                     neighbours: bool = False) -> tuple[Tensor, Tensor]:
    """
    Split the indices of `labels` (N,), in order; the second part is `fraction` of each class.

    With `neighbours` it takes the last ones of each class, else random ones. The same labels are
    always split alike. A class with two images or more has at least one in each part.
    """
    held_back = torch.zeros(len(labels), dtype=torch.bool)
    for members in _classes(labels, neighbours):
        count = min(max(1, round(fraction * len(members))), len(members) - 1)
        held_back[members[:count]] = True
    return (~held_back).nonzero().flatten(), held_back.nonzero().flatten()


def _classes(labels: Tensor, neighbours: bool) -> Iterator[Tensor]:
    """Yield the indices of each class, beginning with those that are to be held back first."""
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        if neighbours:
            yield members.flip(0)
        else:  # always in the same random order
            draws = generator(SPLIT_SEED, int(label))
            yield members[torch.randperm(len(members), generator=draws)]
