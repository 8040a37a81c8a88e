"""Numbers of few bits, one after another without gaps, and how many bytes a coded field has."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hermite_pinn.checks import integer
from hermite_pinn.errors import CorruptFileError, InvalidArgumentError

__all__ = ["MOST_BITS", "formula_bytes", "packed", "packed_bytes", "unpacked"]

#: Bits of an index at most: a codebook has up to 4096 entries.
MOST_BITS = 12
PIECE = 1 << 20  # numbers that are packed at a time, a multiple of 8


def packed_bytes(count: int, bits: int) -> int:
    """Bytes of ``count`` numbers of so many bits: ``ceil(count * bits / 8)``."""
    return -(-count * bits // 8)


def packed(indices: np.ndarray, bits: int) -> np.ndarray:
    """Numbers below ``2**bits`` as bytes: bit ``k`` of number ``i`` is bit ``i * bits + k`` of the whole.

    The first bit of a byte is its lowest; what is left of the last byte is zero.

    Parameters
    ----------
    indices
        Integers, (n,).
    bits
        1 to 12.

    Returns
    -------
    ndarray
        uint8, (ceil(n bits / 8),).

    Raises
    ------
    InvalidArgumentError
        For another number of bits, and numbers that do not fit.

    Examples
    --------
    >>> packed(np.array([1, 2, 3]), 2).tolist()                                      # 01, 10, 11 from the lowest bit on
    [57]
    >>> unpacked(packed(np.arange(5), 3), 5, 3).tolist()
    [0, 1, 2, 3, 4]
    """
    bits = integer("bits", bits, least=1, most=MOST_BITS)
    values = np.asarray(indices)
    if values.ndim != 1 or values.dtype.kind not in "iu":
        raise InvalidArgumentError(f"indices must be integers (n,), got {values.dtype} of shape {values.shape}")
    if values.size and not (int(values.min()) >= 0 and int(values.max()) < 1 << bits):
        raise InvalidArgumentError(
            f"indices of {bits} bits lie between 0 and {(1 << bits) - 1}, got {int(values.min())} to {int(values.max())}"
        )
    shifts = np.arange(bits, dtype=np.uint16)
    parts = [
        np.packbits((values[k : k + PIECE, None].astype(np.uint16) >> shifts & 1).astype(np.uint8), bitorder="little")
        for k in range(0, values.size, PIECE)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.uint8)


def unpacked(data: np.ndarray, count: int, bits: int) -> np.ndarray:
    """Inverse of :func:`packed`.

    Parameters
    ----------
    data
        Bytes, uint8.
    count, bits
        How many numbers there are, and of how many bits.

    Returns
    -------
    ndarray
        uint16, (count,).

    Raises
    ------
    CorruptFileError
        If the bytes are not those of so many numbers.

    Examples
    --------
    >>> unpacked(np.array([57], dtype=np.uint8), 3, 2).tolist()
    [1, 2, 3]
    """
    bits, count = integer("bits", bits, least=1, most=MOST_BITS), integer("count", count, least=0)
    whole = packed_bytes(count, bits)
    if data.dtype != np.uint8 or data.shape != (whole,):
        raise CorruptFileError(
            f"{count:,} indices of {bits} bits are {whole:,} bytes, got {data.dtype} of shape {data.shape}; the block is damaged"
        )
    if whole and int(data[-1]) >> (count * bits - 8 * (whole - 1)):
        raise CorruptFileError(f"the bits behind the last of {count:,} indices are not zero; the block is damaged")
    out = np.empty(count, dtype=np.uint16)
    scale = (1 << np.arange(bits)).astype(np.uint16)
    for k in range(0, count, PIECE):
        some = min(PIECE, count - k)
        part = np.unpackbits(data[k * bits // 8 :][: packed_bytes(some, bits)], count=some * bits, bitorder="little")
        out[k : k + some] = part.reshape(some, bits).astype(np.uint16) @ scale
    return out


def formula_bytes(counts: Sequence[int], bits: int, width: int, decoder: int) -> int:
    """Bytes of a field that is coded by vectors: ``b sum m + 16 2^b W L`` bits, and the decoder.

    Parameters
    ----------
    counts
        Coded corners of every level, ``m``.
    bits
        Of an index, ``b``; the codebook of a level has ``2**b`` rows of half precision.
    width
        Numbers of a row, ``W``: the features of a corner.
    decoder
        Bytes of the network.

    Examples
    --------
    The sizes of Takikawa et al. (2022): 636,000 corners, 16 features, and a decoder of 12 kB.

    >>> [formula_bytes([159_000] * 4, bits, 16, 12_000) for bits in (6, 4)]
    [497192, 332048]
    """
    return sum(packed_bytes(m, bits) for m in counts) + 2 * (1 << bits) * width * len(counts) + decoder
