"""One self-describing HDF5 file: plain arrays and JSON text, written atomically, checked when read.

Nothing in a file is executed when it is loaded: no pickles, no code, no links to other files.  Mappings and arrays come
back in the order in which they were written: the order of axes, columns and residuals has a meaning.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hermite_pinn.errors import OutputError

from .store_format import ORDER, VERSION, digest
from .store_reading import read_store

__all__ = ["check_writable", "read_store", "write_store"]


def check_writable(path: str | Path) -> Path:
    """The path, if a file can be written there.

    Raises
    ------
    OutputError
        If the folder does not exist or cannot be written, or the path is a folder.
    """
    target = Path(path)
    folder = target.parent
    if not folder.is_dir():
        raise OutputError(f"{target} cannot be written: the folder {folder.resolve()} does not exist; create it first")
    if target.is_dir():
        raise OutputError(f"{target} cannot be written: it is a folder; give the name of a file")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"{target} cannot be written: {error.strerror} in {folder.resolve()}; choose another folder"
        ) from error
    return target


def write_store(
    path: str | Path,
    kind: str,
    meta: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    labels: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Write a file, all of it or nothing.

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

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_store(f"{folder}/u.h5", "solution", {"title": "heat"}, {"table": np.arange(3.0)})
    ...     read_store(f"{folder}/u.h5", "solution")
    ({'title': 'heat'}, {'table': array([0., 1., 2.])})
    """
    target = check_writable(path)
    text = json.dumps({**meta, ORDER: list(arrays)})
    handle, draft = tempfile.mkstemp(dir=target.parent, suffix=".partial")
    os.close(handle)
    try:
        with h5py.File(draft, "w") as file:
            file.attrs["format"] = f"hermite_pinn {kind}"
            file.attrs["version"] = VERSION
            file.attrs["digest"] = digest(text, arrays)
            file.create_dataset("meta", data=np.frombuffer(text.encode(), dtype=np.uint8))
            for name, a in arrays.items():
                options: dict[str, Any] = (
                    {"compression": "gzip", "compression_opts": 1, "shuffle": True} if a.size > 4096 else {}
                )
                dataset = file.create_dataset(name, data=a, **options)
                for dimension, label in zip(dataset.dims, (labels or {}).get(name, ()), strict=False):
                    dimension.label = label
        os.chmod(draft, 0o644)
        os.replace(draft, target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error}") from error
    finally:
        if os.path.exists(draft):
            os.remove(draft)
