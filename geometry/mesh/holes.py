"""Holes of an open surface: where they are, and how they are filled when that is asked for."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from .edges import edges_of
from .triangles import Triangles

__all__ = ["Hole", "filled", "holes_of", "told"]

#: Holes with more edges are filled around their centre.
LARGE = 200
#: What the square of a side counts beside the area: of patches of about equal area the one with short sides is taken.
SHORT = 1e-8
#: Holes that a message tells one by one.
TOLD = 3


@dataclass(frozen=True)
class Hole:
    """A chain of edges with a triangle on one side only.

    Attributes
    ----------
    vertices
        Numbers of its vertices, in the order in which the triangles beside it pass them.
    closed
        Whether it ends where it starts; others cannot be filled.
    group
        The group of a triangle beside it.
    """

    vertices: tuple[int, ...]
    closed: bool
    group: int


def holes_of(triangles: Triangles) -> list[Hole]:
    """The chains of open edges of a surface."""
    edges = edges_of(triangles.faces)
    starts = edges.starts[edges.counts == 1]
    ends = edges.ends[edges.counts == 1]
    tails = np.where(edges.forward[starts], ends[:, 0], ends[:, 1]).tolist()
    heads = np.where(edges.forward[starts], ends[:, 1], ends[:, 0]).tolist()
    groups = triangles.groups[edges.sides[starts]].tolist()
    following: dict[int, list[tuple[int, int]]] = {}
    for tail, head, group in zip(tails, heads, groups, strict=True):
        following.setdefault(tail, []).append((head, group))
    entered = set(heads)
    found = []
    for first in sorted(following, key=lambda vertex: (vertex in entered, vertex)):  # chains without an end first
        while following.get(first):
            found.append(_chain(first, following))
    return found


def _chain(first: int, following: dict[int, list[tuple[int, int]]]) -> Hole:
    """Open edges from a vertex on; where the way crosses itself, the loop behind the crossing comes first."""
    way, places, group = [first], {first: 0}, 0
    while following.get(way[-1]):
        head, group = following[way[-1]].pop()
        if head in places:
            loop = way[places[head] :]
            before = way[: places[head] + 1]
            for tail, after in itertools.pairwise(before):  # what led there is walked again
                following[tail].append((after, group))
            return Hole(tuple(loop), True, group)
        places[head] = len(way)
        way.append(head)
    return Hole(tuple(way), False, group)


def told(triangles: Triangles, holes: list[Hole]) -> str:
    """Where holes are, in words."""
    parts = []
    for hole in sorted(holes, key=lambda one: -len(one.vertices))[:TOLD]:
        x = triangles.vertices[list(hole.vertices)]
        middle = ", ".join(f"{value:.4g}" for value in x.mean(0))
        size = float(np.linalg.norm(np.ptp(x, axis=0)))
        count = len(hole.vertices) - (not hole.closed)
        parts.append(f"{count} edge{'s' * (count != 1)} around ({middle}), {size:.3g} across")
    more = len(holes) - len(parts)
    return "; ".join(parts) + (f"; and {more} more" if more else "")


def filled(triangles: Triangles, holes: list[Hole]) -> Triangles:
    """With triangles over closed holes: those of least area, or around the centre of large ones."""
    vertices, faces, groups = [triangles.vertices], [triangles.faces], [triangles.groups]
    count = len(triangles.vertices)
    for hole in holes:
        if not hole.closed or len(hole.vertices) < 3:
            continue
        loop = np.array(hole.vertices[::-1])
        if len(loop) <= LARGE:
            patch = loop[_least_area(triangles.vertices[loop])]
        else:
            vertices.append(triangles.vertices[loop].mean(0, keepdims=True))
            patch = np.stack([loop, np.roll(loop, -1), np.full(len(loop), count)], 1)
            count += 1
        faces.append(patch)
        groups.append(np.full(len(patch), hole.group, dtype=np.int32))
    return Triangles(np.concatenate(vertices), np.concatenate(faces), np.concatenate(groups), triangles.names)


def _least_area(x: np.ndarray) -> np.ndarray:
    """The triangulation of a loop of points (n, 3) of least area, (n - 2, 3) numbers of points.

    Source: G. Barequet and M. Sharir, Filling gaps in the boundary of a polyhedron, Computer Aided Geometric Design 12
    (1995).
    """
    count = len(x)
    size = float((np.ptp(x, axis=0) ** 2).sum())
    cost = np.zeros((count, count))
    split = np.zeros((count, count), dtype=np.int64)
    for width in range(2, count):
        for start in range(count - width):
            end = start + width
            between = np.arange(start + 1, end)
            first, last = x[between] - x[start], x[between] - x[end]
            area = np.linalg.norm(np.cross(first, last), axis=1)
            price = area + SHORT * ((first**2).sum(1) + (last**2).sum(1))
            price[area <= SHORT * size] += 1e3 * size  # points in line
            total = cost[start, between] + cost[between, end] + price
            best = int(total.argmin())
            cost[start, end], split[start, end] = total[best], between[best]
    found, open_runs = [], [(0, count - 1)]
    while open_runs:
        start, end = open_runs.pop()
        if end - start >= 2:
            middle = int(split[start, end])
            found.append((start, middle, end))
            open_runs += [(start, middle), (middle, end)]
    return np.array(found)
