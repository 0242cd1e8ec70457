"""Writing a data set as class folders of PNG files, to look at it or to replay it as a camera."""

from pathlib import Path

from anytime_training.data.image_set import Dataset
import cv2


def export(dataset: Dataset, folder: str | Path) -> int:
    """
    Write train/<class>/NNNN.png and test/<class>/NNNN.png under `folder`; return how many files.

    Numbers count the images of each split in order. Files that are already there are written anew.
    """
    folder = Path(folder)
    written = 0
    for split, images in (('train', dataset.train), ('test', dataset.test)):
        width = max(4, len(str(len(images) - 1)))
        for index, (image, label) in enumerate(zip(images.images, images.labels.tolist())):
            path = folder / split / dataset.class_ids[label] / f'{index:0{width}}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            bgr = image.flip(0).permute(1, 2, 0).numpy()
            path.write_bytes(cv2.imencode('.png', bgr)[1].tobytes())
            written += 1
    return written
