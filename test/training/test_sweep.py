"""Sweeps: every combination once, failures reported, and nothing trained twice."""

import json
import os
from pathlib import Path
import re
import signal
import subprocess
import time

from anytime_perception.networks import AnytimeNetwork, AnytimePyramid
from anytime_training import cli, sweep
from anytime_training.checkpoint import load_checkpoint
from anytime_training.cli import commands
from anytime_training.config import TrainConfig
from anytime_training.lock import locked
from anytime_training.metrics import exit_at
from anytime_training.run_folder import is_complete
from anytime_training.settings import CONFIGS, parse_vary, read_config_file
from anytime_training.sweep import check_jobs, plan_jobs
import pytest
from runs_on_digits import interrupted_after_an_epoch, rows_of

REPRODUCE = Path(__file__).resolve().parents[2] / 'scripts' / 'reproduce.sh'
TINY = {'input_size': 8, 'channels': 2, 'units_per_block': [1], 'epochs': 1}


def write_config(folder, **values):
    path = folder / 'tiny.json'
    path.write_text(json.dumps({**TINY, **values}))
    return str(path)


def sweep_of(folder, *options, **values):
    """Return the command line of a sweep into the folder runs."""
    return ['sweep', '--output', str(folder / 'runs'), '--config', write_config(folder, **values),
            '--devices', 'cpu', *options]


def run_here(folder, seed=0):
    """Do what such a sweep has a process of its own do, which takes seconds to start."""
    return cli.main(['train', '--output', str(folder / 'runs' / f'tiny_seed={seed}'), '--config',
                     str(folder / 'tiny.json'), '--device', 'cpu', '--quiet', '--seed', str(seed)])


def test_every_combination_has_its_own_folder(tmp_path):
    jobs = plan_jobs(tmp_path, ['n7-c16', 'n9-c16'], [0, 1],
                     [('strategy', ['none', 'aann']), ('tau', ['0.5', '1.0', '2.0'])], ['lr=0.2'])
    assert len({job.folder for job in jobs}) == 2 * 2 * 2 * 3
    assert all('lr=0.2' in job.settings for job in jobs)
    assert (tmp_path / 'n7-c16_strategy=none_tau=2.0_seed=1') in {job.folder for job in jobs}


def test_a_sweep_runs_once_and_picks_up_what_is_missing(tmp_path, capsys):
    command = sweep_of(tmp_path, 'cpu', '--seeds', '0,1,2', epochs=2)
    assert run_here(tmp_path, seed=0) == 0
    with interrupted_after_an_epoch():
        assert run_here(tmp_path, seed=1) == 130
    whole, begun = (tmp_path / 'runs' / f'tiny_seed={seed}' for seed in (0, 1))
    before = {path: path.stat().st_mtime_ns for path in whole.rglob('*')}
    row, = load_checkpoint(begun / 'n1' / 'checkpoint.pt')['rows']
    capsys.readouterr()
    assert cli.main(command) == 0
    said = capsys.readouterr().out
    assert '3 runs, of which 1 is complete' in said
    # There are two devices.
    assert said.count('started') == 2 and said.rindex('started') < said.index('done')
    assert {path: path.stat().st_mtime_ns for path in whole.rglob('*')} == before
    assert rows_of(begun)[0]['images_per_s'] == str(row['images_per_s'])  # not done again
    runs = sorted((tmp_path / 'runs').iterdir())
    assert [run.name for run in runs] == [f'tiny_seed={seed}' for seed in (0, 1, 2)]
    assert all(is_complete(run) and (run / 'model.safetensors').exists() for run in runs)
    assert cli.main(command) == 0
    assert '3 runs, of which 3 are complete' in capsys.readouterr().out


def test_what_is_kept_of_a_run_is_enough_to_skip_it(tmp_path, capsys):
    command, run = sweep_of(tmp_path), tmp_path / 'runs' / 'tiny_seed=0'
    assert run_here(tmp_path) == 0
    (run / 'model.safetensors').unlink()
    (run / 'n1' / 'checkpoint.pt').unlink()
    assert cli.main(command) == 0
    assert '1 run, of which 1 is complete' in capsys.readouterr().out
    assert not (run / 'model.safetensors').exists()


