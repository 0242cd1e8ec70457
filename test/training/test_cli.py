"""The command line: every mistake of a user is one line that says what to do, and status 2."""

import json
import math
import os
from pathlib import Path
import re
import subprocess
import sys

from anytime_perception import model_file
from anytime_training import cli
from anytime_training.cli import commands
from anytime_training.cli.options import make_parser
from anytime_training.config import TrainConfig
from anytime_training.lock import locked
from anytime_training.settings import assignment
import cv2
import numpy as np
import pytest
from runs_on_digits import environment, TINY, train

MODEL = Path(__file__).parents[2] / 'models/cifar10-aann.safetensors'


def error_of(capsys, *arguments):
    """Return what the command says on stderr when it fails, one line."""
    assert cli.main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.err.count('\n') == 1 and 'Traceback' not in captured.err
    return captured.err


@pytest.mark.parametrize('values, said', [
    ({'epoch': 3}, "did you mean 'epochs'"),
    ({'unitsperblock': 3}, "did you mean 'units_per_block'"),
    ({'epochs': 'many'}, 'epochs'),
    ({'epochs': 0}, 'at least 1'),
    ({'lr': -1}, 'greater than 0'),
    ({'weights': 'heavy'}, 'sieve'),
    ({'units_per_block': [3, 3]}, 'growing'), ({'units_per_block': [0, 1, 4]}, 'in [[0, 1, 4]]'),
    ({'units_per_block': [[0, 1, 2], 1]}, 'growing'),
    ({'units_per_block': [[1, [2], 3]]}, 'each of units_per_block is [2]'),
    ({'units_per_block': [[1, 1]], 'channels': [2, 4, 8]}, 'each of 2 blocks'),
    ({'dataset': 'imagenet'}, 'digits'),
    ({'strategy': 'none', 'tau': 2}, 'tau is 2.0, which has a use only where strategy is'),
    ({'exit_share': 0.5}, 'where weights is optimal'),
    ({'calibration_images': 50}, 'where calibrate is true'),
    ({'calibrate': True, 'calibration_images': 0}, 'at least 1'),
    ({'weights_base': 3.0}, 'where weights is exponential'),
    ({'last_share': 0.7, 'weights': 'optimal'}, 'where exits are trained together'),
    ({'last_share': 0.7, 'mode': 'midfeat'}, 'where exits are trained together'),
    ({'late_exits': True}, 'where there are several networks'),
    ({'nesterov': True, 'momentum': 0.0}, 'momentum is 0'),
    ({'strategy': 'aann', 'gamma': 0.1}, 'exp3, rwm'),
    ({'strategy': 'adaloss', 'gamma': 0.1}, 'exp3, rwm'),
    ({'strategy': 'avgl', 'delta': 0.1}, 'one of adaloss'),
    ({'units_per_block': [2], 'period': 7}, 'only 6 units'),
    ({'units_per_block': [1, 3], 'period': [3, 10]}, 'only 9 units'),
    ({'units_per_block': [1, 3], 'period': 4}, 'one for each'),
    ({'carry': 1.1}, '[0, 1]'),
    ({'boosted': True, 'carry': 0.5}, 'one of the two'),
    ({'head': 'ladder', 'gradient_equilibrium': True}, 'gradient_equilibrium is True'),
    ({'side_channels': [4, 4], 'gradient_equilibrium': True}, 'gradient_equilibrium is True'),
    ({'side_channels': [4]}, 'each of 3 blocks but the first'),
    ({'side_channels': [4, 4], 'head': 'ladder'}, 'has exits of its own'),
    ({'side_channels': [4, 4], 'units_per_block': [[0, 1, 1]]}, 'each of one unit or more'),
    ({'side_channels': [4, 4], 'backbone': 'resnet18'}, 'these are given: side_channels'),
    ({'side_channels': [4, 4], 'input_size': 1}, 'set side_channels=[]'),
    ({'boosted': True, 'mode': 'midfeat'}, 'mode=joint'),
    ({'boosted': True, 'units_per_block': [1, 2]}, 'carry=1'),
    ({'carry': 0.5, 'weights': 'optimal'}, 'one exit only'),
    ({'weights': 'optimal', 'units_per_block': [1, 2]}, 'has 2 networks'),
    ({'data': 'pictures'}, '--dataset folder'),
    ({'distillation': 0.3, 'mode': 'midfeat'}, 'where exits are trained together'),
    ({'gradient_equilibrium': True, 'mode': 'no_grad'}, 'where exits are trained together'),
    ({'padding': 1.0}, 'in [0, 1)'),
    ({'cutout': 8, 'input_size': 8}, 'below input_size, 8'),
    ({'tau': math.inf}, 'tau is inf; it must be finite'),
    ({'lr': math.nan}, 'lr is nan; it must be finite'),
    ({'lr': 10 ** 400}, 'it must be finite'),
    ({'mode': 'midfeat', 'strategy': 'exp3'}, 'strategy is exp3'),
    ({'mode': 'no_grad', 'tau': 1.0}, 'tau is 1.0'),
    ({'mode': 'midfeat', 'weights': 'optimal'}, 'weights is optimal'),
    ({'mode': 'no_grad', 'weights': 'optimal', 'exit_share': 0.5}, 'exit_share is 0.5'),
    ({'batch_size': 1}, 'batch normalisation'),
])
def test_a_wrong_configuration_is_explained(capsys, tmp_path, values, said):
    path = tmp_path / 'config.json'
    path.write_text(json.dumps(values))
    assert said in error_of(capsys, 'train', '--output', tmp_path / 'run', '--config', path)
    assert not (tmp_path / 'run').exists()


