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
    Keep other processes out of `folder` for as long as the context, or this process, lasts.

    Half-written files of those that were killed in there are removed. Where folders can't be
    locked (some network file systems, Windows), it does nothing.

    Raises
    ------
    ValueError: if another process is in there.

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
