"""One self-describing HDF5 file: plain arrays and JSON text, written atomically, checked when read.

Nothing in a file is executed when it is loaded: no pickles, no code, no links to other files.  Mappings and arrays come
back in the order in which they were written: the order of axes, columns and residuals has a meaning.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hermite_pinn.errors import OutOfMemoryError, OutputError
from hermite_pinn.memory import spelled_size
from hermite_pinn.output import check_writable, write_file

from .store_format import ORDER, SEAL_SIZE, VERSION, digest, seal
from .store_reading import read_store

__all__ = ["read_store", "write_store"]


def write_store(
    path: str | Path,
    kind: str,
    meta: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    labels: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write a file, all of it or nothing; see :func:`hermite_pinn.output.write_file`.

    The file is made in memory, beside the arrays, because HDF5 does not tell whether the disk took what it wrote.

    Parameters
    ----------
    path
        Where.
    kind
        What the file holds (``"solution"`` or ``"checkpoint"``).
    meta
        Anything JSON can express; NaN and infinity included.
    arrays
        Numeric arrays by name; names may contain slashes, which make groups.
    labels
        Names of the dimensions of some arrays, for those who open the file with another program.

    Raises
    ------
    OutputError
        If the file cannot be written; an earlier one is as it was.
    OutOfMemoryError
        If there is no memory for the file beside the arrays.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_store(f"{folder}/u.h5", "solution", {"title": "heat"}, {"table": np.arange(3.0)})
    ...     read_store(f"{folder}/u.h5", "solution")
    ({'title': 'heat'}, {'table': array([0., 1., 2.])})
    """
    target = check_writable(path)
    text = json.dumps({**meta, ORDER: list(arrays)})
    size = len(text) + sum(a.nbytes for a in arrays.values())
    image = io.BytesIO()
    try:
        np.empty(size + size // 8, dtype=np.uint8)  # HDF5 cannot be told that there is no memory
        _encode(image, kind, text, arrays, labels or {})
        _check(image, text, arrays)
        whole = image.getbuffer()
        whole[:SEAL_SIZE] = seal(len(whole) - SEAL_SIZE, [whole[SEAL_SIZE:]])
    except MemoryError as error:
        raise OutOfMemoryError(
            f"{target} cannot be written: there is no memory for its {spelled_size(size)}; free some, or save less"
        ) from error
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise OutputError(f"{target} cannot be written: HDF5 did not make it ({error})") from error
    write_file(target, image.getbuffer())


def _encode(
    image: io.BytesIO,
    kind: str,
    text: str,
    arrays: Mapping[str, np.ndarray],
    labels: Mapping[str, Sequence[str]],
) -> None:
    """Make the file in memory."""
    with h5py.File(image, "w", userblock_size=SEAL_SIZE) as file:
        file.attrs["format"] = f"hermite_pinn {kind}"
        file.attrs["version"] = VERSION
        file.attrs["digest"] = digest(text, arrays)
        file.create_dataset("meta", data=np.frombuffer(text.encode(), dtype=np.uint8))
        for name, a in arrays.items():
            options: dict[str, Any] = (
                {"compression": "gzip", "compression_opts": 1, "shuffle": True} if a.size > 4096 else {}
            )
            dataset = file.create_dataset(name, data=a, **options)
            for dimension, label in zip(dataset.dims, labels.get(name, ()), strict=False):
                dimension.label = label


def _check(image: io.BytesIO, text: str, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise an error unless the file can be opened and has all arrays to their last elements."""
    with h5py.File(image, "r") as file:
        found = bytes(file["meta"][()]).decode() == text
        for name, a in arrays.items():
            written = file[name]
            found &= written.shape == a.shape and written.dtype == a.dtype
            if found and a.size:
                end = tuple(n - 1 for n in a.shape)
                found = np.asarray(written[end]).tobytes() == np.asarray(a[end]).tobytes()
        if not found:
            raise ValueError("what was read back differs")