def test_what_is_given_overrides_what_is_standard():
    standard = TrainConfig.of({'dataset': 'digits'})
    given = TrainConfig.of({'dataset': 'digits', 'epochs': 3})
    assert (given.epochs, given.batch_size) == (3, standard.batch_size) != (standard.epochs, 128)
    assert TrainConfig.of(standard.to_dict()) == standard == given.standard()
    paper = TrainConfig.of({'dataset': 'cifar100', 'data': 'x'})
    assert (paper.epochs, paper.batch_size, paper.lr, paper.weight_decay, paper.momentum) == (
        300, 128, 0.1, 2e-4, 0.9)
    # Of the learned strategies, appendix D.4.
    assert (paper.gamma, paper.eta, paper.tau, paper.avgl_momentum) == (0.3, 0.8, 0.5, 0.9)
    svhn = TrainConfig.of({'dataset': 'svhn', 'data': 'x'})  # as in the authors' code
    assert (paper.flip, paper.lighting, svhn.flip, svhn.lighting) == (True, False, False, True)


@pytest.mark.parametrize('arguments, said', [
    (['info', 'nowhere.safetensors'], 'nowhere.safetensors'),
    (['evaluate', 'nowhere.safetensors'], 'nowhere.safetensors'),
    (['train', '--output', 'x', '--config', 'nowhere.json'], 'nowhere.json'),
    (['train', '--output', 'x', '--device', 'tpu'], 'allowed: auto, cpu, cuda'),
    (['train', '--output', 'x', '--device', 'cuda:99'], 'cuda:99'),
    (['train', '--output', 'x', '--dataset', 'cifar10', '--data', 'nowhere'], 'nowhere'),
    (['dataset', 'folder', '--output', 'x', '--data', 'nowhere'], 'nowhere'),
])
def test_what_is_missing_is_named(capsys, tmp_path, monkeypatch, arguments, said):
    monkeypatch.chdir(tmp_path)
    assert said in error_of(capsys, *arguments)


def test_a_run_that_is_not_finished_has_no_model_yet(capsys, tmp_path):
    assert train(tmp_path, '--epochs', 1) == 0
    (tmp_path / 'model.safetensors').unlink()
    for command in ('evaluate', 'info', 'profile'):
        said = error_of(capsys, command, tmp_path)
        assert 'is not finished; go on with anytime train --resume' in said
    assert 'is not finished; go on' in error_of(
        capsys, 'ship', tmp_path, '--output', tmp_path / 'x.safetensors')


def test_a_finished_run_whose_checkpoints_are_gone_is_not_trained_again(capsys, tmp_path):
    options = ['train', '--output', tmp_path, *TINY, '--epochs', 1]
    assert train(tmp_path, '--epochs', 1) == 0
    log = (tmp_path / 'n1' / 'log.csv').read_text()
    (tmp_path / 'n1' / 'checkpoint.pt').unlink()
    assert 'evaluation.json' in error_of(capsys, *options, '--resume')
    assert (tmp_path / 'n1' / 'log.csv').read_text() == log


def test_two_processes_do_not_train_in_one_folder(capsys, tmp_path):
    options = ['train', '--output', tmp_path, *TINY, '--epochs', 1]
    left, others = tmp_path / 'n1' / '.checkpoint.pt.123.tmp', tmp_path / '.mine.tmp'
    left.parent.mkdir()
    for path in (left, others):
        path.write_text('of a process that was killed')
    with locked(tmp_path):
        assert not left.exists() and others.exists()
        assert f'another process trains in {tmp_path}' in error_of(capsys, *options)
    assert train(tmp_path, '--epochs', 1, '--resume') == 0


