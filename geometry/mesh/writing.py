"""Files of triangles."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from hermite_pinn.errors import BackendUnavailableError, InvalidArgumentError
from hermite_pinn.output import check_writable, staged, write_file

from .triangles import Triangles

__all__ = ["write"]

BY_TRIMESH = (".stl", ".obj", ".ply", ".off")
BY_MESHIO = (".msh", ".vtu")


def write(path: str | os.PathLike[str], triangles: Triangles) -> Path:
    """Write triangles to a file; GMSH's format keeps their groups.

    Raises
    ------
    InvalidArgumentError
        If the ending of its name is not known.
    BackendUnavailableError
        If trimesh is not installed, which writes STL, OBJ, PLY and OFF.
    OutputError
        If it cannot be written.
    """
    target = check_writable(path)
    ending = target.suffix.lower()
    if ending in BY_MESHIO:
        return _by_meshio(target, triangles, ending)
    if ending not in BY_TRIMESH:
        raise InvalidArgumentError(
            f"a mesh is written to files that end in {', '.join(BY_TRIMESH + BY_MESHIO)}, got {target.name!r}"
        )
    try:
        import trimesh
    except ImportError as error:
        raise BackendUnavailableError(
            f'writing {target} needs trimesh: pip install "hermite_pinn[mesh]"; .msh and .vtu need nothing'
        ) from error
    mesh: Any = trimesh.Trimesh(triangles.vertices, triangles.faces, process=False)
    options = {"digits": 17} if ending in (".obj", ".off") else {}
    content = mesh.export(file_type=ending[1:], **options)
    return write_file(target, content.encode() if isinstance(content, str) else content)


def _by_meshio(target: Path, triangles: Triangles, ending: str) -> Path:
    import meshio

    tags = triangles.groups.astype(np.int64) + 1
    named = {name: np.array([k + 1, 2]) for k, name in enumerate(triangles.names) if name}
    data = {"gmsh:physical": [tags], "gmsh:geometrical": [tags]} if ending == ".msh" else {"group": [tags]}
    mesh = meshio.Mesh(triangles.vertices, [("triangle", triangles.faces)], cell_data=data, field_data=named)
    with staged(target) as folder:
        file = folder / target.name
        if ending == ".msh":
            meshio.gmsh.write(file, mesh, "2.2", binary=True)
        else:
            meshio.vtu.write(file, mesh)
    return target
