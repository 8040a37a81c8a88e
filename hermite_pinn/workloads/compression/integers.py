"""Integers as few bytes: small numbers of either sign first, equal bytes of all numbers together, then zstandard."""

from __future__ import annotations

import numpy as np
import zstandard

from hermite_pinn.errors import CorruptFileError

__all__ = ["LARGEST", "pack_bytes", "pack_integers", "unpack_bytes", "unpack_integers"]

LARGEST = 2**53  # in absolute value; beyond, float64 has no fractions to round
LEVEL = 19


def pack_bytes(content: bytes) -> bytes:
    """One frame of zstandard."""
    return zstandard.ZstdCompressor(level=LEVEL, write_content_size=True).compress(content)


def unpack_bytes(packed: bytes, size: int, source: str) -> bytes:
    """Inverse of :func:`pack_bytes`; what a frame says of its size is compared before anything is allocated.

    Raises
    ------
    CorruptFileError
        If it is another size, or the frame is damaged.
    """
    try:
        told = zstandard.frame_content_size(packed)
        if told != size:
            raise CorruptFileError(f"{source} is damaged: a block holds {told:,} bytes; expected {size:,}")
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise CorruptFileError(f"{source} is damaged: {error}") from error


def pack_integers(numbers: np.ndarray) -> bytes:
    """Integers of absolute value below :data:`LARGEST`: the number of bytes of each, all first bytes, all second...

    Signs go to the last bit (0, -1, 1, -2, ... become 0, 1, 2, 3, ...), so that small numbers have few bytes.

    Examples
    --------
    >>> numbers = np.array([0, -1, 300, 2**40])
    >>> unpack_integers(pack_integers(numbers), 4, "here").tolist()
    [0, -1, 300, 1099511627776]
    """
    signed = np.ascontiguousarray(numbers, dtype=np.int64)
    folded = ((signed << 1) ^ (signed >> 63)).astype("<u8")
    width = (int(folded.max()).bit_length() + 7) // 8 if folded.size else 0
    planes = folded.view(np.uint8).reshape(-1, 8)[:, :width].T
    return bytes([width]) + (pack_bytes(planes.tobytes()) if width else b"")


def unpack_integers(packed: bytes, count: int, source: str) -> np.ndarray:
    """Inverse of :func:`pack_integers`, (count,) int64.

    Raises
    ------
    CorruptFileError
        If they are not so many, or the bytes are damaged.
    """
    if not packed or packed[0] > 7 or (packed[0] == 0 and len(packed) > 1):
        raise CorruptFileError(f"{source} is damaged: a block does not say how long its numbers are")
    width = packed[0]
    numbers = np.zeros((count, 8), dtype=np.uint8)
    if width:
        planes = np.frombuffer(unpack_bytes(packed[1:], width * count, source), dtype=np.uint8)
        numbers[:, :width] = planes.reshape(width, count).T
    folded = numbers.view("<u8").reshape(-1)
    return (folded >> np.uint64(1)).astype(np.int64) ^ -(folded & np.uint64(1)).astype(np.int64)
