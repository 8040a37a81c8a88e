"""What is checked and mended of triangles before they bound a shape; every repair is a note."""

from __future__ import annotations

import numpy as np

from hermite_pinn.errors import InvalidProblemError

from .edges import edges_of
from .triangles import Triangles

__all__ = ["mended"]

#: A triangle is degenerate when its height is a smaller part of its longest edge.
FLAT = 1e-10


def mended(triangles: Triangles, source: str) -> tuple[Triangles, tuple[str, ...]]:
    """A closed surface that faces outwards, and what was done for it.

    Parameters
    ----------
    triangles
        As they were given.
    source
        What they came from, for messages.

    Raises
    ------
    InvalidProblemError
        If they bound no volume.
    """
    notes: list[str] = []
    triangles = _merged(_finite(triangles, source), source, notes)
    triangles = _flat_dropped(triangles, source, notes)
    triangles = triangles.compact()
    _check_closed(triangles, source)
    volume = float(triangles.volumes().sum())
    if volume < 0:
        triangles = Triangles(triangles.vertices, triangles.faces[:, ::-1].copy(), triangles.groups, triangles.names)
        notes.append(f"{source} was inside out: its triangles faced inwards, and were turned")
    return triangles, tuple(notes)


def _finite(triangles: Triangles, source: str) -> Triangles:
    if not triangles.count:
        raise InvalidProblemError(
            f"{source} has {len(triangles.vertices)} points and no triangles; a shape needs a closed surface of triangles: "
            "export it as a surface mesh"
        )
    used = triangles.vertices[np.unique(triangles.faces)]
    bad = int((~np.isfinite(used)).any(1).sum())
    if bad:
        raise InvalidProblemError(
            f"{bad} of the {len(used)} vertices of {source} are NaN or infinite; export the mesh again, or drop them"
        )
    return triangles


def _merged(triangles: Triangles, source: str, notes: list[str]) -> Triangles:
    """With one vertex for all that are in the same place."""
    vertices = triangles.vertices + 0.0  # no negative zeros
    order = np.lexsort(vertices.T)
    new = np.ones(len(order), dtype=bool)
    new[1:] = (vertices[order[1:]] != vertices[order[:-1]]).any(1)
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.cumsum(new) - 1
    return Triangles(vertices[order[new]], number[triangles.faces], triangles.groups, triangles.names)


def _flat_dropped(triangles: Triangles, source: str, notes: list[str]) -> Triangles:
    """Without triangles that have no area."""
    flat = 2 * triangles.areas <= FLAT * triangles.longest**2
    count = int(flat.sum())
    if not count:
        return triangles
    if count == triangles.count:
        raise InvalidProblemError(
            f"all {count} triangles of {source} have no area; check its units and how it was exported"
        )
    notes.append(f"{count} of the {triangles.count} triangles of {source} have no area, and were dropped")
    return triangles.take(~flat)


def _check_closed(triangles: Triangles, source: str) -> None:
    edges = edges_of(triangles.faces)
    open_edges = int((edges.counts == 1).sum())
    if open_edges:
        raise InvalidProblemError(f"{source} is not closed: {open_edges} edges have a triangle on one side only")
