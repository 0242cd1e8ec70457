"""Training batches: crops, flips, lighting and cutout, drawn alike for one seed and epoch."""

from anytime_perception.images.preprocessing import Preprocessing
from anytime_training import data
from anytime_training.data.augment import relight
from anytime_training.data.image_set import ImageSet
import numpy as np
import pytest
import torch


def numbered_set(count, size):
    """Return images whose pixels tell where they were: row, column, and of which image."""
    rows = torch.arange(size, dtype=torch.uint8)
    images = torch.stack([torch.stack([rows[:, None].expand(size, size), rows.expand(size, size),
                                       torch.full((size, size), index, dtype=torch.uint8)])
                          for index in range(count)])
    return ImageSet(images, torch.arange(count))


@pytest.mark.parametrize('augmentation,pixels', [
    (data.Augmentation(flip=False), 2), (data.Augmentation(), 2),
    (data.Augmentation(padding=0.2), 4), (data.Augmentation(padding=0.0), 0)], ids=str)
def test_augmentation_crops_pads_with_zeros_and_mirrors(augmentation, pixels):
    size, count = 16, 200
    mean = torch.full((3, size, size), 100.0)
    batches = list(data.training_batches(
        numbered_set(count, size), Preprocessing(size, mean, 128.0), 50, augmentation,
        seed=1, epoch=0))
    images = torch.cat([batch for batch, _ in batches]) * 128 + 100
    labels = torch.cat([labels for _, labels in batches])
    assert labels.sort().values.tolist() == list(range(count))
    mirrored = 0
    tops, widths = set(), set()  # of what crops hold of the images
    for image, label in zip(images.round().int(), labels):
        outside = (image == 100).all(0)  # zero after the mean is subtracted
        inside = ~outside
        assert (image[2][inside] == label).all()
        rows, columns = inside.nonzero(as_tuple=True)
        left_to_right = image[1, rows[0], columns.max()] > image[1, rows[0], columns.min()]
        mirrored += not left_to_right
        height = rows.max() - rows.min() + 1
        width = columns.max() - columns.min() + 1
        assert min(height, width) >= size - pixels and inside.sum() == height * width
        tops.add(int(image[0, rows.min(), columns[0]] - rows.min()))
        widths.add(int(width))
    assert tops == set(range(-pixels, pixels + 1))
    assert widths == set(range(size - pixels, size + 1))
    assert 0.35 < mirrored / count < 0.65 if augmentation.flip else mirrored == 0


def test_what_one_epoch_mirrors_the_next_does_not():
    size, count = 16, 100
    images = numbered_set(count, size)
    preprocessing = Preprocessing(size, torch.zeros(3, size, size), 1.0)
    augmentation = data.Augmentation(alternate_flip=True, padding=0.0)

    def mirrored(epoch):
        batches = data.training_batches(images, preprocessing, 50, augmentation, 1, epoch)
        return {int(label): bool(image[1, 0, 0] > image[1, 0, -1])
                for batch, labels in batches for image, label in zip(batch, labels)}
    first = mirrored(0)
    assert 35 < sum(first.values()) < 65
    assert mirrored(1) == {label: not way for label, way in first.items()}
    assert mirrored(2) == first


def test_epochs_differ_and_repeat():
    images, preprocessing = numbered_set(20, 8), Preprocessing.default(8)

    def labels(seed, epoch):
        batches = data.training_batches(images, preprocessing, 8, data.Augmentation(), seed,
                                        epoch)
        return torch.cat([labels for _, labels in batches]).tolist()
    assert labels(1, 4) == labels(1, 4)
    assert labels(1, 4) != labels(1, 5) and labels(1, 4) != labels(2, 4)
    assert len(labels(1, 4)) == 16 == 8 * data.steps_per_epoch(20, 8)


def batches_of(images, augmentation, mean=100.0):
    size = images.images.shape[-1]
    preprocessing = Preprocessing(size, torch.full((3, size, size), mean), 128.0)
    return list(data.training_batches(images, preprocessing, 50, augmentation, 1, 0))


def test_lighting_is_that_of_the_authors_code():
    draws = np.random.default_rng(0)
    pixels = draws.integers(0, 256, (40, 3, 6, 6), dtype=np.uint8)
    brightness, contrast = draws.random((2, 40), dtype=np.float32)
    found = relight(torch.from_numpy(pixels), *(
        torch.from_numpy(values).view(-1, 1, 1, 1) for values in (brightness, contrast)))
    for index, image in enumerate(pixels):
        expected = np.clip(image + (-10 + 20 * brightness[index]), 0, 255)
        for plane in expected:
            plane[:] = (plane - plane.mean()) * (0.8 + 0.4 * contrast[index]) + plane.mean()
        np.testing.assert_allclose(found[index], np.clip(expected, 0, 255), atol=1e-3)


def test_lighting_differs_from_image_to_image_and_leaves_the_padding():
    grey = ImageSet(torch.full((200, 3, 16, 16), 100, dtype=torch.uint8),
                    torch.zeros(200, dtype=torch.int64))
    lit = torch.cat([images for images, _ in batches_of(grey, data.Augmentation(lighting=True),
                                                        mean=50.0)]) * 128
    padding = lit == 0
    assert padding.any()
    shifts = [image[~hidden].unique() for image, hidden in zip(lit, padding)]
    assert all(len(shift) == 1 for shift in shifts)
    shifts = torch.cat(shifts) - 50
    assert -10 <= shifts.min() < -9 and 9 < shifts.max() <= 10 and abs(shifts.mean()) < 1.5


@pytest.mark.parametrize('side', [1, 6, 7])
def test_cutout_blanks_one_square_that_may_reach_over_the_border(side):
    size, count = 16, 4000
    white = ImageSet(torch.full((count, 3, size, size), 255, dtype=torch.uint8),
                     torch.zeros(count, dtype=torch.int64))
    plain, cut = (torch.cat([images for images, _ in batches_of(
        white, data.Augmentation(cutout=cutout))]) for cutout in (0, side))
    hidden = ((cut == 0) & (plain != 0)).all(dim=1)
    seen = ~hidden[:, None].expand_as(cut)
    assert torch.equal(cut[seen], plain[seen])
    whole, places = 0, torch.zeros(size, size)
    for image, square in zip(plain, hidden):
        rows, columns = (square.any(dim=axis).sum().item() for axis in (1, 0))
        assert square.sum() == rows * columns and max(rows, columns) <= side
        whole += rows == columns == side
        places += square
    inside = ((size - 2 - side + 1) / size) ** 2  # at the least, as two rows may be padding
    assert whole / count > inside - 0.06
    assert places[4:12, 4:12].min() > 0


def test_what_is_added_leaves_crops_and_flips_as_they_were():
    images = numbered_set(100, 16)
    plain, more = (batches_of(images, augmentation, mean=-1.0) for augmentation in (
        data.Augmentation(), data.Augmentation(lighting=True, cutout=5)))
    for (before, labels), (after, same) in zip(plain, more):
        assert torch.equal(labels, same)
        assert torch.equal(after[before == 0], before[before == 0])
        assert not torch.equal(after, before)
