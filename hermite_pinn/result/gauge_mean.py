"""Known solutions of fields with a gauge, whose constant is free: they get the mean over space that the field has."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from hermite_pinn.geometry import Domain

__all__ = ["Pointwise", "with_field_mean"]

Known = Callable[[Sequence[np.ndarray]], dict[str, np.ndarray]]
"""Known solution by field at coordinates that broadcast, one array per axis."""

NODES = 20  # of a Gauss rule along each axis of space
LEAST = 4  # of them, where there are many instants
MOST = 40_000  # points at an instant
TOTAL = 2_000_000  # points at all instants, and at those that are evaluated at a time
SCATTERED = 2000  # points in a domain that shapes cut


class Pointwise(Protocol):
    """Fields that can be evaluated at points; see :class:`.Exportable`."""

    @property
    def domain(self) -> Domain:
        """Where the fields live."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields."""

    def at_points(self, points: np.ndarray, *, slack: float) -> np.ndarray:
        """Values (fields, 1, n) at points (n, dim)."""


def with_field_mean(
    solution: Pointwise, known: Known, gauges: Sequence[str], coordinates: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """Known solution by field; where a gauge leaves a constant free, with the mean over space of the computed field.

    The equations determine such a field up to a constant, or up to a function of time.  What is returned differs from
    the field by its error alone.

    Parameters
    ----------
    solution
        The computed fields.
    known
        The known solution.
    gauges
        Fields with a :class:`hermite_pinn.Gauge`.
    coordinates
        Where, one array per axis; they broadcast.
    """
    truths, domain = known(coordinates), solution.domain
    free = [f for f in gauges if f in truths]
    if not free or not domain.space_axes:
        return truths
    t = domain.time_axis
    instants, number = np.zeros(1), np.zeros((), dtype=np.int64)
    if t is not None:
        given = np.asarray(coordinates[t], dtype=np.float64)
        instants, flat = np.unique(given, return_inverse=True)
        number = flat.reshape(given.shape)
    if not instants.size:
        return truths
    means = _mean_differences(solution, known, free, instants)
    return truths | {f: truths[f] + m[number] for f, m in zip(free, means, strict=True)}


def _mean_differences(solution: Pointwise, known: Known, free: Sequence[str], instants: np.ndarray) -> np.ndarray:
    """Mean over space of the fields less the known ones, (fields, instants)."""
    domain = solution.domain
    places, weights = _space_rule(domain, len(instants))
    space, t = list(domain.space_axes), domain.time_axis
    means = np.empty((len(free), len(instants)))
    step = max(1, TOTAL // len(places))
    for start in range(0, len(instants), step):
        some = instants[start : start + step]
        points = np.empty((len(some), len(places), domain.dim))
        points[:, :, space] = places
        if t is not None:
            points[:, :, t] = some[:, None]
        flat = points.reshape(-1, domain.dim)
        values, truths = solution.at_points(flat, slack=math.inf)[:, 0], known(list(flat.T))
        for row, name in zip(means, free, strict=True):
            difference = values[solution.fields.index(name)] - truths[name]
            row[start : start + step] = difference.reshape(len(some), -1) @ weights
    return means


def _space_rule(domain: Domain, instants: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, space axes) and weights (n,) of a mean over space: of a box by Gauss, else quasi-random ones."""
    space = list(domain.space_axes)
    if domain.is_cut:
        places = domain.interior.quasi_random(SCATTERED, 0).x.numpy()[space].T
        return places, np.full(len(places), 1.0 / len(places))
    count = int(min(NODES, max(LEAST, min(MOST, TOTAL / instants) ** (1.0 / len(space)))))
    nodes, weights = np.polynomial.legendre.leggauss(count)
    axes = [domain.lower[i] + domain.lengths[i] * (nodes + 1.0) / 2.0 for i in space]
    places = np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")], 1)
    shares = np.stack([g.ravel() for g in np.meshgrid(*[weights / 2.0] * len(space), indexing="ij")], 1)
    return places, shares.prod(1)
