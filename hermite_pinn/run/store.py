"""One self-describing HDF5 file: plain arrays and JSON text, written atomically, checked when read.

Nothing in a file is executed when it is loaded: no pickles, no code, no links to other files.  Mappings and arrays come
back in the order in which they were written: the order of axes, columns and residuals has a meaning.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from hermite_pinn.errors import CorruptFileError, OutputError

__all__ = ["check_writable", "read_store", "write_store"]

VERSION = 2


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


_ORDER = "array_order"  # entry of the text that lists the arrays, which HDF5 itself sorts by name


def _digest(meta: str, arrays: Mapping[str, np.ndarray]) -> str:
    h = hashlib.sha256(meta.encode())
    for name in sorted(arrays):
        a = np.ascontiguousarray(arrays[name])
        h.update(f"{name}:{a.dtype.str}:{a.shape}".encode())
        h.update(a.tobytes())
    return h.hexdigest()


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
    text = json.dumps({**meta, _ORDER: list(arrays)})
    handle, draft = tempfile.mkstemp(dir=target.parent, suffix=".partial")
    os.close(handle)
    try:
        with h5py.File(draft, "w") as file:
            file.attrs["format"] = f"hermite_pinn {kind}"
            file.attrs["version"] = VERSION
            file.attrs["digest"] = _digest(text, arrays)
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


def read_store(path: str | Path, kind: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Metadata and arrays of a file written by :func:`write_store`, in the order in which they were given.

    The text of files by earlier versions has its keys sorted: nothing may be concluded from their order.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CorruptFileError
        If the file is not one of ours, is damaged, or was written by a newer version.
    """
    source = Path(path)
    if not source.exists():
        raise FileNotFoundError(f"there is no file {source}")
    try:
        with h5py.File(source, "r") as file:
            form = file.attrs.get("format")
            if form != f"hermite_pinn {kind}":
                what = (
                    f"holds a {form}"
                    if isinstance(form, str) and form.startswith("hermite_pinn")
                    else "was not written by hermite_pinn"
                )
                raise CorruptFileError(f"{source} is no hermite_pinn {kind}: it {what}")
            if int(file.attrs["version"]) > VERSION:
                raise CorruptFileError(
                    f"{source} has format version {int(file.attrs['version'])}, this package reads up to {VERSION}; update hermite_pinn"
                )
            text = bytes(np.asarray(file["meta"][()], dtype=np.uint8)).decode()
            arrays: dict[str, np.ndarray] = {}

            def visit(name: str, item: Any) -> None:
                if isinstance(item, h5py.Dataset) and name != "meta":
                    if item.dtype.kind not in "fiub":
                        raise CorruptFileError(f"{source} is damaged: {name} does not hold numbers")
                    arrays[name] = item[()]

            file.visititems(visit)
            if file.attrs["digest"] != _digest(text, arrays):
                raise CorruptFileError(f"{source} is damaged: its contents do not match their checksum")
        meta = json.loads(text)
        order = meta.pop(_ORDER, arrays)  # older files do not list them
        return meta, {name: arrays[name] for name in order}
    except CorruptFileError:
        raise
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise CorruptFileError(f"{source} is damaged or is no hermite_pinn {kind}: {error}") from error
