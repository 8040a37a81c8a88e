"""Surfaces of triangles as targets: closed ones with an inside, and open ones without."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.geometry import Mesh
from hermite_pinn.geometry.mesh.distance import Search, search, slowness
from hermite_pinn.geometry.mesh.sources import taken
from hermite_pinn.geometry.mesh.surface import TrianglePiece
from hermite_pinn.geometry.mesh.triangles import Triangles
from hermite_pinn.geometry.shape import Surface

from .target import Nearest, Target, directed

__all__ = ["ClosedMesh", "OpenMesh"]

#: Part of the extent up to which a point is on the surface.
ON = 1e-10


class TriangleTarget(Target):
    """What all surfaces of triangles share.

    Parameters
    ----------
    triangles
        The surface.
    notes
        Sentences about it.
    """

    def __init__(self, triangles: Triangles, notes: tuple[str, ...]) -> None:
        self.triangles, self.notes = triangles, notes
        self.room, self.slow = ON * triangles.extent, slowness(triangles.count)

    @cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[override]
        """Lower and upper corner (3,) of the box around all triangles."""
        return self.triangles.bounds

    @cached_property
    def _search(self) -> Search:
        return search(self.triangles)

    def surface(self, count: int, generator: np.random.Generator) -> Surface:
        """Random points on the triangles; see :class:`Target`."""
        return TrianglePiece(self.triangles).random(count, generator)

    def described(self) -> Mapping[str, Any]:
        """Numbers of triangles, and a digest of all."""
        digest = hashlib.sha256()
        digest.update(np.ascontiguousarray(self.triangles.vertices, dtype=np.float64).tobytes())
        digest.update(np.ascontiguousarray(self.triangles.faces, dtype=np.int64).tobytes())
        return {
            "kind": "mesh",
            "signed": self.signed,
            "triangles": self.triangles.count,
            "digest": digest.hexdigest(),
        }


class ClosedMesh(TriangleTarget):
    """A closed surface of triangles.

    Parameters
    ----------
    mesh
        The solid that it bounds.
    """

    def __init__(self, mesh: Mesh) -> None:
        super().__init__(mesh.triangles, mesh.notes)
        self.mesh = mesh

    def nearest(self, x: np.ndarray, inside: np.ndarray | None = None) -> Nearest:
        """Exact distances with the sign of the winding number; see :class:`Target`."""
        closest = self.mesh.closest(x)
        sign = np.ones(x.shape[1]) if inside is None else np.where(inside > 0, -1.0, 1.0)
        open_ = np.arange(x.shape[1]) if inside is None else np.flatnonzero(inside == 0)
        sign[open_] = np.where(self.mesh.winds_around(x[:, open_]), -1.0, 1.0)
        return directed(x, closest.point.T, sign, self.triangles.normals[closest.face].T, self.room)


class OpenMesh(TriangleTarget):
    """Triangles that need not enclose anything; distances have no sign.

    Parameters
    ----------
    source
        A file, arrays (vertices, faces), or an object of trimesh.

    Raises
    ------
    InvalidProblemError
        If it has no triangles with an area, or vertices that are not finite.
    """

    signed = False

    def __init__(self, source: Any) -> None:
        given = taken(source, None, None)
        triangles, notes = given.triangles, list(given.notes)
        if not triangles.count:
            raise InvalidProblemError(
                f"{given.source} has no triangles; points with normals are given as a hermite_pinn.sdf.PointCloud"
            )
        used = triangles.vertices[np.unique(triangles.faces)]
        if not np.isfinite(used).all():
            bad = int((~np.isfinite(used)).any(1).sum())
            raise InvalidProblemError(
                f"{bad} of the {len(used)} vertices of {given.source} are not finite; check how it was exported"
            )
        flat = triangles.areas <= 1e-14 * np.maximum(triangles.longest, np.finfo(float).tiny) ** 2
        if flat.all():
            raise InvalidProblemError(f"{given.source} has no triangle with an area; check how it was exported")
        if flat.any():
            notes.append(f"{int(flat.sum())} of the {triangles.count} triangles of {given.source} have no area")
            triangles = triangles.take(~flat).compact()
        super().__init__(triangles, tuple(notes))

    def nearest(self, x: np.ndarray, inside: np.ndarray | None = None) -> Nearest:
        """Exact distances; on the surface no direction is that of growth."""
        closest = self._search.closest(np.ascontiguousarray(x.T))
        return directed(x, closest.point.T, np.ones(x.shape[1]), np.zeros_like(x), self.room)
