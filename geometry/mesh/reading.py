"""Triangles from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hermite_pinn.errors import BackendUnavailableError, InvalidArgumentError

from .triangles import Triangles

__all__ = ["read"]


def read(path: Path) -> Triangles:
    """The triangles of a file.

    Raises
    ------
    InvalidArgumentError
        If there is no such file, or if its format is not known.
    BackendUnavailableError
        If trimesh is not installed.
    """
    try:
        import trimesh
    except ImportError as error:
        raise BackendUnavailableError(
            f'reading {path} needs trimesh: pip install "hermite_pinn[mesh]"; arrays of vertices and faces need nothing'
        ) from error
    if not path.is_file():
        raise InvalidArgumentError(f"there is no file {path}")
    mesh = trimesh.load_mesh(str(path), process=False)
    return Triangles.of(np.array(mesh.vertices, dtype=np.float64), np.array(mesh.faces, dtype=np.int64))
