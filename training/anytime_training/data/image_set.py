"""Images with labels, held whole in memory as uint8, and ways to split them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from anytime_perception.images.preprocessing import square
from anytime_training.random_state import generator
import numpy as np
import torch
from torch import Tensor

TEST_FRACTION = 0.2  # of images that do not say which of them are for tests
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

    """

    name: str
    class_ids: tuple[str, ...]
    train: ImageSet
    test: ImageSet
    validation_at_end: int = 0

    def with_validation(self) -> 'Dataset':
        """Return the data set with images held back from training in place of its test images."""
        if self.validation_at_end:
            cut = len(self.train) - min(self.validation_at_end, len(self.train) // 10)
            indices = torch.arange(len(self.train))
            rest, held_back = indices[:cut], indices[cut:]
        else:
            rest, held_back = stratified_split(self.train.labels, 0.1)
        return Dataset(f'{self.name} (validation)', self.class_ids, self.train.subset(rest),
                       self.train.subset(held_back))

    def hold_back(self, count: int) -> tuple['Dataset', ImageSet]:
        """
        Return the data set without `count` of the training images, and those.

        Of each class they are as large a share as can be, which may be none of a small one.
        """
        labels = self.train.labels
        places = torch.empty(len(labels), dtype=torch.float64)  # in the class, from 0 to 1
        for members in _shuffled_classes(labels):
            order = torch.arange(len(members), dtype=torch.float64)
            places[members] = (order + 0.5) / len(members)
        held_back = torch.zeros(len(labels), dtype=torch.bool)
        held_back[places.argsort(stable=True)[:count]] = True
        kept = Dataset(self.name, self.class_ids, self.train.subset(~held_back), self.test)
        return kept, self.train.subset(held_back)


def from_pictures(pictures: Sequence[np.ndarray], size: int) -> Tensor:
    """Return pictures (H, W, 3) uint8 RGB of any size as images (N, 3, size, size)."""
    images = torch.empty(len(pictures), 3, size, size, dtype=torch.uint8)
    for image, picture in zip(images, pictures):
        image.copy_(torch.from_numpy(square(picture, size)).permute(2, 0, 1))
    return images


def stratified_split(labels: Tensor, fraction: float) -> tuple[Tensor, Tensor]:
    """
    Split the indices of `labels` (N,), in order; the second part is `fraction` of each class.

    The same labels are always split alike. A class with at least two images has one in either
    part.
    """
    held_back = torch.zeros(len(labels), dtype=torch.bool)
    for members in _shuffled_classes(labels):
        count = min(max(1, round(fraction * len(members))), len(members) - 1)
        held_back[members[:count]] = True
    return (~held_back).nonzero().flatten(), held_back.nonzero().flatten()


def _shuffled_classes(labels: Tensor) -> Iterator[Tensor]:
    """Yield the indices of each class, always in the same random order."""
    for label in labels.unique():
        members = (labels == label).nonzero().flatten()
        yield members[torch.randperm(len(members), generator=generator(SPLIT_SEED, int(label)))]
