"""Data sets: CIFAR's and SVHN's real formats, splits and fingerprints."""

import dataclasses
import errno
from pathlib import Path
import pickle

from anytime_training import data
from anytime_training.data.image_set import from_pictures, ImageSet
import numpy as np
import pytest
from scipy.io import savemat
import torch

DRAWS = np.random.default_rng(0)


def write_cifar10(folder, per_batch=6):
    folder = folder / 'cifar-10-batches-py'
    folder.mkdir(parents=True)
    pixels = {}
    for name in [*(f'data_batch_{number}' for number in range(1, 6)), 'test_batch']:
        pixels[name] = DRAWS.integers(0, 256, (per_batch, 3072), dtype=np.uint8)
        labels = DRAWS.integers(0, 10, per_batch).tolist()
        content = {'data': pixels[name], 'labels': labels, 'batch_label': name, 'filenames': []}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    names = [f'kind{number}' for number in range(10)]
    (folder / 'batches.meta').write_bytes(pickle.dumps({'label_names': names}, protocol=2))
    return pixels


def test_cifar10_reads_planes_of_red_green_and_blue(tmp_path):
    pixels = write_cifar10(tmp_path)
    result = data.load('cifar10', str(tmp_path))
    assert len(result.train) == 30 and len(result.test) == 6
    assert result.class_ids[3] == 'kind3'
    expected = pixels['data_batch_2'][1]
    image = result.train.images[7]
    assert image[0, 0, 1] == expected[1] and image[2, 31, 31] == expected[3071]
    inside = data.load('cifar10', str(tmp_path / 'cifar-10-batches-py'))
    assert inside.class_ids == result.class_ids


def test_cifar_validates_on_the_last_training_images(tmp_path):
    write_cifar10(tmp_path)
    whole = data.load('cifar10', str(tmp_path))
    split = whole.with_validation()
    assert len(split.train) == 27 and torch.equal(split.test.images, whole.train.images[27:])
    # As many as in the original, in which they are the last 5000 (section 4.1).
    many = ImageSet(torch.zeros(50000, 3, 1, 1, dtype=torch.uint8), torch.arange(50000))
    split = dataclasses.replace(whole, train=many).with_validation()
    assert torch.equal(split.train.labels, torch.arange(45000))
    assert torch.equal(split.test.labels, torch.arange(45000, 50000))


def test_cifar100_uses_fine_labels(tmp_path):
    folder = tmp_path / 'cifar-100-python'
    folder.mkdir()
    for name, count in (('train', 5), ('test', 2)):
        content = {'data': np.zeros((count, 3072), np.uint8), 'fine_labels': [99] * count,
                   'coarse_labels': [1] * count}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
    names = [f'fine{number}' for number in range(100)]
    (folder / 'meta').write_bytes(pickle.dumps({'fine_label_names': names}))
    result = data.load('cifar100', str(tmp_path))
    assert result.train.labels.tolist() == [99] * 5 and len(result.class_ids) == 100


def test_svhn_joins_train_and_extra_and_calls_ten_zero(tmp_path):
    pixels = {}
    for split, count in (('train', 4), ('extra', 3), ('test', 2)):
        pixels[split] = DRAWS.integers(0, 256, (32, 32, 3, count), dtype=np.uint8)
        labels = np.array([[10], [1], [2], [3]], np.uint8)[:count]
        savemat(tmp_path / f'{split}_32x32.mat', {'X': pixels[split], 'y': labels})
    result = data.load('svhn', str(tmp_path))
    assert len(result.train) == 7 and result.train.labels.tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert result.train.images[5, 2, 4, 9] == pixels['extra'][4, 9, 2, 1]


class Evil:

    def __reduce__(self):
        return print, ('code of a data file was run',)


@pytest.mark.parametrize('content', [
    b'', b'not a pickle', pickle.dumps([1]), pickle.dumps(Evil())])
def test_a_damaged_or_foreign_cifar_file_is_named(tmp_path, content, capsys):
    write_cifar10(tmp_path)
    bad = tmp_path / 'cifar-10-batches-py' / 'data_batch_3'
    bad.write_bytes(content)
    with pytest.raises(ValueError, match='data_batch_3'):
        data.load('cifar10', str(tmp_path))
    assert capsys.readouterr().out == ''


@pytest.mark.parametrize('name', ['cifar10', 'cifar100', 'svhn', 'folder'])
def test_a_missing_folder_is_named(name, tmp_path):
    with pytest.raises(ValueError, match='nowhere.*--data'):
        data.load(name, str(tmp_path / 'nowhere'))
    with pytest.raises(ValueError, match='--data'):
        data.load(name)


