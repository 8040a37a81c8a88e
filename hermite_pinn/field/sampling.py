"""Evaluate a field on grids and at random points."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.tensor_grid.pieces import Pieces
from hermite_pinn.geometry import Domain

from .grid_field import GridField

__all__ = ["cell_edges", "grid_jets", "off_lattice_axes", "shares_of", "vertex_axes"]

LEAST_COUNT = 64  # along each axis, where MAX_POINTS allows
MAX_POINTS = 4_000_000  # of a test grid
WITHIN = 8  # intervals of a cell among cells of different lengths


def off_lattice_axes(field: GridField, domain: Domain, most: int = MAX_POINTS) -> list[np.ndarray]:
    """Axes of a fine test grid that meets no vertex of the field, 3.3 points per cell of the finest level.

    With four cells per half wave, which a useful cubic field has, that is 13 points per half wave.  The number of
    points is bounded by ``most``; the positions are equidistant with an irrational offset, on axes whose cells have
    different lengths within each cell.
    """
    counts = [max(LEAST_COUNT, math.ceil(3.3 * n)) for n in _cells(field, domain)]
    excess = (math.prod(counts) / most) ** (1.0 / domain.dim)
    if excess > 1:
        least = min(8, math.floor(most ** (1.0 / domain.dim)))  # in many axes even 8 are too many
        counts = [max(least, int(c / excess)) for c in counts]
    offset = 1.0 / math.sqrt(5.0)
    ends = zip(domain.lower, domain.upper, counts, strict=True)
    equal = [a + (b - a) * (np.arange(c) + offset) / c for a, b, c in ends]
    graded = zip(equal, counts, field.encoder.knots, strict=True)
    return [_within(knots, c, offset)[0] if knots else axis for axis, c, knots in graded]


def shares_of(field: GridField, axes: Sequence[np.ndarray]) -> list[np.ndarray]:
    """By axis of :func:`off_lattice_axes`, the part of its length that each of the positions stands for."""
    each = zip(axes, field.encoder.knots, strict=True)
    return [_within(knots, len(a), 0.5)[1] if knots else np.full(len(a), 1.0 / len(a)) for a, knots in each]


def _within(knots: Sequence[float], count: int, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """About ``count`` positions that are equidistant on each of the cells, and what part of all each stands for."""
    ends = np.array(_thinned(knots, count))
    each = max(1, count // (len(ends) - 1))
    lengths = np.diff(ends)
    places = ends[:-1, None] + lengths[:, None] * (np.arange(each) + offset) / each
    return places.ravel(), np.repeat(lengths / lengths.sum() / each, each)


def _thinned(knots: Sequence[float], limit: int) -> Sequence[float]:
    """At most ``limit`` cells, of the same numbers of those there are, both ends included."""
    step = -(-(len(knots) - 1) // limit)
    return knots if step == 1 else [*knots[:-1:step], knots[-1]]


def vertex_axes(field: GridField, domain: Domain, limit: int) -> list[np.ndarray]:
    """Axes through the vertices of the finest level, thinned to at most ``limit`` intervals, ends included.

    Where the cells of an axis have different lengths, the intervals do, too: as many as fit, 8 at most, of each cell.
    """
    ends = zip(domain.lower, domain.upper, _cells(field, domain), strict=True)
    equal = [np.linspace(a, b, min(max(cells, 32), limit) + 1) for a, b, cells in ends]
    return [_divided(k, limit) if k else axis for axis, k in zip(equal, field.encoder.knots, strict=True)]


def _divided(knots: Sequence[float], limit: int) -> np.ndarray:
    """Ends of cells, and positions between them."""
    ends = _thinned(knots, limit)
    each = max(1, min(WITHIN, limit // (len(ends) - 1)))
    places = np.interp(np.arange(each * (len(ends) - 1) + 1) / each, np.arange(len(ends)), ends)
    return np.asarray(places[np.append(True, np.diff(places) > 0)])


def _cells(field: GridField, domain: Domain) -> list[int]:
    """Cells of the finest detail along the axes of a domain, which may have several periods of the field."""
    encoder = field.encoder
    ends = zip(encoder.lower, encoder.upper, domain.lengths, encoder.cells, strict=True)
    return [n * round(length / (upper - lower)) for lower, upper, length, n in ends]


def cell_edges(field: GridField, domain: Domain) -> list[np.ndarray]:
    """Ends of the cells of the finest level along the axes of a domain, ascending; the field is smooth in each."""
    encoder, found = field.encoder, []
    axes = zip(domain.lower, domain.upper, _cells(field, domain), encoder.knots, encoder.breaks, strict=True)
    for a, b, cells, knots, breaks in axes:
        if knots:
            edges = np.asarray(knots)
        elif breaks:
            edges = Pieces((a, *breaks, b)).vertices(cells)
        else:
            edges = np.linspace(a, b, cells + 1)
        found.append(edges)
    return found


def grid_jets(field: GridField, axes: Sequence[np.ndarray], channels: Channels) -> torch.Tensor:
    """Derivative channels of all fields on the tensor product of ``axes``: (fields, channels, n_1, ..., n_d).

    Dense linear fields are evaluated by sum factorisation, others point by point.
    """
    field = field.collapsed()
    shape = len(field.names), len(channels), *(len(a) for a in axes)

    def points() -> torch.Tensor:
        mesh = torch.stack([torch.as_tensor(g.ravel()) for g in np.meshgrid(*axes, indexing="ij")])
        return mesh.to(field.device, field.dtype)

    if field.linear and field.boundary_factor is None:
        values = field.encoder.tensor_jets(axes, channels)
        if values is not None:
            values = values[: len(field.names)]
            return (
                values
                if field.singular is None
                else values + field.singular.evaluate(points(), channels, field.names).view(shape)
            )
    return field.evaluate(points(), channels).view(shape)