def test_of_two_processes_that_begin_at_once_none_trains_with_the_settings_of_the_other(
        capsys, tmp_path, monkeypatch):
    start = commands.start_run

    def started_by_both(folder, values, resume):
        start(folder, {**values, 'seed': 1}, resume)
        return TrainConfig.of(values)
    monkeypatch.setattr(commands, 'start_run', started_by_both)
    error = error_of(capsys, 'train', '--dataset', 'digits', '--output', tmp_path / 'run')
    assert 'another process has just begun' in error and 'seed 1, not 0' in error


def test_help_tells_every_setting_and_what_it_is_by_default(capsys):
    with pytest.raises(SystemExit):
        cli.main(['train', '--help'])
    told = capsys.readouterr().out
    for name, value in TrainConfig().to_dict().items():
        # The default data set has standards of its own, so it does not stand among these.
        assert (assignment(name, value) in told) is (name != 'dataset')
        assert re.search(rf'^  [a-z_, ]*\b{name}\b[a-z_, ]*: ', told, re.MULTILINE), name


def test_a_run_is_not_overwritten_nor_changed_by_accident(capsys, tmp_path):
    options = ['train', '--output', tmp_path, *TINY]
    assert train(tmp_path, '--epochs', 1) == 0
    assert '--resume' in error_of(capsys, *options, '--epochs', 1)
    assert 'epochs 1, not 2' in error_of(capsys, *options, '--epochs', 2, '--resume')
    (tmp_path / 'n1' / 'checkpoint.pt').write_bytes(b'damaged')
    assert 'checkpoint.pt' in error_of(capsys, *options, '--epochs', 1, '--resume')


def test_a_file_in_place_of_the_output_folder_is_an_error(capsys, tmp_path):
    (tmp_path / 'file').write_text('')
    assert 'file' in error_of(capsys, 'train', '--output', tmp_path / 'file' / 'run')


def test_ctrl_c_says_how_to_go_on(capsys, tmp_path, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt
    monkeypatch.setattr('anytime_training.cli.commands.execute_run', interrupt)
    assert cli.main(['train', '--output', str(tmp_path / 'run')]) == 130
    assert f'anytime train --resume --output {tmp_path / "run"}' in capsys.readouterr().err


def test_dataset_writes_class_folders(tmp_path, capsys):
    assert cli.main(['dataset', 'digits', '--output', str(tmp_path)]) == 0
    assert len(list((tmp_path / 'test').glob('7/*.png'))) > 30
    assert '1797' in capsys.readouterr().out


@pytest.mark.parametrize('command', ['', 'train', 'evaluate', 'info', 'dataset'])
def test_help_is_there(command, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([*command.split(), '--help'])
    assert stop.value.code == 0 and 'usage: anytime' in capsys.readouterr().out


def test_several_settings_may_follow_one_option():
    settings = ['--set', 'lr=0.1', 'epochs=2', '--set', 'tau=0.7']
    parse = make_parser().parse_args
    assert parse(['train', '--output', 'run', *settings]).set == ['lr=0.1', 'epochs=2', 'tau=0.7']
    sweep = parse(['sweep', '--output', 'runs', '--config', 'n9-c16', *settings,
                   '--vary', 'seed=0,1', 'gamma=0.3,0.5', '--vary', 'padding=0,0.1'])
    assert sweep.set == ['lr=0.1', 'epochs=2', 'tau=0.7']
    assert sweep.vary == ['seed=0,1', 'gamma=0.3,0.5', 'padding=0,0.1']


@pytest.mark.parametrize('parts, settings, said', [
    ([''], [], 'left to test'),
    (['train', 'test'], ['--set', 'calibrate=true'], 'calibrate=false')])
def test_pictures_that_leave_none_to_measure_with_are_refused(tmp_path, capsys, parts, settings,
                                                              said):
    for part in parts:
        for name in 'ab':
            picture = tmp_path / 'pictures' / part / name / 'one.png'
            picture.parent.mkdir(parents=True)
            cv2.imwrite(str(picture), np.zeros((8, 8, 3), np.uint8))
    options = ['train', '--output', tmp_path / 'run', '--dataset', 'folder', '--data',
               tmp_path / 'pictures', '--units-per-block', 1, '--channels', 2, '--epochs', 1]
    assert said in error_of(capsys, *options, *settings)
    assert not (tmp_path / 'run' / 'config.json').exists()
    if len(parts) > 1:  # those are enough for a run that holds none back
        assert cli.main(list(map(str, options))) == 0


def test_a_robot_needs_nothing_of_training_to_say_what_a_model_is():
    """What `pip install .` leaves out is hidden, as if it were not there."""
    code = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[2:]))
