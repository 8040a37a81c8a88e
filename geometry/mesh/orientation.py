"""Triangles that face outwards: consistent along edges, and cavities the other way."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hermite_pinn.errors import InvalidProblemError

from .edges import Edges, edges_of
from .triangles import Triangles
from .winding import Crossings

__all__ = ["aligned", "bodies_of", "oriented"]

#: Triangles of a body that tell whether it lies inside another.
WITNESSES = 9
#: Part of the cube of the extent that is no volume.
NOTHING = 1e-12


def bodies_of(faces: np.ndarray, edges: Edges, most: int | None = None) -> tuple[int, np.ndarray]:
    """How many parts hang together by edges, and the part of each triangle; only by edges of so many triangles."""
    chosen = np.ones(len(edges.counts), dtype=bool) if most is None else edges.counts <= most
    place = np.repeat(chosen, edges.counts)
    owner = np.repeat(np.arange(len(edges.counts)), edges.counts)
    count = len(faces)
    graph = coo_array(
        (np.ones(int(place.sum()), dtype=np.int8), (edges.sides[place], count + owner[place])),
        shape=(count + len(edges.counts),) * 2,
    )
    _, labels = connected_components(graph, directed=False)
    present, labels = np.unique(labels[:count], return_inverse=True)
    return len(present), labels


def oriented(triangles: Triangles, source: str, notes: list[str]) -> Triangles:
    """A closed surface that faces outwards; a body inside another is a cavity, and faces inwards.

    Raises
    ------
    InvalidProblemError
        If it has one side only, or encloses no volume.
    """
    edges = edges_of(triangles.faces)
    faces = triangles.faces
    if edges.balance.any():
        faces = _balanced(triangles, aligned(triangles, edges, source), source)
        edges = edges_of(faces)
    count, body = bodies_of(faces, edges)
    turned = Triangles(triangles.vertices, faces, triangles.groups, triangles.names)
    volumes = np.bincount(body, turned.volumes(), minlength=count)
    if abs(volumes).sum() <= NOTHING * triangles.extent**3:
        raise InvalidProblemError(f"{source} encloses no volume; a shape needs a surface with an inside")
    depth = _depths(turned, body, count)
    wrong = (volumes > 0) != (depth % 2 == 0)
    faces = np.where(wrong[body][:, None], faces[:, ::-1], faces)
    _note(triangles, faces, depth, source, notes)
    return Triangles(triangles.vertices, np.ascontiguousarray(faces), triangles.groups, triangles.names)


def _note(before: Triangles, faces: np.ndarray, depth: np.ndarray, source: str, notes: list[str]) -> None:
    changed = int((before.faces != faces).any(1).sum())
    if changed == before.count:
        notes.append(f"{source} was inside out: all its {changed} triangles faced inwards, and were turned")
    elif changed:
        notes.append(f"{changed} of the {before.count} triangles of {source} faced the wrong way, and were turned")
    cavities = int((depth % 2).sum())
    if cavities:
        notes.append(
            f"{cavities} of the {len(depth)} bodies of {source} {'lies' if cavities == 1 else 'lie'} inside another, and "
            f"{'is a cavity' if cavities == 1 else 'are cavities'} of it"
        )


def aligned(triangles: Triangles, edges: Edges, source: str) -> np.ndarray:
    """Faces of which neighbours go along their common edge in opposite directions.

    Every triangle is two nodes of a graph, as it is and turned; a surface with two sides falls apart into pairs of
    halves.
    """
    first, second = edges.pairs(np.flatnonzero(edges.counts == 2))
    a, b = edges.sides[first], edges.sides[second]
    same = edges.forward[first] == edges.forward[second]
    count = triangles.count
    rows = np.concatenate([a, a + count])
    columns = np.concatenate([np.where(same, b + count, b), np.where(same, b, b + count)])
    graph = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(2 * count, 2 * count))
    _, labels = connected_components(graph, directed=False)
    straight, turned = labels[:count], labels[count:]
    if (straight == turned).any():
        raise InvalidProblemError(
            f"the surface of {source} has one side only, like a Moebius strip or a Klein bottle, and so no inside"
        )
    faces: np.ndarray = np.where((straight > turned)[:, None], triangles.faces[:, ::-1], triangles.faces)
    return faces


def _balanced(triangles: Triangles, faces: np.ndarray, source: str) -> np.ndarray:
    """With every part that hangs together by edges of two triangles facing outwards.

    Raises
    ------
    InvalidProblemError
        If that does not make the surface consistent where more than two triangles meet.
    """
    parts, part = bodies_of(faces, edges_of(faces), most=2)
    sides = Triangles(triangles.vertices, faces, triangles.groups, triangles.names)
    inwards = np.bincount(part, sides.volumes(), minlength=parts) < 0
    faces = np.where(inwards[part][:, None], faces[:, ::-1], faces)
    bad = int((edges_of(faces).balance != 0).sum())
    if bad:
        raise InvalidProblemError(
            f"{bad} edges of {source} have more than two triangles, which do not bound one inside: inner walls, or bodies "
            "that share a part of their surface; unite the bodies in the program that made them, or export them one by one"
        )
    return faces


def _depths(triangles: Triangles, body: np.ndarray, count: int) -> np.ndarray:
    """In how many other bodies each lies, (count,)."""
    depth = np.zeros(count, dtype=np.int64)
    if count == 1:
        return depth
    order = np.argsort(body, kind="stable")
    begins = np.searchsorted(body[order], np.arange(count + 1))
    members = [order[begins[k] : begins[k + 1]] for k in range(count)]
    bounds = [triangles.take(one).bounds for one in members]
    lower, upper = np.array([low for low, _ in bounds]), np.array([high for _, high in bounds])
    witnesses = [one[np.linspace(0, len(one) - 1, min(WITNESSES, len(one))).astype(np.int64)] for one in members]
    for outer in range(count):
        inner = np.flatnonzero(((lower >= lower[outer]) & (upper <= upper[outer])).all(1))
        inner = inner[inner != outer]
        if not len(inner):
            continue
        around = Crossings(triangles.take(members[outer]))
        for one in inner:
            within = np.abs(around.winding(triangles.centroids[witnesses[one]])) > 0.5
            depth[one] += int(2 * within.sum() > len(within))
    return depth
