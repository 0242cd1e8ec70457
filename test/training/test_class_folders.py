"""Class folders: what is a picture of which class, and which ones are held back."""

import os

from anytime_perception import model_file
from anytime_perception.images.preprocessing import Preprocessing
from anytime_perception.networks import AnytimeNetwork
from anytime_training import cli, data
from anytime_training.config import TrainConfig
from anytime_training.run_data import split
import cv2
import numpy as np
import pytest
import torch

DRAWS = np.random.default_rng(0)


def write_classes(folder, counts, size=(20, 30)):
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        for index in range(count):
            picture = DRAWS.integers(0, 256, (*size, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / name / f'{index}.png'), picture)


def test_class_folders_are_split_alike_every_time(tmp_path):
    write_classes(tmp_path, {'cat': 10, 'dog': 5})
    first, second = (data.load('folder', str(tmp_path), size=16) for _ in range(2))
    assert first.class_ids == ('cat', 'dog')
    assert first.train.labels.bincount().tolist() == [8, 4]
    assert first.test.labels.bincount().tolist() == [2, 1]
    assert torch.equal(first.test.images, second.test.images)
    assert first.train.images.shape == (12, 3, 16, 16)


def test_class_folders_are_called_what_their_folder_is(tmp_path, monkeypatch):
    write_classes(tmp_path / 'pets', {'cat': 3, 'dog': 3})
    assert data.load('folder', str(tmp_path / 'pets'), size=8).name == 'pets'
    monkeypatch.chdir(tmp_path / 'pets')
    assert data.load('folder', '.', size=8).name == 'pets'


def test_train_and_test_folders_are_used_as_they_are(tmp_path):
    write_classes(tmp_path / 'train', {'a': 3, 'b': 2})
    write_classes(tmp_path / 'test', {'a': 1, 'b': 1})
    result = data.load('folder', str(tmp_path), size=8)
    assert (len(result.train), len(result.test)) == (5, 2)
    write_classes(tmp_path / 'test', {'c': 1})
    with pytest.raises(ValueError, match='lacks: c'):
        data.load('folder', str(tmp_path), size=8)


def test_pictures_come_as_red_green_blue(tmp_path):
    write_classes(tmp_path, {'a': 2, 'b': 2})
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 2] = 200  # OpenCV writes blue, green, red
    for path in tmp_path.rglob('*.png'):
        cv2.imwrite(str(path), red)
    images = data.load('folder', str(tmp_path), size=8).train.images
    assert (images[:, 0] == 200).all() and (images[:, 1:] == 0).all()


def test_a_picture_that_cannot_be_read_is_skipped_and_named(tmp_path):
    write_classes(tmp_path, {'a': 5, 'b': 5})
    (tmp_path / 'a' / 'broken.jpg').write_bytes(b'not a picture')
    (tmp_path / 'b' / 'empty.png').write_bytes(b'')
    (tmp_path / 'b' / 'notes.txt').write_text('no picture, and not meant to be one')
    warnings = []
    result = data.load('folder', str(tmp_path), size=8, warn=warnings.append)
    assert len(result.train) + len(result.test) == 10
    assert len(warnings) == 2 and 'broken.jpg' in warnings[0] and 'empty.png' in warnings[1]


def test_kinds_of_pictures_that_are_not_read_are_named(tmp_path):
    write_classes(tmp_path, {'a': 5, 'b': 5})
    for name in ('a/1.HEIC', 'b/2.heic', 'b/3.gif'):
        (tmp_path / name).touch()
    (tmp_path / 'a' / '0.png').rename(tmp_path / 'a' / 'saved.jfif')
    warnings = []
    result = data.load('folder', str(tmp_path), size=8, warn=warnings.append)
    assert len(result.train) + len(result.test) == 10
    assert len(warnings) == 1 and '1 .gif, 2 .heic;' in warnings[0]


def test_kinds_are_named_of_pictures_in_classes_that_are_not_hidden(tmp_path):
    write_classes(tmp_path / 'pictures', {'a': 5, 'b': 5})
    (tmp_path / 'pictures' / 'a' / '.thumbnails').mkdir()
    (tmp_path / 'pictures' / 'a' / '.thumbnails' / '0.gif').touch()
    (tmp_path / 'pictures' / 'a.gif').touch()
    (tmp_path / 'pictures' / 'b').rename(tmp_path / 'elsewhere')
    (tmp_path / 'pictures' / 'b').symlink_to(tmp_path / 'elsewhere')
    (tmp_path / 'elsewhere' / '1.heic').touch()
    warnings = []
    data.load('folder', str(tmp_path / 'pictures'), size=8, warn=warnings.append)
    assert len(warnings) == 1 and 'not read: 1 .heic;' in warnings[0]


def test_what_cannot_be_read_costs_no_other_image_its_place(tmp_path):
    write_recording(tmp_path, {'hall': 40, 'yard': 30})
    for path in ('hall/hall0/0003.png', 'hall/hall1/0019.png', 'yard/yard0/0000.png'):
        (tmp_path / path).write_bytes(b'not a picture')
    result = data.load('folder', str(tmp_path), size=8, warn=lambda text: None)
    for part, expected in ((result.train, [[*range(3), *range(4, 32)], [*range(1, 24)]]),
                           (result.test, [[*range(32, 39)], [*range(24, 30)]])):
        found = [part.images[part.labels == label, 0, 0, 0].tolist() for label in (0, 1)]
        assert found == expected


