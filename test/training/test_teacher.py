"""Networks that learn from what another one answers."""

import dataclasses
import json

from anytime_perception import model_file
from anytime_perception.carried_answer import CarriedAnswer
from anytime_perception.images.preprocessing import Preprocessing
from anytime_perception.networks import AnytimeNetwork
from anytime_training import cli, data
from anytime_training.config import TrainConfig
from anytime_training.data import ImageSet
from anytime_training.evaluate import predict
from anytime_training.recipes import recipe, recipe_of_optimal
from anytime_training.teacher import Teacher
import pytest
from runs_on_digits import resume, same_weights, train
import torch

DIGITS = tuple('0123456789')
CPU = torch.device('cpu')


def a_model(class_ids=DIGITS, size=8, carry=(), **recipe):
    torch.manual_seed(0)
    network = AnytimeNetwork(1, 4, len(class_ids), input_size=size)
    mean = 90 + 60 * torch.rand(3, size, size)
    return model_file.Model(network.eval(), class_ids, Preprocessing(size, mean, 57.0),
                            recipe=recipe, carry=carry)


@pytest.fixture
def teacher(tmp_path):
    path = tmp_path / 'teachers' / 'big.safetensors'
    model_file.save(path, a_model())
    return path


@pytest.mark.parametrize('carry', [(), (0.0, 0.3, 1.0)])
def test_it_answers_as_elsewhere_also_where_the_pupil_has_a_mean_of_its_own(carry):
    model = a_model(carry=carry)
    theirs = model.preprocessing
    pixels = torch.randint(256, (20, 3, 8, 8), dtype=torch.uint8)
    images = ImageSet(pixels, torch.zeros(20).long())
    expected = predict(model.network, model.preprocessing, images, carry)[-1]
    ours = Preprocessing(8, theirs.mean + torch.tensor([5.0, -20.0, 30.0])[:, None, None], 128.0)
    teacher = Teacher(model, ours, CPU)
    logits = teacher(ours.normalise(pixels))
    assert logits.dtype == torch.float32 and not logits.requires_grad
    torch.testing.assert_close(logits.softmax(1), expected, atol=1e-5, rtol=1e-3)
    # Batches are mirrored after the mean of a place is subtracted from what was there.
    inputs = theirs.normalise(pixels).flip(3)
    answer = CarriedAnswer(carry or (0.0,) * 3)
    with torch.no_grad():
        for alone in model.network(inputs):
            mirrored = answer.add(alone.softmax(1).numpy())
    torch.testing.assert_close(teacher(ours.normalise(pixels).flip(3)).softmax(1),
                               torch.from_numpy(mirrored), atol=1e-5, rtol=1e-3)


def test_a_run_learns_from_it_and_can_go_on_without_its_file(teacher, tmp_path):
    options = '--set', 'distillation=0.7', '--teacher', str(teacher)
    before = teacher.read_bytes()
    assert train(tmp_path / 'whole', *options) == 0
    assert train(tmp_path / 'alone', '--set', 'distillation=0.7') == 0
    assert not same_weights(tmp_path / 'whole', tmp_path / 'alone')
    assert train(tmp_path / 'begun', *options) == 0
    assert teacher.read_bytes() == before
    teacher.unlink()
    (tmp_path / 'begun' / 'evaluation.json').unlink()
    (tmp_path / 'begun' / 'n1' / 'checkpoint.pt').unlink()
    assert resume(tmp_path / 'begun') == 0
    assert same_weights(tmp_path / 'whole', tmp_path / 'begun')
    content = (tmp_path / 'whole' / 'model.safetensors').read_bytes()
    assert str(tmp_path).encode() not in content
    model = model_file.load(tmp_path / 'whole' / 'model.safetensors')
    assert model.recipe['teacher'] == 'big.safetensors'


def test_a_card_says_which_teacher_it_was(teacher, tmp_path):
    assert train(tmp_path / 'run', '--set', 'distillation=0.7', '--teacher', str(teacher)) == 0
    sha256 = model_file.load(teacher).sha256
    teacher.unlink()
    assert cli.main(['ship', str(tmp_path / 'run'), '--device', 'cpu', '--output',
                     str(tmp_path / 'small.safetensors')]) == 0
    card = (tmp_path / 'small.md').read_text()
    assert f'| learned from | big.safetensors, SHA-256 `{sha256}` |' in card
    assert '--set teacher=big.safetensors' in card and str(tmp_path) not in card


def test_a_pupil_of_a_sure_teacher_comes_to_answer_as_it_does(tmp_path):
    """Whatever the labels say: to this one, all digits are what the next one is called."""
    assert train(tmp_path / 'teacher', '--epochs', '20') == 0
    model = model_file.load(tmp_path / 'teacher' / 'model.safetensors')
    head = model.network.exits[-1].head.fc
    with torch.no_grad():
        for values in (head.weight, head.bias):
            values.copy_(values.roll(1, dims=0))  # a 0 is called a 1, and so on
    model_file.save(tmp_path / 'wrong.safetensors', model)
    assert train(tmp_path / 'pupil', '--epochs', '20', '--set', 'distillation=0.99', '--teacher',
                 str(tmp_path / 'wrong.safetensors')) == 0
    pupil = model_file.load(tmp_path / 'pupil' / 'model.safetensors')
    images = data.load('digits', size=8).test
    answers = predict(pupil.network, pupil.preprocessing, images)[-1].argmax(1)
    assert (answers == (images.labels + 1) % 10).float().mean() > 0.7


