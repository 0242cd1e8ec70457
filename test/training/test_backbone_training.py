"""Backbones in training: pretrained weights, class folders, reports, and what goes wrong."""

import json
import re
import shlex
import shutil

from anytime_perception import model_file
from anytime_perception.networks import AnytimeBackbone, AnytimeNetwork
from anytime_training import cli, weights
from anytime_training.backbone_weights import preprocessing_of_imagenet
from anytime_training.config import TrainConfig
from anytime_training.optimiser import make_optimiser
from anytime_training.phases import plan
from anytime_training.train import new_network
import cv2
import numpy as np
import pytest
from runs_on_digits import interrupted_after_an_epoch, same_weights
import torch

models = pytest.importorskip('torchvision.models', exc_type=Exception)


@pytest.fixture(scope='module')
def pretrained(tmp_path_factory):
    path = tmp_path_factory.mktemp('weights') / 'resnet18.pth'
    torch.manual_seed(0)
    torch.save(models.resnet18(weights=None).state_dict(), path)
    return path


@pytest.fixture(scope='module')
def pictures(tmp_path_factory):
    """Two classes of dark and of bright pictures."""
    folder = tmp_path_factory.mktemp('pictures')
    draws = np.random.default_rng(0)
    for name, brightest in (('dark', 80), ('light', 255)):
        (folder / name).mkdir()
        for index in range(20):
            picture = draws.integers(brightest - 80, brightest, (20, 24, 3), dtype=np.uint8)
            cv2.imwrite(str(folder / name / f'{index}.png'), picture)
    return folder


def run(folder, pictures, *options):
    return cli.main(['train', '--output', str(folder), '--dataset', 'folder', '--data',
                     str(pictures), '--backbone', 'resnet18', '--input-size', '16', '--period',
                     '3', '--batch-size', '16', '--device', 'cpu', '--quiet', *options])


def test_camera_images_are_standard_for_a_backbone():
    config = TrainConfig.of({'dataset': 'folder', 'backbone': 'mobilenet_v3_small'})
    assert config.input_size == 224 and config.names == ('mobilenet_v3_small',)
    assert TrainConfig.of(config.to_dict()) == config
    assert TrainConfig.of({'backbone': 'resnet18', 'input_size': 96}).input_size == 96


def test_it_starts_from_pretrained_weights(pretrained):
    state = torch.load(pretrained, weights_only=True)
    config = TrainConfig.of({'backbone': 'resnet18', 'input_size': 16})
    with_weights, without = (new_network(config, 0, 2, 0, start).state_dict()
                             for start in (state, None))
    name = 'stages.0.trunk.0.weight'
    assert torch.equal(with_weights[name], state['conv1.weight'])
    assert not torch.equal(without[name], state['conv1.weight'])


def test_images_are_scaled_as_torchvision_does():
    theirs = models.ResNet18_Weights.DEFAULT.transforms()
    ours = preprocessing_of_imagenet(224)
    assert ours.mean.flatten().tolist() == pytest.approx([255 * mean for mean in theirs.mean])
    assert ours.scale == pytest.approx(255 * sum(theirs.std) / 3, abs=0.01)  # one for all three


def test_trained_evaluated_resumed_profiled_and_reported(pretrained, pictures, tmp_path, capsys):
    folder, options = tmp_path / 'run', ['--epochs', '3', '--pretrained', str(pretrained)]
    assert run(folder, pictures, *options) == 0
    model = model_file.load(folder / 'model.safetensors')
    assert isinstance(model.network, AnytimeBackbone)
    assert [stage.depth for stage in model.network.exits] == [2, 5, 8]
    assert model.measured.error[0] <= 0.25
    assert tuple(model.preprocessing.mean.shape) == (3, 1, 1)
    assert model.recipe['pretrained'] is True
    content = (folder / 'model.safetensors').read_bytes()
    assert str(pretrained.parent).encode() not in content
    assert pretrained.name.encode() not in content
    capsys.readouterr()
    assert cli.main(['evaluate', '--json', str(folder)]) == 0
    assert json.loads(capsys.readouterr().out)['error'] == pytest.approx(model.measured.error)
    assert cli.main(['info', str(folder / 'model.safetensors')]) == 0
    assert 'resnet18' in capsys.readouterr().out
    assert cli.main(['profile', str(folder), '--device', 'cpu', '--runner', 'torch', '--images',
                     '2', '--rate', '100']) == 0
    assert run(tmp_path / 'ann', pictures, *options, '--strategy', 'none') == 0
    assert cli.main(['report', str(folder), str(tmp_path / 'ann'), '--output',
                     str(tmp_path / 'report')]) == 0
    text = (tmp_path / 'report' / 'report.md').read_text()
    assert 'resnet18, s=3' in text and 'AANN' in text and 'Tables 2a and 5' in text


