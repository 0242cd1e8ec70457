"""Writing files so that a kill or a full disk never leaves half of one."""

from collections.abc import Callable
import json
import os
from pathlib import Path


def write_atomically(path: str | Path, write: Callable[[Path], object], sync: bool = True) -> None:
    """
    Call `write` with a temporary path beside `path`, then put the result in place in one step.

    Until that step `path` keeps what it held; if `write` raises, the temporary file is removed.
    Folders that are missing are made. Without `sync`, for thousands of files that can be made
    again, it does not wait for the disk, and a power cut may leave half of one.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        write(temporary)
        if sync:
            with open(temporary, 'rb') as file:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of killed processes; nobody else may write in `folder`."""
    for temporary in folder.rglob('.*.[0-9]*.tmp'):
        temporary.unlink(missing_ok=True)


def write_json(path: str | Path, values: dict) -> None:
    """Write `values` as JSON, as `write_atomically` does."""
    text = json.dumps(values, indent=1) + '\n'
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding='utf-8'))
