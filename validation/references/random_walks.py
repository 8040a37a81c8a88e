"""Laplace's equation by walks on spheres: no grid, no system, an error that is known from the walks themselves.

The value at a point is the mean of the boundary values where Brownian paths from it leave the domain.  A path jumps to
a random point of the largest sphere about its place that lies in the domain, until it is within ``shell`` of the
boundary.  The bias is of the order of ``shell`` times the slope of u, the noise the standard deviation of the values
over the square root of their number.

Source: M. E. Muller, Ann. Math. Statist. 27, 569 (1956).  Nothing here shares a line with the solver of this package
but the distances to a mesh, which libigl computes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Walks", "potential_about", "walk_on_spheres"]

Array = np.ndarray
MOST = 2000  # jumps of a path


@dataclass(frozen=True, eq=False)
class Walks:
    """Means over walks, one per point.

    Attributes
    ----------
    values
        Means (n,).
    noise
        Their standard errors (n,).
    """

    values: Array
    noise: Array


def walk_on_spheres(
    points: Array,
    distance: Callable[[Array], Array],
    boundary: Callable[[Array], Array],
    walks: int = 1000,
    shell: float = 1e-4,
    seed: int = 0,
) -> Walks:
    """The harmonic function with given boundary values at points.

    Parameters
    ----------
    points
        Where, (n, dim), inside the domain.
    distance
        Distances (m,) of points (m, dim) of the domain to its boundary, or something positive and smaller.
    boundary
        Boundary values (m,) near points (m, dim) that are within ``shell`` of the boundary.
    walks
        From every point.
    shell
        Where walks end.
    seed
        Of the random numbers.

    Examples
    --------
    >>> import numpy as np
    >>> found = walk_on_spheres(np.array([[0.3, 0.4]]), lambda x: np.minimum(x, 1 - x).min(1), lambda x: x[:, 0], 400)
    >>> bool(abs(found.values[0] - 0.3) < 4 * found.noise[0])
    True
    """
    random = np.random.default_rng(seed)
    count, dim = points.shape
    values = np.zeros(count * walks)
    places, paths = np.repeat(points, walks, 0), np.arange(count * walks)
    for _ in range(MOST):
        radius = distance(places)
        ended = radius < shell
        if ended.any():
            values[paths[ended]] = boundary(places[ended])
            places, paths, radius = places[~ended], paths[~ended], radius[~ended]
        if not len(paths):
            break
        steps = random.standard_normal((len(paths), dim))
        places = places + (radius / np.linalg.norm(steps, axis=1))[:, None] * steps
    else:
        values[paths] = boundary(places)
    table = values.reshape(count, walks)
    return Walks(table.mean(1), table.std(1, ddof=1) / np.sqrt(walks))


def potential_about(
    mesh: Any, points: Array, walks: int = 1000, shell: float = 1e-4, seed: int = 0, cells: int = 64
) -> Walks:
    """The potential that is 1 on a mesh and 0 on the sides of the unit cube, at points (n, 3) between them.

    Exact distances are asked for only where a table of distances on a grid, less the way to its next point, leaves too
    small a sphere.

    Parameters
    ----------
    mesh
        Has ``signed_distance`` of points (3, n).
    cells
        Of the table along every axis.
    """
    line = np.linspace(0, 1, cells + 1)
    grid = np.stack(np.meshgrid(line, line, line, indexing="ij")).reshape(3, -1)
    table = np.abs(mesh.signed_distance(grid)).reshape((cells + 1,) * 3)

    def to_mesh(x: Array) -> Array:
        near = np.rint(x * cells).astype(int)
        lower = table[tuple(near.T)] - np.linalg.norm(x - near / cells, axis=1)
        close = lower < 0.02
        lower[close] = np.abs(mesh.signed_distance(x[close].T))
        return lower

    def distance(x: Array) -> Array:
        return np.minimum(to_mesh(x), np.maximum(np.minimum(x, 1 - x).min(1), 0.0))

    def boundary(x: Array) -> Array:
        return (np.minimum(x, 1 - x).min(1) > 2 * shell).astype(float)

    return walk_on_spheres(points, distance, boundary, walks, shell, seed)
