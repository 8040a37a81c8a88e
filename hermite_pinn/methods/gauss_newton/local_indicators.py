"""What a locally refined stage says of its errors, cell by cell: from the residual between its points, and the surplus.

The residual at collocation points is what the solver has made small; between them it tells of the error where the
solution is resolved.  The surplus, by which the solution differs from its interpolant on the parents of the cells, also
tells where a layer is not resolved and the residual is spread over the whole domain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.methods.systems.refined_block import RefinedBlock
from hermite_pinn.methods.systems.refined_grid import RefinedGrid
from hermite_pinn.methods.systems.refined_level import cell_values, offsets
from hermite_pinn.methods.systems.refined_mesh import RefinedMesh
from hermite_pinn.methods.systems.refined_points import gauss_points
from hermite_pinn.methods.systems.refined_system import RefinedSystem
from hermite_pinn.residuals.scales import rms

from .term_sizes import Sensitivities

__all__ = [
    "CellIndicators",
    "EvenResidual",
    "cell_indicators",
    "even_residual",
    "residual_rms",
    "roughness_by_cell",
    "sensitivity_norms",
    "surplus_by_cell",
]

PEAK = 0.5  # of the largest value of a field: its size where it is narrow
EVEN = 0.5  # of a residual, in its means over cells, that does not alternate
ACROSS = 0.38  # where in a cell, across an axis, jumps of the highest derivative are taken


@dataclass(frozen=True)
class CellIndicators:
    """Numbers by level and by cell that is not refined, relative to the sizes of the fields: L2 norms over cells.

    Attributes
    ----------
    residual
        The changes of the fields that the residual between the points asks for.
    surplus
        The difference from the interpolant on the parents of the cells; infinite on the first level.
    steepness
        The largest surplus of any cell over the root of its size, relative to the sizes of the fields, or to half of
        their largest values.
    """

    residual: list[np.ndarray]
    surplus: list[np.ndarray]
    steepness: float

    def without(self, mesh: RefinedMesh, sides: Sequence[tuple[int, int]]) -> CellIndicators:
        """The same with zeros in the cells at some sides of the box, given by their axes and ends."""
        kept, asked, most, rest = [], [], 0.0, 0.0
        for level, own, residual in zip(mesh.levels, self.surplus, self.residual, strict=True):
            cells, near = level.cells[level.leaves], np.zeros(len(level.leaves), dtype=bool)
            for axis, end in sides:
                near |= cells[:, axis] == (level.resolution[axis] - 1 if end else 0)
            local = np.where(np.isfinite(own), own, 0.0) * math.sqrt(level.cells_of_grid)
            most = max(most, float(local.max(initial=0.0)))
            rest = max(rest, float(local[~near].max(initial=0.0)))
            kept.append(np.where(near & np.isfinite(own), 0.0, own))
            asked.append(np.where(near, 0.0, residual))
        return replace(self, residual=asked, surplus=kept, steepness=self.steepness * rest / most if most > 0 else 0.0)

    @staticmethod
    def norm(parts: Sequence[np.ndarray]) -> float:
        """Of all cells together."""
        return math.sqrt(sum(float((p[np.isfinite(p)] ** 2).sum()) for p in parts))


def residual_rms(block: RefinedBlock, rows: Sequence[torch.Tensor]) -> dict[str, float]:
    """Root mean squares over the domain of the rows of a block with the roots of quadrature weights, by term."""
    volume = float(block.root.square().sum())
    return {t.name: float(r.norm()) / math.sqrt(volume) for t, r in zip(block.terms, rows, strict=True)}


@dataclass(frozen=True)
class EvenResidual:
    """The part of the residual between the points that does not alternate within the cells: its means over cells.

    A solution that is the best on its grid leaves a residual that is orthogonal to the images of all functions of the
    grid, and these come close to every smooth function unless the fields that belong to it have layers which the
    grid does not resolve.  So the residual alternates, except beside the wrong solution that least squares prefer
    there.

    Attributes
    ----------
    asked
        The change of a field, relative to its size, that the means ask for if they count over the whole domain.
    share
        The root mean square of the means over that of the residual, of the equation where they ask for most.
    coarse
        As ``asked``, for the means over the cells of the first level.
    """

    asked: float = 0.0
    share: float = 0.0
    coarse: float = 0.0

    @property
    def even(self) -> bool:
        """Whether hardly anything of the residual alternates."""
        return self.share > EVEN


def even_residual(
    block: RefinedBlock, rows: Sequence[torch.Tensor], strong: Sequence[Sequence[float]], sizes: Sequence[float]
) -> EvenResidual:
    """The :class:`EvenResidual` of a state.

    Parameters
    ----------
    block, rows
        The equations between the points, and their residuals times the roots of the quadrature weights.
    strong
        By equation and field, how large a residual of a field of size one is that varies over the domain.
    sizes
        Root mean squares of the fields.
    """
    volume, found, coarse = float(block.root.square().sum()), EvenResidual(), 0.0
    level, parents = block.points.grid.mesh.levels[0], _first_cells(block)
    size = volume / level.count
    for row, strength in zip(rows, strong, strict=True):
        means, sums = 0.0, np.zeros(level.count)
        for group, part, parent in zip(block.points.groups, block.points.slices, parents, strict=True):
            root = block.root[part].reshape(len(group.cells), -1)
            own = (row[part].reshape(len(group.cells), -1) * root).sum(1)
            means += float((own.square() / root.square().sum(1)).sum())
            np.add.at(sums, parent, own.numpy())
        most = max((s * size for s, size in zip(strength, sizes, strict=True)), default=0.0)
        whole = float(row.square().sum())
        if not (most > 0 and whole > 0):
            continue
        coarse = max(coarse, math.sqrt(float((sums**2).sum()) / size / volume) / most)
        if math.sqrt(means / volume) > found.asked * most:
            found = EvenResidual(math.sqrt(means / volume) / most, math.sqrt(means / whole))
    return replace(found, coarse=coarse)


def _first_cells(block: RefinedBlock) -> list[np.ndarray]:
    """By group of points, the cells of the first level in which its cells lie."""
    mesh = block.points.grid.mesh
    first = np.array(mesh.levels[0].resolution)
    found = []
    for group in block.points.groups:
        level = mesh.levels[group.level]
        found.append(mesh.levels[0].find(level.cells[group.cells] // (np.array(level.resolution) // first)))
    return found


def sensitivity_norms(block: RefinedBlock) -> Sensitivities:
    """Root mean squares of the derivatives of the equations by jets, at the last linearisation."""
    return [{jet: rms(s) for jet, s in block.sensitivity(k).items()} for k in range(len(block.terms))]


def cell_indicators(
    system: RefinedSystem,
    total: torch.Tensor,
    held_out: RefinedBlock,
    rows: Sequence[torch.Tensor],
    sizes: Sequence[float],
) -> CellIndicators:
    """Indicators of a state.

    Parameters
    ----------
    total
        Coefficients (fields, size) of the sum of the levels.
    held_out, rows
        The equations between the points, and their residuals times the roots of the quadrature weights.
    sizes
        Root mean squares of the fields.
    """
    residual = _residuals(system, held_out, [r.numpy() for r in rows], sizes)
    surplus, steepest = surplus_by_cell(system.grid, system.grid.interpolated(total.numpy()), sizes)
    return CellIndicators(residual, surplus, steepest)


def cell_strengths(
    block: RefinedBlock, group: int, term: int, fields: Sequence[str], sizes: Sequence[float]
) -> np.ndarray:
    """By cell of a group, how large a term's residual is for fields of their sizes that vary over the cell, (C,)."""
    points, part = block.points, block.points.slices[group]
    widths = points.grid.widths(points.groups[group].level)
    cells = len(points.groups[group].cells)
    strength = np.zeros(cells)
    for (name, orders), s in block.sensitivity(term).items():
        over = sizes[fields.index(name)] / math.prod(a**o for a, o in zip(widths, orders, strict=True))
        slope = torch.as_tensor(s, dtype=torch.float64)
        if slope.ndim:
            own = slope[part].reshape(cells, -1).square().mean(1).sqrt().numpy()
        else:
            own = np.full(cells, abs(float(slope)))
        strength = np.maximum(strength, own * over)
    return strength


