"""Points with normals from files."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from hermite_pinn.errors import CorruptFileError, HermitePinnError, InvalidArgumentError
from hermite_pinn.memory import check_fits

__all__ = ["FORMATS", "has_faces", "read_cloud"]

Arrays = tuple[np.ndarray, np.ndarray]
#: Bytes in memory per byte of a file.
MEMORY = 12.0


def read_cloud(path: Path) -> Arrays:
    """Points and normals (n, 3) in a file.

    Raises
    ------
    InvalidArgumentError
        If there is no such file, its format is not known, or it has no normals.
    CorruptFileError
        If it cannot be read.
    OutOfMemoryError
        If it is too large for the memory.
    """
    reader = FORMATS.get(path.suffix.lower())
    if reader is None:
        raise InvalidArgumentError(
            f"{path} ends in {path.suffix!r}; clouds of points are read from files that end in {', '.join(FORMATS)}: convert it"
        )
    if not path.is_file():
        raise InvalidArgumentError(f"the cloud {path} cannot be read: there is no such file")
    try:
        check_fits(path.stat().st_size * MEMORY, f"the cloud in {path}", "take fewer points")
        return reader(path)
    except (HermitePinnError, KeyboardInterrupt):
        raise
    except Exception as error:  # readers raise whatever their parsing does
        told = " ".join(str(error).split())[:200] or type(error).__name__
        raise CorruptFileError(
            f"{path} cannot be read as {path.suffix.lower()}: {told}; the file is damaged or of another format: export it again"
        ) from error


def _without_normals(path: Path, told: str) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"{path} has points without normals: {told}; normals tell inside from outside: export them with the points"
    )


def _ply(path: Path) -> Arrays:
    from meshio import ply

    mesh = ply.read(path)
    if not {"nx", "ny", "nz"} <= set(mesh.point_data):
        raise _without_normals(path, "its vertices have no nx, ny, nz")
    normals = np.stack(
        [np.asarray(mesh.point_data[name], dtype=np.float64).reshape(-1) for name in ("nx", "ny", "nz")], 1
    )
    return np.asarray(mesh.points, dtype=np.float64), normals


def has_faces(path: Path) -> bool:
    """Whether a file is one of triangles; all but PLY files are what their endings say."""
    if path.suffix.lower() != ".ply":
        return path.suffix.lower() not in FORMATS
    with path.open("rb") as file:
        for line in file:
            words = line.split()
            if words[:2] == [b"element", b"face"] and len(words) == 3:
                return words[2] != b"0"
            if words[:1] == [b"end_header"]:
                return False
    return True


def _text(path: Path) -> Arrays:
    with path.open(encoding="utf-8") as file:
        table = np.loadtxt((line.replace(",", " ") for line in file), ndmin=2, comments=("#", "//"))
    if table.shape[1] < 6:
        raise _without_normals(path, f"its lines have {table.shape[1]} numbers, not x y z nx ny nz")
    return table[:, :3], table[:, 3:6]


def _arrays(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as data:
            names = list(data)
            if "points" not in names or "normals" not in names:
                raise _without_normals(path, f"it has the arrays {', '.join(names)}, not points and normals")
            return np.asarray(data["points"], dtype=np.float64), np.asarray(data["normals"], dtype=np.float64)
    except zipfile.BadZipFile as error:
        raise ValueError("it is no archive of arrays") from error


#: What is read, by the ending of the file.
FORMATS: Mapping[str, Callable[[Path], Arrays]] = {".ply": _ply, ".xyz": _text, ".txt": _text, ".npz": _arrays}
