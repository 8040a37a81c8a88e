"""Which points are inside of a closed surface, by counting crossings: independent of the package's winding numbers."""

from __future__ import annotations

import numpy as np

__all__ = ["inside_by_rays"]


def inside_by_rays(vertices: np.ndarray, faces: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Whether rays from points along the last axis cross a closed surface an odd number of times, (n,).

    Rays that hit an edge are not treated: points at random positions have none.

    Parameters
    ----------
    vertices, faces
        Of the surface, (v, 3) and (f, 3).
    points
        (n, 3), in general position.

    Examples
    --------
    >>> corners = np.array([(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])
    >>> sides = np.array([(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)])
    >>> inside_by_rays(corners, sides, np.array([[0.1, 0.2, 0.3], [0.1, 0.2, 0.8], [0.6, 0.6, 0.1]])).tolist()
    [True, False, False]
    """
    order = np.argsort(points[:, 0])
    x, y, z = points[order].T
    crossings = np.zeros(len(points), dtype=np.int64)
    corners = vertices[faces]
    first = np.searchsorted(x, corners[:, :, 0].min(1))
    last = np.searchsorted(x, corners[:, :, 0].max(1))
    for triangle, begin, end in zip(corners, first, last, strict=True):
        if begin == end:
            continue
        (ax, ay, az), (bx, by, bz), (cx, cy, cz) = triangle
        doubled = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if doubled == 0.0:
            continue
        px, py = x[begin:end], y[begin:end]
        b = ((px - ax) * (cy - ay) - (cx - ax) * (py - ay)) / doubled
        c = ((bx - ax) * (py - ay) - (px - ax) * (by - ay)) / doubled
        height = az + b * (bz - az) + c * (cz - az)
        crossings[begin:end] += (b > 0) & (c > 0) & (b + c < 1) & (height > z[begin:end])
    inside = np.empty(len(points), dtype=bool)
    inside[order] = crossings % 2 == 1
    return inside
