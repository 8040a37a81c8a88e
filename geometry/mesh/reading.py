"""Triangles from files: what is accepted, how large a file may be, and what reads it."""

from __future__ import annotations

import importlib.util
import os
import re
import stat
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hermite_pinn.errors import BackendUnavailableError, CorruptFileError, HermitePinnError, InvalidArgumentError
from hermite_pinn.memory import check_fits

from .cells_of_files import surface_of
from .triangles import Triangles

__all__ = ["FORMATS", "Read", "joined", "of_scene", "read"]


@dataclass(frozen=True)
class Read:
    """What a file had.

    Attributes
    ----------
    triangles
        As they stand there.
    unit
        The unit of length that the file names, or None.
    """

    triangles: Triangles
    unit: str | None = None


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes
    ----------
    reader
        Reads it.
    memory
        Bytes in memory per byte of the file, at most, until its surface is mended.
    """

    reader: Callable[[Path], Read]
    memory: int


def read(path: Path) -> Read:
    """The triangles of a file.

    Parameters
    ----------
    path
        The file; its ending tells its format.

    Raises
    ------
    InvalidArgumentError
        If there is no such file, or if its format is not known.
    CorruptFileError
        If it is not what its ending says, or ends too early.
    BackendUnavailableError
        If what reads it is not installed.
    OutOfMemoryError
        If it is too large for the memory.
    """
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise InvalidArgumentError(
            f"{path} ends in {path.suffix!r}; meshes are read from files that end in {', '.join(FORMATS)}: convert it"
        )
    size = _size(path)
    try:
        check_fits(_unpacked(path, size) * form.memory, f"the mesh in {path}", "simplify the mesh before")
        found = form.reader(path)
        faces = found.triangles.faces
        if faces.size and (faces.min() < 0 or faces.max() >= len(found.triangles.vertices)):
            raise ValueError(f"a triangle has vertices that are not among the {len(found.triangles.vertices)}")
    except (HermitePinnError, KeyboardInterrupt):
        raise
    except MemoryError as error:
        raise CorruptFileError(
            f"{path} cannot be read: it announces more than a file of {size} bytes has, or than the memory holds; export it again"
        ) from error
    except (Exception, SystemExit) as error:  # readers raise whatever their parsing does; meshio leaves the process
        told = " ".join(str(error).split())[:200] or type(error).__name__
        raise CorruptFileError(
            f"{path} cannot be read as {path.suffix.lower()}: {told}; the file is damaged or of another format: export it again"
        ) from error
    return found


def _size(path: Path) -> int:
    """Bytes of a regular file that can be read."""
    try:
        found = path.stat()
    except OSError as error:
        raise InvalidArgumentError(f"the mesh {path} cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(found.st_mode):
        raise InvalidArgumentError(f"the mesh {path} is no regular file; give a file, or arrays of vertices and faces")
    if not os.access(path, os.R_OK):
        raise InvalidArgumentError(f"the mesh {path} cannot be read: permission denied")
    if not found.st_size:
        raise CorruptFileError(f"the mesh {path} is an empty file; export it again")
    return found.st_size


def _unpacked(path: Path, size: int) -> int:
    """Bytes of a file, of a packed one those that it unpacks to."""
    if path.suffix.lower() != ".3mf" or not zipfile.is_zipfile(path):
        return size
    with zipfile.ZipFile(path) as packed:
        return sum(entry.file_size for entry in packed.infolist())


# -- through trimesh ---
def _by_trimesh(path: Path) -> Read:
    try:
        import trimesh
    except ImportError as error:
        raise BackendUnavailableError(
            f'reading {path} needs trimesh: pip install "hermite_pinn[mesh]"; arrays of vertices and faces need nothing'
        ) from error
    if path.suffix.lower() == ".3mf":
        _check_3mf()
    options: dict[str, Any] = {
        "split_objects": True,
        "split_groups": True,
        "group_material": False,
        "skip_materials": True,
    }
    with path.open("rb") as file:  # not by name: nothing else is read than this file
        scene = trimesh.load(
            file, file_type=path.suffix.lower()[1:], force="scene", process=False, maintain_order=True, **options
        )
    return Read(of_scene(scene, path.stem), scene.units)


def _check_3mf() -> None:
    if not all(map(importlib.util.find_spec, ("lxml", "networkx"))):
        raise BackendUnavailableError(
            "3MF files need lxml and networkx: pip install lxml networkx; or export the part as STL or OBJ"
        )


def of_scene(scene: Any, stem: str = "") -> Triangles:
    """All triangles of a ``trimesh.Scene``, in groups by the names of its bodies where these were named.

    Parameters
    ----------
    scene
        The bodies.
    stem
        Name of the file, after which bodies without a name are called.
    """
    parts = []
    for node in sorted(scene.graph.nodes_geometry):
        matrix, name = scene.graph[node]
        body = scene.geometry[name]
        vertices = np.asarray(body.vertices, dtype=np.float64)
        faces = np.asarray(getattr(body, "faces", np.zeros((0, 3))), dtype=np.int64)
        part = Triangles.of(vertices, faces).moved(np.asarray(matrix)[:3, :3], np.asarray(matrix)[:3, 3])
        parts.append((_named(str(name), stem), part))
    if len(parts) == 1:
        return parts[0][1]
    return joined(parts).merged()  # bodies that share vertices were given their own


def _named(name: str, stem: str) -> str:
    """The name of a body as a file has it; none where trimesh made it up."""
    name = " ".join(name.split())
    made_up = re.fullmatch(r"(geometry|object|mesh)?_?\d*", name) or name.partition(".")[0] == stem
    return "" if made_up else name


def joined(parts: Sequence[tuple[str, Triangles]]) -> Triangles:
    """Several surfaces as one, with their names as groups."""
    if not parts:
        return Triangles.of(np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64))
    names = tuple(dict.fromkeys(name for name, _ in parts))
    before = np.cumsum([0] + [len(part.vertices) for _, part in parts])
    return Triangles(
        np.concatenate([part.vertices for _, part in parts]),
        np.concatenate([part.faces + start for start, (_, part) in zip(before, parts, strict=False)]),
        np.concatenate([np.full(part.count, names.index(name), dtype=np.int32) for name, part in parts]),
        names,
    )


# -- through meshio ---
def _by_meshio(path: Path) -> Read:
    from meshio import gmsh, vtk, vtu

    readers = {".msh": gmsh.read, ".vtu": vtu.read, ".vtk": vtk.read}
    try:
        mesh = readers[path.suffix.lower()](path)
    except ValueError as error:
        if "Incompatible cell data 'gmsh:physical'" not in str(error):
            raise
        raise CorruptFileError(
            f"{path} has physical groups on some of its parts only, which meshio does not read: give the others groups, too, "
            "or save those with groups alone (Mesh.SaveAll = 0, without -save_all)"
        ) from error
    blocks = [(block.type, np.asarray(block.data, dtype=np.int64)) for block in mesh.cells]
    tags = [np.asarray(one) for one in mesh.cell_data["gmsh:physical"]] if "gmsh:physical" in mesh.cell_data else None
    points = np.asarray(mesh.points, dtype=np.float64)
    points = np.pad(points, ((0, 0), (0, 3 - points.shape[1])))
    return Read(surface_of(points, blocks, tags, _surfaces(mesh.field_data)))


def _surfaces(groups: Mapping[str, Any]) -> dict[int, str]:
    """Names of the physical groups of surfaces by their tags."""
    return {int(tag): name for name, (tag, dim) in groups.items() if int(dim) == 2}


#: What is read, by the ending of the file.
FORMATS: Mapping[str, Format] = {
    ".stl": Format(_by_trimesh, 17),
    ".obj": Format(_by_trimesh, 16),
    ".ply": Format(_by_trimesh, 35),
    ".off": Format(_by_trimesh, 20),
    ".3mf": Format(_by_trimesh, 20),
    ".msh": Format(_by_meshio, 25),
    ".vtu": Format(_by_meshio, 60),
    ".vtk": Format(_by_meshio, 40),
}
