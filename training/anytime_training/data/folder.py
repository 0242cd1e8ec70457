"""One's own images: a folder for each class."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
import os
from pathlib import Path

from anytime_perception.images.pictures import (
    find_pictures, read_picture, SUFFIXES, UNREAD_SUFFIXES)
from anytime_perception.images.preprocessing import square
from anytime_training.data.image_set import ImageSet, room, stratified_split, TEST_FRACTION
import torch
from torch import Tensor


def load(folder: str | Path, size: int,
         warn: Callable[[str], object] = print) -> tuple[ImageSet, ImageSet, tuple[str, ...]]:
    """
    Return training images, test images and class names of class folders.

    Either `folder`/train/<class>/… and `folder`/test/<class>/…, or only `folder`/<class>/…. Of the
    latter, the last fifth of each class, sorted by name, is for tests: if names tell the time,
    neighbours do not end up on both sides. Images may have any size: the
    largest centred square is scaled to `size` pixels a side. An image that cannot be read is
    skipped and named through `warn`, and so are kinds of pictures that are not read.

    Raises
    ------
    ValueError: for a missing folder, fewer than two classes, a class without images, or classes in
        test that training does not have.

    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f'there is no folder {folder}; name one of class folders with --data')
    splits = [_folders(folder / name) for name in ('train', 'test')]
    if not any(splits):
        class_ids = _subfolders(folder)
        _check_for_splits(folder, class_ids)
        _name_unread(folder, [folder / class_id for class_id in class_ids], warn)
        files, labels = _find(folder, class_ids)
        # Split before they are read, so that nothing is in memory twice.
        train, test = (_read([files[index] for index in part.tolist()], labels[part], size, warn)
                       for part in stratified_split(labels, TEST_FRACTION, neighbours=True))
        _check_classes(train, class_ids, folder, 'training')
        return train, test, class_ids
    if not all(splits):
        raise ValueError(f'{folder} has class folders in train or test, but not in both; add the '
                         'other (val, where there is one, can be called test), or put the classes '
                         f'directly under {folder}')
    class_ids = _subfolders(folder / 'train')
    unknown = sorted(set(_subfolders(folder / 'test')) - set(class_ids))
    if unknown:
        raise ValueError(f'{folder / "test"} has classes that {folder / "train"} lacks: '
                         f'{", ".join(unknown)}')
    _name_unread(folder, [folder / part / class_id for part in ('train', 'test')
                          for class_id in class_ids], warn)
    found = [_find(folder / part, class_ids) for part in ('train', 'test')]
    train, test = (_read(files, labels, size, warn) for files, labels in found)
    _check_classes(train, class_ids, folder / 'train', 'training')
    _check_classes(test, class_ids, folder / 'test', 'tests')
    return train, test, class_ids


def _folders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir()
                  if entry.is_dir() and not entry.name.startswith('.')) if folder.is_dir() else []


def _name_unread(folder: Path, classes: list[Path],
                 warn: Callable[[str], object]) -> None:
    kinds = Counter(file.suffix.lower() for class_folder in classes
                    for file in find_pictures(class_folder, UNREAD_SUFFIXES))
    unread = [f'{kinds[suffix]} {suffix}' for suffix in UNREAD_SUFFIXES if kinds[suffix]]
    if unread:
        warn(f'left out pictures in {folder} of kinds that are not read: {", ".join(unread)}; '
             'convert them to .png or .jpg')


def _check_for_splits(folder: Path, class_ids: tuple[str, ...]) -> None:
    """Raise ValueError if these are no classes, but all of them hold the same classes."""
    inside = [_folders(folder / class_id) for class_id in class_ids]
    if len(inside[0]) > 1 and all(names == inside[0] for names in inside) and not any(
            entry.suffix.lower() in SUFFIXES
            for class_id in class_ids for entry in (folder / class_id).iterdir()):
        raise ValueError(f'the folders {", ".join(class_ids)} in {folder} all hold the folders '
                         f'{", ".join(inside[0])}, and no images of their own; if these are the '
                         'classes, call those train and test')


def _subfolders(folder: Path) -> tuple[str, ...]:
    names = tuple(_folders(folder))
    if len(names) < 2:
        raise ValueError(f'{folder} holds {len(names)} class folders; at least two are needed')
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f'the name of the class folder {name!r} in {folder} is not UTF-8, so '
                             'no message could tell it; rename it') from error
    return names


def _find(folder: Path, class_ids: tuple[str, ...]) -> tuple[list[Path], Tensor]:
    """Return the files of `folder`/<class>/**, in the order of their names, and labels (N,)."""
    files, labels = [], []
    for label, class_id in enumerate(class_ids):
        found = find_pictures(folder / class_id)
        if not found:
            raise ValueError(f'the class folder {folder / class_id} holds no images '
                             f'({", ".join(SUFFIXES)})')
        files += found
        labels += [label] * len(found)
    return files, torch.tensor(labels)


def _read(files: list[Path], labels: Tensor, size: int,
          warn: Callable[[str], object]) -> ImageSet:
    """Return the images of those `files`, with `labels` (N,), that can be read."""
    images = room(len(files), size)

    def fill(index: int) -> bool:
        try:
            picture = read_picture(files[index])
        except ValueError:
            return False
        images[index] = torch.from_numpy(square(picture, size)).permute(2, 0, 1)
        return True

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        readable = list(pool.map(fill, range(len(files))))
    for path, good in zip(files, readable):
        if not good:
            warn(f'skipped {path}: it cannot be read as an image')
    everything = ImageSet(images, labels)
    return everything if all(readable) else everything.subset(torch.tensor(readable))


def _check_classes(images: ImageSet, class_ids: tuple[str, ...], folder: Path, what: str) -> None:
    """Raise ValueError if there are classes in `folder` of which no image could be read."""
    empty = sorted(set(range(len(class_ids))) - set(images.labels.tolist()))
    if empty:
        raise ValueError(f'the class folder {folder / class_ids[empty[0]]} holds no image for '
                         f'{what} that can be read; mend or remove what was skipped')
