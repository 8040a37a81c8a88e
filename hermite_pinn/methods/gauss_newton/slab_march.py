"""Evolution problems slab after slab in time."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.errors import DivergedError
from hermite_pinn.methods.least_squares.levenberg_marquardt import UNBOUNDED, Fit, LevenbergMarquardt
from hermite_pinn.methods.systems.constraints import Carried
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.residuals.reference_state import reference_state
from hermite_pinn.residuals.sizes import field_sizes
from hermite_pinn.run.interrupt import uninterrupted
from hermite_pinn.schema import Entry

from .graded_start import (
    CELLS,
    SEEN,
    TRIAL,
    GradedStart,
    begins_with_a_layer,
    parts_are_solved,
    relative_sizes,
    sizes_in_time,
    squares_in_time,
)
from .initial_mismatch import incompatible
from .slab_start import average, slab_start
from .stage import Discretization, Stage, well_solved
from .term_sizes import sensitivity_norms
from .time_slabs import ladder, parabolic, part_in_time, slab_ends, time_orders

__all__ = ["UnstableMarch", "growing", "march"]

logger = logging.getLogger(__name__)

Resolution = tuple[int, ...]

UNLIMITED = 1e100  # times the size at the first times, that no solution is expected to reach
GROWTH = 4.0  # of the relative loss from slab to slab, twice in a row, that asks for an explanation


class UnstableMarch(Exception):  # noqa: N818 - a signal between the march and the run
    """The losses of the slabs grow from slab to slab.

    Parameters
    ----------
    losses
        Of the slabs so far, relative to the square of the largest size of the fields in a slab until then.
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


