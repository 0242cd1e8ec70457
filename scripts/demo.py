"""
Train two small anytime networks, then run camera, perception node and planner together.

Writes summary.json and summary.png. Needs nothing but the environment that scripts/setup.sh makes.
"""

import argparse
import contextlib
import ctypes
import json
import os
from pathlib import Path
import random
import shutil
import signal
import subprocess
import sys

SHIPPED = Path(__file__).resolve().parent.parent / 'models' / 'cifar10-aann.safetensors'
_SHARED_MEMORY = Path('/dev/shm')
_PR_SET_PDEATHSIG = 1
_STOP_SECONDS = 10


def parse_arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog='demo.sh', description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--seconds', type=float, default=30,
                        help='how long the three processes play (%(default)s)')
    parser.add_argument('--output', type=Path, default=Path('build/demo'),
                        help='folder for models, logs, summary.json and summary.png (%(default)s)')
    parser.add_argument('--model', type=Path,
                        help='a model file of your own')
    parser.add_argument('--images',
                        help='what the camera shows instead of held-out digits: a folder of '
                             'pictures (in class folders, for accuracy), a video, or the number '
                             'of a webcam; the model is then the one that ships, for the ten '
                             'everyday classes of CIFAR-10, unless --model names another')
    parser.add_argument('--rate', type=float, default=15,
                        help='camera frames per second (%(default)s)')
    parser.add_argument('--device', default='auto', help='auto, cpu, cuda or cuda:N (%(default)s)')
    parser.add_argument('--check', action='store_true', help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.seconds > 0:
        parser.error(f'--seconds is {options.seconds}; it must be positive')
    if options.model is not None and not options.model.exists():
        parser.error(f'--model: there is no {options.model}')
    if options.images and not options.images.isdecimal() and not Path(options.images).exists():
        parser.error(f'--images: there is no {options.images}')
    if options.images is not None and options.model is None:
        options.model = SHIPPED
    return options


def main() -> int:
    """Run the demo; return its exit status."""
    options = parse_arguments()
    if options.check:  # whether these are the options of a demo, before all is installed for it
        return 0
    options.output.mkdir(parents=True, exist_ok=True)
    # A shell that starts this in the background has Ctrl-C ignored; and SIGTERM must clean up too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    before = set(_SHARED_MEMORY.iterdir()) if _SHARED_MEMORY.is_dir() else set()
    try:
        model = options.model or train(options.output)
        images = options.images or str(export_digits(options.output).resolve())
        finished = play(options, model, images)
        return report(options.output) if finished else 1
    except KeyboardInterrupt:
        print('\nStopped.', file=sys.stderr)
        return 130
    except subprocess.CalledProcessError as error:
        return error.returncode
    finally:
        remove_shared_memory(before)


def train(output: Path) -> Path:
    """
    Train an AANN and an EANN on the embedded digits, or take up what an earlier run left.

    Return the EANN.
    """
    for title, name, units in (('One network (AANN)', 'aann', '3'),
                               ('A sequence of deepening networks (EANN)', 'eann', '1,3')):
        print(f'\n{title}, units per block: {units}', flush=True)
        command = ['anytime', 'train', '--dataset', 'digits', '--units-per-block', units,
                   '--optimiser', 'muon', '--epochs', '10', '--output', str(output / name),
                   '--resume']
        if subprocess.run(command).returncode:
            print('What an earlier run left there is of no use: training anew', flush=True)
            shutil.rmtree(output / name, ignore_errors=True)
            subprocess.run(command, check=True)
    return output / 'eann' / 'model.safetensors'


def export_digits(output: Path) -> Path:
    """Write the digits as pictures and return the folder of those held out from training."""
    folder = output / 'digits'
    if not (folder / 'test').is_dir():
        subprocess.run(['anytime', 'dataset', 'digits', '--output', str(folder)], check=True)
    return folder / 'test'


def play(options: argparse.Namespace, model: Path, images: str) -> bool:
    """
    Run the three processes until the planner ends; return success.

    Whatever happens, none of them is left.
    """
    from ament_index_python.packages import get_package_prefix
    executables = Path(get_package_prefix('anytime_perception'), 'lib', 'anytime_perception')
    environment = ros_environment()
    summary = options.output / 'planner.json'
    summary.unlink(missing_ok=True)
    commands = {
        'perception_node': {'model': model.resolve(), 'device': options.device},
        'camera': {'images': images, 'rate': options.rate},
        'planner': {'seconds': options.seconds, 'output': summary.resolve()},
    }
    print(f'\nCamera, perception node and planner: three processes over DDS, on ROS_DOMAIN_ID='
          f'{environment["ROS_DOMAIN_ID"]} (logs in {options.output})', flush=True)
    with contextlib.ExitStack() as stack:
        for name, parameters in commands.items():
            arguments = [text for key, value in parameters.items()
                         for text in ('-p', f'{key}:={_yaml(value)}')]
            log = None
            if name != 'planner':
                log = stack.enter_context(open(options.output / f'{name}.log', 'w'))
            process = subprocess.Popen(
                [str(executables / name), '--ros-args', *arguments], env=environment,
                start_new_session=True, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log and subprocess.STDOUT, preexec_fn=end_with_parent)
            stack.callback(stop, process)
        succeeded = process.wait() == 0 and summary.exists()
    if not succeeded:
        for name in ('perception_node', 'camera'):
            print(f'\n{name} said:\n{(options.output / f"{name}.log").read_text()[-2000:]}',
                  file=sys.stderr)
    return succeeded


def ros_environment() -> dict[str, str]:
    """Return the processes' environment: alone on this machine, and ready for large images."""
    from anytime_perception.ros.large_images import large_images
    environment = {**os.environ, **large_images(os.environ), 'PYTHONUNBUFFERED': '1'}
    environment.setdefault('ROS_DOMAIN_ID', str(random.randint(1, 101)))
    environment.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    environment.setdefault('ROS_LOG_DIR', str(Path('build/ros_log').resolve()))
    environment.pop('_ROS_WHEELS_BOOTSTRAP_COMPLETE', None)
    return environment


def end_with_parent() -> None:
    """Have this process told to stop should the demo be killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def stop(process: subprocess.Popen) -> None:
    """End a process kindly, then less so."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_STOP_SECONDS)


def remove_shared_memory(before: set[Path]) -> None:
    """Remove new shared memory, of DDS or its tracer, that no process uses any more."""
    if not _SHARED_MEMORY.is_dir():
        return
    mapped = ''
    for maps in Path('/proc').glob('[0-9]*/maps'):
        with contextlib.suppress(OSError):  # ended meanwhile, or somebody else's
            mapped += maps.read_text()
    for path in set(_SHARED_MEMORY.iterdir()) - before:
        ours = path.name.startswith(('fastrtps', 'sem.fastrtps', 'fastdds', 'lttng-ust-wait'))
        if ours and str(path) not in mapped:
            with contextlib.suppress(OSError):
                path.unlink()


def report(output: Path) -> int:
    """Write summary.json and the plot, and say what happened in a few lines."""
    from demo_plot import plot
    summary = json.loads((output / 'planner.json').read_text())
    node = summary['perception']
    dropped = ('images_replaced', 'images_bad', 'images_failed')
    summary['stale_images'] = int(node.get('images_stale', 0))
    summary['dropped_images'] = sum(int(node.get(name, 0)) for name in dropped)
    summary['peak_memory_mb'] = float(node.get('peak_memory_mb', 'nan'))
    (output / 'summary.json').write_text(json.dumps(summary, indent=2))
    whole = summary['refined_to_the_end']
    preempt = summary['preempt']
    print(f'\n{summary["images"]} images, {summary["refinements"]} refinements; '
          f'{summary["dropped_images"]} images dropped, '
          f'{summary["stale_images"]} started too old.')
    if whole['images']:
        accuracy, elapsed = whole['accuracy_by_exit'], whole['elapsed_ms_by_exit']
        print(f'Of {whole["images"]} images that were refined to the end, the first exit had '
              f'{accuracy[0]:.1%} right after {elapsed[0]:.1f} ms, '
              f'the last {accuracy[-1]:.1%} after {elapsed[-1]:.1f} ms.')
    for row in summary['budgets']:
        if row['budget_ms'] is not None and row['accuracy'] is not None:
            print(f'With {row["budget_ms"]:4.1f} ms: {row["accuracy"]:.1%} of {row["images"]} '
                  f'images right, {row["answered_in_time"]:.0%} answered in time.')
    if preempt['calls']:
        print(f'{preempt["calls"]} times the planner demanded an answer: in hand after '
              f'{preempt["p50_ms"]:.1f} ms (median), {preempt["p99_ms"]:.1f} ms (p99).')
    plot(summary, output / 'summary.png')
    print(f'Details: {output / "summary.json"}, picture: {output / "summary.png"}')
    return 0


def _yaml(value) -> str:
    return repr(float(value)) if isinstance(value, (int, float)) else f"'{value}'"


if __name__ == '__main__':
    sys.exit(main())
