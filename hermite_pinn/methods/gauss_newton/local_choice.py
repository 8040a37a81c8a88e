"""Whether a problem can be solved on locally refined grids, and whether that is likely to pay."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.field import basis_for
from hermite_pinn.methods.base import Task
from hermite_pinn.methods.systems.refined_grid import RefinedGrid
from hermite_pinn.methods.systems.refined_mesh import RefinedMesh
from hermite_pinn.methods.systems.rough_terms import leads_off_lines
from hermite_pinn.problem.problem import Problem

from .indicators import LEAF
from .local_indicators import surplus_by_cell
from .local_marking import concentration
from .options import GaussNewtonOptions
from .small_coefficients import foreign_sides, small_coefficients
from .stage import Stage

__all__ = ["LocalChoice", "check_local", "local_basis", "why_not_local"]

CONCENTRATED = 0.25  # of the cells that have four fifths of the squares of the surplus
THIN = 500.0  # layers that are thinner by this factor than the domain are long
THINNER = 2000.0  # the same where values on the sides at which a layer ends contain it: they do not fit wider layers
MOST_CELLS = 70_000  # that are looked at
LEVELS = 3  # before a choice is made; one more in the plane where nothing tells of layers
FINE = 1e-4  # tolerance from which on quintics have fewer unknowns


def why_not_local(problem: Problem) -> str:
    """What keeps a problem from being solved on locally refined grids, for messages; nothing if it can be."""
    if problem.domain.is_cut:
        return "shapes cut its domain out of a box"
    if problem.domain.dim > 3:
        return f"it has {problem.domain.dim} axes"
    if problem.domain.breaks:
        return "its grid has lines where coefficients or sources jump"
    if leads_off_lines(problem):
        return "the coefficient of its highest derivatives jumps along no line of the grid"
    if any(t.region.penalty is not None or t.noise is not None for t in problem.terms):
        return "it has noisy data or penalties"
    if any(t.region.measured is None and not t.region.is_interior and t.region.plane is None for t in problem.terms):
        return "it has conditions at points or on parts of its sides"
    if problem.gauges and problem.domain.time_axis is not None:
        return f"a function of time of {', '.join(problem.gauges)} is free"
    if problem.order > 2:
        return f"it has derivatives of order {problem.order}"
    return ""


def check_local(options: GaussNewtonOptions, task: Task) -> None:
    """Raise an error if local refinement is asked for and impossible.

    Raises
    ------
    InvalidArgumentError
        With the reason.
    """
    if options.refine != "local":
        return
    reason = why_not_local(task.problem)
    if reason:
        raise InvalidArgumentError(f"refine='local' cannot solve this problem: {reason}; use 'uniform' or 'auto'")
    if task.levels is not None:
        raise InvalidArgumentError(
            f"refine='local' finds its cells by itself and got levels={task.levels!r}; leave levels out, or use refine='uniform'"
        )
    if task.ranks.size > 1:
        raise InvalidArgumentError(
            f"refine='local' runs in one process, got {task.ranks.size}; start it without torchrun, or use refine='uniform'"
        )
    if options.inner == "banded":
        raise InvalidArgumentError("refine='local' has no banded matrices; leave inner out, or use refine='uniform'")


def local_basis(problem: Problem, tol: float) -> str:
    """The basis with the fewest unknowns: quintic for small tolerances in one and two axes."""
    least = basis_for(problem.order)
    return "quintic" if tol <= FINE and problem.domain.dim <= 2 and BASES[least].coefficients < 3 else least


class LocalChoice:
    """Decides after the levels of a nested iteration whether to go on with locally refined ones.

    That pays where a peak of what is prescribed has not been seen by then, or where the solution is not resolved and
    what the last level added is concentrated in few cells: along several axes, or in a layer that is too thin for
    even levels that double one axis.  Evolution has its time slabs; there it pays where a small coefficient of the
    highest derivative makes fronts.

    Parameters
    ----------
    options, task
        The run.
    """

    def __init__(self, options: GaussNewtonOptions, task: Task) -> None:
        self.problem = task.problem
        automatic = options.refine == "auto" and task.levels is None and task.start is None and task.ranks.size == 1
        automatic = automatic and task.guess is None and not task.deflated
        wanted = automatic and options.inner == "auto" and options.slabs == "auto" and options.gauss is None
        self.possible = wanted and not why_not_local(task.problem)
        self.asked = options.refine == "local"
        self.levels, self.layers, self.wide, self.hidden = LEVELS, False, False, False
        if self.possible:
            domain, small = task.problem.domain, small_coefficients(task.problem)
            self.possible = bool(small) or domain.time_axis is None
            self.levels += not small and domain.dim <= 2
            layers = [c.layer(c.halvings) for c in small]
            least = THINNER if foreign_sides(task.problem, small) else THIN
            thin = any(domain.lengths[axis] > least * width for axis, width in layers)
            self.hidden = thin and bool(task.problem.parameters)  # fits to data resolve something else meanwhile
            self.layers = thin or domain.time_axis is not None
            self.wide = bool(small) and not self.layers

    def pays(self, stage: Stage, levels: int) -> bool:
        """Whether the run goes on with locally refined grids.

        Parameters
        ----------
        stage
            The last one.
        levels
            How many there were.
        """
        if self.asked:
            return True
        if not self.possible or levels < self.levels:
            return False
        if self.hidden:
            return True
        if stage.indicators.resolved:
            return False
        if not stage.indicators.seen:
            return True
        resolution = stage.resolutions[-1]
        if math.prod(resolution) > MOST_CELLS or any(n % 2 for n in resolution):
            return False
        axes = sum(s > LEAF for s in stage.indicators.leaf)
        if not self.layers and (self.wide or (axes < 2 and self.problem.domain.dim > 1)):
            return False  # levels that double one axis will do
        surplus, steepness = self._surplus(stage, resolution)
        return steepness > LEAF and concentration(surplus[1:]) < CONCENTRATED

    def _surplus(self, stage: Stage, resolution: Sequence[int]) -> tuple[list[np.ndarray], float]:
        problem, domain = self.problem, self.problem.domain
        coarse = RefinedMesh.uniform([n // 2 for n in resolution], problem.periodic)
        mesh = coarse.refined([np.ones(coarse.leaves, dtype=bool)], (2,) * domain.dim)
        m = round((stage.finest[0].numel() / len(mesh.levels[1].vertices)) ** (1.0 / domain.dim))
        basis = next(b.name for b in BASES.values() if b.coefficients == m and b.refinable)
        grid = RefinedGrid(mesh, basis, domain.lower, domain.upper)
        values = np.zeros((len(problem.fields), grid.size))
        values[:, grid.part(1)] = by_vertex(stage.finest, mesh.levels[1].sides)
        root = math.sqrt(math.prod(domain.lengths))
        return surplus_by_cell(grid, values, [size / root for size in stage.sizes])


def by_vertex(dense: torch.Tensor, sides: Sequence[int]) -> np.ndarray:
    """Coefficients (fields, m N_1, ..., m N_d) of all vertices, vertex by vertex: (fields, V m**d)."""
    dim, m = len(sides), dense.shape[1] // sides[0]
    split = dense.to("cpu", torch.float64).reshape(len(dense), *(k for n in sides for k in (n, m)))
    order = [0, *range(1, 2 * dim, 2), *range(2, 2 * dim + 1, 2)]
    found: np.ndarray = split.permute(order).reshape(len(dense), -1).numpy()
    return found
