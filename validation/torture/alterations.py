"""Ways to alter a file: its bytes, or its content with a checksum that is right again."""

from __future__ import annotations

import copy
import hashlib
import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

__all__ = ["ARRAY_CHANGES", "BYTE_CHANGES", "VALUES", "Content", "change_array", "change_meta"]

VERSION = 2
HEAD = 4096  # bytes at both ends of a file where HDF5 keeps most of its own


# -- bytes ---
def _flip(data: bytearray, rng: random.Random, first: int, last: int) -> None:
    place = rng.randrange(first, last)
    data[place] ^= 1 << rng.randrange(8)


def _byte(data: bytearray, rng: random.Random) -> None:
    data[rng.randrange(len(data))] = rng.randrange(256)


def _bit(data: bytearray, rng: random.Random) -> None:
    _flip(data, rng, 0, len(data))


def _head(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randrange(1, 4)):
        _flip(data, rng, 0, min(HEAD, len(data)))


def _tail(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randrange(1, 4)):
        _flip(data, rng, max(0, len(data) - HEAD), len(data))


def _truncate(data: bytearray, rng: random.Random) -> None:
    del data[
        rng.choice([rng.randrange(len(data)), rng.randrange(min(len(data), 2048)), len(data) - rng.randrange(1, 64)]) :
    ]


def _zeros(data: bytearray, rng: random.Random) -> None:
    size = min(len(data), rng.choice([8, 64, 512, 4096]))
    place = rng.randrange(len(data) - size + 1)
    data[place : place + size] = bytes(size)


def _swap(data: bytearray, rng: random.Random) -> None:
    size = min(len(data) // 2, rng.choice([8, 64, 512]))
    a, b = rng.randrange(len(data) - size), rng.randrange(len(data) - size)
    data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]


def _append(data: bytearray, rng: random.Random) -> None:
    data += rng.randbytes(rng.choice([1, 512, 100_000]))


def _insert(data: bytearray, rng: random.Random) -> None:
    place = rng.randrange(len(data))
    data[place:place] = rng.randbytes(rng.choice([1, 8, 512]))


def _noise(data: bytearray, rng: random.Random) -> None:
    size = min(len(data), rng.choice([16, 256, 4096]))
    place = rng.randrange(len(data) - size + 1)
    data[place : place + size] = rng.randbytes(size)


#: Changes of a file's bytes by name.
BYTE_CHANGES: dict[str, Callable[[bytearray, random.Random], None]] = {
    "byte": _byte,
    "bit": _bit,
    "head": _head,
    "tail": _tail,
    "truncated": _truncate,
    "zeros": _zeros,
    "swapped": _swap,
    "appended": _append,
    "inserted": _insert,
    "noise": _noise,
}


