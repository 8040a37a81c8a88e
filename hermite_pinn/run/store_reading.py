"""Read a file written by :mod:`hermite_pinn.run.store`, and refuse what no such file holds before a byte of it is read.

A file may come from anywhere.  Links, virtual datasets, external storage, filters and types of numbers that are never
written are refused, and so is an array whose declared size cannot come from the bytes that the file has for it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from h5py import h5a, h5d, h5i, h5o, h5t, h5z

from hermite_pinn.errors import CorruptFileError, OutOfMemoryError
from hermite_pinn.memory import available_memory, spelled_size

from .regular_file import file_path, opened
from .store_format import ORDER, SEAL_SIZE, SEALED, VERSION, Checksum, seal, seal_start
from .stored_text import MOST_DEPTH, parsed

__all__ = ["Declared", "Plan", "read_store", "stored_kind"]

MOST_OBJECTS = 1 << 14
MOST_TEXT = 1 << 28  # bytes
LARGEST_CHUNK = 1 << 26  # bytes
PIECE = 1 << 24  # bytes of an array that is hashed and not kept
FILTERS = {h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32, h5z.FILTER_DEFLATE}
OURS = "hermite_pinn "  # and the kind
#: What to do with a file of another kind, by the kind that was asked for and that of the file.
INSTEAD = {
    ("solution", "checkpoint"): ", from which hp.solve(problem, resume=...) continues its run",
    ("checkpoint", "solution"): ", which hp.Solution.load reads and hp.solve(problem, start=...) starts from",
}
SIGNATURE = b"\x89HDF\r\n\x1a\n"  # of HDF5
DEFLATED = 1040  # most bytes that deflate makes of one


@dataclass(frozen=True)
class Declared:
    """An array of which only the file's description has been read.

    Attributes
    ----------
    shape, dtype
        As declared.
    """

    shape: tuple[int, ...]
    dtype: np.dtype

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return math.prod(self.shape) * self.dtype.itemsize


#: Looks at the text and at the declared arrays, raises an error where they do not fit, and says which arrays to keep.
Plan = Callable[[dict[str, Any], Mapping[str, Declared]], Collection[str]]


def _everything(meta: dict[str, Any], declared: Mapping[str, Declared]) -> Collection[str]:
    return declared


def read_store(path: str | Path, kind: str, plan: Plan = _everything) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Metadata and arrays of a file written by :func:`.write_store`, in the order in which they were given.

    The text of files by earlier versions has its keys sorted: nothing may be concluded from their order.

    Parameters
    ----------
    path
        A regular file, or a link to one.
    kind
        What it must hold.
    plan
        Called with the text and what is declared of the arrays before any of them is read; raises an error where they
        do not fit, and returns the names of those to keep.  The others are only compared with the checksum.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CorruptFileError
        If the file is not one of ours, is damaged, or was written by a newer version.
    OutOfMemoryError
        If the arrays do not fit.
    """
    source = file_path(path)
    with _opened(source) as (file, size):
        try:
            return _Reader(file, source, kind, size).read(plan)
        except (CorruptFileError, OutOfMemoryError):
            raise
        except MemoryError as error:
            raise OutOfMemoryError(f"{source} does not fit in memory; close other programs") from error
        except (OSError, KeyError, ValueError, TypeError, RuntimeError, OverflowError) as error:
            raise CorruptFileError(f"{source} is damaged or is no hermite_pinn {kind}: {error}") from error


def stored_kind(path: str | Path) -> str:
    """What a file written by :func:`.write_store` says that it holds.

    Raises
    ------
    FileNotFoundError, CorruptFileError
        If there is no such file, or it is not one of ours.
    """
    source = file_path(path)
    with _opened(source) as (file, size):
        try:
            return _Reader(file, source, "file", size).told()
        except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
            raise CorruptFileError(f"{source} is damaged or is no file of hermite_pinn: {error}") from error


@contextmanager
def _opened(source: Path) -> Iterator[tuple[h5py.File, int]]:
    """The file, whose seal has been compared, and its size."""
    with opened(source) as (descriptor, size):
        try:
            _check_seal(descriptor, source, size)
        except OSError as error:
            raise CorruptFileError(f"{source} cannot be read: {error.strerror or error}") from error
        # what was looked at, whatever has become of the name; and without a lock: files are replaced, never changed
        with open(descriptor, "rb", buffering=0, closefd=False) as same:
            try:
                file = h5py.File(same, "r")
            except (OSError, RuntimeError, ValueError) as error:
                raise CorruptFileError(f"{source} was not written by hermite_pinn, or is damaged: {error}") from error
            with file:
                yield file, size