def _residuals(
    system: RefinedSystem, held_out: RefinedBlock, rows: Sequence[np.ndarray], sizes: Sequence[float]
) -> list[np.ndarray]:
    """By level and leaf, the largest of all equations."""
    mesh, fields = system.grid.mesh, system.problem.fields
    found = [np.zeros(len(level.leaves)) for level in mesh.levels]
    volume = math.prod(system.problem.domain.lengths)
    for g, (group, part) in enumerate(zip(held_out.points.groups, held_out.points.slices, strict=True)):
        for k in range(len(held_out.terms)):
            own = np.sqrt((rows[k][part].reshape(len(group.cells), -1) ** 2).sum(1) / volume)
            strength = cell_strengths(held_out, g, k, fields, sizes)
            asked = np.where(own > 0, own / np.where(strength > 0, strength, 1e-300), 0.0)
            found[group.level] = np.maximum(found[group.level], asked)
    return found


def surplus_by_cell(grid: RefinedGrid, values: np.ndarray, sizes: Sequence[float]) -> tuple[list[np.ndarray], float]:
    """The surplus and the steepness of :class:`CellIndicators`, from coefficients at all vertices, (fields, size)."""
    mesh = grid.mesh
    volume = math.prod(grid.upper - grid.lower)
    found, steepest = [np.full(len(mesh.levels[0].leaves), math.inf)], 0.0
    details = np.zeros(values.shape)
    for number in range(1, mesh.depth):
        own = values[:, grid.part(number)]
        back = grid.backs[number - 1] @ own.T
        details[:, grid.part(number)] = own - (grid.steps[number - 1] @ back).T
    points = gauss_points(grid, grid.m + 1)
    found += [np.zeros(len(level.leaves)) for level in mesh.levels[1:]]
    none = (0,) * mesh.dim
    for g, (group, columns) in enumerate(zip(points.groups, points.columns, strict=True)):
        if group.level == 0:
            continue
        weights, cell = group.weights, math.prod(grid.widths(group.level))
        for f, size in enumerate(sizes):
            if not size > 0:
                continue
            local = details[f][columns.numpy()] @ points.values(g, none).numpy().T
            own = np.sqrt((local**2 * weights).sum(1) / volume) / size
            found[group.level] = np.maximum(found[group.level], own)
            largest = max(1.0, PEAK * float(np.abs(values[f, :: grid.record]).max()) / size)
            steepest = max(steepest, float(own.max(initial=0.0)) * math.sqrt(volume / cell) / largest)
    return found, steepest


