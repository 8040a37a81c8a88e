"""What writing and reading of our files agree on: the version, the list of arrays, the checksum, and the seal.

The checksum covers what a file says; the seal covers its bytes, and stands in the first of them, which HDF5 leaves to
its users.  It is compared before HDF5 sees the file, since damage to its inner structure can crash HDF5 or
keep it busy for ever.  Files of earlier versions have none.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

__all__ = ["ORDER", "SEALED", "SEAL_SIZE", "VERSION", "Checksum", "digest", "seal", "seal_start"]

VERSION = 2

#: Bytes before those of HDF5, and how they begin.
SEAL_SIZE = 512
SEALED = b"hermite_pinn: length and SHA-256 of what follows these 512 bytes\n"

#: Entry of the text that lists the arrays, which HDF5 itself sorts by name.
ORDER = "array_order"


class Checksum:
    """SHA-256 of the text and of all arrays, to which they are added in the order of their names.

    Parameters
    ----------
    text
        The text of the file.

    Examples
    --------
    >>> whole, parts = Checksum("{}"), Checksum("{}")
    >>> whole.add("a", np.dtype(float), (4,), [np.arange(4.0)])
    >>> parts.add("a", np.dtype(float), (4,), [np.arange(2.0), np.arange(2.0, 4.0)])
    >>> whole.hexdigest == parts.hexdigest
    True
    """

    def __init__(self, text: str) -> None:
        self._hash = hashlib.sha256(text.encode())

    def add(self, name: str, dtype: np.dtype, shape: tuple[int, ...], pieces: Iterable[np.ndarray]) -> None:
        """Add an array, given whole or in pieces that follow each other in memory."""
        self._hash.update(f"{name}:{dtype.str}:{shape}".encode())
        for piece in pieces:
            self._hash.update(np.ascontiguousarray(piece).reshape(-1).view(np.uint8).data)

    @property
    def hexdigest(self) -> str:
        """The sum so far."""
        return self._hash.hexdigest()


def digest(text: str, arrays: Mapping[str, np.ndarray]) -> str:
    """The checksum of a text and its arrays."""
    checksum = Checksum(text)
    for name in sorted(arrays):
        checksum.add(name, arrays[name].dtype, arrays[name].shape, [arrays[name]])
    return checksum.hexdigest


def seal(length: int, pieces: Iterable[bytes | memoryview]) -> bytes:
    """The seal of the bytes of a file that follow it.

    Parameters
    ----------
    length
        Their number.
    pieces
        The bytes themselves, in order.

    Examples
    --------
    >>> len(seal(2, [b"a", b"b"])), seal(2, [b"a", b"b"]) == seal(2, [b"ab"])
    (512, True)
    """
    checksum = hashlib.sha256()
    for piece in pieces:
        checksum.update(piece)
    return seal_start(length) + (checksum.hexdigest().encode() + b"\n").ljust(
        SEAL_SIZE - len(seal_start(length)), b"\0"
    )


def seal_start(length: int) -> bytes:
    """What of the seal is known without reading the bytes that follow."""
    return SEALED + f"{length}\n".encode()
