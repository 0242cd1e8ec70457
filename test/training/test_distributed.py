"""Two processes of torchrun give the network that one process gives, within rounding."""

import subprocess
import sys

import pytest
from runs_on_digits import environment, rows_of, TINY, train, weights_of
import torch

pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason='needs gloo')

# Batches of an odd size never have two equal halves. Few steps, as each makes rounding larger.
OPTIONS = ['--batch-size', '181', '--epochs', '1', '--lr', '0.02', '--set', 'precision=float32']
MANY = ['--mode', 'mixed', '--strategy', 'exp3', '--set', 'mixup=0.4', '--set',
        'distillation=0.3', '--set', 'head=coarse', '--set', 'average=0.9']


def two_processes(*arguments, program=('-m', 'anytime_training')):
    """Run `anytime` in two processes; return the finished process."""
    return subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2',
         *map(str, [*program, *arguments])],
        env=environment(OMP_NUM_THREADS='1'), capture_output=True, text=True, timeout=120)


def test_two_processes_give_what_one_gives(tmp_path):
    assert train(tmp_path / 'teacher', *OPTIONS) == 0
    options = [*OPTIONS, *MANY, '--teacher', tmp_path / 'teacher']
    assert train(tmp_path / 'one', *options) == 0
    done = two_processes('train', '--output', tmp_path / 'two', *TINY, *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('model: ') == 1
    one, two = (weights_of(tmp_path / name) for name in ('one', 'two'))
    for name, expected in one.items():
        difference = (two[name] - expected).float().norm()
        assert difference <= 1e-4 * max(expected.float().norm(), 0.01), name
    for single, double in zip(rows_of(tmp_path / 'one'), rows_of(tmp_path / 'two')):
        for name in single:
            if name.startswith('chosen'):
                assert single[name] == double[name]
            elif name.startswith('loss') and single[name]:
                assert float(double[name]) == pytest.approx(float(single[name]), rel=1e-3)


NOTES_SEEDS = """
import os, sys
from anytime_training import cli
import torch
real = torch.manual_seed
def manual_seed(seed):
    with open(f'{sys.argv[1]}{os.environ["RANK"]}', 'a') as file:
        print(seed, file=file)
    return real(seed)
torch.manual_seed = manual_seed
sys.exit(cli.main(sys.argv[2:]))
"""


def test_what_is_left_out_at_random_differs_between_processes(tmp_path, monkeypatch):
    """As blocks of ConvNeXt are, with draws from PyTorch's own generator, seeded every epoch."""
    alone, real = [], torch.manual_seed
    with monkeypatch.context() as patched:
        patched.setattr(torch, 'manual_seed', lambda seed: alone.append(seed) or real(seed))
        assert train(tmp_path / 'one', *OPTIONS) == 0
    program = tmp_path / 'notes_seeds.py'
    program.write_text(NOTES_SEEDS)
    done = two_processes(tmp_path / 'seeds', 'train', '--output', tmp_path / 'two', *TINY,
                         *OPTIONS, program=[program])
    assert done.returncode == 0, done.stderr
    first, second = ([int(line) for line in (tmp_path / f'seeds{rank}').read_text().split()]
                     for rank in (0, 1))
    assert first == alone and len(second) == len(first)
    # The weights that the network starts with are the same; what is drawn in the epoch is not.
    assert sum(one != other for one, other in zip(first, second)) == 1


def test_a_mistake_is_said_once(tmp_path):
    done = two_processes('train', '--output', tmp_path / 'run', '--dataset', 'folder', '--data',
                         tmp_path / 'nowhere', '--device', 'cpu')
    assert done.returncode != 0 and done.stderr.count('anytime train: error: there is no') == 1


@pytest.mark.parametrize('option, said', [
    ('batch_size=2', 'raise --batch-size'), ('compiled=true', 'compiled=false')])
def test_what_several_processes_cannot_do(tmp_path, monkeypatch, capsys, option, said):
    monkeypatch.setattr('anytime_training.distributed.count', lambda: 3)
    assert train(tmp_path, *OPTIONS, '--set', option) == 2
    assert said in capsys.readouterr().err


def test_each_process_takes_a_gpu_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv('WORLD_SIZE', '2')
    assert train(tmp_path, *OPTIONS, '--device', 'cuda:0') == 2
    assert '--device cuda' in capsys.readouterr().err
