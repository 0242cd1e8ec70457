"""Data sets: read whole into memory, as uint8 images of the size that the network takes."""

from collections.abc import Callable
import os
from pathlib import Path

from anytime_training.data import cifar, digits, folder, svhn
from anytime_training.data.augment import Augmentation, steps_per_epoch, training_batches
from anytime_training.data.bag import from_bag
from anytime_training.data.export import export
from anytime_training.data.fingerprint import (
    difference, fingerprint, other_images, record)
from anytime_training.data.image_set import Dataset, ImageSet

__all__ = ['Augmentation', 'DATASETS', 'Dataset', 'ImageSet', 'difference', 'export',
           'fingerprint', 'from_bag', 'load', 'other_images', 'record', 'steps_per_epoch',
           'training_batches']

DATASETS = ('digits', 'cifar10', 'cifar100', 'svhn', 'folder')


def load(name: str, data: str = '', size: int = 32, download: bool = False,
         warn: Callable[[str], object] = print) -> Dataset:
    """
    Return the data set `name` with images of `size` pixels a side.

    A data set of class folders has the name of its folder.

    `data` is the folder it is read from (all but digits), and into which `download` fetches it.
    `warn` is called with a line of text for every image that is skipped.

    Raises
    ------
    ValueError: for an unknown name, a missing folder or file, or a size that the data set does not
        have.

    """
    if name not in DATASETS:
        raise ValueError(f'the data set is {name!r}; it must be one of {", ".join(DATASETS)}')
    if name == 'digits':
        return Dataset(name, digits.CLASS_IDS, *digits.load(size))
    if not data:
        what = 'class folders are' if name == 'folder' else f'{name} is'
        raise ValueError(f'{what} read from where --data says; name a folder with --data DIR')
    if name == 'folder':
        train, test, class_ids = folder.load(data, size, warn)
        return Dataset(Path(os.path.abspath(data)).name, class_ids, train, test, neighbours=True)
    if size != 32:
        raise ValueError(f'input_size is {size}, but the images of {name} have 32 pixels a side')
    if name == 'svhn':
        return Dataset(name, svhn.CLASS_IDS, *svhn.load(data, download))
    train, test, class_ids = cifar.load(name, data, download)
    return Dataset(name, class_ids, train, test, validation_at_end=5000)
