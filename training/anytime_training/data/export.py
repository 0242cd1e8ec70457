"""Writing a data set as class folders of PNG files, to look at it or to replay it as a camera."""

from collections.abc import Iterator
from pathlib import Path

from anytime_perception.files import write_atomically
from anytime_perception.images.pictures import find_pictures
from anytime_training.data.image_set import Dataset
import cv2
import numpy as np
from torch import Tensor


def export(dataset: Dataset, folder: str | Path) -> int:
    """
    Write train/<class>/NNNN.png and test/<class>/NNNN.png under `folder`; return how many files.

    Numbers count the images of each split in order. Files of these names are written anew.

    Raises
    ------
    ValueError: if there are other pictures, which would become part of the data set.
    OSError: if a file cannot be written.

    """
    images = {Path(folder, name): image for name, image in _files(dataset)}
    strangers = [path for path in find_pictures(folder) if path not in images]
    if strangers:
        raise ValueError(f'{strangers[0]} is no picture of this data set, but would become one; '
                         'choose another --output, or remove what is there')
    for path, image in images.items():
        write_png(path, image.flip(0).permute(1, 2, 0).numpy())
    return len(images)


def write_png(path: Path, bgr: np.ndarray) -> None:
    """Write a picture (H, W, 3) uint8, blue first as OpenCV has it; all of it, or nothing."""
    encoded = cv2.imencode('.png', bgr)[1].tobytes()
    write_atomically(path, lambda temporary: temporary.write_bytes(encoded), sync=False)


def _files(dataset: Dataset) -> Iterator[tuple[str, Tensor]]:
    """Yield the path under the folder, and the image (3, H, W), of every file."""
    for split, images in (('train', dataset.train), ('test', dataset.test)):
        width = max(4, len(str(len(images) - 1)))
        for index, (image, label) in enumerate(zip(images.images, images.labels.tolist())):
            yield f'{split}/{dataset.class_ids[label]}/{index:0{width}}.png', image
