"""Curved quadrilaterals of second order for rectangles with round and rectangular holes.

A tensor grid of lines; around every round hole a rectangle of its cells is replaced by rings of cells between the
rectangle and the circle.  Cells have nine nodes, those of the rings on the true circle, so that boundaries are
approximated to fourth order in the size of the cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

__all__ = ["Ring", "graded", "plane_mesh"]

Array = np.ndarray


@dataclass(frozen=True)
class Ring:
    """A round hole and the rectangle around it that is meshed by rings.

    Attributes
    ----------
    centre, radius
        Of the hole.
    lower, upper
        Corners of the rectangle; they lie on lines of the grid.
    layers
        Cells between rectangle and circle.
    grading
        Ratio of the thickness of the outermost layer to that of the innermost.
    """

    centre: tuple[float, float]
    radius: float
    lower: tuple[float, float]
    upper: tuple[float, float]
    layers: int
    grading: float = 2.0


def graded(points: Sequence[float], sizes: Sequence[float]) -> Array:
    """Coordinates of lines through points, with about the given size of cells at every point, linear in between.

    Examples
    --------
    >>> graded([0.0, 1.0], [0.25, 0.25]).tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    lines = [np.array([points[0]], dtype=float)]
    for a, b, p, q in zip(points[:-1], points[1:], sizes[:-1], sizes[1:], strict=True):
        s = np.linspace(0, 1, 2001)
        density = (b - a) / (p + (q - p) * s)
        count = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(s))])
        cells = max(1, round(count[-1]))
        t = np.interp(np.linspace(0, count[-1], cells + 1)[1:], count, s)
        t[-1] = 1.0
        lines.append(a + (b - a) * t)
    return np.concatenate(lines)


def plane_mesh(
    x: Array, y: Array, rings: Sequence[Ring] = (), holes: Sequence[tuple[float, float, float, float]] = ()
) -> Any:
    """A mesh of second order, ``skfem.MeshQuad2``.

    Parameters
    ----------
    x, y
        Lines of the grid.
    rings
        Round holes.
    holes
        Rectangles (x0, y0, x1, y1) without cells; their sides lie on lines.

    Examples
    --------
    >>> ring = Ring((0.5, 0.5), 0.2, (0.25, 0.25), (0.75, 0.75), 2)
    >>> mesh = plane_mesh(graded([0, 1], [0.125, 0.125]), graded([0, 1], [0.125, 0.125]), [ring])
    >>> mesh.nelements
    80
    """
    nodes: list[Array] = []  # nine per cell, as a tensor (3, 3) along x and y, or around and outward
    for i in range(len(x) - 1):
        for j in range(len(y) - 1):
            a, b, c, d = x[i], x[i + 1], y[j], y[j + 1]
            p, q = (a + b) / 2, (c + d) / 2
            if any(r.lower[0] < p < r.upper[0] and r.lower[1] < q < r.upper[1] for r in rings):
                continue
            if any(h[0] < p < h[2] and h[1] < q < h[3] for h in holes):
                continue
            s, t = np.meshgrid([a, p, b], [c, q, d], indexing="ij")
            nodes.append(np.stack([s, t]))
    for ring in rings:
        nodes += _ring_cells(ring, x, y)
    cells = np.stack(nodes)  # (cells, 2, 3, 3)
    return _second_order(cells)


def _ring_cells(ring: Ring, x: Array, y: Array) -> list[Array]:
    (x0, y0), (x1, y1) = ring.lower, ring.upper
    (p, q), r = ring.centre, ring.radius
    if not (x0 < p - r and p + r < x1 and y0 < q - r and q + r < y1):
        raise ValueError(f"the rectangle {ring.lower} to {ring.upper} does not enclose its hole")
    tolerance = 1e-9 * (x[-1] - x[0])
    along_x, along_y = (s[(s > a - tolerance) & (s < b + tolerance)] for s, a, b in ((x, x0, x1), (y, y0, y1)))
    corners = [
        *((s, y0) for s in along_x[:-1]),
        *((x1, s) for s in along_y[:-1]),
        *((s, y1) for s in along_x[:0:-1]),
        *((x0, s) for s in along_y[:0:-1]),
    ]
    outer = np.array(corners)
    middle = (outer + np.roll(outer, -1, 0)) / 2
    outer = np.stack([outer, middle], 1).reshape(-1, 2)  # ends and middles of the sides, counter-clockwise
    centre = np.array(ring.centre)
    ends = np.unwrap(np.arctan2(*(outer[::2] - centre).T[::-1]))
    ends = np.append(ends, ends[0] + 2 * np.pi)
    angle = np.stack([ends[:-1], (ends[:-1] + ends[1:]) / 2], 1).ravel()
    inner = centre + ring.radius * np.stack([np.cos(angle), np.sin(angle)], 1)
    steps = np.geomspace(ring.grading, 1.0, ring.layers) if ring.layers > 1 else np.ones(1)
    share = np.concatenate([[0.0], np.cumsum(steps) / steps.sum()])  # from the rectangle to the circle
    found = []
    for k in range(ring.layers):
        depths = np.array([share[k], (share[k] + share[k + 1]) / 2, share[k + 1]])
        for e in range(0, len(outer), 2):
            three = [e, e + 1, (e + 2) % len(outer)]
            cell = outer[three, None] * (1 - depths)[None, :, None] + inner[three, None] * depths[None, :, None]
            found.append(np.moveaxis(cell, 2, 0))
    return found


def _second_order(cells: Array) -> Any:
    """The mesh of cells (n, 2, 3, 3): corners, middles of the sides and centres in the order that skfem wants."""
    from skfem import MeshQuad, MeshQuad2

    order = [(0, 0), (2, 0), (2, 2), (0, 2), (1, 0), (2, 1), (1, 2), (0, 1), (1, 1)]
    points = np.stack([cells[:, :, i, j] for i, j in order], 1)  # (n, 9, 2)
    a, b = points[:, 1] - points[:, 0], points[:, 3] - points[:, 0]
    turned = a[:, 0] * b[:, 1] < a[:, 1] * b[:, 0]
    points[turned] = points[turned][:, [0, 3, 2, 1, 7, 6, 5, 4, 8]]
    size = np.ptp(points.reshape(-1, 2), axis=0).max()
    corners = points[:, :4].reshape(-1, 2)
    keys = np.round(corners / size * 1e9).astype(np.int64)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    plain = MeshQuad(np.ascontiguousarray(corners[first].T), np.ascontiguousarray(inverse.reshape(-1, 4).T))
    curved = MeshQuad2.from_mesh(plain)
    places = curved.doflocs.copy()
    for k, own in enumerate(curved.dofs.element_dofs):
        places[:, own] = points[:, k].T
    return replace(curved, doflocs=places)