def _check_seal(descriptor: int, source: Path, size: int) -> None:
    """Refuse a file whose bytes are not those of its seal; those of earlier versions have none and begin with HDF5."""
    start = os.pread(descriptor, SEAL_SIZE, 0)
    if start.startswith(SIGNATURE):
        return
    if not start.startswith(SEALED):
        raise CorruptFileError(
            f"{source} was not written by hermite_pinn, or is damaged: it does not begin like its files"
        )
    length = size - SEAL_SIZE
    if not start.startswith(seal_start(length)) or seal(length, _bytes(descriptor, SEAL_SIZE)) != start:
        raise CorruptFileError(f"{source} is damaged: its bytes do not match their checksum")


def _bytes(descriptor: int, offset: int) -> Iterator[bytes]:
    while piece := os.pread(descriptor, 1 << 20, offset):
        offset += len(piece)
        yield piece


class _Reader:
    """One reading of an open file of some bytes."""

    def __init__(self, file: h5py.File, source: Path, kind: str, size: int) -> None:
        self.file, self.source, self.kind, self.size = file, source, kind, size
        self.stored = 0

    def damaged(self, what: str) -> CorruptFileError:
        """The error that says what is wrong."""
        return CorruptFileError(f"{self.source} is damaged: {what}")

    def read(self, plan: Plan) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Everything, in this order: what it is, what it has, the text, what to keep, the arrays."""
        self._check_kind()
        datasets = self._datasets()
        text = self._text(datasets.pop("meta", None))
        meta = self._parsed(text)
        declared = {name: Declared(tuple(d.shape), d.dtype) for name, d in datasets.items()}
        order = self._order(meta, declared)
        keep = set(plan(meta, declared))
        self._check_memory(declared[name].nbytes for name in keep)
        arrays: dict[str, np.ndarray] = {}
        checksum = Checksum(text)
        for name in sorted(datasets):
            dataset = datasets[name]
            if name in keep:
                arrays[name] = dataset[()]
            pieces = [arrays[name]] if name in keep else _pieces(dataset)
            checksum.add(name, dataset.dtype, tuple(dataset.shape), map(np.asarray, pieces))
        if self._attribute("digest", h5t.STRING) != checksum.hexdigest:
            raise self.damaged("its contents do not match their checksum")
        return meta, {name: _native(np.asarray(arrays[name])) for name in order if name in keep}

    # -- what it is ---
    def _attribute(self, name: str, kind: int) -> Any:
        """A single text or integer at the root of the file; None if there is none."""
        if not h5a.exists(self.file.id, name.encode()):
            return None
        attribute = h5a.open(self.file.id, name.encode())
        found = attribute.get_type()
        if attribute.shape != () or found.get_class() != kind or found.get_size() > 1024:
            raise self.damaged(f"its attribute {name!r} is not a single {'text' if kind == h5t.STRING else 'integer'}")
        return self.file.attrs[name]

    def told(self) -> str:
        """The kind that it says it is of."""
        form = self._attribute("format", h5t.STRING)
        if not isinstance(form, str) or not form.startswith(OURS):
            raise CorruptFileError(f"{self.source} was not written by hermite_pinn")
        return form.removeprefix(OURS)

    def _check_kind(self) -> None:
        form = self._attribute("format", h5t.STRING)
        if form != f"hermite_pinn {self.kind}":
            ours = isinstance(form, str) and form.startswith("hermite_pinn ")
            what = f"holds a {form[:40]}" if ours else "was not written by hermite_pinn"
            advice = INSTEAD.get((self.kind, str(form).removeprefix(OURS)), "") if ours else ""
            raise CorruptFileError(f"{self.source} is no hermite_pinn {self.kind}: it {what}{advice}")
        version = self._attribute("version", h5t.INTEGER)
        if version is None or version < 1:
            raise self.damaged("it does not say the version of its format")
        if version > VERSION:
            raise CorruptFileError(
                f"{self.source} has format version {version}, this package reads up to {VERSION}; update hermite_pinn"
            )

    # -- what it has ---
    def _datasets(self) -> dict[str, h5py.Dataset]:
        """All datasets by their path, looked at and not read."""
        found: dict[str, h5py.Dataset] = {}
        groups, count = [("", self.file)], 0
        while groups:
            path, group = groups.pop()
            for name in group:
                count += 1
                whole = f"{path}{name}"
                if count > MOST_OBJECTS or whole.count("/") >= MOST_DEPTH:
                    raise self.damaged(f"it has more than {MOST_OBJECTS} arrays or {MOST_DEPTH} groups in each other")
                item = self._item(group, name, whole)
                if isinstance(item, h5py.Group):
                    groups.append((f"{whole}/", item))
                else:
                    found[whole] = item
        if self.stored > self.size:
            raise self.damaged("several of its arrays lie in the same place")
        return found

    def _item(self, group: h5py.Group, name: str, whole: str) -> h5py.Group | h5py.Dataset:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise self.damaged(f"{whole} is a link to another place, not an array")
        place = h5o.open(group.id, name.encode())
        if h5o.get_info(place).rc != 1:
            raise self.damaged(f"{whole} has more than one name")
        kind = h5i.get_type(place)
        if kind == h5i.GROUP:
            return h5py.Group(place)
        if kind != h5i.DATASET:
            raise self.damaged(f"{whole} is not an array")
        dataset = h5py.Dataset(place)
        self._check(dataset, whole)
        return dataset

    def _check(self, dataset: h5py.Dataset, name: str) -> None:
        """Refuse an array of another type or in other storage than ours, or larger than its bytes in the file."""
        number = dataset.id.get_type()
        plain = number.get_class() in (h5t.INTEGER, h5t.FLOAT, h5t.ENUM) and not number.committed()
        if not plain or dataset.dtype.kind not in "fiub" or dataset.dtype.itemsize > 8 or dataset.shape is None:
            raise self.damaged(f"{name} does not hold plain numbers")
        layout = dataset.id.get_create_plist()
        if layout.get_layout() not in (h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED) or layout.get_external_count():
            raise self.damaged(f"{name} lies in another file or is put together from other arrays")
        filters = [layout.get_filter(i)[0] for i in range(layout.get_nfilters())]
        if not set(filters) <= FILTERS or len(set(filters)) < len(filters):
            raise self.damaged(f"{name} is compressed in a way that is never written")
        stored, needed = dataset.id.get_storage_size(), math.prod(dataset.shape) * dataset.dtype.itemsize
        if layout.get_layout() == h5d.CHUNKED:
            chunks = dataset.chunks
            count = math.prod(-(-n // c) for n, c in zip(dataset.shape, chunks, strict=True))
            whole = dataset.id.get_num_chunks() == count
            whole &= math.prod(chunks) * dataset.dtype.itemsize <= LARGEST_CHUNK
        else:
            whole = stored == needed
        if not whole or needed > stored * (DEFLATED if h5z.FILTER_DEFLATE in filters else 1):
            raise self.damaged(
                f"{name} is declared as {dataset.dtype} of shape {tuple(dataset.shape)}, {spelled_size(needed)}, and the "
                f"file has {spelled_size(stored)} for it"
            )
        self.stored += stored

    def _check_memory(self, sizes: Iterator[int]) -> None:
        need, free = sum(sizes), available_memory(torch.device("cpu"))
        if free is not None and need > max(free, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2):
            raise OutOfMemoryError(
                f"the arrays of {self.source} need {spelled_size(need)}, but {spelled_size(free)} are free; read it on a "
                "machine with more memory"
            )

    # -- its text ---
    def _text(self, dataset: h5py.Dataset | None) -> str:
        if dataset is None:
            raise self.damaged("it has no entry 'meta'")
        filtered = dataset.id.get_create_plist().get_nfilters()
        if dataset.dtype != np.uint8 or dataset.ndim != 1 or dataset.size > MOST_TEXT or filtered:
            raise self.damaged(f"its entry 'meta' is {dataset.dtype} of shape {tuple(dataset.shape)}, not a text")
        return bytes(dataset[()]).decode()

    def _parsed(self, text: str) -> dict[str, Any]:
        try:
            return parsed(text)
        except json.JSONDecodeError:
            raise
        except ValueError as error:
            raise self.damaged(str(error)) from None

    def _order(self, meta: dict[str, Any], declared: Mapping[str, Declared]) -> list[str]:
        """Names of the arrays as they were given; older files do not list them."""
        order = meta.pop(ORDER, None)
        if order is None:
            return list(declared)
        if not isinstance(order, list) or not all(isinstance(name, str) for name in order):
            raise self.damaged(f"its entry {ORDER} is not a list of names")
        if sorted(order) != sorted(declared):
            wrong = set(order) ^ set(declared) or {name for name in order if order.count(name) > 1}
            raise self.damaged(f"{min(wrong)} is in the list of its arrays or in the file, not in both")
        return order


def _pieces(dataset: h5py.Dataset) -> Iterator[np.ndarray]:
    """An array in pieces that follow each other in memory, none much larger than needed."""
    shape, least = tuple(dataset.shape), dataset.chunks or (1,) * dataset.ndim
    axis = next((k for k in range(len(shape)) if math.prod(shape[k + 1 :]) * dataset.dtype.itemsize <= PIECE), None)
    if axis is None or not math.prod(shape):
        yield np.asarray(dataset[()])
        return
    row = math.prod(shape[axis + 1 :]) * dataset.dtype.itemsize
    step = max(1, PIECE // row // least[axis]) * least[axis]
    for leading in np.ndindex(shape[:axis]):
        for start in range(0, shape[axis], step):
            yield dataset[(*leading, slice(start, start + step))]


def _native(array: np.ndarray) -> np.ndarray:
    return array.astype(array.dtype.newbyteorder("="), copy=False)
