"""Sweeps: every combination once, failures reported, and nothing trained twice."""

import json

from anytime_training import cli
from anytime_training.config import TrainConfig
from anytime_training.settings import CONFIGS, parse_vary, read_config_file
from anytime_training.sweep import plan_jobs
import pytest

TINY = {'input_size': 8, 'channels': 2, 'units_per_block': [1], 'epochs': 1}


def write_config(folder, **values):
    path = folder / 'tiny.json'
    path.write_text(json.dumps({**TINY, **values}))
    return str(path)


def test_every_combination_has_its_own_folder(tmp_path):
    jobs = plan_jobs(tmp_path, ['n7-c16', 'n9-c16'], [0, 1],
                     [('strategy', ['none', 'aann']), ('tau', ['0.5', '1.0', '2.0'])], ['lr=0.2'])
    assert len({job.folder for job in jobs}) == 2 * 2 * 2 * 3
    assert all('lr=0.2' in job.settings for job in jobs)
    assert (tmp_path / 'n7-c16_strategy=none_tau=2.0_seed=1') in {job.folder for job in jobs}


def test_a_sweep_runs_once_and_picks_up_what_is_missing(tmp_path, capsys):
    command = ['sweep', '--output', str(tmp_path / 'runs'), '--config', write_config(tmp_path),
               '--seeds', '0,1', '--devices', 'cpu', 'cpu']
    assert cli.main(command) == 0
    runs = sorted((tmp_path / 'runs').iterdir())
    assert [run.name for run in runs] == ['tiny_seed=0', 'tiny_seed=1']
    assert '2 runs, of which 0 are complete' in capsys.readouterr().out
    kept = runs[0] / 'model.safetensors'
    before = kept.stat().st_mtime_ns
    (runs[1] / 'evaluation.json').unlink()
    assert cli.main(command) == 0
    assert '2 runs, of which 1 is complete' in capsys.readouterr().out
    assert kept.stat().st_mtime_ns == before and (runs[1] / 'evaluation.json').exists()


def test_what_is_kept_of_a_run_is_enough_to_skip_it(tmp_path, capsys):
    command = ['sweep', '--output', str(tmp_path / 'runs'), '--config', write_config(tmp_path),
               '--devices', 'cpu']
    run = tmp_path / 'runs' / 'tiny_seed=0'
    assert cli.main(command) == 0
    (run / 'model.safetensors').unlink()
    (run / 'n1' / 'checkpoint.pt').unlink()
    assert cli.main(command) == 0
    assert '1 run, of which 1 is complete' in capsys.readouterr().out
    assert not (run / 'model.safetensors').exists()


def test_a_run_that_fails_is_named_and_the_others_are_done(tmp_path, capsys):
    command = ['sweep', '--output', str(tmp_path / 'runs'), '--config', write_config(tmp_path),
               '--vary', 'dataset=folder,digits', '--devices', 'cpu']
    assert cli.main(command) == 2
    assert 'tiny_dataset=folder_seed=0' in capsys.readouterr().err
    assert 'name it with --data' in (
        tmp_path / 'runs' / 'tiny_dataset=folder_seed=0' / 'train.txt').read_text()
    assert (tmp_path / 'runs' / 'tiny_dataset=digits_seed=0' / 'evaluation.json').exists()


def test_values_may_be_words_numbers_or_lists(tmp_path):
    assert parse_vary('strategy=none,aann') == ('strategy', ['none', 'aann'])
    assert parse_vary('tau=0.5,1.0') == ('tau', ['0.5', '1.0'])
    lists = parse_vary('units_per_block=[1],[1,2]')
    assert lists == ('units_per_block', ['[1]', '[1, 2]'])
    names = [job.folder.name for job in plan_jobs(tmp_path, ['tiny'], [0], [lists], [])]
    assert names == ['tiny_units_per_block=1_seed=0', 'tiny_units_per_block=1-2_seed=0']


@pytest.mark.parametrize('options', [['--vary', 'epoch=1,2'], ['--vary', 'epochs'],
                                     ['--set', 'lr=-1'], ['--devices', 'cuda:99']])
def test_mistakes_show_before_anything_runs(tmp_path, capsys, options):
    config = write_config(tmp_path)
    output = str(tmp_path / 'runs')
    assert cli.main(['sweep', '--output', output, '--config', config, *options]) == 2
    assert not (tmp_path / 'runs').exists()


def test_the_papers_networks_are_there():
    names = {path.stem for path in CONFIGS.glob('*.json')}
    pairs = [(7, 16), (7, 32), (9, 16), (9, 32), (9, 64), (9, 128), (13, 16), (13, 32), (13, 64),
             (17, 16), (17, 32), (25, 16), (25, 32)]
    assert names == {f'n{n}-c{c}' for n, c in pairs} | {'eann-c32', 'validation'}
    for n, c in pairs:
        config = TrainConfig.of({'dataset': 'cifar10', **read_config_file(f'n{n}-c{c}')})
        assert (config.units_per_block, config.channels) == ((n,), c)
        assert config.period == ((3,) if n == 25 else (1,))
        assert (config.weights, config.strategy, config.tau) == ('sieve', 'aann', 0.5)
    eann = TrainConfig.of({'dataset': 'cifar10', **read_config_file('eann-c32')})
    assert eann.units_per_block == (1, 3, 7, 13, 25)
