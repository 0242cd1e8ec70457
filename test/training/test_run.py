"""Whole runs on digits: repeated, in sequences, and what goes wrong."""

import dataclasses
import itertools
import json
from pathlib import Path
import shutil

from anytime_perception import model_file
from anytime_training import cli, data
from anytime_training.calibrate import calibrate
from anytime_training.checkpoint import load_checkpoint
from anytime_training.config import TrainConfig
from anytime_training.data import training_batches
from anytime_training.run_data import split
from anytime_training.settings import assignment, read_config_file
from anytime_training.train import new_network
import numpy as np
import pytest
from runs_on_digits import resume, rows_of, same_weights, train, weights_of
import torch


def test_seeds_matter_and_repeat(tmp_path):
    for name, seed in (('a', '1'), ('b', '1'), ('c', '2')):
        assert train(tmp_path / name, '--epochs', '1', '--seed', seed) == 0
    assert same_weights(tmp_path / 'a', tmp_path / 'b')
    first, other = (weights_of(tmp_path / name) for name in 'ac')
    assert not torch.equal(first['stages.0.trunk.1.conv1.weight'],
                           other['stages.0.trunk.1.conv1.weight'])


def test_what_seeds_are_made_of_are_single_numbers(tmp_path, monkeypatch):
    """Lists among them, as the units of each block are, NumPy 2.5 refuses."""
    make, kinds = np.random.SeedSequence, set()
    monkeypatch.setattr(np.random, 'SeedSequence', lambda words: (
        kinds.update(map(type, words)), make(words))[1])
    assert train(tmp_path, '--epochs', '1', '--set', 'units_per_block=[[0,1]]',
                 '--set', 'channels=[4,8]') == 0
    assert kinds == {int}


def test_the_log_and_the_model_file_are_complete(tmp_path):
    assert train(tmp_path, '--epochs', '3', '--validation') == 0
    rows = rows_of(tmp_path)
    assert [row['epoch'] for row in rows] == ['1', '2', '3']
    for row in rows:
        assert sum(int(row[f'chosen_{index}']) for index in (1, 2, 3)) == 1293 // 128
        assert sum(float(row[f'probability_{index}']) for index in (1, 2, 3)) == pytest.approx(1)
        assert float(row['images_per_s']) > 0
    assert float(rows[-1]['loss_3']) < float(rows[0]['loss_3'])
    model = model_file.load(tmp_path / 'model.safetensors')
    assert model.measured.dataset == 'digits (validation)'
    assert model.measured.images == 143  # a tenth of each class
    assert model.recipe['epochs'] == 3 and model.class_ids == tuple('0123456789')
    images = data.load('digits', size=8).with_validation().train.images
    torch.testing.assert_close(model.preprocessing.mean, images.float().mean(dim=0))
    assert model.preprocessing.scale == 128  # the authors'
    assert float(rows[-1]['held_out_error_3']) == pytest.approx(model.measured.error[2], abs=1e-4)
    written = json.loads((tmp_path / 'evaluation.json').read_text())
    assert written['error'] == list(model.measured.error)


def test_a_sequence_is_its_networks_trained_alone(tmp_path, capsys):
    assert train(tmp_path / 'both', '--epochs', '1', '--units-per-block', '1,2') == 0
    assert train(tmp_path / 'second', '--epochs', '1', '--units-per-block', '2') == 0
    both, second = weights_of(tmp_path / 'both'), weights_of(tmp_path / 'second')
    assert all(torch.equal(both[f'networks.1.{name}'], second[name]) for name in second)
    model = model_file.load(tmp_path / 'both' / 'model.safetensors')
    assert [stage.depth for stage in model.network.exits] == [1, 2, 3, 4, 5, 6]
    capsys.readouterr()
    assert cli.main(['evaluate', '--json', str(tmp_path / 'both')]) == 0
    evaluation = json.loads(capsys.readouterr().out)
    assert evaluation['error'] == pytest.approx(model.measured.error)
    assert evaluation['units'] == [1, 2, 3, 7, 8, 9]
    assert evaluation['average_error'] == pytest.approx(sum(model.measured.error) / 6)


@pytest.mark.parametrize('most, held_back', [(30, 30), (140, 140), (5000, 144)])
def test_calibration_takes_a_tenth_of_the_training_images_at_most(most, held_back):
    config = TrainConfig(calibrate=True, calibration_images=most)
    digits = data.load('digits')
    kept, calibration = split(config, digits)
    assert len(calibration) == pytest.approx(held_back, abs=len(digits.class_ids) / 2)
    assert len(kept.train) + len(calibration) == len(digits.train)
    assert len(kept.test) == len(digits.test)


