"""What is computed where: devices, threads and precision."""

from anytime_perception.networks import AnytimeNetwork, AnytimePyramid
from anytime_training.device import (
    fitting_threads, flushed_denormals, is_small, shared_cpu, use_bfloat16)
from anytime_training.sweep import Job, run_jobs
import pytest
import torch


def test_numbers_next_to_nothing_are_zero_while_training_and_not_after():
    tiny = torch.tensor([1e-39])
    assert (tiny * 0.5).item() > 0
    with flushed_denormals():
        assert (tiny * 0.5).item() == 0
    assert (tiny * 0.5).item() > 0


def test_small_networks_get_one_thread_and_give_the_others_back(monkeypatch):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    small = AnytimeNetwork(4, 32, 10, input_size=8)
    large = AnytimeNetwork(1, 32, 10, input_size=32)
    assert is_small(small, 64) and not is_small(large, 128)
    pyramid = AnytimePyramid((2, 2, 1), (32, 128, 192), (64, 96), 10)  # of 19 convolutions
    assert is_small(pyramid, 47) and not is_small(pyramid, 48)  # 39.77e6 · 47 / 19 = 98.4e6
    before = torch.get_num_threads()
    with fitting_threads(small, 64):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    with fitting_threads(large, 128):
        assert torch.get_num_threads() == before
    monkeypatch.setenv('OMP_NUM_THREADS', '2')
    with fitting_threads(small, 64):
        assert torch.get_num_threads() == before


@pytest.mark.parametrize('devices, share', [
    (['cpu'], None), (['cpu', 'cpu'], '4'), (['cpu'] * 3, '2'), (['cpu'] * 20, '1'),
    (['cuda', 'cpu', 'auto'], None)])
def test_processes_on_the_cpu_share_its_threads(monkeypatch, devices, share):
    monkeypatch.setattr('anytime_training.device.choose_device', lambda name: torch.device(
        'cpu' if name == 'cpu' else 'cuda'))
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 8)
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    assert shared_cpu(devices).get('OMP_NUM_THREADS') == share
    monkeypatch.setenv('OMP_NUM_THREADS', '8')
    assert shared_cpu(devices) == {}  # the user knows better


def test_a_sweep_tells_its_runs_their_share(tmp_path, monkeypatch):
    given = []

    class Done:
        returncode = 0

        def __init__(self, command, env, **options):
            given.append(env)

        def poll(self):
            return self.returncode
    monkeypatch.setattr('subprocess.Popen', Done)
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 8)
    monkeypatch.setenv('ANOTHER', 'kept')
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    jobs = [Job(tmp_path / name, 'n9-c16', ()) for name in 'abc']
    assert run_jobs(jobs, ['cpu', 'cpu'], True, print) == []
    assert [(env['OMP_NUM_THREADS'], env['ANOTHER']) for env in given] == [('4', 'kept')] * 3
    del given[:]
    run_jobs(jobs[:1], ['cpu', 'cpu'], True, print)  # there is nobody to share with
    run_jobs(jobs[1:], ['cpu'], True, print)
    assert not any('OMP_NUM_THREADS' in env for env in given) and len(given) == 3


def test_a_share_of_the_threads_is_no_reason_for_small_networks_to_take_more_than_one(monkeypatch):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    for name, value in shared_cpu(['cpu', 'cpu']).items():
        monkeypatch.setenv(name, value)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with fitting_threads(AnytimeNetwork(4, 32, 10, input_size=8), 64):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_precision_can_be_asked_for_and_small_networks_keep_float32():
    cpu = torch.device('cpu')
    assert use_bfloat16('bfloat16', cpu, small=True)
    assert not use_bfloat16('float32', cpu, small=False)
    assert not use_bfloat16('auto', cpu, small=True)


def test_on_gpus_precision_is_that_of_the_gpu_that_is_used(monkeypatch):
    capabilities = {0: (7, 5), 1: (8, 0), 2: (9, 0)}
    monkeypatch.setattr(torch.cuda, 'get_device_capability',
                        lambda device: capabilities[device.index])
    monkeypatch.setattr(torch.version, 'hip', None)
    found = [use_bfloat16('auto', torch.device('cuda', index), small=False) for index in range(3)]
    assert found == [False, True, True]
