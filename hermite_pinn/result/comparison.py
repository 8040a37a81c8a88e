"""A field beside its known solution: where the two are compared, and how far apart they are."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from hermite_pinn.field.field import GridField
from hermite_pinn.field.sampling import off_lattice_axes
from hermite_pinn.geometry import Domain

from .inside import inside_grid

__all__ = ["Inner", "compared", "inner_points", "without_mean"]

MOST = 1_000_000  # points of a grid over the box of a cut domain, each of which may ask for a distance
LEAST = 1000  # points inside below which random ones stand for the grid


class Inner(NamedTuple):
    """Points of a cut domain (dim, n), and by point the number of its instant: a gauge holds at each."""

    x: np.ndarray
    instant: np.ndarray


def inner_points(field: GridField, domain: Domain) -> Inner:
    """The points of a fine grid, which meets no vertex of the field, that lie in a domain that shapes cut."""
    axes = off_lattice_axes(field, domain, MOST)
    places = inside_grid(domain, axes).nonzero()
    t = domain.time_axis
    if len(places[0]) >= LEAST:
        x = np.stack([a[k] for a, k in zip(axes, places, strict=True)])
        return Inner(x, np.zeros(x.shape[1], dtype=np.int64) if t is None else places[t])
    x = domain.interior.quasi_random(LEAST * 10, 0).x.numpy()
    return Inner(x, np.zeros(x.shape[1], dtype=np.int64))


def without_mean(values: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Values (n,) less the mean of their group, whose number (n,) is given."""
    counts = np.bincount(group)
    return np.asarray(values - (np.bincount(group, values) / np.maximum(counts, 1))[group])


def compared(values: np.ndarray, exact: np.ndarray, shares: np.ndarray | None = None) -> dict[str, float]:
    """Relative L2 norm, absolute where the exact values vanish, and maximum of a difference.

    Parameters
    ----------
    values, exact
        At the same points.
    shares
        What each point stands for, if not all for the same; their sum is one.

    Examples
    --------
    >>> compared(np.array([1.0, 2.0]), np.array([1.0, 1.0]))
    {'relative_l2': 0.7071067811865475, 'max': 1.0}
    """
    difference = values - exact
    weight = 1.0 if shares is None else shares * exact.size
    norm = math.sqrt(float(np.sum(weight * exact**2)))
    l2 = math.sqrt(float(np.sum(weight * difference**2)))
    return {"relative_l2": l2 / norm if norm > 0 else l2, "max": float(np.max(np.abs(difference)))}
