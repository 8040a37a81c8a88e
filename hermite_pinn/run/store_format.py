"""What writing and reading of our files agree on: the version, the list of arrays, and the checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

__all__ = ["ORDER", "VERSION", "Checksum", "digest"]

VERSION = 2

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
            self._hash.update(memoryview(np.ascontiguousarray(piece).reshape(-1).view(np.uint8)))

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
