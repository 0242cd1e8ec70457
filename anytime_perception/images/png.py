"""What a PNG picture says of itself: where it ends."""

import numpy as np

_SIGNATURE, _END = b'\x89PNG\r\n\x1a\n', b'IEND'


def is_cut_short(data: np.ndarray) -> bool:
    """
    Return whether the bytes `data` (n,) are a PNG picture that says it has more of them.

    Anything may be behind its end.
    """
    if data[:8].tobytes() != _SIGNATURE:
        return False
    at, kind = 8, b''
    while kind != _END and at + 12 <= len(data):
        header = data[at:at + 8].tobytes()
        kind = header[4:]
        at += 12 + int.from_bytes(header[:4], 'big')
    return kind != _END or at > len(data)