@pytest.mark.parametrize('parts', [[''], ['train', 'test']])
def test_images_stay_where_they_were_read_to(tmp_path, monkeypatch, parts):
    """A copy would take as much memory once more."""
    for part in parts:
        write_classes(tmp_path / part, {'a': 5, 'b': 5})
    make, made = torch.empty, []
    monkeypatch.setattr(torch, 'empty', lambda *shape, **options: made.append(
        make(*shape, **options)) or made[-1])
    result = data.load('folder', str(tmp_path), size=8)
    assert {result.train.images.data_ptr(), result.test.images.data_ptr()} == {
        images.data_ptr() for images in made if images.dim() == 4}


def test_a_class_without_images_is_named(tmp_path):
    write_classes(tmp_path, {'a': 2, 'b': 2, 'hollow': 0})
    with pytest.raises(ValueError, match='hollow holds no images'):
        data.load('folder', str(tmp_path))
    (tmp_path / 'hollow' / 'broken.png').write_bytes(b'x')
    with pytest.raises(ValueError, match='hollow holds no image for training that can be'):
        data.load('folder', str(tmp_path), warn=lambda text: None)


def test_a_class_whose_name_no_message_can_hold_is_refused(tmp_path):
    write_classes(tmp_path, {'a': 2, 'b': 2, 'c': 2})
    (tmp_path / 'c').rename(tmp_path / os.fsdecode(b'\xc4pfel'))  # Latin-1
    with pytest.raises(ValueError, match=r"class folder '\\udcc4pfel' in .* is not UTF-8"):
        data.load('folder', str(tmp_path), size=8)


def test_images_that_memory_has_no_room_for_are_an_error(tmp_path):
    write_classes(tmp_path / 'pictures', {'a': 2, 'b': 2})
    run = ['train', '--dataset', 'folder', '--data', str(tmp_path / 'pictures'), '--device', 'cpu',
           '--output', str(tmp_path / 'run'), '--units-per-block', '1', '--input-size']
    for size in (10**7, 10**20):
        assert cli.main([*run, str(size)]) == 2
    assert not list((tmp_path / 'run').iterdir())  # so that it can be started with another size


def test_what_is_hidden_in_a_class_folder_is_no_picture_of_it(tmp_path):
    write_classes(tmp_path, {'a': 5, 'b': 5})
    write_classes(tmp_path / 'a', {'.ipynb_checkpoints': 5})
    result = data.load('folder', str(tmp_path), size=8)
    assert len(result.train) + len(result.test) == 10


def test_splits_of_other_names_are_not_taken_for_classes(tmp_path):
    for name in ('Train', 'Test'):
        write_classes(tmp_path / name, {'a': 3, 'b': 3})
    with pytest.raises(ValueError, match='Test, Train .* a, b, .* call those train and test'):
        data.load('folder', str(tmp_path), size=8)


def test_a_class_may_be_called_as_a_split(tmp_path):
    write_classes(tmp_path, {'bus': 5, 'train': 5})
    assert data.load('folder', str(tmp_path), size=8).class_ids == ('bus', 'train')
    write_classes(tmp_path / 'train', {'a': 5, 'b': 5})
    with pytest.raises(ValueError, match='not in both'):
        data.load('folder', str(tmp_path), size=8)


def write_recording(folder, counts):
    """Write pictures by whose grey value, 0, 1, 2 and so on, their time can be told."""
    for name, count in counts.items():
        for index in range(count):
            # Their names are the same in each session: that of the session comes first.
            path = folder / name / f'{name}{index // 20}' / f'{index % 20:04}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.full((8, 8, 3), index, np.uint8))


@pytest.mark.parametrize('validation, sizes', [
    # Training, calibration and what is measured on, of each class.
    (False, [(29, 3, 8), (22, 2, 6)]),
    (True, [(26, 3, 3), (20, 2, 2)])])
def test_what_is_held_back_are_the_last_images_of_each_class(tmp_path, validation, sizes):
    """Those before are not their neighbours, but for the one where two parts meet."""
    write_recording(tmp_path, {'hall': 40, 'yard': 30})
    config = TrainConfig(calibrate=True, calibration_images=5, validation=validation)
    kept, calibration = split(config, data.load('folder', str(tmp_path), size=8))
    for label, expected in enumerate(sizes):
        parts = [part.images[part.labels == label, 0, 0, 0].tolist()
                 for part in (kept.train, calibration, kept.test)]
        assert tuple(map(len, parts)) == expected
        assert sum(parts, []) == list(range(sum(expected)))


def test_images_that_are_no_neighbours_are_held_back_at_random():
    digits = data.load('digits', size=8)
    for part in (digits.with_validation().test, digits.hold_back(140)[1]):
        for label in range(10):
            members = digits.train.images[digits.train.labels == label]
            found = part.images[part.labels == label]
            assert not torch.equal(found, members[-len(found):])


def test_evaluate_tells_of_the_class_that_a_network_is_blind_to(tmp_path, capsys):
    """One in five images is of it, so the error of all hardly tells."""
    for part in ('train', 'test'):
        write_classes(tmp_path / part, {'common': 8, 'rare': 2})
    network = AnytimeNetwork(1, 2, 2, input_size=8).eval()
    for stage in network.exits:
        stage.head.fc.bias.data = torch.tensor([1e3, 0.0])
    path = tmp_path / 'model.safetensors'
    model_file.save(path, model_file.Model(network, ('common', 'rare'), Preprocessing.default(8)))
    assert cli.main(['evaluate', str(path), '--dataset', 'folder', '--data', str(tmp_path),
                     '--device', 'cpu']) == 0
    told = capsys.readouterr().out
    assert 'average error (AE): 20.00%' in told
    assert told.splitlines()[-1] == ('error of the last exit by class: mean 50.00% (balanced '
                                     'error), worst 100.00% (rare)')
