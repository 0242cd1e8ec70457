"""A folder for one process at a time."""

from collections.abc import Iterator
import contextlib
import os
from pathlib import Path

from anytime_perception.files import remove_leftovers

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]  # in place of the module


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """
    Keep other processes out of `folder` while the context, or this process, lasts.

    Half-written files of processes that were killed are removed. Where folders can't be locked
    (some network file systems, Windows), this does nothing.

    Raises
    ------
    ValueError: if another process has locked it.

    """
    if fcntl is None:
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_leftovers(folder)
        except BlockingIOError as error:
            raise ValueError(f'another process trains in {folder}; wait for its end, end it, or '
                             'choose another --output') from error
        except OSError:
            pass
        yield
    finally:
        os.close(descriptor)