def test_a_run_that_fails_is_named_and_the_others_are_done(tmp_path, capsys):
    assert cli.main(sweep_of(tmp_path, '--vary', 'dataset=folder,digits')) == 2
    assert 'tiny_dataset=folder_seed=0' in capsys.readouterr().err
    assert 'name a folder with --data' in (
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
                                     ['--vary', 'epochs='], ['--vary', 'epochs=1,'],
                                     ['--set', 'lr=-1'], ['--devices', 'cuda:99'],
                                     ['--vary', 'strategy=aann,none', '--set', 'tau=2']])
def test_mistakes_show_before_anything_runs(tmp_path, capsys, options):
    assert cli.main(sweep_of(tmp_path, *options)) == 2
    assert not (tmp_path / 'runs').exists()


@pytest.mark.parametrize('options, said', [
    (['--set', 'epochs=2'], 'epochs 1, not 2'), (['--set', 'mode=mixed'], "'joint', not 'mixed'")])
def test_runs_of_another_experiment_are_not_taken_for_this_ones(tmp_path, capsys, options, said):
    command = sweep_of(tmp_path)
    assert run_here(tmp_path) == 0
    before = sorted((tmp_path / 'runs').rglob('*'))
    capsys.readouterr()
    # A seed that has not run yet comes first: nothing of it may be trained.
    assert cli.main([*command, '--seeds', '1,0', *options]) == 2
    error = capsys.readouterr().err
    assert said in error and 'tiny_seed=0' in error and error.count('\n') == 1
    assert sorted((tmp_path / 'runs').rglob('*')) == before


def test_data_may_have_moved_between_sweeps(tmp_path):
    job, = plan_jobs(tmp_path, [write_config(tmp_path, dataset='folder', data='here')], [0], [],
                     [])
    job.folder.mkdir()
    (job.folder / 'config.json').write_text(json.dumps(
        {**TINY, 'dataset': 'folder', 'data': 'there', 'seed': 0}))
    check_jobs([job])


@pytest.mark.parametrize('name', ['2024', 'true', 'pets', '"'])
def test_a_folder_of_data_may_be_called_like_a_number(tmp_path, monkeypatch, name):
    planned = []
    monkeypatch.setattr(commands, 'run_jobs', lambda jobs, *others: planned.extend(
        jobs) or [])
    assert cli.main(sweep_of(tmp_path, '--dataset', 'folder', '--data', name)) == 0
    config, = check_jobs(planned)
    assert config.data == name