def test_a_run_is_calibrated_on_what_it_holds_back(tmp_path):
    assert train(tmp_path, '--set', 'calibrate=true', '--set', 'average=0') == 0
    model = model_file.load(tmp_path / 'model.safetensors')
    config = TrainConfig.of(read_config_file(tmp_path / 'config.json'))
    network = new_network(config, 0, 10, 0)
    network.load_state_dict(load_checkpoint(tmp_path / 'n1' / 'checkpoint.pt')['network'])
    kept, held_back = split(config, data.load('digits', size=8))
    torch.testing.assert_close(model.preprocessing.mean, kept.train.mean())
    calibrate(config, network, model.preprocessing, held_back)
    for name, expected in network.state_dict().items():
        torch.testing.assert_close(weights_of(tmp_path)[name], expected)


@pytest.mark.parametrize('varied', [
    {'padding': 0.25, 'cutout': 3},
    {'flip': True, 'alternate_flip': True, 'lighting': True}], ids=str)
def test_every_epoch_shuffles_images_anew_and_varies_them_as_set(tmp_path, monkeypatch, varied):
    shuffled, augmentations = [], set()

    def noted(*arguments):
        batches = list(training_batches(*arguments))
        augmentations.add(arguments[3])
        shuffled.append(tuple(torch.cat([labels for _, labels in batches]).tolist()))
        return batches
    monkeypatch.setattr('anytime_training.train.training_batches', noted)
    settings = [part for setting in varied.items() for part in ('--set', assignment(*setting))]
    assert train(tmp_path, '--mode', 'mixed', *settings) == 0
    assert augmentations == {data.Augmentation(**{'flip': False, **varied})}  # as digits have it
    assert len(set(shuffled)) == len(shuffled) == 4  # two in each phase


