"""Evaluate a field on grids and at random points."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.geometry import Domain

from .grid_field import GridField

__all__ = ["grid_jets", "off_lattice_axes", "vertex_axes"]

LEAST_COUNT = 64  # along each axis, where MAX_POINTS allows
MAX_POINTS = 4_000_000  # of a test grid


def off_lattice_axes(field: GridField, domain: Domain, most: int = MAX_POINTS) -> list[np.ndarray]:
    """Axes of a fine test grid that meets no vertex of the field, 3.3 points per cell of the finest level.

    With four cells per half wave, which a useful cubic field has, that is 13 points per half wave.  The number of
    points is bounded by ``most``; the positions are equidistant with an irrational offset.
    """
    counts = [max(LEAST_COUNT, math.ceil(3.3 * n)) for n in _cells(field, domain)]
    excess = (math.prod(counts) / most) ** (1.0 / domain.dim)
    if excess > 1:
        counts = [max(8, int(c / excess)) for c in counts]
    offset = 1.0 / math.sqrt(5.0)
    ends = zip(domain.lower, domain.upper, counts, strict=True)
    return [a + (b - a) * (np.arange(c) + offset) / c for a, b, c in ends]


def vertex_axes(field: GridField, domain: Domain, limit: int) -> list[np.ndarray]:
    """Axes through the vertices of the finest level, thinned to at most ``limit`` intervals, ends included."""
    ends = zip(domain.lower, domain.upper, _cells(field, domain), strict=True)
    return [np.linspace(a, b, min(max(cells, 32), limit) + 1) for a, b, cells in ends]


def _cells(field: GridField, domain: Domain) -> list[int]:
    """Cells of the finest detail along the axes of a domain, which may have several periods of the field."""
    encoder = field.encoder
    ends = zip(encoder.lower, encoder.upper, domain.lengths, encoder.cells, strict=True)
    return [n * round(length / (upper - lower)) for lower, upper, length, n in ends]


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
