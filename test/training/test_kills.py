"""A run that is killed again and again, and resumed, ends as the one that never was."""

import os
import random
import signal
import time

import pytest
from runs_on_digits import resume, rows_of, same_weights, train

EPOCHS = 30
OPTIONS = ['--epochs', EPOCHS, '--strategy', 'exp3', '--seed', 5, '--set', 'mixup=0.2']


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Return the folder of the run that is never killed."""
    folder = tmp_path_factory.mktemp('runs') / 'whole'
    assert train(folder, *OPTIONS) == 0
    return folder


def go_on(folder):
    raise SystemExit(train(folder, '--resume', *OPTIONS))


def train_and_die_at(folder, write, after):
    """Train, and be killed when file number `write` is put in place: just before, or after."""
    real, left = os.replace, [write]

    def replace(*arguments):
        left[0] -= 1
        if after:
            real(*arguments)
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if not after:
            real(*arguments)
    os.replace = replace
    go_on(folder)


def epochs_of(folder):
    return len(rows_of(folder)) if (folder / 'n1' / 'log.csv').exists() else 0


def finish_and_compare(folder, whole):
    assert resume(folder) == 0
    assert same_weights(whole, folder)
    logs = [[{key: value for key, value in row.items() if key != 'images_per_s'}
             for row in rows_of(run)] for run in (whole, folder)]
    assert logs[0] == logs[1] and len(logs[1]) == EPOCHS


def test_killed_at_random_moments(tmp_path, whole, server):
    draws, kills, stops = random.Random(), 0, set()
    while kills < 5:
        done = epochs_of(tmp_path)
        process = server.Process(target=go_on, args=(tmp_path,))
        process.start()
        deadline = time.monotonic() + 120
        while epochs_of(tmp_path) <= done and process.is_alive():
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(draws.uniform(0, 0.1))  # somewhere in the epochs that follow, or in a write
        process.kill()
        process.join()
        if process.exitcode == 0:  # it was over before
            break
        assert process.exitcode == -signal.SIGKILL
        kills += 1
        stops.add(epochs_of(tmp_path))
    assert kills > 1 and len(stops) > 1
    finish_and_compare(tmp_path, whole)


def test_killed_around_any_write(tmp_path, whole, server):
    for write in (1, 2, 3, 4):
        for after in (False, True):
            process = server.Process(target=train_and_die_at, args=(tmp_path, write, after))
            process.start()
            process.join()
            assert process.exitcode == -signal.SIGKILL
    assert 2 <= epochs_of(tmp_path) < EPOCHS
    finish_and_compare(tmp_path, whole)