def test_what_exits_carry_over_holds_wherever_the_model_is_used(tmp_path, capsys):
    assert train(tmp_path, '--epochs', '2', '--units-per-block', '1,2', '--set', 'carry=0.5',
                 '--set', 'calibrate=true') == 0
    model = model_file.load(tmp_path / 'model.safetensors')
    assert model.carry == (0.5,) * 6
    capsys.readouterr()
    assert cli.main(['evaluate', '--json', str(tmp_path)]) == 0
    evaluation = json.loads(capsys.readouterr().out)
    written = json.loads((tmp_path / 'evaluation.json').read_text())
    assert evaluation['error'] == written['error'] and evaluation['lost'] == written['lost']
    model_file.save(tmp_path / 'model.safetensors', dataclasses.replace(model, carry=()))
    assert cli.main(['evaluate', '--json', str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)['error'] != evaluation['error']


def test_a_loss_that_is_not_a_number_keeps_the_last_good_checkpoint(tmp_path, capsys):
    assert train(tmp_path, '--epochs', '4', '--lr', '0.1') == 0
    (tmp_path / 'model.safetensors').unlink()
    before = (tmp_path / 'n1' / 'checkpoint.pt').read_bytes()
    config = json.loads((tmp_path / 'config.json').read_text())
    (tmp_path / 'config.json').write_text(json.dumps({**config, 'epochs': 8, 'lr': 1e30}))
    assert resume(tmp_path) == 2
    message = capsys.readouterr().err
    assert message.count('\n') == 1 and 'epoch 5' in message and 'checkpoint.pt' in message
    assert (tmp_path / 'n1' / 'checkpoint.pt').read_bytes() == before


def test_weights_that_are_not_numbers_are_not_saved(tmp_path, capsys):
    # One step an epoch: its loss is that of the weights before, which are fine.
    assert train(tmp_path, '--epochs', '1', '--batch-size', '1438', '--lr', '1e300') == 2
    message = capsys.readouterr().err
    assert message.count('\n') == 1 and 'a weight became' in message and 'epoch 1' in message
    assert not (tmp_path / 'n1' / 'checkpoint.pt').exists()


def test_the_speed_counts_the_images_that_there_are(tmp_path, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr('time.perf_counter', lambda: next(ticks))
    assert train(tmp_path, '--epochs', '1', '--batch-size', '5000') == 0
    assert rows_of(tmp_path)[0]['images_per_s'] == '1438.0'


def test_a_full_disk_leaves_the_last_good_checkpoint(tmp_path, capsys, monkeypatch):
    assert train(tmp_path, '--epochs', '2') == 0
    (tmp_path / 'config.json').write_text(
        (tmp_path / 'config.json').read_text().replace('"epochs": 2', '"epochs": 3'))
    before = (tmp_path / 'n1' / 'checkpoint.pt').read_bytes()

    def full(path, data):
        raise OSError(28, 'No space left on device', str(path))
    with monkeypatch.context() as patched:
        patched.setattr(Path, 'write_bytes', full)
        assert resume(tmp_path) == 2
    assert 'No space left on device' in capsys.readouterr().err
    assert (tmp_path / 'n1' / 'checkpoint.pt').read_bytes() == before
    assert resume(tmp_path) == 0
    assert len(rows_of(tmp_path)) == 3


def test_class_folders_train_and_evaluate_without_their_place_in_the_file(tmp_path, capsys):
    pictures = tmp_path / 'pictures'
    assert cli.main(['dataset', 'digits', '--output', str(pictures)]) == 0
    assert train(tmp_path / 'run', '--epochs', '1', '--dataset', 'folder', '--data',
                 str(pictures)) == 0
    model = tmp_path / 'run' / 'model.safetensors'
    assert str(tmp_path).encode() not in model.read_bytes()
    capsys.readouterr()
    assert cli.main(['evaluate', '--json', str(tmp_path / 'run')]) == 0
    assert json.loads(capsys.readouterr().out)['images'] == 359
    assert cli.main(['evaluate', str(model)]) == 2
    assert '--data' in capsys.readouterr().err
    assert cli.main(['evaluate', str(model), '--data', str(pictures)]) == 0


def test_a_run_refuses_other_data_than_it_was_begun_with(tmp_path, capsys):
    pictures, run = tmp_path / 'pictures', tmp_path / 'run'
    assert cli.main(['dataset', 'digits', '--output', str(pictures)]) == 0
    assert train(run, '--epochs', '1', '--dataset', 'folder', '--data', pictures) == 0

    def refusal():
        capsys.readouterr()
        assert resume(run) == 2
        return capsys.readouterr().err
    one, another = sorted((pictures / 'train' / '7').iterdir())[:2]
    kept = one.read_bytes()
    one.write_bytes(another.read_bytes())
    assert 'as many images of each class, but other ones' in refusal()
    one.unlink()
    count = len(list((pictures / 'train' / '7').iterdir()))
    assert f'7 has {count} train images, not {count + 1}' in refusal()
    for part in ('train', 'test'):
        shutil.copytree(pictures / part / '3', pictures / part / 'three')
        shutil.rmtree(pictures / part / '4')
    assert 'no more images of 4; there are new classes: three' in refusal()
    for part in ('train', 'test'):
        shutil.rmtree(pictures / part)
    assert cli.main(['dataset', 'digits', '--output', str(pictures)]) == 0
    assert one.read_bytes() == kept
    assert resume(run) == 0
    shutil.copytree(pictures, tmp_path / 'other')
    next((tmp_path / 'other' / 'test' / '1').iterdir()).unlink()
    before = (run / 'config.json').read_bytes()
    for place in ('other', 'nowhere'):
        assert resume(run, '--data', tmp_path / place) == 2
    assert (run / 'config.json').read_bytes() == before
    pictures.rename(tmp_path / 'moved')
    assert resume(run, '--data', tmp_path / 'moved') == 0
    assert cli.main(['evaluate', str(run)]) == 0


def test_a_run_is_not_another_one_also_where_the_two_together_could_not_be(tmp_path, capsys):
    assert train(tmp_path, '--epochs', '1') == 0
    for option, said in (('optimiser=muon', "optimiser 'sgd', not 'muon'"),
                         ('backbone=resnet18', "backbone '', not 'resnet18'"),
                         ('epochz=3', "did you mean 'epochs'")):
        assert resume(tmp_path, '--set', option) == 2
        assert said in capsys.readouterr().err
    assert resume(tmp_path, '--set', 'units_per_block=1', '--set', 'period=1') == 0  # said shorter


def test_a_run_that_never_had_its_data_can_be_started_with_others(tmp_path, capsys):
    run, nowhere = tmp_path / 'run', tmp_path / 'nowhere'
    assert train(run, '--epochs', '1', '--dataset', 'folder', '--data', str(nowhere)) == 2
    assert train(run, '--epochs', '1') == 0
    (run / 'data.json').unlink()  # as of a run of an older version
    config = json.loads((run / 'config.json').read_text())
    (run / 'config.json').write_text(json.dumps(
        {**config, 'dataset': 'folder', 'data': str(nowhere)}))
    assert resume(run) == 2
    assert (run / 'config.json').exists()