class _March:
    """The course over the slabs: coefficients of all times, and sums of what the slabs say."""

    def __init__(
        self,
        grid: Discretization,
        resolution: Resolution,
        count: int,
        guess: torch.Tensor | None,
        solver: LevenbergMarquardt[GridSystem],
        start: float | None,
        tol: float | None,
    ) -> None:
        axis = grid.problem.domain.time_axis
        assert axis is not None
        self.grid, self.resolution, self.axis, self.m = grid, resolution, axis, BASES[grid.basis].coefficients
        self.guessed = guess is not None
        self.orders = time_orders(grid.problem)
        self.solver, self.graded, self.tol, self.plain = solver, start, tol, False
        self.first_squares: list[float] = []  # of residuals, by cell in time
        self.first_sizes: list[torch.Tensor] = []  # mean squares of the fields there
        self.total = Stage([resolution], torch.empty(0), torch.empty(0), {}, slabs=count, start=start)
        self.whole: torch.Tensor | None = None if guess is None else guess.clone()
        self.moved, self.norms = [0.0] * len(self.orders), [0.0] * len(self.orders)
        self.sizes: dict[int, float] = {}  # of the fields in the first slab
        self.squares: dict[str, float] = {}
        self.between: set[str] = set()
        self.last: tuple[GridSystem, slice] | None = None  # the slab whose end is not final
        self.largest = 0.0  # sum of the squares of the sizes of the fields of a slab so far
        self.losses: list[float] = []  # of the finished slabs, relative to that: fields may pass through zero
        self.copied: torch.Tensor | None = None  # for a checkpoint

    def slab(self, first: int, end: int) -> None:
        """Solve between two vertices of the time axis, from the end of the slab before."""
        axis = self.axis
        system, part, carried = self._system(first, end)
        before = self._before(system, part)
        if first == 0 and end == CELLS and self.graded is not None:
            finest = self._graded(self.graded)
        else:
            vector = slab_start(system, before, carried, axis, self.guessed)
            fit = self.solver.fit(system, vector, guessed=self.guessed)
            finest = system.without_means(system.finest(fit.vector))
            self._note(system, fit)
            if self.graded is None and len(self.first_squares) < SEEN:
                self._look_at_start(system, fit, finest)
        if carried is not None:
            average(finest, carried)
        assert self.whole is not None
        self.whole.narrow(axis + 1, part.start, part.stop - part.start).copy_(finest)
        for i, (a, b) in enumerate(zip(system.norms(finest - before), system.norms(finest), strict=True)):
            self.moved[i] += a * a
            self.norms[i] += b * b
            self._check_size(system, i, b)
        self._finish()
        self.last = (system, part)
        self.solver.monitor.advanced(system.problem.domain, lambda: self.grid.part(system, finest))

    def _check_size(self, system: GridSystem, number: int, size: float) -> None:
        """End a march long before its numbers overflow: such a growth is none that a grid resolves."""
        first = self.sizes.setdefault(number, size)
        if not size > UNLIMITED * first or not first > 0:
            return
        end = system.problem.domain.upper[self.axis]
        name = system.problem.domain.names[self.axis]
        raise DivergedError(
            f"{system.problem.fields[number]} is {size / first:.0e} times as large at {name} = {end:.4g} as at the first times "
            f"({system.location}). {UNBOUNDED}"
        )

    def _look_at_start(self, system: GridSystem, fit: Fit, finest: torch.Tensor) -> None:
        """Keep what tells whether the solution begins with a layer."""
        squares = squares_in_time(system, fit.rows)
        self.first_squares += squares
        self.first_sizes += list(sizes_in_time(system, finest).unbind(1)) if squares else []

    def _before(self, system: GridSystem, part: slice) -> torch.Tensor:
        """The guess on a slab."""
        axis, grid = self.axis, self.grid
        if self.whole is None:
            shape = list(system.pyramid.dense_shapes[-1])
            shape[axis + 1] = self.m * (self.resolution[axis] + 1)
            self.whole = torch.zeros(shape, dtype=grid.dtype, device=grid.device)
            reference_state(grid.problem).fill(grid.problem, grid.basis, self.whole)
        return self.whole.narrow(axis + 1, part.start, part.stop - part.start).clone()

    def _graded(self, length: float) -> torch.Tensor:
        """The first slab in parts."""
        start = GradedStart(self.grid, self.resolution, self.orders, self.solver)
        return start.taken_over(start.solve(start.depth(length), self._note))

    @property
    def layered(self) -> bool:
        """Whether the first slabs say that the solution begins with a layer that has not been resolved."""
        if self.graded is not None or self.plain or self.last is None or not parabolic(self.grid.problem):
            return False
        if self.last[1].start == 0 and incompatible(self.last[0]):
            return True
        return begins_with_a_layer(
            self.first_squares, self._relative_squares(self.norms), relative_sizes(self.first_sizes), self.tol
        )

    def _relative_squares(self, norms: Sequence[float]) -> float:
        """Sum of the squares of the norms of the fields, each in its own unit."""
        return sum((n / s) * (n / s) for n, s in zip(norms, field_sizes(self.grid.problem).values(), strict=True))

    def first_part(self) -> float | None:
        """Length of the first part of a graded start; None where the parts leave more than the slab did as a whole."""
        size, tol = None, self.tol
        if self.guessed and self.whole is not None:
            values = self.whole
            for axis in range(1, values.ndim):
                values = values.index_select(axis, torch.arange(0, values.shape[axis], self.m, device=values.device))
            size = values.flatten(1).square().mean(1).sqrt().tolist()
        start = GradedStart(self.grid, self.resolution, self.orders, self.solver)
        losses: list[float] = []
        length = start.length(tol, size, lambda system, fit: losses.append(float(system.inner(fit.rows, fit.rows))))
        return length if parts_are_solved(losses, sum(self.first_squares)) else None

    def _system(self, first: int, end: int) -> tuple[GridSystem, slice, Carried | None]:
        """The problem between two vertices of the time axis, its part of the coefficients, and what it starts from."""
        grid, resolution, axis, m = self.grid, self.resolution, self.axis, self.m
        part = slice(m * first, m * (end + 1))
        state = None if first == 0 or self.whole is None else self.whole.narrow(axis + 1, part.start, m).clone()
        carried = None if state is None else Carried(axis, self.orders, state)
        local = tuple(end - first if i == axis else n for i, n in enumerate(resolution))
        problem = part_in_time(grid.problem, axis, first, end, resolution[axis])
        system = grid.system(ladder(local), problem, carried, starting=self.graded is not None)
        return system, part, carried

    def state(self, done: int) -> dict[str, Any]:
        """What a checkpoint keeps after so many slabs: their coefficients, and what cannot be had from these again."""
        assert self.whole is not None
        total = self.total
        return {
            "slabs": total.slabs,
            "gauss": self.grid.gauss,
            "start": self.graded,
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
        total.solved &= well_solved(system, fit, self.solver)
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
        size = self._relative_squares(system.norms(coefficients))
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
    progress: Callable[[int, int], None],
    stepped: Callable[[dict[str, Any]], None] | None = None,
    resumed: Entry | None = None,
    *,
    guarded: bool = False,
    start: float | None = None,
    tol: float | None = None,
    chosen: bool = False,
) -> Stage:
    """Solve slab after slab in time, each from the end of the last.

    The initial conditions of a slab, exact on the grid, are the values at the end of the slab before.  The other
    coefficients at that time are free on both sides and averaged afterwards: their difference, like the average's
    error, is of the order of the discretisation.  Where the first slab says that the solution begins with a layer, it
    is solved again in parts (see :class:`GradedStart`).

    Parameters
    ----------
    resolution
        Cells per axis on the whole domain.
    count
        Number of slabs.
    guess
        Coefficients on that resolution to start the iterations from, or None to continue every slab constantly.
    progress
        Told how many slabs are done, and of how many.
    stepped, resumed
        Given what a checkpoint keeps after a slab, and what one has kept, or None.
    guarded
        Whether losses that grow from slab to slab end the march.
    start, chosen
        Length of the first part of the first slab where that is known to be needed, and whether it is for this
        resolution; where slabs are small, that of a coarser one is chosen anew.
    tol
        Relative error asked for, or None.

    Raises
    ------
    UnstableMarch
        If they do.
    """
    axis = grid.problem.domain.time_axis
    assert axis is not None
    same = resumed is not None and (resumed.at("slabs").value, resumed.at("gauss").value) == (count, grid.gauss)
    if resumed is not None and same and resumed.at("start").value is not None:
        start = resumed.at("start").number(1e-300)
    elif start is not None and not chosen and _is_small(grid, resolution, axis):
        start = None
    slabs = slab_ends(resolution[axis], count, None if start is None else CELLS)
    course = _March(grid, resolution, count, guess, solver, start, tol)
    done = course.restore(resumed, slabs) if resumed is not None and same else 0
    for k, (first, end) in enumerate(slabs[done:], done + 1):
        course.slab(first, end)
        begun = course.first_part() if course.layered else None
        course.plain = course.plain or (begun is None and len(course.first_squares) >= SEEN)
        if begun is not None:
            logger.info("the solution begins with a layer: the first part of the first slab lasts %g", begun)
            return march(
                grid,
                resolution,
                count,
                guess,
                solver,
                progress,
                stepped,
                guarded=guarded,
                start=begun,
                tol=tol,
                chosen=True,
            )
        if guarded and growing(course.losses):
            assert course.last is not None
            raise UnstableMarch(course.losses, max(course.last[0].gauss))
        if stepped is not None and k < len(slabs) and (start is not None or end >= SEEN):
            with uninterrupted():
                stepped(course.state(k))
        progress(k, len(slabs))
    return course.result()


def _is_small(grid: Discretization, resolution: Resolution, axis: int) -> bool:
    """Whether slabs are so small that lengths are tried on them."""
    return grid.pyramid([tuple(CELLS if i == axis else n for i, n in enumerate(resolution))]).size <= TRIAL
