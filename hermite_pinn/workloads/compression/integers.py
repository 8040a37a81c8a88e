"""Integers as few bytes: small numbers of either sign first, equal bytes of all numbers together, then entropy coding.

Few numbers are coded by LZMA, whose adaptive arithmetic coding wastes less, many by zstandard, which is faster.
"""

from __future__ import annotations

import lzma

import numpy as np
import zstandard

from hermite_pinn.errors import CorruptFileError

__all__ = ["LARGEST", "pack_bytes", "pack_integers", "unpack_bytes", "unpack_integers"]

LARGEST = 2**53  # in absolute value; beyond, float64 has no fractions to round
LEVEL = 19
#: Bytes up to which LZMA is tried, and what says that it was taken, beside the number of bytes of each number.
FEW, ARITHMETIC = 1 << 22, 0x80


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
    planes = folded.view(np.uint8).reshape(-1, 8)[:, :width].T.tobytes()
    if not width:
        return bytes([0])
    packed = pack_bytes(planes)
    if len(planes) <= FEW:
        other = lzma.compress(planes, format=lzma.FORMAT_RAW, filters=_filters(len(planes)))
        if len(other) < len(packed):
            return bytes([width | ARITHMETIC]) + other
    return bytes([width]) + packed


def _filters(size: int) -> list[dict[str, int]]:
    """Of LZMA for so many bytes: nothing is said about their neighbours, which are numbers of one kind."""
    return [{"id": lzma.FILTER_LZMA1, "preset": 9, "dict_size": max(4096, size), "lc": 0, "lp": 0, "pb": 0}]


def _unpacked_lzma(packed: bytes, size: int, source: str) -> bytes:
    try:
        inflate = lzma.LZMADecompressor(format=lzma.FORMAT_RAW, filters=_filters(size))
        content = inflate.decompress(packed, max_length=size + 1)
    except (lzma.LZMAError, EOFError) as error:
        raise CorruptFileError(f"{source} is damaged: {error}") from error
    if len(content) != size or not inflate.eof or inflate.unused_data:
        raise CorruptFileError(f"{source} is damaged: a block does not hold {size:,} bytes")
    return content


def unpack_integers(packed: bytes, count: int, source: str) -> np.ndarray:
    """Inverse of :func:`pack_integers`, (count,) int64.

    Raises
    ------
    CorruptFileError
        If they are not so many, or the bytes are damaged.
    """
    width = packed[0] & ~ARITHMETIC if packed else 0
    if not packed or width > 7 or (width == 0 and len(packed) > 1):
        raise CorruptFileError(f"{source} is damaged: a block does not say how long its numbers are")
    numbers = np.zeros((count, 8), dtype=np.uint8)
    if width:
        if packed[0] & ARITHMETIC and width * count > FEW:
            raise CorruptFileError(
                f"{source} is damaged: LZMA is for up to {FEW:,} bytes, and a block has {width * count:,}"
            )
        unpack = _unpacked_lzma if packed[0] & ARITHMETIC else unpack_bytes
        planes = np.frombuffer(unpack(packed[1:], width * count, source), dtype=np.uint8)
        numbers[:, :width] = planes.reshape(width, count).T
    folded = numbers.view("<u8").reshape(-1)
    return (folded >> np.uint64(1)).astype(np.int64) ^ -(folded & np.uint64(1)).astype(np.int64)
