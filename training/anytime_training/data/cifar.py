"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), from the files that torchvision downloads."""

from pathlib import Path
import pickle
from typing import Any

from anytime_training.data.image_set import ImageSet
import numpy as np
import torch

_FILES = {
    'cifar10': ('cifar-10-batches-py', [f'data_batch_{number}' for number in range(1, 6)],
                ['test_batch'], 'batches.meta', 'labels', 'label_names'),
    'cifar100': ('cifar-100-python', ['train'], ['test'], 'meta', 'fine_labels',
                 'fine_label_names'),
}


def load(name: str, folder: str | Path, download: bool = False,
         ) -> tuple[ImageSet, ImageSet, tuple[str, ...]]:
    """
    Return training images, test images and class names of `name` ('cifar10' or 'cifar100').

    `folder` is the one that holds cifar-10-batches-py (or cifar-100-python), or that one itself.

    Raises
    ------
    ValueError: for a file that is missing or not CIFAR's; it names the file.

    """
    subfolder, train, test, meta, label_key, names_key = _FILES[name]
    folder = Path(folder)
    if download:
        from torchvision import datasets
        fetch = {'cifar10': datasets.CIFAR10, 'cifar100': datasets.CIFAR100}[name]
        fetch(str(folder), download=True)
    if (folder / subfolder).is_dir():
        folder = folder / subfolder
    class_ids = tuple(_read(folder / meta, names_key)[0])
    return (_read_images(folder, train, label_key), _read_images(folder, test, label_key),
            class_ids)


def _read_images(folder: Path, files: list[str], label_key: str) -> ImageSet:
    pixels, labels = zip(*(_read(folder / file, 'data', label_key) for file in files))
    images = torch.from_numpy(np.concatenate(pixels)).reshape(-1, 3, 32, 32)
    return ImageSet(images, torch.tensor([label for part in labels for label in part]))


def _read(path: Path, *keys: str) -> list:
    """Return the values under `keys` of one of CIFAR's pickled dictionaries."""
    if not path.exists():
        raise ValueError(f'there is no {path}; name its folder with --data, or add --download')
    try:
        with open(path, 'rb') as file:
            content = _PlainUnpickler(file, encoding='latin1').load()
        return [content[key] for key in keys]
    except (OSError, EOFError, KeyError, TypeError, ValueError, pickle.UnpicklingError) as error:
        raise ValueError(f'{path} is not a file of CIFAR: {error!r}') from error


class _PlainUnpickler(pickle.Unpickler):
    """Reads numbers, texts and arrays only, so that a file from elsewhere cannot run code."""

    def find_class(self, module: str, name: str) -> Any:
        plain = {'_reconstruct', 'ndarray', 'dtype', '_frombuffer', 'scalar', 'encode'}
        if name in plain and (module.split('.')[0] == 'numpy' or module == '_codecs'):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f'it asks for {module}.{name}')
