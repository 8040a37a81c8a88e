"""Which cells of a level are near a surface, and which of its vertices belong to no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hermite_pinn.cuda.encoder.vertices import VertexList

from .target import Target

__all__ = ["Band", "band_of", "cells_near", "inner_vertices", "whole"]

#: Edge, in cells, of the largest blocks that are looked at as a whole.
BLOCK = 32
CORNERS = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), -1).reshape(8, 3)


@dataclass(frozen=True)
class Band:
    """Cells of a level.

    Attributes
    ----------
    cells
        Their numbers along the axes, int64, (n, 3).
    side
        1 where a cell lies inside as a whole, -1 where outside, 0 where that is not known, int8, (n,).
    listed
        The vertices all of whose cells are among these; None where those are all vertices of the level.
    """

    cells: np.ndarray
    side: np.ndarray
    listed: VertexList | None


def cells_near(
    target: Target, lower: np.ndarray, upper: np.ndarray, counts: Sequence[int], width: float
) -> tuple[np.ndarray, np.ndarray]:
    """Cells of a grid whose centre is no farther than ``width`` from a surface.

    Found from blocks of cells, of which only those are divided that the band may reach: distances change no faster
    than positions do.

    Parameters
    ----------
    target
        The surface.
    lower, upper
        Corners (3,) of the grid.
    counts
        Cells along every axis.
    width
        In the units of the coordinates.

    Returns
    -------
    cells, distance
        Numbers of cells (n, 3), and signed distances of their centres (n,).
    """
    shape = np.asarray(counts, dtype=np.int64)
    size = (upper - lower) / shape
    edge = BLOCK
    while edge > 1 and edge >= 2 * shape.max():
        edge //= 2
    blocks = [np.arange(-(-n // edge)) * edge for n in shape]
    cells = np.stack(np.meshgrid(*blocks, indexing="ij"), -1).reshape(-1, 3)
    while True:
        centres = lower + (cells + edge / 2) * size
        distance = target.nearest(np.ascontiguousarray(centres.T)).distance
        room = width if edge == 1 else width + edge / 2 * float(np.linalg.norm(size))
        near = np.abs(distance) <= room
        cells, distance = cells[near], distance[near]
        if edge == 1:
            return cells, distance
        edge //= 2
        cells = (cells[:, None] + CORNERS * edge).reshape(-1, 3)
        cells = cells[(cells < shape).all(1)]


def inner_vertices(cells: np.ndarray, counts: Sequence[int]) -> np.ndarray:
    """The vertices (n, 3) all of whose cells, as far as the grid has them, are among given ones (m, 3)."""
    shape = np.asarray(counts, dtype=np.int64)
    ids = (cells[:, None] + CORNERS).reshape(-1, 3)
    flat = np.ravel_multi_index(tuple(ids.T), tuple(shape + 1))
    found, number = np.unique(flat, return_counts=True)
    vertices = np.stack(np.unravel_index(found, tuple(shape + 1)), 1)
    ends = ((vertices == 0) | (vertices == shape)).sum(1)
    return vertices[number == 8 >> ends]


def whole(counts: Sequence[int]) -> Band:
    """All cells of a level."""
    cells = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), -1).reshape(-1, 3)
    return Band(cells, np.zeros(len(cells), dtype=np.int8), None)


def band_of(target: Target, lower: np.ndarray, upper: np.ndarray, counts: Sequence[int], width: float) -> Band:
    """The cells of a level within ``width`` of a surface, which is two cells at least."""
    cells, distance = cells_near(target, lower, upper, counts, width)
    vertices = inner_vertices(cells, counts)
    half = float(np.linalg.norm((upper - lower) / np.asarray(counts))) / 2
    side = np.where(np.abs(distance) > half, np.where(distance < 0, 1, -1), 0).astype(np.int8)
    total = int(np.prod(np.asarray(counts, dtype=np.int64) + 1))
    return Band(cells, side, None if len(vertices) == total else VertexList.of(vertices))
