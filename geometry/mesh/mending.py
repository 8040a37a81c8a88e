"""What is checked and mended of triangles before they bound a shape; every repair is a note."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from hermite_pinn.errors import InvalidProblemError

from .edges import edges_of
from .holes import filled, holes_of, told
from .intersections import crossing_pairs
from .orientation import aligned, oriented
from .triangles import Triangles

__all__ = ["mended"]

#: A triangle is degenerate when its height is a smaller part of its longest edge.
FLAT = 1e-10
#: Vertices no farther from a plane than this part of their spread lie in it.
PLANE = 1e-9
#: Part of the extent within which vertices of open edges are joined.
SEAM = 1e-6
#: Part of a usual edge within which they are.
SHORT = 0.01
#: Surfaces with more triangles are not searched for crossings.
SEARCHED = 300_000


def mended(triangles: Triangles, source: str, fill: bool = False) -> tuple[Triangles, tuple[str, ...]]:
    """A closed surface that faces outwards, and what was done for it.

    Parameters
    ----------
    triangles
        As they were given.
    source
        What they came from, for messages.
    fill
        Whether to fill holes.

    Raises
    ------
    InvalidProblemError
        If they bound no volume.
    """
    notes: list[str] = []
    triangles = _finite(triangles, source)
    triangles = _merged(triangles, source, notes)
    triangles = _flat_dropped(triangles, source, notes)
    triangles = _once(triangles, source, notes)
    triangles = _closed(triangles, source, notes, fill).compact()
    triangles = oriented(triangles, source, notes)
    return _searched(triangles, source, notes), tuple(notes)


def _finite(triangles: Triangles, source: str) -> Triangles:
    if not triangles.count:
        points = len(triangles.vertices)
        raise InvalidProblemError(
            f"{source} has {f'{points} points and ' if points else ''}no triangles; a shape needs a closed surface of triangles: "
            "make one of the points, or export the part as a mesh"
        )
    used = triangles.vertices[np.unique(triangles.faces)]
    bad = int((~np.isfinite(used)).any(1).sum())
    if bad:
        raise InvalidProblemError(
            f"{bad} of the {len(used)} vertices of {source} {'is' if bad == 1 else 'are'} NaN or infinite; export the mesh "
            "again, or take these vertices and their triangles out and fill the holes: repair='holes'"
        )
    largest = float(np.abs(used).max())
    if largest > 1e100 or np.ptp(used, axis=0).max() < 1e-100:
        raise InvalidProblemError(
            f"the coordinates of {source} have a size of {largest:.3g}, with which nothing can be computed; scale them"
        )
    away = used - used.mean(0)
    spread = np.linalg.eigvalsh(away.T @ away / largest**2)
    if spread[1] > 0 and spread[0] <= PLANE**2 * spread[2] and spread[1] > PLANE**2 * spread[2]:
        raise InvalidProblemError(
            f"all {len(used)} vertices of {source} lie in a plane; a shape needs a surface with an inside"
        )
    return triangles


def _merged(triangles: Triangles, source: str, notes: list[str]) -> Triangles:
    """With one vertex for all that are in the same place."""
    triangles = triangles.compact()
    before = len(triangles.vertices)
    triangles = triangles.merged()
    count = before - len(triangles.vertices)
    if count and before < 3 * triangles.count:  # else every triangle has vertices of its own, as in STL files
        notes.append(
            f"{count} of the {before} vertices of {source} {_are(count)} in the places of others, and {_were(count)} merged"
        )
    return triangles


def _flat_dropped(triangles: Triangles, source: str, notes: list[str]) -> Triangles:
    """Without triangles that have no area."""
    flat = _flat(triangles)
    count = int(flat.sum())
    if not count:
        return triangles
    if count == triangles.count:
        raise InvalidProblemError(f"none of the {count} triangles of {source} has an area; check how it was exported")
    notes.append(
        f"{count} of the {triangles.count} triangles of {source} {_have(count)} no area, and {_were(count)} dropped"
    )
    return triangles.take(~flat)


def _flat(triangles: Triangles) -> np.ndarray:
    """Which triangles have no area."""
    a, b, c = triangles.faces.T
    result: np.ndarray = (a == b) | (b == c) | (c == a) | (2 * triangles.areas <= FLAT * triangles.longest**2)
    return result


def _once(triangles: Triangles, source: str, notes: list[str]) -> Triangles:
    """With one triangle for all that have the same vertices, or none where they face each other in pairs."""
    rows = np.sort(triangles.faces, axis=1)
    order = np.lexsort(rows.T)
    new = np.ones(len(order), dtype=bool)
    new[1:] = (rows[order[1:]] != rows[order[:-1]]).any(1)
    if new.all():
        return triangles
    first = np.flatnonzero(new)
    a, b, c = triangles.faces[order].T
    even = ((a < b).astype(np.int8) + (b < c) + (c < a)) == 2
    net = np.add.reduceat(np.where(even, 1, -1), first)
    counts = np.diff(np.append(first, len(order)))
    if (net == 0).all():
        notes.append(f"every triangle of {source} is there twice, facing both ways; one of each was dropped")
        return triangles.take(np.sort(order[first]))
    sign = np.repeat(np.sign(net), counts)
    right = np.flatnonzero(np.where(even, 1, -1) == sign)
    owner = np.repeat(np.arange(len(first)), counts)[right]
    kept = order[right[np.unique(owner, return_index=True)[1]]]
    cancelled = int((net == 0).sum())
    copies = triangles.count - len(kept) - 2 * cancelled
    if copies:
        notes.append(
            f"{copies} of the {triangles.count} triangles of {source} repeat others, and {_were(copies)} dropped"
        )
    if cancelled:
        notes.append(
            f"{cancelled} pairs of triangles of {source} lie back to back, and were dropped: bodies that touch there are one"
        )
    return triangles.take(np.sort(kept))


def _closed(triangles: Triangles, source: str, notes: list[str], fill: bool) -> Triangles:
    """Without open edges: as it is, with seams joined, or with holes filled."""
    if not _open(triangles):
        return triangles
    triangles = _joined(triangles, source, notes)
    count = _open(triangles)
    if not count:
        return triangles
    edges = edges_of(triangles.faces)
    if (edges.balance[edges.counts == 2] != 0).any():
        faces = aligned(triangles, edges, source)
        changed = int((faces != triangles.faces).any(1).sum())
        notes.append(
            f"{changed} of the {triangles.count} triangles of {source} faced otherwise than their neighbours, and were turned"
        )
        triangles = Triangles(triangles.vertices, np.ascontiguousarray(faces), triangles.groups, triangles.names)
    holes = holes_of(triangles)
    what = f"{count} edge{'s have' if count > 1 else ' has'} a triangle on one side only"
    number = f"{len(holes)} holes" if len(holes) > 1 else "a hole"
    if not fill:
        raise InvalidProblemError(
            f"{source} is not closed: {what}, around {number}: {told(triangles, holes)}; close it in the program "
            "that made it (if the file is whole), or have holes filled: hp.Mesh(..., repair='holes')"
        )
    result = filled(triangles, holes)
    if _open(result) or _flat(result).any():
        rest = [hole for hole in holes if not hole.closed] or holes
        why = "and not all of these edges form loops" if _open(result) else "and lie in line"
        raise InvalidProblemError(
            f"the holes of {source} cannot be filled: {what}, {why}: {told(triangles, rest)}; close it in the program that made it"
        )
    notes.append(
        f"{number} of {source} {'were' if len(holes) > 1 else 'was'} filled by {result.count - triangles.count} triangles: "
        f"{told(triangles, holes)}"
    )
    return result


def _open(triangles: Triangles) -> int:
    """Number of edges with one triangle."""
    return int((edges_of(triangles.faces).counts == 1).sum())


def _joined(triangles: Triangles, source: str, notes: list[str]) -> Triangles:
    """With vertices of open edges joined that are almost in one place."""
    edges = edges_of(triangles.faces)
    vertices = np.unique(edges.ends[edges.counts == 1])
    near = min(SEAM * triangles.extent, SHORT * float(np.median(triangles.longest)))
    close = cKDTree(triangles.vertices[vertices]).query_pairs(near, output_type="ndarray")
    if not len(close):
        return triangles
    graph = coo_array((np.ones(len(close), dtype=np.int8), tuple(close.T)), shape=(len(vertices),) * 2)
    _, labels = connected_components(graph, directed=False)
    _, first = np.unique(labels, return_index=True)
    number = np.arange(len(triangles.vertices))
    number[vertices] = vertices[first[labels]]
    changed = int((number[vertices] != vertices).sum())
    faces = number[triangles.faces]
    a, b, c = faces.T
    joined = Triangles(triangles.vertices, faces, triangles.groups, triangles.names).take(
        (a != b) & (b != c) & (c != a)
    )
    notes.append(
        f"{changed} vertices along open edges of {source} lay within {SEAM:g} of its size from others, and were joined with them"
    )
    return joined


def _searched(triangles: Triangles, source: str, notes: list[str]) -> Triangles:
    """With the pairs that pass through each other."""
    if triangles.count > SEARCHED:
        notes.append(
            f"{source} has more than {SEARCHED} triangles, and was not searched for those that pass through each other"
        )
        return triangles
    crossing = crossing_pairs(triangles)
    if len(crossing):
        where = ", ".join(f"{value:.4g}" for value in triangles.centroids[crossing[0, 0]])
        notes.append(
            f"{source} passes through itself: {len(crossing)} pairs of triangles cross, one near ({where}); inside is what it "
            "winds around, what lies in there is no part of its boundary, but distances are those to any of its triangles"
        )
    return replace(triangles, crossing=crossing)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