def test_a_sweep_downloads_once_for_all_of_its_runs(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr('anytime_training.data.load',
                        lambda *place, **options: calls.append((place, options)))
    monkeypatch.setattr(commands, 'run_jobs', lambda *arguments: calls.append(
        'runs') or [])
    command = ['sweep', '--output', str(tmp_path / 'runs'), '--config', 'n9-c16', 'n9-c32',
               '--seeds', '0,1', '--dataset', 'cifar10', '--data', 'here']
    assert cli.main([*command, '--download']) == 0
    assert calls == [(('cifar10', 'here', 32), {'download': True}), 'runs']
    del calls[:]
    assert cli.main(command) == 0
    assert calls == ['runs']


@pytest.mark.parametrize('options, said', [
    (['--vary', 'seed=0,1'], '--seeds'), (['--set', 'seed=7'], '--seeds'),
    (['--vary', 'tau=1,2', '--vary', 'tau=3'], 'tau is varied twice')])
def test_what_a_sweep_would_override_is_refused(tmp_path, capsys, options, said):
    assert cli.main(sweep_of(tmp_path, *options)) == 2
    assert said in capsys.readouterr().err and not (tmp_path / 'runs').exists()


def sweep_impatiently(command, ignores_ctrl_c):
    sweep._PATIENCE_S = 0.5
    if ignores_ctrl_c:  # as in the background of a shell; the runs inherit it
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise SystemExit(cli.main(command))


@pytest.mark.parametrize('ignores_ctrl_c', [False, True])
def test_a_sweep_that_is_ended_ends_its_runs(tmp_path, server, ignores_ctrl_c):
    process = server.Process(target=sweep_impatiently, args=(
        sweep_of(tmp_path, epochs=10**6), ignores_ctrl_c))
    process.start()
    folder = tmp_path / 'runs' / 'tiny_seed=0'
    try:
        while not (folder / 'n1' / 'checkpoint.pt').exists():
            assert process.is_alive()
            time.sleep(0.1)
    finally:
        process.terminate()
        process.join(60)
        process.kill()  # if it has not ended
    assert process.exitcode == 130
    with locked(folder):  # nobody is in there any more
        pass


def test_two_runs_do_not_share_a_folder(tmp_path, capsys):
    (tmp_path / 'other').mkdir()
    configs = [write_config(tmp_path), write_config(tmp_path / 'other', lr=0.01)]
    for options in (['--config', *configs], ['--config', configs[0], '--seeds', '0,0']):
        assert cli.main(['sweep', '--output', str(tmp_path / 'runs'), *options]) == 2
        error = capsys.readouterr().err
        assert 'share the folder' in error and 'tiny.json' in error
    assert not (tmp_path / 'runs').exists()


def test_the_papers_networks_are_there():
    names = {path.stem for path in CONFIGS.glob('*.json')}
    pairs = [(7, 16), (7, 32), (9, 16), (9, 32), (9, 64), (9, 128), (13, 16), (13, 32), (13, 64),
             (17, 16), (17, 32), (25, 16), (25, 32)]
    assert names == {f'n{n}-c{c}' for n, c in pairs} | {'eann-c32', 'recipe', 'validation'}
    for n, c in pairs:
        config = TrainConfig.of({'dataset': 'cifar10', **read_config_file(f'n{n}-c{c}')})
        assert (config.units_per_block, config.channels) == ((n,), c)
        assert config.period == ((3,) if n == 25 else (1,))
        assert (config.weights, config.strategy, config.tau) == ('sieve', 'aann', 0.5)
    eann = TrainConfig.of({'dataset': 'cifar10', **read_config_file('eann-c32')})
    assert eann.units_per_block == (1, 3, 7, 13, 25)


def test_our_recipe_says_nothing_of_data():
    values = read_config_file('recipe')
    config = TrainConfig.of({'dataset': 'cifar10', **values})
    assert (config.optimiser, config.side_channels, config.strategy) == ('muon', (64, 96), 'aann')
    assert not values.keys() & {'dataset', 'data', 'seed'}


def sweeps_of_script(folder, *options):
    """Return the command lines that the script of the paper's experiments would run."""
    stub = folder / 'anytime'
    stub.write_text('#!/bin/sh\necho "$@"\n')
    stub.chmod(0o755)
    result = subprocess.run(
        ['bash', REPRODUCE, '--data', 'there', '--output', 'out', *options], capture_output=True,
        text=True, env={**os.environ, 'PATH': f'{folder}:{os.environ["PATH"]}'})
    assert result.returncode == 0, result.stderr
    *sweeps, report = result.stdout.splitlines()
    assert report == 'report out --output out/report'
    return sweeps


def test_the_script_of_the_papers_experiments_runs_our_recipe_as_wide_as_each_model(tmp_path):
    sweeps = sweeps_of_script(tmp_path, '--parts', 'recipe', '--models', 'n9-c16,n3-c32')
    assert len(sweeps) == 4
    for line, (n, c) in zip(sweeps[::2], ((9, 16), (3, 32))):
        channels, side = (tuple(int(width) for width in re.search(rf' {name}=\[(.*?)\]', line)[1]
                                .split(',')) for name in ('channels', 'side_channels'))
        model = AnytimeNetwork(n, c, 10).exits[-1].cost
        assert 0.8 * model < AnytimePyramid((2, 2, 1), channels, side, 10).exits[-1].cost <= model


def test_the_script_of_the_papers_experiments_has_opt_of_every_exit_in_table_1(tmp_path):
    line = sweeps_of_script(tmp_path, '--parts', 'schemes')[-1]
    shares = map(float, re.search(r' exit_share=(\S+)', line)[1].split(','))
    assert 'weights=optimal' in line
    assert [exit_at(share, range(1, 16)) for share in shares] == list(range(15))
