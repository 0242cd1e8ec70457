"""Many training runs, side by side on devices; stopped, they pick up where they were."""

from dataclasses import dataclass
import itertools
from pathlib import Path
import signal
import subprocess
import sys
import time

from anytime_training.run import is_complete

_POLL_S = 0.2
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
    """
    jobs = []
    choices = [[f'{key}={value}' for value in values] for key, values in vary]
    for config, seed, *values in itertools.product(configs, seeds, *choices):
        name = '_'.join([Path(config).stem, *values, f'seed={seed}']).translate(_IN_NAMES)
        jobs.append(Job(output / name, config, (*common, *values, f'seed={seed}')))
    return jobs


def run_jobs(jobs: list[Job], devices: list[str], report) -> list[Job]:
    """
    Run what is left of `jobs`, one at a time on each of `devices` (name one twice to share it).

    Every run is a process of its own with its output in train.txt, so that one that fails hurts no
    other. `report` is called with a line of text when one begins or ends. Return the jobs that
    failed. Ctrl-C interrupts the runs too, each with a whole checkpoint behind it.
    """
    waiting = [job for job in jobs if not is_complete(job.folder)]
    done = len(jobs) - len(waiting)
    report(f'{len(jobs)} run{"s" * (len(jobs) != 1)}, of which {done} '
           f'{"is" if done == 1 else "are"} complete')
    running: dict[int, tuple[Job, subprocess.Popen]] = {}
    failed: list[Job] = []
    try:
        while waiting or running:
            for slot, device in enumerate(devices):
                if slot not in running and waiting:
                    job = waiting.pop(0)
                    running[slot] = (job, _start(job, device))
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
            process.wait()
    return failed


def _start(job: Job, device: str) -> subprocess.Popen:
    job.folder.mkdir(parents=True, exist_ok=True)
    settings = [part for setting in job.settings for part in ('--set', setting)]
    command = [sys.executable, '-m', 'anytime_training', 'train', '--resume', '--quiet',
               '--output', str(job.folder), '--device', device, '--config', job.config, *settings]
    with open(job.folder / 'train.txt', 'a', encoding='utf-8') as output:
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
