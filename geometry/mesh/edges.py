"""Edges of a triangulated surface: which triangles meet in them, and at what angle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hermite_pinn.geometry.shape import Creases

from .triangles import Triangles

__all__ = ["Edges", "creases", "edges_of"]

#: Edges at which the normals of both sides differ by no more are smooth.
SMOOTH = np.deg2rad(5.0)


@dataclass(frozen=True)
class Edges:
    """The edges of triangles.

    Attributes
    ----------
    ends
        Numbers of both vertices, the smaller first, (n, 2).
    sides
        Triangles at edges, those of an edge in a row, (3 m,).
    forward
        Whether the triangle goes from the smaller number to the larger, (3 m,).
    counts
        How many triangles meet in each edge, (n,).
    """

    ends: np.ndarray
    sides: np.ndarray
    forward: np.ndarray
    counts: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        """Where the triangles of each edge begin in :attr:`sides`, (n,)."""
        result: np.ndarray = np.cumsum(self.counts) - self.counts
        return result

    @property
    def balance(self) -> np.ndarray:
        """How many triangles go forward less how many go backward, (n,); zero everywhere for a closed surface."""
        return np.add.reduceat(np.where(self.forward, 1, -1), self.starts) if len(self.counts) else self.counts

    def pairs(self, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places in :attr:`sides` of the first two triangles of some edges."""
        starts = self.starts[chosen]
        return starts, starts + 1


def edges_of(faces: np.ndarray) -> Edges:
    """The edges of triangles (m, 3)."""
    start = faces.reshape(-1)
    end = np.roll(faces, -1, axis=1).reshape(-1)
    low, high = np.minimum(start, end), np.maximum(start, end)
    key = low * (int(faces.max(initial=0)) + 1) + high
    order = np.argsort(key, kind="stable")
    _, first, counts = np.unique(key[order], return_index=True, return_counts=True)
    ends = np.stack([low[order][first], high[order][first]], 1)
    return Edges(ends, order // 3, (start < end)[order], counts)


def creases(triangles: Triangles, edges: Edges) -> Creases:
    """Edges at which the surface is not smooth, with the angles of what it encloses."""
    two = np.flatnonzero(edges.counts == 2)
    first, second = edges.pairs(two)
    a, b = edges.sides[first], edges.sides[second]
    turn = np.arctan2(
        np.linalg.norm(np.cross(triangles.normals[a], triangles.normals[b]), axis=1),
        (triangles.normals[a] * triangles.normals[b]).sum(1),
    )
    sharp = turn > SMOOTH
    two, a, b, turn = two[sharp], a[sharp], b[sharp], turn[sharp]
    start = triangles.vertices[edges.ends[two, 0]]
    rise = ((triangles.vertices[triangles.faces[b]] - start[:, None]) * triangles.normals[a][:, None]).sum(2)
    over = rise[np.arange(len(rise)), np.abs(rise).argmax(1)] if len(rise) else np.zeros(0)
    angles = np.pi - np.where(over < 0, turn, -turn)
    more, wedges = _fans(triangles, edges)
    segments = triangles.vertices[edges.ends[np.concatenate([two, more])]]
    return Creases(segments, np.concatenate([angles, wedges]))


def _fans(triangles: Triangles, edges: Edges) -> tuple[np.ndarray, np.ndarray]:
    """Edges in which more than two triangles meet, once per wedge inside, and the angles of the wedges."""
    found: list[int] = []
    angles: list[float] = []
    for edge in np.flatnonzero(edges.counts > 2):
        low, high = edges.ends[edge]
        start = triangles.vertices[low]
        along = triangles.vertices[high] - start
        along = along / np.linalg.norm(along)
        run = slice(int(edges.starts[edge]), int(edges.starts[edge] + edges.counts[edge]))
        numbers = triangles.faces[edges.sides[run]]
        other = numbers[(numbers != low) & (numbers != high)]
        spokes = triangles.vertices[other] - start
        spokes = spokes - (spokes @ along)[:, None] * along
        second = np.cross(along, spokes[0])
        turn = np.arctan2(spokes @ second / np.linalg.norm(second), spokes @ spokes[0] / np.linalg.norm(spokes[0]))
        turn = np.mod(turn, 2 * np.pi)
        order = np.lexsort((edges.forward[run], turn))
        # seen along the edge, what lies behind a triangle that goes forward is inside
        for k, here in enumerate(order):
            if edges.forward[run][here]:
                before = order[k - 1]
                found.append(int(edge))
                angles.append(float(np.mod(turn[here] - turn[before], 2 * np.pi)) or 2 * np.pi)
    return np.array(found, dtype=np.int64), np.array(angles)
