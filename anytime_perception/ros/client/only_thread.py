"""Callbacks that would wait for themselves."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
import inspect
from types import FrameType

from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.node import Node

_SPINNING = {method.__code__ for method in (
    SingleThreadedExecutor.spin_once, SingleThreadedExecutor.spin_once_until_future_complete)}


def check_can_wait(node: Node) -> None:
    """
    Raise RuntimeError where the caller is a callback that holds up the one thread of `node`.

    What it waits for would never come. The thread's own stack shows it for certain: an executor
    with more threads, or of another node, is not what is looked for, as it can deliver the answer.
    """
    executor = node.executor
    if executor is not None and any(
            _spins(frame, executor) or _is_its_pool(frame, executor) for frame in _stack()):
        raise RuntimeError(
            f'this callback would wait for itself: it runs on the only thread that serves '
            f'{node.get_name()}. Use preempt_async or set_budget_async here, call from a thread '
            'of your own, or spin a MultiThreadedExecutor(2) (without a number it has one thread '
            'where there is one core)')


def _stack() -> Iterator[FrameType]:
    frame = inspect.currentframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


def _spins(frame: FrameType, executor: Executor) -> bool:
    return frame.f_code in _SPINNING and frame.f_locals.get('self') is executor


def _is_its_pool(frame: FrameType, executor: Executor) -> bool:
    """Return whether `frame` is of the one thread that a MultiThreadedExecutor may have."""
    # No public names of rclpy's and Python's; without them callers wait for their timeout. (The
    # pool's own list of threads gets the first one after that has begun to work.)
    pool = getattr(executor, '_executor', None)
    return isinstance(pool, ThreadPoolExecutor) and getattr(pool, '_max_workers', 0) == 1 and \
        frame.f_code.co_name == '_worker' and \
        frame.f_locals.get('work_queue') is getattr(pool, '_work_queue', None)
