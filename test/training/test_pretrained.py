"""Networks that start from a model's: fine-tuning, and learning for longer."""

import json

from anytime_perception import model_file
from anytime_perception.images.preprocessing import Preprocessing
from anytime_perception.networks import AnytimeNetwork, AnytimePyramid, AnytimeSequence
from anytime_training import cli
from anytime_training.config import TrainConfig
from anytime_training.pretrained import network_settings, start
from anytime_training.recipes import recipe
import pytest
from runs_on_digits import interrupted_after_an_epoch, resume, same_weights, train, weights_of
import torch

DIGITS = tuple('0123456789')
FAST = ['--dataset', 'digits', '--device', 'cpu', '--quiet', '--epochs', '1']


def a_model(network=None, class_ids=DIGITS, **recipe):
    torch.manual_seed(3)
    network = network or AnytimeNetwork(1, 4, len(class_ids), input_size=8)
    mean = 90 + 60 * torch.rand(3, network.input_size, network.input_size)
    return model_file.Model(network.eval(), class_ids, Preprocessing(network.input_size, mean, 57),
                            recipe=recipe)


def saved(path, *arguments, **recipe):
    model_file.save(path, a_model(*arguments, **recipe))
    return path


def go_on(folder, path, *options):
    """Train a run in `folder` that starts from the model at `path`, whose shape it takes."""
    return cli.main(['train', '--output', str(folder), *FAST, '--pretrained', str(path),
                     *map(str, options)])


def a_pyramid(classes=10, first_exit=1):
    return AnytimePyramid([1, 1, 1], [4, 6, 8], [4, 6], classes, first_exit=first_exit,
                          input_size=8)


def a_sequence():
    return AnytimeSequence([AnytimeNetwork([0, 1, 1], [4, 6, 8], 10, input_size=8),
                            AnytimeNetwork([1, 1, 2], [4, 6, 8], 10, period=2, first_exit=3,
                                           input_size=8)])


@pytest.mark.parametrize('make', [
    lambda: AnytimeNetwork(1, 4, 10, input_size=8, head='ladder'), a_pyramid, a_sequence])
def test_a_network_has_the_shape_and_the_weights_of_the_model(make, tmp_path):
    model = a_model(make())
    path = tmp_path / 'model.safetensors'
    model_file.save(path, model)
    # What the optimiser does is lost in the last digits: what is left is what it started from.
    assert go_on(tmp_path / 'run', path, '--lr', 1e-12) == 0
    after = model_file.load(tmp_path / 'run' / 'model.safetensors')
    assert TrainConfig.typed(network_settings(after)) == TrainConfig.typed(network_settings(model))
    torch.testing.assert_close(after.preprocessing.mean, model.preprocessing.mean)
    assert after.preprocessing.scale == 57
    learned = dict(after.network.named_parameters())
    for name, weights in model.network.named_parameters():
        torch.testing.assert_close(learned[name], weights)


def test_classes_that_both_have_are_kept_and_others_start_anew():
    model = a_model(AnytimeNetwork(1, 4, 3, input_size=8), ('cat', 'dog', 'elk'))
    torch.manual_seed(4)
    network = AnytimeNetwork(1, 4, 4, input_size=8)
    fresh = [stage.head.fc.weight.clone() for stage in network.exits]
    start(network, 0, model, ('ant', 'cat', 'cow', 'elk'))
    for ours, theirs, before in zip(network.exits, model.network.exits, fresh):
        for kind in ('weight', 'bias'):
            mine, old = getattr(ours.head.fc, kind), getattr(theirs.head.fc, kind)
            assert torch.equal(mine[1], old[0]) and torch.equal(mine[3], old[2])
        assert torch.equal(ours.head.fc.weight[[0, 2]], before[[0, 2]])
        assert torch.equal(ours.trunk[-1].conv2.weight, theirs.trunk[-1].conv2.weight)


def test_a_run_that_starts_from_a_trained_one_is_ahead_of_one_that_does_not(tmp_path):
    assert train(tmp_path / 'before', '--epochs', '12') == 0
    options = '--epochs', '1', '--set', 'average=0', '--lr', '0.01'
    assert train(tmp_path / 'anew', *options) == 0
    assert go_on(tmp_path / 'on', tmp_path / 'before', *options) == 0
    anew, on = (model_file.load(tmp_path / name / 'model.safetensors').measured.error[-1]
                for name in ('anew', 'on'))
    assert on < anew - 0.2


def test_a_run_goes_on_without_the_file_to_the_same_weights(tmp_path):
    path = saved(tmp_path / 'model.safetensors')
    assert go_on(tmp_path / 'whole', path, '--epochs', '3') == 0
    with interrupted_after_an_epoch():
        assert go_on(tmp_path / 'cut', path, '--epochs', '3') == 130
    path.unlink()
    assert resume(tmp_path / 'cut') == 0
    assert same_weights(tmp_path / 'whole', tmp_path / 'cut')


