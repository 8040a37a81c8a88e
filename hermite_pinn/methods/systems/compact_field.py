"""A field on the vertices of the cells that a cut domain touches."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.encoder.vertices import VertexList
from hermite_pinn.field.field import GridField
from hermite_pinn.field.heads import LinearHead
from hermite_pinn.field.hermite_grid import HermiteGrid
from hermite_pinn.problem.problem import Problem

from .level_cells import level_cells

__all__ = ["compact_field"]


def compact_field(problem: Problem, basis: str, resolution: Sequence[int], finest: torch.Tensor) -> GridField:
    """The field of coefficients (fields, V m**d, T) of a compact level: one indexed level, zero outside its cells."""
    level, domain, fields = level_cells(problem, basis, resolution), problem.domain, len(problem.fields)
    space, time = domain.space_axes, domain.time_axis
    m, dim = level.m, domain.dim
    slices = 1 if time is None else finest.shape[2] // m
    vertices = np.zeros((level.count, slices, dim), dtype=np.int64)
    vertices[:, :, list(space)] = level.vertices[:, None, :]
    if time is not None:
        vertices[:, :, time] = np.arange(slices)
    # fields, vertex, orders over space, vertex of time, order in time
    split = finest.reshape(fields, level.count, *(m,) * len(space), slices, 1 if time is None else m)
    at = {axis: 2 + k for k, axis in enumerate(space)} | ({} if time is None else {time: 3 + len(space)})
    rest = [] if time is not None else [3 + len(space)]
    records = split.permute(1, 2 + len(space), *(at[axis] for axis in range(dim)), 0, *rest)
    records = records.reshape(level.count * slices, m**dim * fields)
    listed = VertexList.of(vertices.reshape(-1, dim))
    counts = [n + (not p) for n, p in zip(resolution, problem.periodic, strict=True)]
    given = np.ravel_multi_index(tuple(vertices.reshape(-1, dim).T), counts)
    wanted = np.ravel_multi_index(tuple(listed.vertices.T), counts)
    order = np.argsort(given)[np.searchsorted(np.sort(given), wanted)]
    layout = GridLayout(domain.lower, domain.upper, (tuple(resolution),), basis, fields, None, tuple(problem.periodic))
    layout = layout.with_levels(layout.resolutions, (listed,))
    table = torch.zeros(layout.size, dtype=finest.dtype, device=finest.device)
    flat = records[torch.as_tensor(order).to(finest.device)].reshape(-1)
    start = layout.groups[0][0].offset
    assert flat.numel() == math.prod(records.shape)
    table[start : start + flat.numel()] = flat
    return GridField(domain.names, tuple(problem.fields), HermiteGrid(layout, table), LinearHead(fields))
