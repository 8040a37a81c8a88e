"""Points in the cells of a locally refined grid that are not refined: at the same positions in all cells of a level."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from hermite_pinn.geometry import Plane, gauss_axis

from .refined_grid import RefinedGrid
from .refined_level import cell_values

__all__ = ["LeafGroup", "LeafPoints", "gauss_points", "scattered_points"]


@dataclass(frozen=True, eq=False)
class LeafGroup:
    """Points in some cells of one level.

    Attributes
    ----------
    level, cells
        Numbers of the level, and of the cells (C,) among those of the level.
    inside
        Positions in a cell, between 0 and 1, (Q, d), or where they differ (C, Q, d).
    weights
        Of the quadrature, (Q,), with the size of the cell, or (C, Q).
    """

    level: int
    cells: np.ndarray
    inside: np.ndarray
    weights: np.ndarray

    @property
    def count(self) -> int:
        """Number of points."""
        return len(self.cells) * self.per_cell

    @property
    def per_cell(self) -> int:
        """Number of points in a cell."""
        return int(self.inside.shape[-2])


@dataclass(frozen=True, eq=False)
class LeafPoints:
    """Groups of points, one after another: cell by cell in a group.

    Attributes
    ----------
    grid
        Whose cells they are in.
    groups
        The points.
    """

    grid: RefinedGrid
    groups: tuple[LeafGroup, ...]
    _values: dict[tuple[int, tuple[int, ...]], torch.Tensor] = field(default_factory=dict, repr=False)

    @property
    def count(self) -> int:
        """Number of points."""
        return sum(g.count for g in self.groups)

    @cached_property
    def slices(self) -> tuple[slice, ...]:
        """By group, the part of the points."""
        ends = np.cumsum([0, *(g.count for g in self.groups)]).tolist()
        return tuple(slice(a, b) for a, b in itertools.pairwise(ends))

    @cached_property
    def x(self) -> np.ndarray:
        """The points, float64, (d, count)."""
        grid, parts = self.grid, []
        for g in self.groups:
            cells = grid.mesh.levels[g.level].cells[g.cells]
            t = (cells[:, None, :] + g.inside).reshape(-1, grid.mesh.dim)
            parts.append(grid.lower + t * grid.widths(g.level))
        return np.ascontiguousarray(np.concatenate(parts).T) if parts else np.zeros((grid.mesh.dim, 0))

    @cached_property
    def weights(self) -> np.ndarray:
        """Of the quadrature, float64, (count,)."""
        parts = [np.broadcast_to(g.weights, (len(g.cells), g.per_cell)).ravel() for g in self.groups]
        return np.concatenate(parts) if parts else np.zeros(0)

    def by_cell(self, function: Sequence[float]) -> np.ndarray:
        """A number for every group, repeated for its points."""
        return np.repeat(np.asarray(function, dtype=float), [g.count for g in self.groups])

    @cached_property
    def columns(self) -> tuple[torch.Tensor, ...]:
        """By group, the numbers of the coefficients that cells are evaluated from, int64, (C, 2 ** d m ** d)."""
        grid, found = self.grid, []
        for g in self.groups:
            corners = grid.mesh.levels[g.level].corners[g.cells]
            own = grid.starts[g.level] + corners[:, :, None] * grid.record + np.arange(grid.record)
            found.append(torch.as_tensor(own.reshape(len(g.cells), -1)))
        return tuple(found)

    def values(self, group: int, orders: tuple[int, ...]) -> torch.Tensor:
        """Derivatives of the functions of a cell at the points of a group, float64, (Q, 2 ** d m ** d).

        Where the points differ from cell to cell, (C, Q, 2 ** d m ** d).
        """
        key = group, orders
        if key not in self._values:
            g = self.groups[group]
            flat = g.inside.reshape(-1, self.grid.mesh.dim)
            made = cell_values(self.grid.basis, flat, orders, self.grid.widths(g.level).tolist())
            self._values[key] = torch.as_tensor(made.reshape(*g.inside.shape[:-1], -1))
        return self._values[key]

    def evaluated(self, group: int, orders: tuple[int, ...], local: torch.Tensor) -> torch.Tensor:
        """A derivative at the points of a group, (C, Q), from the coefficients of its cells, (C, 2 ** d m ** d)."""
        values = self.values(group, orders)
        if values.ndim == 2:
            return local @ values.T
        return (values @ local[:, :, None])[:, :, 0]

    def gathered(self, group: int, orders: tuple[int, ...], rows: torch.Tensor) -> torch.Tensor:
        """Transpose of :meth:`evaluated`: of rows (C, Q)."""
        values = self.values(group, orders)
        if values.ndim == 2:
            return rows @ values
        return (rows[:, None, :] @ values)[:, 0]


def scattered_points(grid: RefinedGrid, x: np.ndarray, weights: np.ndarray) -> tuple[LeafPoints, np.ndarray]:
    """Some points (d, n) of the box with weights (n,), and their order: by the level of the cells in which they are."""
    inside = (x - grid.lower[:, None]) / (grid.upper - grid.lower)[:, None]
    levels, cells = grid.mesh.locate(inside)
    order, groups = np.argsort(levels, kind="stable"), []
    for number in np.unique(levels):
        own = order[levels[order] == number]
        level = grid.mesh.levels[number]
        place = inside[:, own].T * np.array(level.resolution) - level.cells[cells[own]]
        groups.append(LeafGroup(int(number), cells[own], place[:, None, :], weights[own][:, None]))
    return LeafPoints(grid, tuple(groups)), order


def gauss_points(grid: RefinedGrid, per_axis: int | Sequence[int], plane: Plane | None = None) -> LeafPoints:
    """Gauss points of all cells that are not refined, or of their faces on a side of the box."""
    dim = grid.mesh.dim
    counts = (per_axis,) * dim if isinstance(per_axis, int) else tuple(per_axis)
    rules = [gauss_axis(0.0, 1.0, 1, k) for k in counts]
    if plane is not None:
        rules[plane.axis] = (np.array([float(plane.side)]), np.ones(1))
    inside = np.stack([g.ravel() for g in np.meshgrid(*(r[0] for r in rules), indexing="ij")], 1)
    product = np.ones(1)
    for _, weights in rules:
        product = (product[:, None] * weights).ravel()
    groups = []
    for number, level in enumerate(grid.mesh.levels):
        cells = level.leaves
        if plane is not None:
            at = level.cells[cells, plane.axis]
            cells = cells[at == (level.resolution[plane.axis] - 1 if plane.side else 0)]
        if len(cells):
            size = math.prod(w for k, w in enumerate(grid.widths(number)) if plane is None or k != plane.axis)
            groups.append(LeafGroup(number, cells, inside, product * size))
    return LeafPoints(grid, tuple(groups))
