"""Checkpoints: the state of a training run after an epoch, in one file that is always whole."""

import io
from pathlib import Path

from anytime_perception.files import write_atomically
import torch


def save_checkpoint(path: Path, state: dict) -> None:
    """
    Write `state` to `path` in one step.

    Raises
    ------
    OSError: if it cannot be written, as on a full disk; the old checkpoint stays.

    """
    # Serialised in memory first: torch's own error does not say that the disk is full.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_atomically(path, lambda temporary: temporary.write_bytes(buffer.getbuffer()))


def load_checkpoint(path: Path) -> dict | None:
    """
    Return the state saved at `path`, on the CPU, or None if there is none.

    Raises
    ------
    ValueError: if the file is damaged or not a checkpoint.

    """
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # torch raises many kinds, with long texts, for a damaged file
        raise ValueError(f'{path} is damaged or no checkpoint; remove it to start over') from error
