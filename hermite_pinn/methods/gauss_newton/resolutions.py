"""Which resolutions the stages of a nested iteration have, as far as memory and limits allow."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from hermite_pinn.errors import InvalidArgumentError, OutOfMemoryError
from hermite_pinn.field.field import Field, resolutions_of
from hermite_pinn.memory import available_memory, spelled_size
from hermite_pinn.methods.base import Task
from hermite_pinn.problem.problem import Problem

from .options import GaussNewtonOptions
from .pieces import first_cells, piecewise_roughness
from .refinement import refined
from .stage import Discretization, Stage
from .time_slabs import cells_per_slab, least_cells, why_at_once

__all__ = ["Resolutions", "first_resolutions"]

Resolution = tuple[int, ...]


def first_resolutions(task: Task, field: Field) -> list[Resolution]:
    """The resolutions that were asked for, or the first one where they are chosen on the way.

    Raises
    ------
    InvalidArgumentError
        If the levels are not nested.
    """
    levels = 1 if task.levels is None else task.levels
    if field.ratio != 2.0 and isinstance(levels, int):
        raise InvalidArgumentError(f"gauss_newton needs nested levels: ratio=2, got {field.ratio}")
    listed = resolutions_of(levels, first_base(task.problem, field), 2.0, task.problem.domain.dim)
    _check_pieces(task.problem, listed)
    for coarse, fine in itertools.pairwise(listed):
        if any(b not in (a, 2 * a) for a, b in zip(coarse, fine, strict=True)):
            raise InvalidArgumentError(
                f"gauss_newton needs nested levels: every resolution is the one before or twice that, got {coarse} -> {fine}"
            )
    return list(listed)


def first_base(problem: Problem, field: Field) -> int | tuple[int, ...]:
    """Cells of the first level: those of the field, but nearly cubes on a domain that shapes cut out of a long box.

    Where breaks cut an axis, there are as many more as make the largest cell about as small.

    Shapes know no axes, so cells that are much longer than wide would resolve them badly along one.
    """
    domain = problem.domain
    if isinstance(field.base, int) and domain.breaks:
        return tuple(field.base if p is None else first_cells(p, field.base) for p in domain.pieces)
    if not isinstance(field.base, int) or not domain.is_cut:
        return field.base
    least = min(domain.lengths[i] for i in domain.space_axes)
    return tuple(
        field.base if i == domain.time_axis else field.base * 2 ** round(math.log2(a / least))
        for i, a in enumerate(domain.lengths)
    )


def _check_pieces(problem: Problem, listed: Sequence[Resolution]) -> None:
    """Refuse levels on which a piece of an axis would have no cell."""
    for axis, pieces in enumerate(problem.domain.pieces):
        if pieces is not None and listed[0][axis] < len(pieces.lengths):
            name = problem.domain.names[axis]
            raise InvalidArgumentError(
                f"the axis {name} has breaks at {', '.join(f'{b:g}' for b in pieces.breaks[:8])} and needs a cell for each of its "
                f"{len(pieces.lengths)} pieces, got a first level of {listed[0][axis]}; give more, or leave levels and base out"
            )


class Resolutions:
    """Chooses the resolution of the next stage and the number of its time slabs.

    Parameters
    ----------
    options, task
        The run.
    field
        The kind of field.
    tol
        Relative error asked for, or None.

    Attributes
    ----------
    planned
        The resolutions of all stages, or None where they are chosen by refinement.  Set by :meth:`plan`.
    """

    def __init__(self, options: GaussNewtonOptions, task: Task, field: Field, tol: float | None) -> None:
        self.options, self.task, self.problem, self.field, self.tol = options, task, task.problem, field, tol
        self.at_once = why_at_once(self.problem, field.basis)
        self.planned: list[Resolution] | None = None

    def plan(self, grid: Discretization) -> None:
        """List the stages where their number was given.

        Raises
        ------
        OutOfMemoryError
            If the last of them does not fit.
        """
        if self.task.levels is not None:
            self.planned = self.first()
            self._check_memory(grid, self.planned)

    def first(self) -> list[Resolution]:
        """See :func:`first_resolutions`."""
        return first_resolutions(self.task, self.field)

    def following(self, grid: Discretization, path: Sequence[Resolution], best: Stage | None) -> Resolution:
        """The resolution after those of ``path``."""
        if self.planned is not None:
            return self.planned[len(path)]
        if best is None:
            return self.first()[0]
        active = grid.inner(best.resolutions[-1])
        domain = self.problem.domain
        together = domain.space_axes if domain.is_cut else ()
        measured = piecewise_roughness(self.problem, self.field.basis, best.resolutions[-1], best.finest)
        return refined(self.field.basis, self.problem.periodic, path, best.finest, active, together, measured)

    def slabs(self, resolution: Resolution, best: Stage | None) -> int:
        """Number of time slabs of a stage; 1 where it is solved for all times at once."""
        axis = self.problem.domain.time_axis
        if self.at_once or axis is None:
            return 1
        cells, least = resolution[axis], least_cells(self.problem, self.field.basis, self.options.gauss)
        if least is None:
            return 1
        if self.options.slabs != "auto":
            return min(int(self.options.slabs), max(1, cells // least))
        speeds = best.speeds if best is not None else ()
        return max(1, cells // max(least, cells_per_slab(self.problem, self.field.basis, resolution, speeds)))

    # -- limits ---
    def _free_memory(self) -> float | None:
        """Free bytes where least are, so that all ranks decide alike."""
        free = available_memory(self.task.device)
        return None if free is None else self.task.ranks.least(free)

    def _check_memory(self, grid: Discretization, resolutions: list[Resolution]) -> None:
        need, free = grid.memory(resolutions, self.slabs(resolutions[-1], None)), self._free_memory()
        if free is not None and need > free:
            size = grid.pyramid(resolutions).size
            raise OutOfMemoryError(
                f"levels up to {resolutions[-1]} cells have {size:,} coefficients and need about {spelled_size(need)}, but "
                f"{spelled_size(free)} are free on {self.task.device}; use fewer levels"
            )

    def obstacle(
        self, grid: Discretization, path: Sequence[Resolution], following: Resolution, best: Stage | None
    ) -> str:
        """Why there can be no further stage, or nothing; planned stages were looked at before."""
        if self.planned is not None or best is None:
            return ""
        earlier = [] if self.slabs(following, best) > 1 else best.resolutions
        size = grid.pyramid([*earlier, following]).size
        tail = "" if best.error is None else f"; the estimated relative error is {best.error:.1e}, tol={self.tol:g}"
        if len(path) >= self.options.max_levels:
            return f"stopped after max_levels={self.options.max_levels} levels{tail}"
        if self.options.max_unknowns is not None and size > self.options.max_unknowns:
            return f"the next level {following} would have {size:,} coefficients > max_unknowns={self.options.max_unknowns:,}{tail}"
        need, free = grid.memory([*earlier, following], self.slabs(following, best)), self._free_memory()
        if free is not None and need > 0.8 * free:
            return f"the next level {following} would need about {spelled_size(need)} of {spelled_size(free)} free memory{tail}"
        return ""
