"""Shapes bounded by triangles: parts and scans."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from hermite_pinn import checks
from hermite_pinn.geometry.shape import Creases, Piece, Shape
from hermite_pinn.immutable import Immutable

from .distance import Closest, Search, search
from .edges import creases, edges_of
from .inside import Inside
from .mending import mended
from .overlap import touched_cells
from .reading import read
from .surface import TrianglePiece
from .triangles import Triangles

__all__ = ["Mesh"]


class Mesh(Immutable, Shape):
    """What a closed surface of triangles encloses.

    Parameters
    ----------
    source
        A file; or ``(vertices, faces)``, arrays (n, 3) of coordinates and of vertex numbers; or a ``trimesh.Trimesh``.
    name
        What its face is called, by default ``"mesh"``.

    Raises
    ------
    InvalidProblemError
        If it bounds no volume.

    Examples
    --------
    >>> import numpy as np
    >>> import hermite_pinn as hp
    >>> vertices = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    >>> corner = hp.Mesh((vertices, [(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)]))
    >>> corner.contains(np.array([[0.1, 1.0], [0.1, 1.0], [0.1, 1.0]])).tolist()
    [True, False]
    """

    dim = 3

    def __init__(self, source: Any, name: str | None = None) -> None:
        self.name = None if name is None else checks.text("name", name)
        given, told = _triangles(source)
        self.triangles, self._notes = mended(given, told)

    # -- what is inside ---
    @cached_property
    def _search(self) -> Search:
        return search(self.triangles)

    @cached_property
    def _inside(self) -> Inside:
        return Inside(self.triangles, self._search)

    def contains(self, x: np.ndarray) -> np.ndarray:
        """Which of the points (3, n) are inside or on the surface, (n,)."""
        return self._inside.contains(_rows(x))

    def signed_distance(self, x: np.ndarray) -> np.ndarray:
        """Exact distances (n,) of points (3, n) to the surface, negative inside."""
        rows = _rows(x)
        return self._inside.signed(rows, self._search.closest(rows).distance)

    def closest(self, x: np.ndarray) -> Closest:
        """The closest points of the surface to points (3, n): distances, triangles, points (n, 3)."""
        return self._search.closest(_rows(x))

    def touched_cells(self, lower: Sequence[float], upper: Sequence[float], counts: Sequence[int]) -> np.ndarray:
        """Through which cells of a grid between two corners the surface passes, bool, of the shape ``counts``."""
        return touched_cells(
            self.triangles, np.asarray(lower, dtype=np.float64), np.asarray(upper, dtype=np.float64), counts
        )

    # -- the boundary ---
    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner (3,) of the box around it."""
        lower, upper = self.triangles.bounds
        return lower.copy(), upper.copy()

    @property
    def volume(self) -> float:
        """What it encloses."""
        return float(self.triangles.volumes().sum())

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:  # type: ignore[override]
        """One per group of triangles, labelled ``":group"``; one labelled ``""`` without groups."""
        made = []
        for number, group in enumerate(self.triangles.names):
            part = self.triangles.take(self.triangles.groups == number).compact()
            made.append(TrianglePiece(part, f":{group}" if group else ""))
        return tuple(made)

    @cached_property
    def creases(self) -> Creases:  # type: ignore[override]
        """Edges at which the sides differ by more than five degrees, with the angles inside."""
        return creases(self.triangles, edges_of(self.triangles.faces))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was mended."""
        return self._notes

    def state(self) -> Mapping[str, Any]:
        """What it is made from again."""
        return {
            "kind": self.kind,
            "name": self.name,
            "vertices": self.triangles.vertices,
            "faces": self.triangles.faces,
            "groups": self.triangles.groups,
            "group_names": list(self.triangles.names),
            "notes": list(self._notes),
        }


def _rows(x: np.ndarray) -> np.ndarray:
    """Points (3, n) as rows."""
    return np.ascontiguousarray(np.asarray(x, dtype=np.float64).T)


def _triangles(source: Any) -> tuple[Triangles, str]:
    if isinstance(source, str | os.PathLike):
        path = checks.path("source", source)
        return read(path), path.name
    if hasattr(source, "vertices") and hasattr(source, "faces"):
        source = (source.vertices, source.faces)
    vertices, faces = source
    return Triangles.of(np.array(vertices, dtype=np.float64), np.array(faces, dtype=np.int64)), "the mesh"
