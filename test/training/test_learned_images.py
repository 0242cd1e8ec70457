"""What a model file says of the images it learned from, and who looks at that."""

import dataclasses
import json
import shutil

from anytime_perception import model_file
from anytime_training import cli
import pytest
from runs_on_digits import resume, train


@pytest.fixture(scope='module')
def taught(tmp_path_factory):
    """Return the folder of class folders, and the model file of a run on them."""
    place = tmp_path_factory.mktemp('place')
    assert cli.main(['dataset', 'digits', '--output', str(place / 'digits')]) == 0
    assert train(place / 'run', '--epochs', '1', '--dataset', 'folder', '--data',
                 place / 'digits') == 0
    return place / 'digits', place / 'run' / 'model.safetensors'


@pytest.fixture
def moved(taught, tmp_path):
    """Return class folders of the same name, with one of those images in another split."""
    pictures = tmp_path / 'digits'
    shutil.copytree(taught[0], pictures)
    learned = next((pictures / 'train' / '7').iterdir())
    learned.rename(pictures / 'test' / '7' / 'learned.png')
    return pictures


def evaluate(capsys, model, pictures):
    """Return what `anytime evaluate` of a model file says on stderr."""
    capsys.readouterr()
    assert cli.main(['evaluate', str(model), '--dataset', 'folder', '--data', str(pictures),
                     '--device', 'cpu']) == 0
    return capsys.readouterr().err


def without_record(model, path):
    """Write a model as older versions did, and return its path."""
    model = model_file.load(model)
    recipe = {key: value for key, value in model.recipe.items() if not key.startswith('data_')}
    model_file.save(path, dataclasses.replace(model, recipe=recipe))
    return path


def test_the_model_file_names_the_images_as_the_run_does(taught):
    _, model = taught
    recipe = model_file.load(model).recipe
    noted = json.loads((model.parent / 'data.json').read_text())
    assert (recipe['data_name'], recipe['data_sha256']) == ('digits', noted['sha256'])


def test_a_picture_of_each_class_is_nothing_to_test_with(taught, tmp_path, capsys):
    pictures, model = taught
    for class_folder in (pictures / 'train').iterdir():
        (tmp_path / class_folder.name).mkdir()
        shutil.copy(next(class_folder.iterdir()), tmp_path / class_folder.name)
    assert cli.main(['evaluate', str(model), '--data', str(tmp_path)]) == 2
    said = capsys.readouterr()
    assert 'no images are left to test with' in said.err and not said.out


def test_evaluate_warns_of_other_images_under_the_same_name(taught, moved, tmp_path, capsys):
    pictures, model = taught
    assert evaluate(capsys, model, pictures) == ''
    warning = evaluate(capsys, model, moved)
    assert 'may be among those that it was trained on' in warning and '--data' in warning
    assert warning.count('\n') == 1
    assert evaluate(capsys, without_record(model, tmp_path / 'old.safetensors'), moved) == ''
    assert evaluate(capsys, model, moved.rename(tmp_path / 'others')) == ''


def test_a_teacher_that_learned_from_other_images_of_that_name_is_refused(
        taught, moved, tmp_path, capsys):
    pictures, model = taught

    def learn(folder, teacher, place):
        return train(tmp_path / folder, '--epochs', '1', '--dataset', 'folder', '--data', place,
                     '--set', 'distillation=0.5', '--teacher', teacher)
    assert learn('same', model, pictures) == 0
    assert resume(tmp_path / 'same', '--data', moved) == 2
    assert 'was begun with other data' in capsys.readouterr().err
    (tmp_path / 'same' / 'data.json').unlink()  # to go on regardless, as it says
    assert resume(tmp_path / 'same', '--data', moved) == 0
    assert learn('other', model, moved) == 2
    error = capsys.readouterr().err
    assert 'may have learned from the test images' in error and 'another name' in error
    assert error.count('\n') == 1 and not list((tmp_path / 'other').glob('*.*'))
    assert learn('other', without_record(model, tmp_path / 'old.safetensors'), moved) == 0
    assert learn('renamed', model, moved.rename(tmp_path / 'others')) == 0