# -- content ---
class Content:
    """The text and the arrays of a file, to be changed and written with the checksum that belongs to them."""

    def __init__(self, path: Path) -> None:
        with h5py.File(path, "r") as file:
            self.attributes = dict(file.attrs)
            self.meta: Any = json.loads(bytes(file["meta"][()]))
            self.arrays: dict[str, np.ndarray] = {}
            file.visititems(self._keep)

    def _keep(self, name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and name != "meta":
            self.arrays[name] = item[()]

    def write(self, path: Path, text: str | None = None) -> None:
        """Write the file; ``text`` replaces that of the metadata."""
        words = json.dumps(self.meta) if text is None else text
        with h5py.File(path, "w") as file:
            file.attrs.update(self.attributes | {"digest": digest(words, self.arrays)})
            file.create_dataset("meta", data=np.frombuffer(words.encode(), dtype=np.uint8))
            for name, array in self.arrays.items():
                file.create_dataset(name, data=array)


def digest(text: str, arrays: Mapping[str, np.ndarray]) -> str:
    """The checksum of a file of format 2."""
    h = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        a = np.ascontiguousarray(arrays[name])
        h.update(f"{name}:{a.dtype.str}:{a.shape}".encode())
        h.update(a.tobytes())
    return h.hexdigest()


def _nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


#: Values that take the place of one in the metadata.
VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "zero": 0,
    "minus one": -1,
    "half": 0.5,
    "big": 20_000,
    "2**31": 2**31,
    "2**63": 2**63,
    "10**30": 10**30,
    "1e308": 1e308,
    "nan": float("nan"),
    "infinity": float("inf"),
    "text": "text",
    "empty text": "",
    "long text": "x" * 100_000,
    "path": "/etc/passwd",
    "zero byte": "a\0b",
    "list": [],
    "mapping": {},
    "numbers": [1, 2, 3],
    "negative numbers": [-1, -2],
    "nested": _nested(40),
    "many": list(range(10_000)),
}


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All places in nested mappings and lists; of long lists the first."""
    paths = [path] if path else []
    if isinstance(value, dict):
        for key, inner in value.items():
            paths += _paths(inner, (*path, key))
    elif isinstance(value, list):
        for key, inner in enumerate(value[:3]):
            paths += _paths(inner, (*path, key))
    return paths


def change_meta(meta: Any, rng: random.Random, replacement: str) -> tuple[Any, str]:
    """The metadata with a random entry dropped, renamed, doubled or replaced, and what was done.

    Entries high up are as likely as all those below them.
    """
    meta = copy.deepcopy(meta)
    paths = _paths(meta)
    depth = rng.choice(sorted({len(p) for p in paths}))
    path = rng.choice([p for p in paths if len(p) == depth])
    holder = meta
    for key in path[:-1]:
        holder = holder[key]
    last, where = path[-1], "/".join(map(str, path))
    if replacement == "dropped":
        del holder[last]
    elif replacement == "renamed" and isinstance(holder, dict):
        holder[f"{last}_"] = holder.pop(last)
    elif replacement in ("doubled", "renamed") and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[last]))
    elif replacement == "doubled":
        holder[f"{last} again"] = copy.deepcopy(holder[last])
    elif replacement == "negative":
        old = holder[last]
        holder[last] = -old if isinstance(old, int | float) and not isinstance(old, bool) else [old]
    elif replacement == "one more":
        old = holder[last]
        holder[last] = old + 1 if isinstance(old, int | float) and not isinstance(old, bool) else str(old)
    else:
        holder[last] = copy.deepcopy(VALUES[replacement])
    return meta, f"{where}: {replacement}"


def _float_only(
    change: Callable[[np.ndarray, random.Random], np.ndarray],
) -> Callable[[np.ndarray, random.Random], np.ndarray]:
    return lambda a, rng: change(a.astype(np.float64) if a.dtype.kind not in "f" else a.copy(), rng)


def _one(value: float) -> Callable[[np.ndarray, random.Random], np.ndarray]:
    def put(a: np.ndarray, rng: random.Random) -> np.ndarray:
        if a.size:
            a.reshape(-1)[rng.randrange(a.size)] = value
        return a

    return _float_only(put)


def _resized(factor: float) -> Callable[[np.ndarray, random.Random], np.ndarray]:
    def resize(a: np.ndarray, rng: random.Random) -> np.ndarray:
        flat = a.reshape(-1)
        return np.resize(flat, max(0, int(flat.size * factor) + (1 if factor > 1 else -1))) if flat.size else flat

    return resize


def _wide(a: np.ndarray, rng: random.Random) -> np.ndarray:
    """A matrix with many more columns, as of a network with more inputs than there are features."""
    return np.zeros((*a.shape[:-1], 128), dtype=a.dtype) if a.ndim else np.zeros(128, dtype=a.dtype)


#: Changes of an array by name.
ARRAY_CHANGES: dict[str, Callable[[np.ndarray, random.Random], np.ndarray]] = {
    "nan": _one(float("nan")),
    "infinity": _one(float("inf")),
    "huge": _one(1e308),
    "float32": lambda a, rng: a.astype(np.float32 if a.dtype != np.float32 else np.float64),
    "float16": lambda a, rng: a.astype(np.float16),
    "int64": lambda a, rng: np.nan_to_num(a).astype(np.int64),
    "uint8": lambda a, rng: np.nan_to_num(a).astype(np.uint8),
    "bool": lambda a, rng: np.asarray(a) != 0,
    "complex": lambda a, rng: np.asarray(a) + 1j,
    "big-endian": lambda a, rng: np.asarray(a).astype(np.asarray(a).dtype.newbyteorder(">")),
    "text": lambda a, rng: np.array(b"text"),
    "compound": lambda a, rng: np.zeros(3, dtype=[("a", "f8"), ("b", "i4")]),
    "transposed": lambda a, rng: a.T.copy() if a.ndim > 1 else a[:, None].copy() if a.ndim else np.array([a]),
    "flat": lambda a, rng: np.asarray(a).reshape(-1),
    "scalar": lambda a, rng: np.asarray(a).reshape(-1)[:1].reshape(()) if np.size(a) else np.array(0.0),
    "empty": lambda a, rng: np.asarray(a).reshape(-1)[:0],
    "shorter": _resized(1.0),
    "half": _resized(0.5),
    "longer": _resized(1.01),
    "doubled": _resized(2.0),
    "wide": _wide,
    "zeros": lambda a, rng: np.zeros_like(a),
    "negative": lambda a, rng: -np.asarray(a) if np.asarray(a).dtype.kind in "fi" else np.asarray(a),
}


def change_array(
    arrays: Mapping[str, np.ndarray], rng: random.Random, change: str
) -> tuple[dict[str, np.ndarray], str]:
    """The arrays with one of them changed, dropped, renamed, exchanged or added, and what was done."""
    changed = dict(arrays)
    name = rng.choice(list(arrays))
    if change == "dropped":
        del changed[name]
    elif change == "renamed":
        changed[f"{name}_"] = changed.pop(name)
    elif change == "added":
        changed[f"{name.rpartition('/')[0] or 'more'}/more"] = np.zeros(3)
    elif change == "exchanged":
        other = rng.choice(list(arrays))
        changed[name], changed[other] = changed[other], changed[name]
    else:
        changed[name] = ARRAY_CHANGES[change](np.asarray(arrays[name]), rng)
    return changed, f"{name}: {change}"
