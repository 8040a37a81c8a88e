"""Shapes bounded by triangles: parts and scans."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hermite_pinn import checks
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.geometry.csg import Solid
from hermite_pinn.geometry.names import face_name
from hermite_pinn.geometry.part import coordinates
from hermite_pinn.geometry.shape import Creases, Piece, Shape
from hermite_pinn.geometry.similarity import Similarity
from hermite_pinn.immutable import Immutable
from hermite_pinn.schema import Entry

from .crossing import creases_of, pieces_of
from .distance import Closest, Search, search
from .inside import Inside
from .mending import mended
from .overlap import touched_cells
from .saved import triangles_of, triangles_state
from .sources import taken
from .triangles import Triangles
from .writing import write

__all__ = ["Mesh"]


class Mesh(Immutable, Solid):
    """The solid that a closed surface of triangles encloses.

    Duplicate vertices and triangles, triangles without area, and wrong orientations are mended, and bodies inside
    others are cavities; :attr:`notes` lists the repairs.  A surface with holes is refused unless ``repair`` asks to
    fill them.

    Parameters
    ----------
    source
        A file (STL, OBJ, PLY, OFF, 3MF, GMSH's .msh, .vtu, .vtk; of volume meshes the outer surface is taken); or
        ``(vertices, faces)``, arrays (n, 3) of coordinates and (m, 3) of vertex numbers from 0 on; or a
        ``trimesh.Trimesh`` or ``Scene``.  Coordinates are those of the space axes of the box that it cuts.
    name
        What its face is called, by default ``"mesh"``.
    units
        What the coordinates are in: ``"mm"``, ``"cm"``, ``"in"``, ...; they are then scaled to metres.  By default they
        are taken as they are.
    repair
        ``"holes"`` fills the holes of an open surface.
    groups
        Numbers of triangles, or masks of all, by name: each group is a face of its own, ``"mesh:name"``.  By default
        the groups are those of the file: named bodies, physical groups of surfaces.

    Raises
    ------
    InvalidProblemError
        If it bounds no volume: it is empty, open, one-sided, flat, or not finite.
    InvalidArgumentError
        If there is no such file, its format is not known, or the arrays are no mesh.
    CorruptFileError
        If the file is damaged.
    BackendUnavailableError
        If trimesh is not installed, which reads STL, OBJ, PLY, OFF and 3MF.
    OutOfMemoryError
        If the file is too large for the memory.

    Examples
    --------
    >>> import numpy as np
    >>> import hermite_pinn as hp
    >>> vertices = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    >>> corner = hp.Mesh((vertices, [(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)]))
    >>> corner
    Mesh(4 triangles, 1 x 1 x 1 from (0, 0, 0))
    >>> corner.contains(np.array([[0.1, 1.0], [0.1, 1.0], [0.1, 1.0]])).tolist()
    [True, False]
    >>> round(float(corner.signed_distance(np.array([[0.25], [0.25], [-0.5]]))[0]), 12)
    0.5
    """

    dim = 3

    def __init__(
        self,
        source: Any,
        name: str | None = None,
        *,
        units: str | None = None,
        repair: str | None = None,
        groups: Mapping[str, Any] | None = None,
    ) -> None:
        self.name = face_name(name)
        fill = repair is not None and checks.choice("repair", repair, ("holes",), otherwise="None") == "holes"
        given = taken(source, groups, units)
        self.triangles, notes = mended(given.triangles, given.source, fill)
        self._notes = given.notes + notes

    @classmethod
    def of(cls, triangles: Triangles, name: str | None = None, notes: Sequence[str] = ()) -> Mesh:
        """A mesh of triangles that are closed and face outwards."""
        made = cls.__new__(cls)
        vars(made).update(name=name, triangles=triangles, _notes=tuple(notes), _closed=True)
        return made

    @classmethod
    def taken(cls, source: Any) -> Mesh:
        """A mesh as it is, or one made of a source.

        Raises
        ------
        InvalidProblemError
            As of the class.
        """
        return source if isinstance(source, cls) else cls(source)

    def __getstate__(self) -> dict[str, Any]:
        return {key: vars(self)[key] for key in ("name", "triangles", "_notes", "_closed")}

    def __repr__(self) -> str:
        lower, upper = self.triangles.bounds
        size = " x ".join(f"{length:.4g}" for length in upper - lower)
        corner = ", ".join(f"{value:.4g}" for value in lower)
        name = "" if self.name is None else f"{self.name!r}, "
        return f"Mesh({name}{self.triangles.count} triangles, {size} from ({corner}))"

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
        """The closest points of the surface to points (3, n): distances, triangles, and points (n, 3)."""
        return self._search.closest(_rows(x))

    def closest_points(self, x: np.ndarray) -> np.ndarray:
        """The closest points (3, n) of the surface to points (3, n)."""
        return np.ascontiguousarray(self.closest(x).point.T)

    def winds_around(self, x: np.ndarray) -> np.ndarray:
        """Which of the points (3, n) the surface winds around, (n,); those on it may go either way."""
        return self._inside.strictly(_rows(x))

    def touched_cells(self, lower: np.ndarray, upper: np.ndarray, counts: Sequence[int]) -> np.ndarray:
        """Through which cells of a grid the surface passes.

        Parameters
        ----------
        lower, upper
            Corners of the grid, (3,).
        counts
            Equal cells along every axis.

        Returns
        -------
        numpy.ndarray
            Of bool, of the shape ``counts``; those of a finer grid lie in those of a coarser one.
        """
        return touched_cells(self.triangles, np.asarray(lower), np.asarray(upper), counts)

    # -- the boundary ---
    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper corner (3,) of the box around it."""
        lower, upper = self.triangles.bounds
        return lower.copy(), upper.copy()

    @cached_property
    def measure(self) -> float:
        """Its volume."""
        return float(self.triangles.volumes().sum())

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:  # type: ignore[override]
        """One per group of triangles, labelled ``":group"``; one labelled ``""`` without groups."""
        return pieces_of(self.triangles, self.signed_distance)

    @cached_property
    def creases(self) -> Creases:  # type: ignore[override]
        """Edges at which the sides differ by more than five degrees, with the angles inside."""
        return creases_of(self.triangles)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about its units and what was mended."""
        return self._notes

    def moved(self, motion: Similarity) -> Mesh:
        """The mesh under a similarity."""
        return Mesh.of(self.triangles.moved(motion.scale * motion.rotation, motion.offset), self.name, self._notes)

    # -- files ---
    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the surface to a file: .stl, .obj, .ply, .off, .vtu, or .msh, which alone keeps the groups."""
        return write(path, self.triangles)

    def state(self) -> Mapping[str, Any]:
        """What it is made from again."""
        return {"kind": self.kind, "name": self.name, "notes": list(self._notes), **triangles_state(self.triangles)}

    @classmethod
    def from_state(cls, entry: Entry, shape: Callable[[Entry], Shape]) -> Shape:
        """The mesh that a file describes."""
        name = entry.get("name")
        notes = [note.text() for note in entry.at("notes").items()]
        try:
            called = None if name is None else face_name(name.text())
        except InvalidProblemError as error:
            raise entry.at("name").refuse(f"the name of a face ({error})") from error
        return cls.of(triangles_of(entry), called, notes)


def _rows(x: Any) -> np.ndarray:
    """Points (3, n) as rows."""
    return np.ascontiguousarray(coordinates(x, 3).T)
