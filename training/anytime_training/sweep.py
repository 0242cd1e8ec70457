"""Many training runs, side by side on devices; stopped, they pick up where they were."""

from collections.abc import Callable
from dataclasses import dataclass
import itertools
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from anytime_training.config import TrainConfig
from anytime_training.device import shared_cpu
from anytime_training.pretrained import settings_of
from anytime_training.run_folder import (
    changed_setting, check_new, CONFIG, configuration, is_complete)
from anytime_training.settings import parse_assignment, read_config_file

_POLL_S = 0.2
_PATIENCE_S = 10.0  # how long a run that was told to stop may take
_IN_NAMES = str.maketrans({'/': '-', ',': '-', ' ': '', '[': '', ']': '', '"': ''})


@dataclass(frozen=True)
class Job:
    """
    One run of a sweep.

    Attributes
    ----------
    folder: of the run.
    config: name or path of its configuration file.
    settings: what it sets besides, each as KEY=VALUE.

    """

    folder: Path
    config: str
    settings: tuple[str, ...]


def plan_jobs(output: Path, configs: list[str], seeds: list[int],
              vary: list[tuple[str, list[str]]], common: list[str]) -> list[Job]:
    """
    Return a job for every combination of configuration, varied values and seed.

    `vary` holds keys with the values, as text, that each takes; `common` are settings of all.
    Folders are named after what differs, so the same sweep finds its runs again.

    Raises
    ------
    ValueError: for seeds among the settings, or a key that is varied twice.

    """
    varied = [key for key, _ in vary]
    if 'seed' in [*varied, *(key for setting in common for key in parse_assignment(setting))]:
        raise ValueError('seed is among the settings; seeds are given as --seeds 0,1,2')
    if twice := sorted({key for key in varied if varied.count(key) > 1}):
        raise ValueError(f'{twice[0]} is varied twice; name all its values at once')
    jobs = []
    choices = [[f'{key}={value}' for value in values] for key, values in vary]
    for config, seed in itertools.product(configs, seeds):
        for values in itertools.product(*choices):
            name = '_'.join([Path(config).stem, *values, f'seed={seed}']).translate(_IN_NAMES)
            jobs.append(Job(output / name, config, (*common, *values, f'seed={seed}')))
    return jobs


def check_jobs(jobs: list[Job]) -> list[TrainConfig]:
    """
    Return the configurations of `jobs`, after a look for mistakes before the first of them runs.

    Raises
    ------
    ValueError: for a wrong configuration, two jobs in one folder, or a folder that holds a run of
        another configuration, whose results would be taken for the job's.

    """
    taken: dict[Path, Job] = {}
    configs = []
    for job in jobs:
        if job.folder in taken:
            raise ValueError(f'two runs would share the folder {job.folder}: of '
                             f'{taken[job.folder].config} and {job.config}; rename one of the '
                             'files, or name each value once')
        taken[job.folder] = job
        given: dict = {}
        for setting in job.settings:
            given.update(parse_assignment(setting))
        values = settings_of(read_config_file(job.config), given)
        path = job.folder / CONFIG
        stored = TrainConfig.of(read_config_file(path)) if path.exists() else None
        config = configuration(values, stored)
        configs.append(config)
        if stored is None:
            check_new(config)
        elif difference := changed_setting(stored, config.to_dict()):
            raise ValueError(f'the run in {job.folder} has {difference}, so it is of another '
                             'experiment; choose another --output')
    return configs


def run_jobs(jobs: list[Job], devices: list[str], graph: bool,
             report: Callable[[str], object]) -> list[Job]:
    """
    Run what is left of `jobs`, one at a time on each of `devices` (name one twice to share it).

    Every run is a process of its own with its output in train.txt, so one that fails does not hurt
    others; those on the CPU share its threads. `graph` is as of `execute_run`. `report` is called
    with a line of text when one begins or ends. Return the jobs that failed. Ctrl-C and SIGTERM
    end the runs too, each with a whole checkpoint behind it.
    """
    waiting = [job for job in jobs if not is_complete(job.folder)]
    done = len(jobs) - len(waiting)
    report(f'{len(jobs)} run{"s" * (len(jobs) != 1)}, of which {done} '
           f'{"is" if done == 1 else "are"} complete')
    running: dict[int, tuple[Job, subprocess.Popen]] = {}
    failed: list[Job] = []
    environment = {**os.environ, **shared_cpu(devices[:len(waiting)])}
    # Else the runs would go on alone.
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while waiting or running:
            for slot, device in enumerate(devices):
                if slot not in running and waiting:
                    job = waiting.pop(0)
                    running[slot] = (job, _start(job, device, graph, environment))
                    report(f'{job.folder.name}: started on {device}')
            time.sleep(_POLL_S)
            for slot, (job, process) in list(running.items()):
                if process.poll() is not None:
                    del running[slot]
                    if process.returncode:
                        failed.append(job)
                        report(f'{job.folder.name}: failed, see {job.folder / "train.txt"}')
                    else:
                        report(f'{job.folder.name}: done, {len(waiting) + len(running)} to go')
    finally:
        for _, process in running.values():
            process.send_signal(signal.SIGINT)
        for _, process in running.values():
            try:
                process.wait(_PATIENCE_S)
            except subprocess.TimeoutExpired:  # those of a sweep in the background ignore SIGINT
                process.terminate()
                process.wait()
        signal.signal(signal.SIGTERM, before)
    return failed


def _start(job: Job, device: str, graph: bool,
           environment: dict[str, str]) -> subprocess.Popen:
    job.folder.mkdir(parents=True, exist_ok=True)
    settings = [part for setting in job.settings for part in ('--set', setting)]
    command = [sys.executable, '-m', 'anytime_training', 'train', '--resume', '--quiet',
               '--output', str(job.folder), '--device', device, '--config', job.config, *settings,
               *([] if graph else ['--no-graph'])]
    with open(job.folder / 'train.txt', 'a', encoding='utf-8') as output:
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT,
                                env=environment)