def test_a_resumed_run_is_the_same_without_the_pretrained_weights(pictures, tmp_path):
    file = tmp_path / 'small.pth'
    torch.save(models.mobilenet_v3_small(weights=None).state_dict(), file)
    options = ['--epochs', '2', '--backbone', 'mobilenet_v3_small', '--pretrained', str(file)]
    assert run(tmp_path / 'whole', pictures, *options) == 0
    with interrupted_after_an_epoch():
        assert run(tmp_path / 'broken', pictures, *options) == 130
    file.unlink()
    assert run(tmp_path / 'broken', pictures, *options, '--resume') == 0
    assert same_weights(tmp_path / 'whole', tmp_path / 'broken')


def test_the_commands_in_the_card_of_a_backbone_make_it_again(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(pictures, '2024')  # a name that reads as a number
    assert run(tmp_path / 'run', '2024', '--epochs', '1') == 0
    assert cli.main(['ship', 'run', '--output', 'mine.safetensors', '--device', 'cpu']) == 0
    block = re.search(r'```bash\n(.*?)\n', (tmp_path / 'mine.md').read_text(), re.DOTALL).group(1)
    command = shlex.split(block)
    assert command[:2] == ['anytime', 'train']
    assert cli.main([*command[1:], '--quiet', '--device', 'cpu']) == 0
    assert same_weights(tmp_path / 'run', tmp_path / 'runs' / 'mine')


@pytest.mark.parametrize('backbone', ['resnet18', 'mobilenet_v3_small', 'convnext_tiny', ''])
def test_every_parameter_is_trained_and_only_weights_of_layers_decay(backbone):
    if backbone:
        network = AnytimeBackbone(backbone, 2, input_size=32)
    else:
        network = AnytimeNetwork(1, 4, 2, input_size=8, head='coarse')
    config = TrainConfig.of({'weight_decay': 0.5})
    phase, = plan('joint', network, weights.constant(len(network.exits)))
    groups = make_optimiser(network, phase, config).param_groups
    found = [id(parameter) for group in groups for parameter in group['params']]
    assert sorted(found) == sorted(map(id, network.parameters()))
    decays = {id(parameter): group['weight_decay'] for group in groups
              for parameter in group['params']}
    for name, parameter in network.named_parameters():
        layer = name.endswith('weight') and parameter.ndim in (2, 4)
        assert (decays[id(parameter)] > 0) == layer, name


def test_blocks_left_out_at_random_repeat(pictures, tmp_path, monkeypatch):
    monkeypatch.setattr('anytime_training.train.save_checkpoint',
                        lambda path, state: None)  # large and not used
    for name in 'ab':
        torch.rand(ord(name))  # whatever came before
        assert run(tmp_path / name, pictures, '--epochs', '1', '--backbone', 'convnext_tiny',
                   '--period', '9', '--input-size', '32') == 0
    assert same_weights(tmp_path / 'a', tmp_path / 'b')


@pytest.mark.parametrize('options, said', [
    (['--pretrained', 'nowhere.pth'], 'nowhere.pth'),
    (['--pretrained', 'foreign.txt'], 'torch.save'),
    (['--pretrained', 'resnet34.pth'], 'resnet34.pth'),
    (['--units-per-block', '3'], 'units_per_block'),
    (['--channels', '16'], 'channels'),
    (['--set', 'backbone=', '--pretrained', 'resnet34.pth'], 'mobilenet_v3_small'),
    (['--set', 'backbone=alexnet'], 'convnext_tiny'),
    (['--period', '9'], 'only 8 units'),
])
def test_mistakes_are_explained_and_leave_nothing(tmp_path, capsys, monkeypatch, pictures,
                                                  options, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'foreign.txt').write_text('no weights')
    torch.save({'conv1.weight': torch.zeros(1)}, 'resnet34.pth')
    assert run('run', pictures, *options) == 2
    message = capsys.readouterr().err
    assert message.count('\n') == 1 and said in message
    assert not (tmp_path / 'run').exists()


def test_a_backbone_that_was_trained_here_is_gone_on_from(pictures, tmp_path):
    assert run(tmp_path / 'before', pictures, '--epochs', '1') == 0
    assert cli.main(['train', '--output', str(tmp_path / 'after'), '--dataset', 'folder', '--data',
                     str(pictures), '--device', 'cpu', '--quiet', '--epochs', '1', '--lr', '1e-12',
                     '--pretrained', str(tmp_path / 'before')]) == 0
    before, after = (model_file.load(tmp_path / name / 'model.safetensors')
                     for name in ('before', 'after'))
    assert after.network.config == before.network.config
    for one, other in zip(before.network.parameters(), after.network.parameters()):
        torch.testing.assert_close(one, other)