def roughness_by_cell(system: RefinedSystem, total: torch.Tensor, sizes: Sequence[float]) -> list[np.ndarray]:
    """By level, of all cells (C, d) the jumps of the highest derivative along every axis, in units of the cell.

    That is ``h**(2m) d^(2m) u``, by which the error of interpolation along an axis is measured.  It is taken
    between neighbours of the same level, and is zero where there is none.
    """
    grid, mesh = system.grid, system.grid.mesh
    m, dim = BASES[grid.basis].coefficients, mesh.dim
    whole, found = grid.interpolated(total.numpy()), []
    for number, level in enumerate(mesh.levels):
        corners = grid.starts[number] + level.corners[:, :, None] * grid.record + np.arange(grid.record)
        columns = corners.reshape(level.count, -1)
        own = np.zeros((level.count, dim))
        for axis in range(dim):
            at = np.array([[ACROSS + 0.24 * (k % 2) if k != axis else 0.5 for k in range(dim)]])
            orders = [2 * m - 1 if k == axis else 0 for k in range(dim)]
            values = cell_values(grid.basis, at, orders, [1.0] * dim)[0]
            step = offsets(dim, (0, 1))[1 << (dim - 1 - axis)]
            right = level.find(level.cells + step)
            known = np.flatnonzero(right >= 0)
            for f, size in enumerate(sizes):
                if not size > 0:
                    continue
                highest = whole[f][columns] @ values
                jump = np.abs(highest[right[known]] - highest[known]) / size
                np.maximum.at(own[:, axis], known, jump)
                np.maximum.at(own[:, axis], right[known], jump)
        found.append(own)
    return found
