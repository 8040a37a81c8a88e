"""A march along one axis of space by implicit steps of high order, whose length and cells follow the solution."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch

from hermite_pinn.cuda.tensor_grid.axis import prolongation_matrix
from hermite_pinn.field.field import GridField, linear_field
from hermite_pinn.geometry import Domain
from hermite_pinn.memory import spelled_size
from hermite_pinn.run.monitor import StopRun
from hermite_pinn.run.status import Status

from .line_equations import LineEquation
from .line_radau import RadauStep, RadauSteps, radau_method
from .line_rates import LineRates
from .line_scales import first_scales
from .march_states import Course, Record
from .stage import Discretization
from .stepping import LARGEST, SPACE, TIME, Stepping

__all__ = ["ImplicitLines"]

STAGES = 5
FIRST = 2.0**-10  # step, as a part of all times
SMALLEST = 2.0**-34
SAFETY, LEAST, MOST = 0.85, 0.1, 8.0  # of a step's length against the one before
GROWN = 1.3  # that is worth new factors
ITERATION = 0.01  # of the tolerance that the iteration of a step may leave
ROUNDING = 1e-13  # what it leaves in any case
WIDEST = 2**14  # coefficients of a field along the axis
MOST_STEPS = 20_000
MEMORY = 2.0**33  # bytes of the states
CALM, LOOK = 0.02, 4  # of what cells may miss, below which they are looked at after so many steps
SOON = 2.0**-4  # of all times: fields that are zero at first are as large as they will be by then


class ImplicitLines(Stepping):
    """Marches from the start to the end of time by Radau's method with banded matrices.

    Parameters
    ----------
    grid, cells, tol, progress, check, largest, advanced
        As for :class:`Stepping`.
    equations
        By field.
    """

    def __init__(
        self,
        grid: Discretization,
        cells: Sequence[int],
        tol: float,
        progress: Callable[[float], None],
        check: Callable[[], None] = lambda: None,
        largest: float = LARGEST,
        advanced: Callable[[Domain, Callable[[], GridField]], None] = lambda domain, field: None,
        *,
        equations: Sequence[LineEquation],
        below: Sequence[int] | None = None,
    ) -> None:
        super().__init__(grid, cells, tol, progress, check, largest, advanced, below)
        self.equations = equations
        self.method = radau_method(STAGES)
        self.longest = largest * self.length

    # -- the march ---
    def run(self) -> Course:
        """March to the end.

        Raises
        ------
        StopRun
            If steps or cells become too small, or whatever ``progress`` raises.
        """
        self._begin()
        h = FIRST * self.length
        while self.now < self.end:
            self.progress(self.now)
            self.check()
            step = self._fitting(min(h, self.longest))
            taken = self.steps.take(
                self.now, step, self.state, self.slope, max(ITERATION * self.tol, ROUNDING), self._norm, self.before
            )
            self.course.newton = self.course.inner = self.steps.iterations + self.earlier
            error = math.inf if taken is None else self._error(taken) / (TIME * self.tol)
            if taken is None or not error <= 1.0:
                self.course.refused += 1
                h = step * (0.3 if taken is None else max(LEAST, SAFETY * error ** (-1.0 / (STAGES + 1))))
                if h < SMALLEST * self.length:
                    raise StopRun(Status.STALLED, f"steps in time become too small at {self.now:.6g}")
                continue
            if self._missed(taken):
                continue
            self._accept_step(taken, error * TIME * self.tol)
            factor = min(MOST, SAFETY * max(error, 1e-12) ** (-1.0 / (STAGES + 1)))
            h = max(h if step < h else 0.0, step * factor) if factor >= GROWN else step * min(1.0, factor)
            if self.course.steps > MOST_STEPS:
                raise StopRun(Status.STALLED, f"more than {MOST_STEPS:,} steps in time")
        return self.course

    def _fitting(self, step: float) -> float:
        """A step that does not go beyond the end, nor leaves a much shorter one."""
        left = self.end - self.now
        if step >= left * (1.0 - 1e-9):
            return left
        return 0.5 * left if 2.0 * step > left else step

    def _begin(self) -> None:
        """Take the cells that hold the state at the start."""
        self.earlier, self.calm = 0, False
        if not self.course.records:
            self._see()
        while True:
            self._take_cells()
            self.now: float = self.begin
            self.before: RadauStep | None = None
            self.state = self.steps.solved_mass(self.rates.projected(self.rates.start(), self.begin))
            self.slope = self.steps.slope(self.begin, self.state)
            self.largest_sizes = self.rates.sizes(self.state[None])[0]
            self._remember_sizes()
            errors = self._space_errors(self.state, self.begin)
            if not self._wants_cells(errors) or not self._refine(errors, True):
                break
        self.course.records.clear()
        rates = self.rates.whole(np.array([self.begin]), self.slope[None], 1)[0]
        self._keep(self.begin, self.state, [rates] + [np.zeros_like(rates)] * 2, 0.0)

    def _see(self) -> None:
        """Begin with cells and steps that see all that is prescribed."""
        (cells,), steps = self.course.cells, max(1, round(self.length / self.longest))
        cells, steps = first_scales(self.grid.problem, self.equations, cells, steps, 2 * self.m - 1, STAGES)
        self.course.cells, self.longest = (cells,), min(self.longest, self.length / steps)

    def _take_cells(self) -> None:
        (cells,) = self.course.cells
        self.rates = LineRates(self.grid.problem, self.grid.basis, self.equations, self.order, cells)
        self.steps = RadauSteps(self.rates, self.method)
        self.owners = np.array([f for f, _ in self.rates.components])
        self.derivatives = np.array([d for _, d in self.rates.components])
        self.firsts = np.array([self.rates.components.index((f, 0)) for f in self.owners])

    def _remember_sizes(self) -> None:
        own = [k for k, (_, d) in enumerate(self.rates.components) if d == 0]
        self.errors.sizes = torch.maximum(self.errors.sizes, torch.as_tensor(self.largest_sizes[own]))

    # -- how good steps are ---
    def _norm(self, changes: np.ndarray, length: float) -> float:
        """Of changes (n, size) of the state, relative to the sizes of the fields.

        Rates of change that belong to the state count for a step's length.
        """
        if not np.isfinite(changes).all():
            return math.inf
        found = (self.rates.sizes(changes).max(0) * length**self.derivatives)[self.derivatives < self.order]
        sizes = self.scales
        return float(
            np.max(np.where(sizes > 0, found / np.where(sizes > 0, sizes, 1.0), np.where(found > 0, math.inf, 0.0)))
        )

    @property
    def scales(self) -> np.ndarray:
        """By component, the size of its field, or for one that is zero at first what it will soon be."""
        sizes = self.errors.sizes.numpy()[self.owners]
        if np.all(sizes > 0):
            return sizes
        slopes = SOON * self.length * self.rates.sizes(self.slope[None])[0]
        found: np.ndarray = np.where(sizes > 0, sizes, slopes[self.firsts])
        return found

    def _error(self, taken: RadauStep) -> float:
        """Of a step, relative to the sizes that the fields have by its end."""
        after = self.rates.sizes(taken.state[None])[0]
        known = self.errors.sizes.clone()
        for k, (field, d) in enumerate(self.rates.components):
            if d == 0:
                self.errors.sizes[field] = max(float(self.errors.sizes[field]), float(after[k]))
        error = self._norm(taken.error[None], taken.length)
        self.errors.sizes = known
        return error

    def _space_errors(self, state: np.ndarray, time: float) -> list[float]:
        whole = self.rates.whole(np.array([time]), state[None])[0]
        return self.errors.of_state(torch.as_tensor(self.rates.fields(whole, 0)))

    def _missed(self, taken: RadauStep) -> bool:
        """Whether the cells miss too much of the state after a step; then finer ones are taken before it."""
        if self.calm and self.course.steps % LOOK and taken.time + taken.length < self.end:
            return False
        known = self.errors.sizes.clone()
        self.largest_sizes = np.maximum(self.largest_sizes, self.rates.sizes(taken.state[None])[0])
        self._remember_sizes()
        errors = self._space_errors(taken.state, taken.time + taken.length)
        if not self._wants_cells(errors):
            seen = self.course.space_errors or (0.0,) * len(errors)
            self.course.space_errors = tuple(map(max, seen, errors))
            self.calm = max(errors, default=0.0) < CALM * SPACE * self.tol
            return False
        self.errors.sizes = known
        self.course.refused += 1
        if self.now <= self.begin:
            self._refine(errors, True)
            self._restart(None)
            return True
        before = self.rates.whole(np.array([self.now]), self.state[None])[0]
        self._refine(errors, False)
        self._restart(before)
        return True

    def _restart(self, before: np.ndarray | None) -> None:
        """Go on on the cells of the course, from coefficients on those before or from the start."""
        self.earlier += self.steps.iterations
        old = self.rates.cells
        if before is None:
            earlier = self.earlier
            self._begin()
            self.earlier = earlier
            return
        fields = [self.rates.fields(before, d) for d in range(self.order)]
        self._take_cells()
        n = old
        while n < self.course.cells[0]:
            matrix = prolongation_matrix(self.grid.basis, n, 2 * n, self.grid.problem.periodic[self.rates.space])
            fields = [matrix.apply([(0, torch.as_tensor(f))], 1).numpy() for f in fields]
            n *= 2
        self.state = self.rates.state_of(self.rates.combined(fields))
        self.slope = self.steps.slope(self.now, self.state)
        self.before = None

    def _refine(self, space: Sequence[float], starting: bool) -> bool:
        """Halve the cells."""
        cells = tuple(2 * n for n in self.course.cells)
        if not self._fits(cells):
            raise StopRun(
                Status.MAX_SIZE, f"{cells[0]} cells would be needed for tol={self.tol:g}, more than steps in time take"
            )
        self.course.cells = cells
        if starting:
            self.course.records.clear()
        return True

    def _fits(self, cells: Sequence[int]) -> bool:
        return self.m * cells[0] <= WIDEST

    # -- what is kept ---
    def _accept_step(self, taken: RadauStep, error: float) -> None:
        """Go on to the end of a step, and keep the state there."""
        h, time = taken.length, self.now + taken.length
        nodes = self.now + h * np.concatenate([[0.0], self.method.nodes])
        if self.end - time < 1e-9 * h:
            time = self.end
        weights = (
            self.method.inner if self.before is None else self.method.slopes
        )  # finer cells begin with fast changes
        rates = self.rates.whole(nodes, taken.slopes, 1)
        higher = [np.tensordot(rows, rates, 1) / h**k for k, rows in enumerate(weights, 1)]
        if self.course.steps == 0 and len(self.course.records) == 1:
            self.course.records.clear()
            self._keep(self.now, self.state, [rates[0], *(d[0] for d in higher)], 0.0)
        self.now, self.state, self.slope, self.before = time, taken.state, taken.slopes[-1], taken
        self.course.steps += 1
        self._keep(time, taken.state, [rates[-1], *(d[1] for d in higher)], error)
        self._tell_last()

    def _keep(self, time: float, state: np.ndarray, rates: Sequence[np.ndarray], error: float) -> None:
        """Keep a state with its derivatives in time, those of all coefficients (vertices, components, m)."""
        own, top = self.rates, self.order - 1
        whole = own.whole(np.array([time]), state[None])[0]
        parts = [own.fields(whole, d) for d in range(self.order)] + [own.fields(level, top) for level in rates]
        values = torch.as_tensor(np.stack(parts[: self.m], -1))
        self.course.records.append(Record(time, self.course.cells, values, error))
        if 8.0 * values.numel() * len(self.course.records) > MEMORY:
            raise StopRun(Status.MAX_SIZE, f"the states until {time:.6g} need {spelled_size(MEMORY)}")

    def _tell_last(self) -> None:
        """Let others look at the last step."""
        p, (before, after) = self.grid.problem, self.course.records[-2:]
        if before.cells != after.cells:
            return
        domain = p.domain.restricted({p.domain.names[self.axis]: (before.time, after.time)})
        cells = list(after.cells)
        cells.insert(self.axis, 1)
        h = after.time - before.time

        def field() -> GridField:
            parts = torch.cat([self._scaled(r.values, h) for r in (before, after)], self.axis + 1)
            found = linear_field(domain, p.fields, p.periodic, self.grid.basis, [tuple(cells)], [parts])
            return self.grid.beside(found)

        self.advanced(domain, field)
