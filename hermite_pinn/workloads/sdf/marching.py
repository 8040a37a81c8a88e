"""Marching cubes in blocks, so that a fine grid never is in memory as a whole."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from hermite_pinn.errors import InvalidArgumentError

from .signed_field import SignedField

__all__ = ["Crossings", "Range", "march"]

#: Cells along each edge of a block.
BLOCK = 64
#: Least value at a vertex relative to the largest: crossings keep this distance from the ends of their edges.
LEAST = 0.04


@dataclass(frozen=True)
class Range:
    """Least and largest value of a field on a grid."""

    least: float
    most: float


@dataclass(frozen=True)
class Crossings:
    """Where a grid meets the zero set.

    Attributes
    ----------
    vertices
        First approximations (n, 3): within the cells that the zero set passes.
    faces
        Numbers of the vertices of each triangle, int64, (m, 3), counter-clockwise seen from where the field is larger.
    start, end
        Ends (n, 3) of the edges on which the vertices lie, with values of different signs; the same for the few in the
        middle of a cell.
    values
        Range of the values on the grid.
    """

    vertices: np.ndarray
    faces: np.ndarray
    start: np.ndarray
    end: np.ndarray
    values: Range


def march(field: SignedField, axes: Sequence[np.ndarray], level: float = 0.0) -> Crossings:
    """Triangles where a field changes its sign, by marching cubes (Lewiner et al. 2003, of scikit-image).

    Values are taken block by block.  Only their signs, and roughly their sizes, enter: vertices stay away from the
    ends of their edges, so that each edge has one at most, no triangle is degenerate, and the blocks fit together
    exactly.

    Parameters
    ----------
    field
        Whose zero set it is.
    axes
        Equidistant positions along each axis.
    level
        The value that takes the place of zero.

    Raises
    ------
    InvalidArgumentError
        If a value is not finite.
    """
    counts = np.array([len(a) for a in axes])
    spacing = max(float(a[1] - a[0]) for a in axes)
    scale = 2 * spacing * _slope(field, axes)
    keys: list[np.ndarray] = []
    faces: list[np.ndarray] = []
    places: list[np.ndarray] = []
    total, least, most = 0, np.inf, -np.inf
    for block in _blocks(counts - 1):
        values = field.on_grid([axis[part] for axis, part in zip(axes, block, strict=True)]) - level
        _check_finite(values, axes, block)
        low, high = float(values.min()), float(values.max())
        least, most = min(least, low), max(most, high)
        if (low >= 0) == (high >= 0):
            continue
        place, triangles = _of_block(values, scale)
        first = np.array([part.start for part in block])
        keys.append(_keys(place, first, counts))
        places.append(place + first)
        faces.append(triangles + total)
        total += len(place)
    values_range = Range(least + level, most + level)
    if not total:
        none = np.zeros((0, 3))
        return Crossings(none, np.zeros((0, 3), dtype=np.int64), none, none, values_range)
    key, at, number = np.unique(np.concatenate(keys), return_index=True, return_inverse=True)
    lower, upper = (_positions(axes, ends) for ends in _ends(key, counts))
    vertices = _positions(axes, np.concatenate(places)[at])
    triangles = number.reshape(-1)[np.concatenate(faces)]
    return Crossings(vertices, np.ascontiguousarray(triangles, dtype=np.int64), lower, upper, values_range)


def _slope(field: SignedField, axes: Sequence[np.ndarray], count: int = 24) -> float:
    """Typical slope of a field, from differences on a coarse grid."""
    coarse = [np.linspace(a[0], a[-1], count) for a in axes]
    values = field.on_grid(coarse)
    steps = [np.abs(np.diff(values, axis=k)) / (coarse[k][1] - coarse[k][0]) for k in range(3)]
    slopes = np.concatenate([s[np.isfinite(s)] for s in steps])
    return float(slopes.max(initial=0.0)) or 1.0


def _blocks(cells: np.ndarray) -> Iterator[tuple[slice, ...]]:
    """Vertices of blocks of cells; neighbours share theirs."""
    parts = [[slice(k, min(k + BLOCK, int(n)) + 1) for k in range(0, int(n), BLOCK)] for n in cells]
    return itertools.product(*parts)


def _check_finite(values: np.ndarray, axes: Sequence[np.ndarray], block: Sequence[slice]) -> None:
    wrong = ~np.isfinite(values)
    if wrong.any():
        place = np.argwhere(wrong)[0]
        point = [float(axis[part][k]) for axis, part, k in zip(axes, block, place, strict=True)]
        raise InvalidArgumentError(
            f"the field is not finite at ({', '.join(f'{p:.4g}' for p in point)}), where it is {values[tuple(place)]}; "
            "such a field has no surface: fit it again"
        )


def _of_block(values: np.ndarray, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Vertices, in cells of the block, and triangles."""
    from skimage import measure

    marching_cubes: Callable[..., tuple[np.ndarray, ...]] = measure.marching_cubes

    outside = values >= 0
    size = np.clip(np.abs(values) / scale, LEAST, 1.0)
    place, triangles, _, _ = marching_cubes(
        np.where(outside, size, -size).astype(np.float32), 0.0, gradient_direction="descent", allow_degenerate=True
    )
    return place.astype(np.float64), triangles.astype(np.int64)


def _keys(place: np.ndarray, first: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Numbers of the edges, or of the middles of cells, that vertices are on: the same from all blocks."""
    nearest = np.rint(place)
    between = np.abs(place - nearest) > LEAST / 4
    twice = 2 * (np.where(between, np.floor(place), nearest).astype(np.int64) + first) + between
    size = 2 * counts.astype(np.int64)
    key: np.ndarray = (twice[:, 0] * size[1] + twice[:, 1]) * size[2] + twice[:, 2]
    return key


def _ends(key: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both ends of edges in cells of the grid; twice the middle of a cell."""
    size = 2 * counts.astype(np.int64)
    twice = np.stack([key // (size[2] * size[1]), key // size[2] % size[1], key % size[2]], 1)
    odd = twice % 2
    edge = (odd.sum(1) == 1)[:, None]
    return np.where(edge, twice // 2, twice / 2), np.where(edge, twice // 2 + odd, twice / 2)


def _positions(axes: Sequence[np.ndarray], place: np.ndarray) -> np.ndarray:
    """Coordinates of places that are given in cells."""
    return np.stack([np.interp(p, np.arange(len(a)), a) for a, p in zip(axes, place.T, strict=True)], 1)
