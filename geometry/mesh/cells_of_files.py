"""The surface of what mesh files consist of: triangles and quadrilaterals, or the outer faces of volume cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hermite_pinn.errors import InvalidProblemError

from .triangles import Triangles

__all__ = ["surface_of"]

#: Triangles of flat cells, by the places of their corners; a curved cell is taken as several flat triangles.
FLAT = {
    "triangle": ((0, 1, 2),),
    "triangle6": ((0, 3, 5), (3, 1, 4), (5, 4, 2), (3, 4, 5)),
    "quad": ((0, 1, 2), (0, 2, 3)),
    "quad8": ((0, 1, 2), (0, 2, 3)),
    "quad9": ((0, 1, 2), (0, 2, 3)),
}
#: Outer faces of volume cells, by the places of their corners, counter-clockwise seen from outside.
SOLID: Mapping[str, tuple[tuple[int, ...], ...]] = {
    "tetra": ((0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2)),
    "hexahedron": ((0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7)),
    "wedge": ((0, 2, 1), (3, 4, 5), (0, 1, 4, 3), (1, 2, 5, 4), (2, 0, 3, 5)),
    "pyramid": ((0, 3, 2, 1), (0, 1, 4), (1, 2, 4), (2, 3, 4), (3, 0, 4)),
}
#: Corners above the first three; above the first, second and fourth in others it is the fifth.
UP = {"tetra": 3, "wedge": 3}
#: Cells with nodes between the corners, of which only the corners are taken.
CORNERS = {
    "tetra10": "tetra",
    "hexahedron20": "hexahedron",
    "hexahedron27": "hexahedron",
    "wedge15": "wedge",
    "pyramid13": "pyramid",
}
Blocks = Sequence[tuple[str, np.ndarray]]


def surface_of(
    points: np.ndarray, blocks: Blocks, tags: Sequence[np.ndarray] | None, names: Mapping[int, str]
) -> Triangles:
    """The outer surface of cells, in groups.

    Parameters
    ----------
    points
        Coordinates (n, 3).
    blocks
        Types of cells as meshio calls them, and the numbers of their points.
    tags
        The group of each cell, one array per block; None without groups.
    names
        Names of groups of flat cells by tag; those of other tags have none.
    """
    faces, groups = [np.zeros((0, 3), dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    polygons = [(kind, cells) for kind, cells in blocks if kind == "polygon"]
    solid = any(CORNERS.get(kind, kind) in SOLID for kind, _ in blocks)
    for k, (given, cells) in enumerate(blocks):
        kind = given.rstrip("689") if solid else given  # on volume cells, of which the corners are taken
        if kind in FLAT:
            tag = tags[k] if tags is not None else np.zeros(len(cells), dtype=np.int64)
            cells = _turned(cells) if kind == "quad" else cells
            faces += [cells[:, list(corners)] for corners in FLAT[kind]]
            groups += [tag] * len(FLAT[kind])
    for _, cells in polygons:
        fans = [cells[:, [0, k, k + 1]] for k in range(1, cells.shape[1] - 1)]
        faces += fans
        groups += [np.zeros(len(fan), dtype=np.int64) for fan in fans]
    flat, tag = np.concatenate(faces), np.concatenate(groups).astype(np.int64)
    if not solid:
        _check_known(blocks, len(flat))
        return _grouped(points, flat, tag, names)
    outer = _outer(points, blocks)
    return _grouped(points, outer, _matched(outer, flat, tag), names)


def _check_known(blocks: Blocks, count: int) -> None:
    other = sorted({kind for kind, _ in blocks} - set(FLAT) - {"polygon", "line", "line3", "vertex"})
    if other and not count:
        raise InvalidProblemError(
            f"cells of the types {', '.join(other)} have no surface that is known here; accepted are {', '.join([*FLAT, *SOLID])}"
        )


def _grouped(points: np.ndarray, faces: np.ndarray, tag: np.ndarray, names: Mapping[int, str]) -> Triangles:
    spelled = {number: " ".join(name.split()) for number, name in names.items()}
    present = tuple(dict.fromkeys(["", *spelled.values()]))
    place = {number: present.index(name) for number, name in spelled.items()}
    values, inverse = np.unique(tag, return_inverse=True)
    groups = np.array([place.get(int(value), 0) for value in values], dtype=np.int32)
    return Triangles(points, faces, groups[inverse.reshape(-1)] if len(tag) else np.zeros(0, dtype=np.int32), present)


def _outer(points: np.ndarray, blocks: Blocks) -> np.ndarray:
    """Faces of volume cells that belong to one of them, as triangles (m, 3)."""
    found: dict[int, list[np.ndarray]] = {3: [], 4: []}
    for given, cells in blocks:
        kind = CORNERS.get(given, given)
        if kind not in SOLID:
            continue
        inverted = _inverted(points[cells[:, [0, 1, 2 if kind in UP else 3, UP.get(kind, 4)]]])
        for corners in SOLID[kind]:
            side = cells[:, list(corners)]
            found[len(corners)].append(np.where(inverted[:, None], side[:, ::-1], side))
    outer = [np.zeros((0, 3), dtype=np.int64)]
    for size, faces in found.items():
        if faces:
            single = _single(np.concatenate(faces))
            outer += [single] if size == 3 else [_turned(single)[:, [0, 1, 2]], _turned(single)[:, [0, 2, 3]]]
    return np.concatenate(outer)


def _inverted(corners: np.ndarray) -> np.ndarray:
    """Whether the last of four points (n, 4, 3) lies below the first three."""
    a, b, c = (corners[:, k] - corners[:, 0] for k in (1, 2, 3))
    below: np.ndarray = (np.cross(a, b) * c).sum(1) < 0
    return below


def _turned(quads: np.ndarray) -> np.ndarray:
    """Quadrilaterals from their smallest number on, so that neighbours are divided along the same diagonal."""
    first = quads.argmin(1)[:, None]
    return np.take_along_axis(quads, (first + np.arange(4)) % 4, axis=1)


def _single(faces: np.ndarray) -> np.ndarray:
    """Faces that are there once."""
    rows = np.sort(faces, axis=1)
    order = np.lexsort(rows.T)
    differs = np.ones(len(order) + 1, dtype=bool)
    differs[1:-1] = (rows[order[1:]] != rows[order[:-1]]).any(1)
    return faces[order[differs[1:] & differs[:-1]]]


def _matched(outer: np.ndarray, flat: np.ndarray, tag: np.ndarray) -> np.ndarray:
    """Tags of outer triangles: those of the flat cells with the same corners, else 0."""
    if not len(flat):
        return np.zeros(len(outer), dtype=np.int64)
    rows = np.sort(np.concatenate([flat, outer]), axis=1)
    _, number = np.unique(rows, axis=0, return_inverse=True)
    number = number.reshape(-1)
    known = np.zeros(int(number.max()) + 1, dtype=np.int64)
    known[number[: len(flat)]] = tag
    return known[number[len(flat) :]]