def test_what_a_configuration_file_says_of_the_network_gives_way(tmp_path):
    path = saved(tmp_path / 'model.safetensors', a_pyramid(), optimiser='muon')
    options = ['--config', 'recipe', '--batch-size', '256']
    assert go_on(tmp_path / 'run', path, *options) == 0
    assert weights_of(tmp_path / 'run').keys() == a_pyramid().state_dict().keys()
    assert go_on(tmp_path / 'run', path, *options, '--resume') == 0
    path.unlink()
    assert go_on(tmp_path / 'run', path, *options, '--resume') == 0


def test_the_card_says_what_it_started_from(tmp_path):
    path = saved(tmp_path / 'hidden' / 'before.safetensors')
    sha256 = model_file.load(path).sha256
    assert go_on(tmp_path / 'run', path) == 0
    model = model_file.load(tmp_path / 'run' / 'model.safetensors')
    assert model.recipe['pretrained'] and model.recipe['pretrained_sha256'] == sha256
    assert cli.main(['ship', str(tmp_path / 'run'), '--output', str(tmp_path / 'x.safetensors'),
                     '--device', 'cpu']) == 0
    card = (tmp_path / 'x.md').read_text()
    assert f'| started from | before.safetensors, SHA-256 `{sha256}` |' in card
    assert '--set pretrained=before.safetensors' in card and 'hidden' not in card


def test_runs_that_start_from_other_models_are_of_other_recipes():
    started = {'dataset': 'cifar10', 'pretrained': 'a.safetensors'}
    assert recipe(TrainConfig.of({**started, 'pretrained_sha256': '0123456789'})) == (
        'pretrained, from 01234567')


@pytest.mark.parametrize('network, learned, options, said', [
    (AnytimeNetwork(1, 4, 10, input_size=8), {}, ['channels=8'],
     'channels is 8, but that of the pretrained model'),
    (AnytimeNetwork(1, 4, 10, input_size=8), {}, ['pretrained_sha256=abc'],
     'pretrained_sha256 is abc'),
    (AnytimeNetwork(1, 4, 10, input_size=8), {'dataset': 'digits'}, ['validation=true'],
     'train it with --validation'),
    (AnytimeNetwork(1, 4, 10, input_size=8), {}, ['optimiser=muon'], 'set optimiser=sgd'),
    (a_pyramid(first_exit=2), {}, [], 'is none that training makes'),
    (None, {}, [], 'there is no pretrained model to learn from'),
    (AnytimeNetwork(1, 4, 10, input_size=8),
     {'dataset': 'digits', 'data_name': 'digits', 'data_sha256': 'abc'}, [],
     'may have learned from the test images')])
def test_a_model_that_it_cannot_start_from_leaves_no_run(network, learned, options, said,
                                                         tmp_path, capsys):
    path = tmp_path / 'model.safetensors'
    if network is not None:
        saved(path, network, **learned)
    settings = [part for option in options for part in ('--set', option)]
    assert go_on(tmp_path / 'run', path, *settings) == 2
    message = capsys.readouterr().err
    assert said in message and message.count('\n') == 1
    assert not list((tmp_path / 'run').glob('*.*'))
    assert train(tmp_path / 'run') == 0


@pytest.mark.parametrize('settings, said', [
    (['pretrained=w.pth', 'pretrained_sha256=abc'], 'only for a model file'),
    (['pretrained=5'], 'pretrained is 5; it must be of type str'),
    (['pretrained=w.pth'], 'neither a model file'),
    (['pretrained=~nobody-of-that-name/run'], 'neither a model file'),
    (['pretrained=~nobody-of-that-name/x.safetensors'], 'cannot read the model file')])
def test_what_is_no_model_is_explained(settings, said, tmp_path, capsys):
    assert cli.main(['train', '--output', str(tmp_path / 'run'), *FAST, '--set', *settings]) == 2
    assert said in capsys.readouterr().err.replace('\n', ' ')


def test_a_sweep_starts_from_a_model_too(tmp_path, capsys):
    path = saved(tmp_path / 'model.safetensors', a_pyramid(), optimiser='muon')

    def sweep():
        return cli.main(['sweep', '--output', str(tmp_path / 'sweep'), '--config', 'recipe',
                         '--dataset', 'digits', '--seeds', '0', '--devices', 'cpu', '--set',
                         'epochs=1', 'batch_size=256', f'pretrained={path}'])
    assert sweep() == 0
    config, = (tmp_path / 'sweep').glob('*/config.json')
    found = json.loads(config.read_text())
    assert found['channels'] == [4, 6, 8] and found['pretrained_sha256']
    path.unlink()
    assert sweep() == 0  # there is nothing left to do
