"""Hashes of what things are made of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["digest"]


def digest(value: Any) -> bytes:
    """A hash of numbers, texts, arrays, and of lists and mappings of these, the same in every process."""
    h = hashlib.blake2b(digest_size=16)
    if isinstance(value, Mapping):
        for key, entry in sorted(value.items()):
            h.update(digest(str(key)) + digest(entry))
    elif isinstance(value, (list, tuple)):
        h.update(b"list" + b"".join(map(digest, value)))
    elif isinstance(value, np.ndarray):
        h.update(f"{value.dtype.str}{value.shape}".encode())
        h.update(np.ascontiguousarray(value).tobytes())
    else:
        h.update(f"{type(value).__name__}{value!r}".encode())
    return h.digest()
