"""Evolution problems slab after slab in time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.expressions.program import leaves
from hermite_pinn.methods.least_squares.levenberg_marquardt import Fit, LevenbergMarquardt
from hermite_pinn.methods.systems.constraints import Carried, is_hard
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.problem.problem import Problem
from hermite_pinn.problem.terms import Term
from hermite_pinn.residuals.reference_state import reference_state
from hermite_pinn.residuals.sizes import field_sizes
from hermite_pinn.run.interrupt import uninterrupted
from hermite_pinn.schema import Entry

from .stage import Discretization, Stage, well_solved
from .term_sizes import sensitivity_norms

__all__ = ["UnstableMarch", "cells_per_slab", "growing", "ladder", "march", "time_orders", "why_at_once"]

Resolution = tuple[int, ...]

GROWTH = 4.0  # of the relative loss from slab to slab, twice in a row, that asks for an explanation


class UnstableMarch(Exception):  # noqa: N818 - a signal between the march and the run
    """The losses of the slabs grow from slab to slab.

    Parameters
    ----------
    losses
        Of the slabs so far, relative to the squares of the fields' sizes there.
    gauss
        Gauss points per cell and axis.
    """

    def __init__(self, losses: Sequence[float], gauss: int) -> None:
        super().__init__("the losses of the slabs grow")
        self.losses, self.gauss = tuple(losses), gauss


def growing(losses: Sequence[float]) -> bool:
    """Whether the losses of the last slabs grow geometrically.

    A march that is unstable multiplies its errors by the same factor in every slab.

    Examples
    --------
    >>> growing([5.4, 49.9, 442.0]), growing([5.4, 6.1, 40.0])
    (True, False)
    """
    if len(losses) < 3:
        return False
    a, b, c = losses[-3:]
    return b > GROWTH * a and c > GROWTH * b and c > 0


def time_orders(problem: Problem) -> dict[str, int]:
    """By field, the highest time derivative in any residual."""
    axis = problem.domain.time_axis
    orders = dict.fromkeys(problem.fields, 0)
    for residual in problem.residuals.values():
        for kind, data in leaves(residual):
            if kind == "jet" and axis is not None:
                orders[data[0]] = max(orders[data[0]], data[1][axis])
    return orders


def why_at_once(problem: Problem, basis: str) -> str | None:
    """Why a problem cannot be solved slab after slab in time; None if it can."""
    axis = problem.domain.time_axis
    if axis is None:
        return "the domain has no axis called t"
    if problem.periodic[axis]:
        return "it is periodic in time"
    if problem.parameters:
        return "its unknown parameters belong to all times"
    for reason in (_all_times(term, axis) for term in problem.terms):
        if reason is not None:
            return reason
    given = _given_at_start(problem, axis, basis)
    for name, order in time_orders(problem).items():
        for k in range(order):
            if (name, k) not in given:
                return f"{name}{'_t' * k} is not given at the start of time on the whole face"
    return None


def _all_times(term: Term, axis: int) -> str | None:
    """Why a term cannot be divided at a time; None if it can."""
    region = term.region
    if region.measured is not None:
        return f"the points of {term.name!r} are spread over time"
    if region.penalty is not None:
        return f"the weight of {term.name!r} is that of all times"
    if region.plane is not None and region.plane.axis == axis and region.plane.side:
        return f"the condition {term.name!r} is set at the end of time"
    return None


def _given_at_start(problem: Problem, axis: int, basis: str) -> set[tuple[str, int]]:
    """Fields, with orders of their time derivatives, that exact conditions give at the start of time."""
    return {
        (t.trace.field, t.trace.order)
        for t in problem.terms
        if t.trace is not None and is_hard(t, basis) and _at_start(t, axis)
    }


def _at_start(term: Term, axis: int) -> bool:
    plane = term.region.plane
    return plane is not None and plane.axis == axis and not plane.side


def cells_per_slab(problem: Problem, basis: str, resolution: Resolution, speeds: Sequence[float]) -> int:
    """Cells of time in a slab: eight, or fewer where something travels far in eight.

    The condition of a slab grows with the square of the number of cells that a signal crosses in it.  On one axis of
    space the linear systems are solved directly and this does not matter.  With fewer than ``m - r`` cells a field
    with r time derivatives would have more coefficients than there are points.  Where a state fixes all m coefficients
    at the start of a slab (waves on cubics), steps of a single cell are unstable; such slabs stay long.
    """
    axis = problem.domain.time_axis
    assert axis is not None
    if problem.domain.dim <= 2 or not speeds:
        return 8
    step = problem.domain.lengths[axis] / resolution[axis]
    crossed = max(
        step * v * n / length for v, n, length in zip(speeds, resolution, problem.domain.lengths, strict=True)
    )
    orders = time_orders(problem).values()
    least = (
        8 if max(orders) >= BASES[basis].coefficients else max(2 * max(orders), BASES[basis].coefficients - min(orders))
    )
    cells = 8
    while cells > least and cells * crossed > 4.0:
        cells //= 2
    return max(cells, least)


def ladder(resolution: Resolution) -> list[Resolution]:
    """Nested levels that end with ``resolution``: even numbers of cells above four are halved, again and again.

    Examples
    --------
    >>> ladder((32, 12))
    [(4, 3), (8, 3), (16, 6), (32, 12)]
    """
    levels = [resolution]
    while any(n > 4 and n % 2 == 0 for n in levels[0]):
        levels.insert(0, tuple(n // 2 if n > 4 and n % 2 == 0 else n for n in levels[0]))
    return levels


def _slabs(cells: int, count: int) -> list[tuple[int, int]]:
    """First and last vertex of every slab."""
    edges = [cells * k // count for k in range(count + 1)]
    return list(itertools.pairwise(edges))


def _part(problem: Problem, axis: int, first: int, end: int, cells: int) -> Problem:
    """The problem between two vertices of the time axis."""
    name = problem.domain.names[axis]
    vertices = np.linspace(*problem.domain.bounds[name], cells + 1)
    return problem.restricted(**{name: (float(vertices[first]), float(vertices[end]))})


def _start(system: GridSystem, before: torch.Tensor, carried: Carried | None, axis: int, guessed: bool) -> torch.Tensor:
    """Where the iteration of a slab starts: the guess, or the state at its start for all times if that fits better."""
    candidates = []
    for constant in (True, False) if guessed and not system.affine else (not guessed,):
        vector = torch.zeros(system.size, dtype=system.dtype, device=system.device)
        last = len(system.pyramid.shapes) - 1
        system.set_level(vector, last, before)
        system.impose(vector)
        level = system.pyramid.dense(last, system.pyramid.views(vector)[last])
        if constant:
            _continue(level, axis, BASES[system.basis].coefficients)
        elif carried is not None:
            _shift(level, before, carried)
        system.set_level(vector, last, level)
        system.impose(vector)
        candidates.append(vector)
    if len(candidates) == 1:
        return candidates[0]
    losses = [float(system.inner(rows, rows)) for rows in map(system.linearize, candidates)]
    return candidates[0] if losses[0] < losses[1] else candidates[1]


def _continue(level: torch.Tensor, axis: int, m: int) -> None:
    """Spread the state at the start over the slab."""
    count = level.shape[axis + 1]
    level.index_copy_(
        axis + 1,
        torch.arange(m, count, m, device=level.device),
        level.narrow(axis + 1, 0, 1).repeat_interleave(count // m - 1, axis + 1),
    )


def _shift(level: torch.Tensor, before: torch.Tensor, carried: Carried) -> None:
    """Add to a guess, at all times, what it lacks at the start."""
    axis, m = carried.axis, carried.coefficients.shape[carried.axis + 1]
    for f, order in enumerate(carried.orders.values()):
        if order:
            lack = carried.coefficients[f].narrow(axis, 0, 1) - before[f].narrow(axis, 0, 1)
            at = torch.arange(0, level.shape[axis + 1], m, device=level.device)
            level[f] = before[f].index_add(axis, at, lack.repeat_interleave(len(at), axis))


def _average(finest: torch.Tensor, carried: Carried) -> None:
    """Between two slabs, the mean of the coefficients that both were free to choose."""
    axis, m = carried.axis, carried.coefficients.shape[carried.axis + 1]
    for f, order in enumerate(carried.orders.values()):
        for k in range(order, m):
            own = finest[f].select(axis, k)
            own.add_(carried.coefficients[f].select(axis, k)).mul_(0.5)


class _March:
    """The course over the slabs: coefficients of all times, and sums of what the slabs say."""

    def __init__(self, grid: Discretization, resolution: Resolution, count: int, guess: torch.Tensor | None) -> None:
        axis = grid.problem.domain.time_axis
        assert axis is not None
        self.grid, self.resolution, self.axis, self.m = grid, resolution, axis, BASES[grid.basis].coefficients
        self.guessed = guess is not None
        self.orders = time_orders(grid.problem)
        self.total = Stage([resolution], torch.empty(0), torch.empty(0), {}, slabs=count)
        self.whole: torch.Tensor | None = None if guess is None else guess.clone()
        self.moved, self.norms = [0.0] * len(self.orders), [0.0] * len(self.orders)
        self.squares: dict[str, float] = {}
        self.between: set[str] = set()
        self.last: tuple[GridSystem, slice] | None = None  # the slab whose end is not final
        self.losses: list[float] = []  # of the finished slabs, relative to the squares of the sizes of the fields
        self.copied: torch.Tensor | None = None  # for a checkpoint

    def slab(self, first: int, end: int, solver: LevenbergMarquardt[GridSystem]) -> None:
        """Solve between two vertices of the time axis, from the end of the slab before."""
        grid, resolution, axis, m = self.grid, self.resolution, self.axis, self.m
        system, part, carried = self._system(first, end)
        if self.whole is None:
            shape = list(system.pyramid.dense_shapes[-1])
            shape[axis + 1] = m * (resolution[axis] + 1)
            self.whole = torch.zeros(shape, dtype=grid.dtype, device=grid.device)
            reference_state(grid.problem).fill(grid.problem, grid.basis, self.whole)
        before = self.whole.narrow(axis + 1, part.start, part.stop - part.start).clone()
        vector = _start(system, before, carried, axis, self.guessed)
        fit = solver.fit(system, vector, guessed=self.guessed)
        finest = system.without_means(system.finest(fit.vector))
        if carried is not None:
            _average(finest, carried)
        self.whole.narrow(axis + 1, part.start, part.stop - part.start).copy_(finest)
        for i, (a, b) in enumerate(zip(system.norms(finest - before), system.norms(finest), strict=True)):
            self.moved[i] += a * a
            self.norms[i] += b * b
        self._note(system, fit)
        self.total.solved &= well_solved(system, fit, solver)
        self._finish()
        self.last = (system, part)

    def _system(self, first: int, end: int) -> tuple[GridSystem, slice, Carried | None]:
        """The problem between two vertices of the time axis, its part of the coefficients, and what it starts from."""
        grid, resolution, axis, m = self.grid, self.resolution, self.axis, self.m
        part = slice(m * first, m * (end + 1))
        state = None if first == 0 or self.whole is None else self.whole.narrow(axis + 1, part.start, m).clone()
        carried = None if state is None else Carried(axis, self.orders, state)
        local = tuple(end - first if i == axis else n for i, n in enumerate(resolution))
        system = grid.system(ladder(local), _part(grid.problem, axis, first, end, resolution[axis]), carried)
        return system, part, carried

    def state(self, done: int) -> dict[str, Any]:
        """What a checkpoint keeps after so many slabs: their coefficients, and what cannot be had from these again."""
        assert self.whole is not None
        total = self.total
        return {
            "slabs": total.slabs,
            "gauss": self.grid.gauss,
            "done": done,
            "vector": self._copy(),
            "moved": list(self.moved),
            "norms": list(self.norms),
            "fits": [total.settled, total.solved, total.points, total.inner, total.reduction, total.damping],
        }

    def _copy(self) -> torch.Tensor:
        """The coefficients, apart from those that the next slab changes; only what the last one changed is copied."""
        assert self.whole is not None
        if self.copied is None or self.last is None:
            self.copied = self.whole.clone()
        else:
            part = self.last[1]
            new, old = (v.narrow(self.axis + 1, part.start, part.stop - part.start) for v in (self.whole, self.copied))
            old.copy_(new)
        return self.copied

    def restore(self, saved: Entry, slabs: Sequence[tuple[int, int]]) -> int:
        """Take over what a checkpoint kept; returns the number of slabs that are done."""
        total, fields = self.total, len(self.orders)
        done = saved.at("done").integer(1, len(slabs) - 1)
        shape = self.grid.pyramid([self.resolution]).dense_shapes[-1]
        self.whole = saved.at("vector").tensor(shape).to(self.grid.device, self.grid.dtype, copy=True)
        self.moved, self.norms = ([n.number(0.0) for n in saved.at(key).items(fields)] for key in ("moved", "norms"))
        settled, solved, points, inner, reduction, damping = saved.at("fits").items(6)
        total.settled, total.solved = settled.flag(), solved.flag()
        total.points, total.inner = points.integer(0), inner.integer(0)
        total.reduction, total.damping = reduction.number(0.0), damping.number(0.0)
        for first, end in slabs[:done]:
            system, part, _ = self._system(first, end)
            total.fitted |= max(system.gauss) > self.m
            self._finish()
            self.last = (system, part)
        return done

    def _note(self, system: GridSystem, fit: Fit) -> None:
        total = self.total
        total.settled &= fit.settled
        total.points += system.rows
        total.undefined_outside |= system.undefined_outside
        if fit.inner is not None:
            total.inner = max(total.inner, fit.inner.steps)
            total.reduction = max(total.reduction, fit.inner.reduction)
            if fit.inner.left is not None:
                total.left = max(total.left or 0.0, fit.inner.left)
        total.damping = fit.damping
        total.fitted |= max(system.gauss) > self.m

    def _finish(self) -> None:
        """Residuals of the slab before, once the coefficients at its end are final."""
        if self.last is None:
            return
        assert self.whole is not None
        (system, part), axis, m, total = self.last, self.axis, self.m, self.total
        coefficients = self.whole.narrow(axis + 1, part.start, part.stop - part.start).contiguous()
        rows = system.linearize_at(coefficients, {})
        held_out = system.held_out(coefficients, {})
        share = (part.stop - part.start - m) / (m * self.resolution[axis])
        for name, rms in (system.residual_rms(rows) | held_out).items():
            self.squares[name] = self.squares.get(name, 0.0) + share * rms**2
        total.speeds = tuple(map(max, total.speeds or system.speeds(), system.speeds()))
        own = sensitivity_norms(system.interior, system.ranks)
        total.sensitivities = [
            {jet: max(size, row.get(jet, 0.0)) for jet, size in other.items()}
            for other, row in zip(own, total.sensitivities or own, strict=True)
        ]
        loss = float(system.inner(rows, rows))
        whole = field_sizes(self.grid.problem).values()
        size = sum((n / s) ** 2 for n, s in zip(system.norms(coefficients), whole, strict=True))
        self.losses.append(loss / size if size > 0 else 0.0)
        total.loss += loss
        self.between.update(held_out)

    def result(self) -> Stage:
        """The stage of all slabs."""
        self._finish()
        assert self.whole is not None
        total = self.total
        total.finest = self.whole
        total.vector = self.grid.pyramid([self.resolution]).compact(0, self.whole).reshape(-1)
        total.residuals = {name: math.sqrt(value) for name, value in self.squares.items()}
        total.held_out = max(total.residuals[name] for name in self.between)
        total.moved, total.norms = ([math.sqrt(v) for v in squares] for squares in (self.moved, self.norms))
        return total


def march(
    grid: Discretization,
    resolution: Resolution,
    count: int,
    guess: torch.Tensor | None,
    solver: LevenbergMarquardt[GridSystem],
    progress: Callable[[int], None],
    stepped: Callable[[dict[str, Any]], None] | None = None,
    resumed: Entry | None = None,
    *,
    guarded: bool = False,
) -> Stage:
    """Solve slab after slab in time, each from the end of the last.

    The initial conditions of a slab, exact on the grid, are the values at the end of the slab before.  The other
    coefficients at that time are free on both sides and averaged afterwards: their difference, like the average's
    error, is of the order of the discretisation.

    Parameters
    ----------
    resolution
        Cells per axis on the whole domain.
    count
        Number of slabs.
    guess
        Coefficients on that resolution to start the iterations from, or None to continue every slab constantly.
    progress
        Told the number of slabs that are done.
    stepped, resumed
        Given what a checkpoint keeps after a slab, and what one has kept, or None.
    guarded
        Whether losses that grow from slab to slab end the march.

    Raises
    ------
    UnstableMarch
        If they do.
    """
    course = _March(grid, resolution, count, guess)
    slabs = _slabs(resolution[course.axis], count)
    same = resumed is not None and (resumed.at("slabs").value, resumed.at("gauss").value) == (count, grid.gauss)
    done = course.restore(resumed, slabs) if resumed is not None and same else 0
    for k, (first, end) in enumerate(slabs[done:], done + 1):
        course.slab(first, end, solver)
        if guarded and growing(course.losses):
            assert course.last is not None
            raise UnstableMarch(course.losses, max(course.last[0].gauss))
        if stepped is not None and k < count:
            with uninterrupted():
                stepped(course.state(k))
        progress(k)
    return course.result()
