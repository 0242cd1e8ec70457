"""Random numbers that depend only on what they are for, so that training can be resumed."""

import zlib

import numpy as np
import torch


def derived_seed(seed: int, *purpose: int | str) -> int:
    """Return a seed for one purpose, such as ('shuffle', epoch), unlike those for others."""
    # NumPy 2.5 takes numbers only, where versions before it took lists of them, too.
    words = [zlib.crc32(word.encode()) if isinstance(word, str) else word for word in purpose]
    return int(np.random.SeedSequence([seed, *words]).generate_state(1, np.uint64)[0] >> 1)


def generator(seed: int, *purpose: int | str) -> torch.Generator:
    """
    Return a generator for one purpose, on the CPU.

    It draws the same for every device, and its state need not be saved: it is made anew from its
    purpose.
    """
    return torch.Generator().manual_seed(derived_seed(seed, *purpose))