from anytime_training.cli import main
sys.exit(main(['info', sys.argv[1]]))
"""
    hidden = 'torchvision', 'matplotlib', 'sklearn', 'scipy', 'PIL', 'rosbags'
    done = subprocess.run([sys.executable, '-c', code, MODEL, *hidden], env=environment(),
                          capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, '')
    assert 'airplane' in done.stdout


def test_info_tells_what_was_measured_of_every_exit(capsys):
    model = model_file.load(MODEL)
    assert cli.main(['info', str(MODEL), '--json']) == 0
    found = json.loads(capsys.readouterr().out)
    exits = model.network.exits
    assert found['exits'] == [
        {'exit': index, 'network': 0, 'depth': stage.depth, 'macs': stage.cost,
         'error': model.measured.error[index],
         'calibration_error': model.measured.calibration_error[index]}
        for index, stage in enumerate(exits)]
    assert found['measured_on'] == f'10000 images of {model.measured.dataset}'
    assert (found['input_size'], found['class_ids'][:2]) == (32, ['airplane', 'automobile'])
    assert found['recipe'] == model.recipe and found['sha256'] == model.sha256
    assert cli.main(['info', str(MODEL)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.split() == ['exit', str(len(exits) - 1), 'network', '0', 'depth',
                            str(exits[-1].depth), f'{exits[-1].cost / 1e6:.2f}', 'M', 'MACs',
                            'error', f'{model.measured.error[-1]:.2%}']


@pytest.mark.parametrize('command', ['train', 'sweep --config n9-c32', 'report runs', 'ship run',
                                     'profile x', 'dataset digits'])
def test_the_working_directory_is_not_written_into_by_accident(
        capsys, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        cli.main([*command.split(), '--output', ''])
    assert ended.value.code == 2 and '--output: it is empty' in capsys.readouterr().err


def test_a_full_disk_is_named_without_a_place_that_there_is_not():
    with open('/dev/full', 'w') as full:
        done = subprocess.run([sys.executable, '-m', 'anytime_training', 'info', MODEL],
                              env=environment(), stdout=full, stderr=subprocess.PIPE,
                              timeout=120)
    assert done.returncode == 2
    assert b'No space left on device (what was' in done.stderr


def test_a_reader_that_has_enough_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)  # as `| head` does, sooner or later
    with os.fdopen(writing, 'w') as pipe:
        done = subprocess.run([sys.executable, '-m', 'anytime_training', 'info', MODEL],
                              env=environment(), stdout=pipe, stderr=subprocess.PIPE,
                              timeout=120)
    assert (done.returncode, done.stderr) == (1, b'')


def test_whoever_takes_no_output_needs_not(tmp_path):
    command = ' '.join([sys.executable, '-m', 'anytime_training', 'train', '--output', 'run',
                        '--device', 'cpu', '--units-per-block', '1', '--channels', '4',
                        '--epochs', '1'])
    done = subprocess.run(f'{command} >&- 2>&-', shell=True, cwd=tmp_path, env=environment(),
                          timeout=240)
    assert done.returncode == 0 and (tmp_path / 'run/model.safetensors').exists()


@pytest.mark.parametrize('option', ['--config', '--pretrained', '--teacher'])
def test_what_is_to_be_read_is_not_left_out_by_accident(capsys, tmp_path, option):
    with pytest.raises(SystemExit) as ended:
        cli.main(['train', '--output', str(tmp_path / 'run'), option, ''])
    assert ended.value.code == 2 and f'{option}: it is empty' in capsys.readouterr().err


def test_a_data_set_that_is_not_named_is_said_once(tmp_path, capsys):
    options = ['--epochs', '1', '--units-per-block', '1', '--channels', '4', '--quiet',
               '--device', 'cpu']
    assert cli.main(['train', '--output', str(tmp_path / 'run'), *options]) == 0
    assert 'the data set is digits' in capsys.readouterr().err
    assert cli.main(['train', '--output', str(tmp_path / 'run'), *options, '--resume']) == 0
    assert 'the data set' not in capsys.readouterr().err