@pytest.mark.parametrize('sizes, count', [([50, 50], 10), ([3] * 40, 12), ([90, 9, 1], 10)])
@pytest.mark.parametrize('neighbours', [False, True])
def test_as_many_images_are_held_back_as_was_said(sizes, count, neighbours):
    labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    images = data.ImageSet(torch.zeros(len(labels), 3, 2, 2, dtype=torch.uint8), labels)
    whole = data.Dataset('some', tuple(map(str, range(len(sizes)))), images, images,
                         neighbours=neighbours)
    kept, held_back = whole.hold_back(count)
    assert len(held_back) == count and len(kept.train) == len(labels) - count
    found = held_back.labels.bincount(minlength=len(sizes))
    expected = count * torch.tensor(sizes) / len(labels)
    assert (found - expected).abs().max() <= 1 and torch.equal(
        found + kept.train.labels.bincount(minlength=len(sizes)), torch.tensor(sizes))
    assert torch.equal(whole.hold_back(count)[1].labels, held_back.labels)


def test_digits_hold_back_a_fifth_of_each_class():
    digits = data.load('digits', size=8)
    assert len(digits.train) + len(digits.test) == 1797
    shares = digits.test.labels.bincount() / (
        digits.train.labels.bincount() + digits.test.labels.bincount())
    assert (shares - 0.2).abs().max() < 0.01
    assert digits.train.images.max() == 255


def test_export_and_folder_give_the_same_images_back(tmp_path):
    digits = data.load('digits', size=8)
    small = data.Dataset('few', digits.class_ids, digits.train.subset(torch.arange(60)),
                         digits.test.subset(torch.arange(60)))
    assert data.export(small, tmp_path) == 120
    again = data.load('folder', str(tmp_path), size=8)
    order = small.train.labels.argsort(stable=True)
    assert again.class_ids == digits.class_ids
    assert torch.equal(again.train.images, small.train.images[order])


def test_a_disk_that_fills_up_leaves_no_half_of_a_picture(tmp_path, monkeypatch):
    digits = data.load('digits', size=8)
    few = data.Dataset('few', digits.class_ids, digits.train.subset(torch.arange(20)),
                       digits.test.subset(torch.arange(20)))
    assert data.export(few, tmp_path) == 40
    before = {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()}

    def fill_up(path, content):
        with open(path, 'wb') as file:
            file.write(content[:20])
        raise OSError(errno.ENOSPC, 'No space left on device')
    monkeypatch.setattr(Path, 'write_bytes', fill_up)
    with pytest.raises(OSError, match='No space'):
        data.export(few, tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()} == before


def test_export_does_not_mix_data_sets(tmp_path):
    digits = data.load('digits', size=8)
    few = data.Dataset('few', digits.class_ids, digits.train.subset(torch.arange(20)),
                       digits.test.subset(torch.arange(20)))
    fewer = data.Dataset('few', digits.class_ids, few.train, few.test.subset(torch.arange(19)))
    for _ in range(2):  # again after an export that was cut short
        assert data.export(few, tmp_path) == 40
    with pytest.raises(ValueError, match='0019.png is no picture of this data set'):
        data.export(fewer, tmp_path)
    assert len(list(tmp_path.rglob('*.png'))) == 40


def test_the_mean_image_is_that_of_all_images():
    pixels = torch.from_numpy(DRAWS.integers(0, 256, (9000, 3, 2, 2), dtype=np.uint8))
    pixels[-1000:] //= 4  # these count as well
    mean = ImageSet(pixels, torch.zeros(9000)).mean()
    torch.testing.assert_close(mean, pixels.double().mean(dim=0).float())


def test_other_images_or_labels_are_other_data():
    images = torch.from_numpy(DRAWS.integers(0, 256, (6, 3, 2, 2), dtype=np.uint8))
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    before = data.Dataset('some', ('a', 'b', 'c'), ImageSet(images, labels),
                          ImageSet(images, labels))
    known = data.fingerprint(before)
    assert known['train'] == {'a': 2, 'b': 2, 'c': 2}
    for part in ('train', 'test'):
        for other in (ImageSet(images, labels.flip(0)), ImageSet(255 - images, labels)):
            now = data.fingerprint(dataclasses.replace(before, **{part: other}))
            assert 'but other ones' in data.difference(known, now)
        fewer = dataclasses.replace(before, **{part: ImageSet(images[:5], labels[:5])})
        assert data.difference(known, data.fingerprint(fewer)) == f'c has 1 {part} images, not 2'
    same = dataclasses.replace(before, name='called otherwise')
    assert data.difference(known, data.fingerprint(same)) == ''


def test_pictures_of_any_shape_become_squares():
    shapes = [(5, 9, 3), (40, 31, 3), (16, 16, 3)]
    pictures = [np.full(shape, index, np.uint8) for index, shape in enumerate(shapes)]
    images = from_pictures(pictures, 16)
    assert images.shape == (3, 3, 16, 16)
    assert [int(image.min()) for image in images] == [0, 1, 2]