def test_a_single_exit_learns_from_it_too(teacher, tmp_path):
    optimal = '--set', 'weights=optimal', '--strategy', 'none', '--set', 'distillation=0.7'
    assert train(tmp_path / 'taught', *optimal, '--teacher', str(teacher)) == 0
    assert train(tmp_path / 'alone', *optimal) == 0
    assert not same_weights(tmp_path / 'taught', tmp_path / 'alone')


def test_the_folder_of_a_run_is_a_teacher(tmp_path):
    assert train(tmp_path / 'first') == 0
    assert train(tmp_path / 'second', '--set', 'distillation=0.5', '--teacher',
                 str(tmp_path / 'first')) == 0
    assert (tmp_path / 'second' / 'teacher.safetensors').read_bytes() == (
        tmp_path / 'first' / 'model.safetensors').read_bytes()


@pytest.mark.parametrize('model, options, said', [
    (None, ['distillation=0.5'], 'nowhere.safetensors'),
    (a_model(), ['distillation=0'], 'where distillation is above 0'),
    (a_model(size=16), ['distillation=0.5'], 'images of 16 pixels a side, but input_size is 8'),
    (a_model(('a', 'b')), ['distillation=0.5'], 'the teacher answers a, b, but the data have'),
    (a_model(), ['distillation=0.5', 'teacher_sha256=abc'], 'but teacher_sha256 is abc'),
    (a_model(weights='optimal', exit_share=0.5), ['distillation=0.5'], 'of an exit before'),
    (a_model(dataset='digits'), ['distillation=0.5', 'validation=true'], 'with --validation')])
def test_a_teacher_that_cannot_teach_leaves_no_run(model, options, said, tmp_path, capsys):
    path = tmp_path / 'nowhere.safetensors'
    if model is not None:
        model_file.save(path, model)
    settings = [part for option in options for part in ('--set', option)]
    assert train(tmp_path / 'run', '--teacher', str(path), *settings) == 2
    assert said in capsys.readouterr().err
    assert not list((tmp_path / 'run').glob('*.safetensors'))
    assert train(tmp_path / 'run') == 0


def test_a_sweep_looks_at_the_teacher_first_and_notes_which_it_was(teacher, tmp_path, capsys):
    def sweep(name, *options):
        chosen = [part for option in options for part in ('--set', option)]
        return cli.main(['sweep', '--output', str(tmp_path / name), '--config', 'n7-c16', *chosen,
                         '--dataset', 'digits', '--seeds', '0', '--devices', 'cpu', '--set',
                         'units_per_block=1', '--set', 'channels=4', '--set', 'input_size=8',
                         '--set', 'epochs=1', '--set', 'distillation=0.5'])
    assert sweep('sweep', 'teacher=nowhere.safetensors') == 2
    assert not (tmp_path / 'sweep').exists() and 'no teacher' in capsys.readouterr().err
    assert sweep('sweep', f'teacher={teacher}') == 0
    config, = (tmp_path / 'sweep').glob('*/config.json')
    assert json.loads(config.read_text())['teacher_sha256'] == model_file.load(teacher).sha256
    teacher.unlink()
    assert sweep('sweep', f'teacher={teacher}') == 0  # there is nothing left to do


@pytest.mark.parametrize('mode', ['midfeat', 'no_grad', 'mixed'])
def test_every_mode_has_use_for_a_teacher(teacher, tmp_path, mode):
    options = '--mode', mode, '--strategy', 'none', '--epochs', '1'
    if mode == 'mixed':
        options += '--set', 'mixup=0.4', '--set', 'boosted=true'
    assert train(tmp_path / 'taught', *options, '--set', 'distillation=0.7', '--teacher',
                 str(teacher)) == 0
    assert train(tmp_path / 'alone', *options) == 0
    assert not same_weights(tmp_path / 'taught', tmp_path / 'alone')


def test_opt_of_a_taught_network_is_taught_by_as_much():
    taught = TrainConfig.of({'dataset': 'cifar10', 'teacher': 'far/away/big.safetensors',
                             'teacher_sha256': '0123456789', 'distillation': 0.7, 'carry': 0.3})
    optimal = dataclasses.replace(taught, weights='optimal', strategy='none', carry=0.0)
    assert recipe(optimal) == recipe_of_optimal(optimal) == recipe_of_optimal(taught)
    assert recipe_of_optimal(taught) == 'distillation 0.7, teacher 01234567'
    assert recipe_of_optimal(dataclasses.replace(taught, teacher='', teacher_sha256='')) == ''
