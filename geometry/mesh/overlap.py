"""Which cells of a grid triangles pass through, by separating axes.

Source: T. Akenine-Moller, Fast 3D triangle-box overlap testing, Journal of Graphics Tools 6 (2001).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .triangles import Triangles, unrolled

__all__ = ["pairs", "touched_cells"]

#: Pairs of a triangle and a cell that are tested at once.
BATCH = 200_000
#: Cells are taken as larger by this part, so that a fine cell that is touched lies in a coarse one that is.
SLACK = 1e-9


def touched_cells(triangles: Triangles, lower: np.ndarray, upper: np.ndarray, counts: Sequence[int]) -> np.ndarray:
    """Whether any triangle meets a closed cell, for all cells of a grid.

    Parameters
    ----------
    triangles
        The surface.
    lower, upper
        Corners of the grid, (3,).
    counts
        Equal cells along every axis.

    Returns
    -------
    numpy.ndarray
        Of bool, of the shape ``counts``.
    """
    touched = np.zeros(tuple(counts), dtype=bool)
    for _, cell in pairs(triangles, lower, upper, counts):
        touched.reshape(-1)[cell] = True
    return touched


def pairs(
    triangles: Triangles, lower: np.ndarray, upper: np.ndarray, counts: Sequence[int]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of pairs of a triangle and a cell that meet, as numbers of both; cells count in C order."""
    shape = np.asarray(counts, dtype=np.int64)
    lower, upper = np.asarray(lower, dtype=np.float64), np.asarray(upper, dtype=np.float64)
    size = (upper - lower) / shape
    half = size * (0.5 + SLACK)
    corners = (triangles.corners - lower) / size  # in cells
    first = np.ceil(corners.min(1) - SLACK).astype(np.int64) - 1
    last = np.floor(corners.max(1) + SLACK).astype(np.int64)
    meets = ((last >= 0) & (first < shape)).all(1)
    first, last = np.clip(first, 0, shape - 1), np.clip(last, 0, shape - 1)
    box = last - first + 1
    for face, place in unrolled(np.where(meets, box.prod(1), 0), BATCH):
        _, m, n = box[face].T
        cell = first[face] + np.stack([place // (m * n), place // n % m, place % n], 1)
        centre = lower + (cell + 0.5) * size
        found = _meet(triangles.corners_of(face) - centre[:, None], half)
        yield face[found], np.ravel_multi_index(tuple(cell[found].T), tuple(counts))


def _meet(corners: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Whether triangles (n, 3, 3) meet the box around the origin, whose faces their own boxes meet."""
    edges = np.roll(corners, -1, axis=1) - corners
    normal = np.cross(edges[:, 0], edges[:, 1])
    meet: np.ndarray = np.abs((normal * corners[:, 0]).sum(1)) <= np.abs(normal) @ half
    for k in range(3):
        i, j = (k + 1) % 3, (k + 2) % 3
        for edge in range(3):  # the axis is the edge times the unit vector k
            along, across = edges[:, edge, i, None], edges[:, edge, j, None]
            shadow = corners[:, :, i] * across - corners[:, :, j] * along
            reach = half[i] * np.abs(across[:, 0]) + half[j] * np.abs(along[:, 0])
            meet &= (shadow.min(1) <= reach) & (shadow.max(1) >= -reach)
    return meet
