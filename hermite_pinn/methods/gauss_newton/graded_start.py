"""The start of a march in time, in parts that grow geometrically, where a solution begins with a layer.

Where boundary conditions hold from the start that the initial state does not satisfy, a solution of a parabolic problem
begins like the square root of time.  On equal cells the first one loses some per cent of what crosses the boundary
meanwhile, and that stays.  Parts whose ends grow by a factor of four bring the state right; the grid of equal cells
then takes over the values and derivatives at its own times, and in its first cell what comes closest.  Where shapes cut
cells, only points inside count; see :class:`~hermite_pinn.methods.systems.start_system.CutStartSystem`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES, basis_values
from hermite_pinn.geometry import gauss_axis
from hermite_pinn.methods.least_squares.levenberg_marquardt import Fit, LevenbergMarquardt
from hermite_pinn.methods.systems.constraints import Carried
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.residuals.reference_state import reference_state

from .slab_start import slab_start
from .stage import Discretization
from .time_slabs import ladder

__all__ = [
    "CELLS",
    "SEEN",
    "TRIAL",
    "GradedStart",
    "begins_with_a_layer",
    "parts_are_solved",
    "relative_sizes",
    "sizes_in_time",
    "squares_in_time",
]

Resolution = tuple[int, ...]
Noted = Callable[[GridSystem, Fit], None]

RATIO = 4.0  # of the ends of two parts
CELLS = 2  # in time of every part, and of the slab that they make up
DEEPEST = 6
SEEN = 4  # cells that are looked at, at least
LAYER = 0.5  # of the squares of their residuals, in the first one
EXACT = 1e-16  # squares of residuals, relative to those of the fields, that are rounding
FAILED = 100.0  # times what is left of the equations without parts
LOSS = 0.03  # of what comes in during the first part
STAGNANT = 0.7  # change of the state by one more part, relative to that by the one before
TRIAL = 30_000  # unknowns of a slab on which the parts are chosen; finer levels keep their length
SHARE = 0.1  # of the tolerance that the start may use up
TOL = 1e-3  # where none was asked for


def squares_in_time(system: GridSystem, rows: Sequence[torch.Tensor]) -> list[float]:
    """Sums of the squares of the residuals of the equations, by cell in time; nothing where processes share them."""
    axis = system.problem.domain.time_axis
    assert axis is not None
    cells = system.resolution[axis]
    squares = torch.zeros(cells, dtype=torch.float64)
    if system.ranks.size > 1:
        return []
    for row in rows[: len(system.interior.terms)]:
        along = row.movedim(axis if system.tensor else -1, -1)
        squares += along.reshape(-1, cells, along.shape[-1] // cells).square().sum((0, 2)).cpu()
    return list(squares.tolist())


def sizes_in_time(system: GridSystem, finest: torch.Tensor) -> torch.Tensor:
    """Mean squares (fields, cells) of the fields at the vertices at both ends of every cell in time.

    Parameters
    ----------
    finest
        Coefficients (fields, ...) of the system's finest level.
    """
    axis = system.problem.domain.time_axis
    assert axis is not None
    m, values = BASES[system.basis].coefficients, finest
    for i in range(1, values.ndim):
        values = values.index_select(i, torch.arange(0, values.shape[i], m, device=values.device))
    along = values.movedim(axis + 1, 1)
    squares = along.reshape(*along.shape[:2], -1).square().mean(2).cpu()
    return 0.5 * (squares[:, 1:] + squares[:, :-1])


def relative_sizes(sizes: Sequence[torch.Tensor]) -> list[float]:
    """By cell the largest of the fields' mean squares (fields,), each relative to that of the first cell.

    Examples
    --------
    >>> relative_sizes([torch.tensor([4.0, 1.0]), torch.tensor([1.0, 0.5])])
    [1.0, 0.5]
    """
    if not sizes or not bool((sizes[0] > 0).any()):
        return []
    seen = sizes[0] > 0
    return [float((own[seen] / sizes[0][seen]).max()) for own in sizes]


def parts_are_solved(losses: Sequence[float], whole: float) -> bool:
    """Whether the parts of the last graded start tried leave about as much of the equations as the slab did as a whole.

    The residual of a layer grows with the root of the times at which parts begin to tell it; what grows by far more is
    rounding, of an order too high for short parts.

    Parameters
    ----------
    losses
        Sums of squares of the residuals by part, of starts in 1, 2, ... parts.
    whole
        That of the slab at once.

    Examples
    --------
    >>> parts_are_solved([1e-3, 2e-3, 1e-3], 1e-3), parts_are_solved([1e-9, 1e-8, 0.1], 1e-16)
    (True, False)
    """
    depth = (math.isqrt(8 * len(losses) + 1) - 3) // 2
    own = losses[len(losses) - depth - 1 :]
    return sum(own) <= FAILED * RATIO ** (0.5 * depth) * whole


def begins_with_a_layer(
    squares: Sequence[float], size: float, sizes: Sequence[float] = (), tol: float | None = None
) -> bool:
    """Whether most of the residual of the first slabs is that of their first cell in time.

    Where a solution decays, what is left of the equations decays with it: that is no layer.

    Parameters
    ----------
    squares
        See :func:`squares_in_time`.
    size
        Sum of the squares of the norms of the fields there, each in its unit.
    sizes
        Squares of the fields by cell, relative to those in the first one; residuals of cells in which they are smaller
        are raised.  Default: they are the same.
    tol
        Relative error asked for; residuals that are smaller matter nothing.

    Examples
    --------
    >>> begins_with_a_layer([9.0, 0.2, 0.1, 0.1], 1.0), begins_with_a_layer([9.0, 5.0, 3.0, 2.0], 1.0)
    (True, False)
    >>> begins_with_a_layer([9.0, 3.0, 1.0, 0.3], 1.0, [1.0, 0.3, 0.1, 0.03])
    False
    """
    total = sum(squares)
    if len(squares) < SEEN or not total > max(EXACT, (SHARE * (tol or 0.0)) ** 2) * size:
        return False
    known = sizes or [1.0] * len(squares)
    raised = [q / min(1.0, max(s, 1e-300)) for q, s in zip(squares, known, strict=True)]
    return squares[0] > LAYER * sum(raised)


@dataclass(frozen=True)
class _Part:
    """Coefficients (fields, ..., m (CELLS + 1), ...) between two times."""

    start: float
    end: float
    coefficients: torch.Tensor

    @property
    def width(self) -> float:
        """Length of a cell in time."""
        return (self.end - self.start) / CELLS


class GradedStart:
    """Solves the first slab of a resolution, of two cells in time, in parts.

    Parameters
    ----------
    grid, resolution
        The whole problem.
    orders
        By field, how many derivatives in time are given at a start.
    solver
        Of the parts.
    """

    def __init__(
        self,
        grid: Discretization,
        resolution: Resolution,
        orders: Mapping[str, int],
        solver: LevenbergMarquardt[GridSystem],
    ) -> None:
        axis = grid.problem.domain.time_axis
        assert axis is not None
        self.grid, self.resolution, self.orders, self.solver, self.axis = grid, resolution, orders, solver, axis
        self.m = BASES[grid.basis].coefficients
        self.name = grid.problem.domain.names[axis]
        lower, upper = grid.problem.domain.bounds[self.name]
        self.vertices = np.linspace(lower, upper, resolution[axis] + 1)[: CELLS + 1]

    @property
    def cell(self) -> float:
        """Length of a cell of the resolution in time."""
        return float(self.vertices[-1] - self.vertices[0]) / CELLS

    def depth(self, length: float) -> int:
        """How many parts there are beside the last, so that the first one is not longer than ``length``."""
        return min(max(0, math.ceil(math.log(CELLS * self.cell / length, RATIO) - 0.01)), 2 * DEEPEST)

    def length(self, tol: float | None, size: Sequence[float] | None, noted: Noted) -> float:
        """Of the first part, so short that shorter ones hardly change the state at the end.

        Parameters
        ----------
        tol
            Relative error asked for, or None.
        size
            By field, the RMS value at all times, as far as it is known; otherwise that at the end of the slab counts.
        """
        least, before, last = SHARE * (tol or TOL), None, math.inf
        for depth in range(DEEPEST + 1):
            parts = self.solve(depth, noted)
            state = self._values(parts[-1])
            change = math.inf
            if before is not None:
                moved = (state - before).square().mean(1).sqrt()
                own = state.square().mean(1).sqrt()
                known = own if size is None else torch.maximum(own, torch.as_tensor(size).to(own))
                change = float(torch.where(known > 0, moved / known, 0.0).max())
                if change <= least:
                    return CELLS * self.cell / RATIO ** (depth - 1)
                if change > STAGNANT * last:  # cells over space are too large to tell
                    break
            before, last = state, change
        return min(CELLS * self.cell, least * self.cell * self.resolution[self.axis] / LOSS)

    def _values(self, part: _Part) -> torch.Tensor:
        """At the vertices, by field, at the end of a part."""
        state = part.coefficients.select(self.axis + 1, self.m * CELLS)
        for axis in range(1, state.ndim):
            state = state.index_select(axis, torch.arange(0, state.shape[axis], self.m, device=state.device))
        return state.flatten(1)

    def solve(self, depth: int, noted: Noted) -> list[_Part]:
        """The parts, each from the end of the one before."""
        start, end = float(self.vertices[0]), float(self.vertices[-1])
        ends = [start, *(start + (end - start) / RATIO**k for k in range(depth, 0, -1)), end]
        parts: list[_Part] = []
        local = tuple(CELLS if i == self.axis else n for i, n in enumerate(self.resolution))
        for a, b in itertools.pairwise(ends):
            problem = self.grid.problem.restricted(**{self.name: (a, b)})
            carried = self._carried(parts[-1], (b - a) / CELLS) if parts else None
            system = self.grid.system(ladder(local), problem, carried, starting=True)
            before = torch.zeros(system.pyramid.dense_shapes[-1], dtype=self.grid.dtype, device=self.grid.device)
            if carried is None:
                reference_state(self.grid.problem).fill(self.grid.problem, self.grid.basis, before)
            fit = self.solver.fit(system, slab_start(system, before, carried, self.axis, guessed=False))
            noted(system, fit)
            parts.append(_Part(a, b, system.without_means(system.finest(fit.vector))))
        return parts

    def _carried(self, part: _Part, width: float) -> Carried:
        """The end of a part as the start of one whose cells have another width."""
        state = part.coefficients.narrow(self.axis + 1, self.m * CELLS, self.m).clone()
        for k in range(1, self.m):
            state.select(self.axis + 1, k).mul_((width / part.width) ** k)
        return Carried(self.axis, self.orders, state)

    def taken_over(self, parts: Sequence[_Part]) -> torch.Tensor:
        """Coefficients (fields, ..., m (CELLS + 1), ...) of the resolution: see the module."""
        m, at = self.m, self.axis + 1
        found = torch.empty_like(parts[0].coefficients)
        first = parts[0].coefficients.narrow(at, 0, m)
        for k in range(m):
            found.select(at, k).copy_(first.select(at, k) * (self.cell / parts[0].width) ** k)
        for vertex in range(1, CELLS + 1):
            for k in range(m):
                value = self._derivative(parts, float(self.vertices[vertex]), k) * self.cell**k
                found.select(at, m * vertex + k).copy_(value)
        self._fit_first_cell(parts, found)
        return found

    def _derivative(self, parts: Sequence[_Part], time: float, order: int) -> torch.Tensor:
        """Of the solution of the parts at a time."""
        part = next((p for p in parts if time <= p.end), parts[-1])
        place = (time - part.start) / part.width
        cell = min(int(place), CELLS - 1)
        weights = basis_values(self.grid.basis, torch.tensor(place - cell, dtype=torch.float64), order)
        own = part.coefficients.narrow(self.axis + 1, self.m * cell, 2 * self.m)
        row = torch.stack([torch.as_tensor(w) for w in weights]).to(own) / part.width**order
        return torch.tensordot(own, row, ([self.axis + 1], [0]))

    def _fit_first_cell(self, parts: Sequence[_Part], found: torch.Tensor) -> None:
        """Replace what is free at the start by what brings the first cell closest to the parts in the mean square."""
        m, at, end = self.m, self.axis + 1, float(self.vertices[1])
        breaks = [t for p in parts for t in np.linspace(p.start, p.end, CELLS + 1)[:-1] if t < end]
        rules = [gauss_axis(a, b, 1, 2 * m) for a, b in itertools.pairwise([*breaks, end])]
        times, weights = (np.concatenate(own) for own in zip(*rules, strict=True))
        local = torch.as_tensor((times - self.vertices[0]) / self.cell)
        rows = torch.stack([torch.as_tensor(v) for v in basis_values(self.grid.basis, local, 0)], 1).to(found)
        free = [range(order, m) for order in self.orders.values()]
        sides = [torch.zeros_like(found.narrow(at, 0, m)[f]) for f in range(len(free))]
        for time, weight, row in zip(times, weights, rows, strict=True):
            exact = self._derivative(parts, float(time), 0)
            for f, (own, side) in enumerate(zip(free, sides, strict=True)):
                fixed = [k for k in range(2 * m) if k not in own]
                left = exact[f] - sum(row[k] * found[f].select(at - 1, k) for k in fixed)
                for k in own:
                    side.select(at - 1, k).add_(left, alpha=float(weight * row[k]))
        for f, (own, side) in enumerate(zip(free, sides, strict=True)):
            if len(own):
                part = rows[:, list(own)]
                normal = part.T @ (part * torch.as_tensor(weights).to(part)[:, None])
                solved = torch.tensordot(normal.inverse(), side.narrow(at - 1, own[0], len(own)), ([1], [at - 1]))
                found[f].narrow(at - 1, own[0], len(own)).copy_(solved.movedim(0, at - 1))
