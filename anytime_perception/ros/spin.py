"""Serving a node: from start to a clean end, or on a thread beside the caller's."""

from collections.abc import Callable, Iterator
import contextlib
import signal
import sys
import threading
import traceback
from types import FrameType

from anytime_perception.ros.ended import unless_ended
import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node

# Seconds after which a thread must hand on Python's lock when another waits for it. The default,
# 5 ms, is how long the worker could wait for the executor, or the executor for the worker.
_SWITCH_SECONDS = 0.0005


class CannotGoOn(Exception):
    """Raised by a callback of a node that has to end, with the reason for people."""


def initialise(args: list[str] | None) -> None:
    """
    Initialise rclpy.

    Raises
    ------
    CannotGoOn: if it can't make sense of `args`, of a file of parameters that they name, or can't
        write its log.

    """
    try:
        rclpy.init(args=args)
    except RuntimeError as error:
        raise CannotGoOn(f'ROS 2 cannot be initialised: {error}') from error


def spin(make_node: Callable[[], Node], args: list[str] | None = None) -> int:
    """
    Make a node and serve it on a single thread until Ctrl-C, SIGTERM or rclpy's shutdown.

    If the node has a `close` method, that is called before it is destroyed. Returns the exit
    status: 1, with one line on stderr, if ROS 2 can't be initialised, or the node can't be made
    with the parameters that it was given, or raises CannotGoOn.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)
    serves = _interrupt_what_is_made()
    try:
        initialise(args)
    except CannotGoOn as error:
        print(error, file=sys.stderr)
        return 1
    node, executor = None, SingleThreadedExecutor()
    try:
        try:
            node = make_node()
        except (ValueError, ParameterException) as error:
            print(error, file=sys.stderr)
            return 1
        executor.add_node(node)
        serves.set()
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass  # told to stop: how nodes end
    except CannotGoOn as error:
        print(error, file=sys.stderr)
        return 1
    except Exception:
        if rclpy.ok():
            raise
        # Told to stop while the node was being made: the context is gone.
    finally:
        # A second Ctrl-C would cut the clean-up short and leave shared memory behind.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        executor.shutdown()
        if node is not None:
            try:
                if hasattr(node, 'close'):
                    node.close()
            except TimeoutError as error:
                print(error, file=sys.stderr)  # a thread hangs; it ends with the process
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _interrupt_what_is_made() -> threading.Event:
    """
    Have Ctrl-C and SIGTERM raise KeyboardInterrupt, but not once the event returned is set.

    A node that is being made may take long. Once it is served, rclpy ends that, whose own handler
    calls this one: the exception, in the middle of rclpy's code in C, came out as another one,
    with a traceback. If a signal comes again, it is raised all the same, as a callback may hang.
    """
    serves = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not serves.is_set():
            signal.default_int_handler(number, frame)
        serves.clear()

    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    return serves


@contextlib.contextmanager
def serving(node: Node) -> Iterator[Node]:
    """
    Serve `node` on a thread of its own for as long as the context lasts; then destroy it.

    What a callback raises ends that, as it ends `rclpy.spin`: it is logged at once, and raised at
    the end of the `with` block.
    """
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    over = threading.Event()
    raised: list[Exception] = []

    def serve() -> None:
        try:
            with unless_ended(executor.context):
                while not over.is_set() and executor.context.ok():
                    executor.spin_once()
        except Exception as error:
            raised.append(error)
            node.get_logger().fatal(f'{node.get_name()} hears nothing any more, as a callback '
                                    f'of it failed:\n{traceback.format_exc()}')

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield node
    finally:
        # An executor that is shut down in the middle of a callback may end with an error.
        over.set()
        executor.create_task(lambda: None)  # wakes it
        thread.join()
        executor.shutdown()
        node.destroy_node()
    for error in raised:
        raise error
