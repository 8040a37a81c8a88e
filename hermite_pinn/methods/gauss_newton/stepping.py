"""A march in time step after step, whose steps and cells in space follow the solution."""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from hermite_pinn.cuda.encoder.basis import BASES, basis_values
from hermite_pinn.field.field import GridField, linear_field
from hermite_pinn.geometry import Domain
from hermite_pinn.memory import available_memory, spelled_size
from hermite_pinn.run.monitor import StopRun
from hermite_pinn.run.status import Status

from .fitted_steps import FittedSteps
from .march_states import Course, Record, prolonged_in_space
from .stage import Discretization
from .step_errors import StepErrors
from .step_system import SquareSteps, Step, Steps, Taken
from .time_slabs import time_orders

__all__ = ["LARGEST", "SPACE", "TIME", "Stepping"]

logger = logging.getLogger(__name__)

FIRST = 2.0**-12  # of all times: a step that tells how fast the solution changes
LARGEST = 2.0**-4  # step, of all times
SOON = 2.0**-6  # of all times: a step that tells the sizes of fields that are zero at first
SMALLEST = 2.0**-40
BEGIN = 0.1  # of a field's size that it changes in the first step at most
CALM = 0.7  # of the tolerance, below which a step of twice the length would do
SPACE, TIME = 0.5, 0.5  # of the tolerance for what the cells in space and the steps miss
PATIENCE, MOST_PATIENCE = (
    4,
    64,
)  # pairs after a refused one, before a longer step is tried again: twice as many each time
EASY = 60  # steps of GMRES in a pair, beyond which longer ones would take more in all
NEWTON = 0.02  # of the tolerance that the iteration of a step may leave
WIDEST = 2048  # coefficients along an axis of space: its modes are dense matrices
SHARE = 0.4  # of the free memory for the states and the field that is made of them


class Stepping:
    """Marches from the start to the end of time.

    Two steps of equal length are taken together.  Where the polynomials of both meet, the jump of the first derivative
    that no condition carries over says how well they follow the solution in time; the hierarchical surplus of the state
    says the same of the cells in space.  Where either misses more than it may, both steps are taken again, with half
    the length, or on cells of half the size along the axes that miss most.

    Parameters
    ----------
    grid
        The problem, on a basis.
    cells
        Along the axes of space, at the start.
    tol
        What steps and cells together may miss, relative to the sizes of the fields.
    progress
        Told the time that has been reached.
    check
        Called within steps.  Both may raise :class:`.StopRun`.
    largest
        Step, as a part of all times.
    advanced
        Told the domain of steps that were taken, and what makes the fields there.
    below
        Cells that are not reached by halving: a march for comparison stays coarser.  None: cells are halved freely.
    steps_tol
        What steps may miss, if that is not ``tol``.
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
        below: Sequence[int] | None = None,
        steps_tol: float | None = None,
    ) -> None:
        domain = grid.problem.domain
        assert domain.time_axis is not None
        self.grid, self.tol, self.progress, self.check = grid, tol, progress, check
        self.advanced, self.below, self.steps_tol = advanced, below, tol if steps_tol is None else steps_tol
        self.axis, self.m = domain.time_axis, BASES[grid.basis].coefficients
        self.begin, self.end = domain.lower[self.axis], domain.upper[self.axis]
        orders = time_orders(grid.problem)
        fitted = min(orders.values()) == 0
        self.implicit: Steps = FittedSteps(grid, orders) if fitted else SquareSteps(grid, orders)
        self.order = next(iter(self.implicit.carried.values()))
        self.course = Course(cells=tuple(cells))
        self.errors = StepErrors(grid, self.order)
        self.largest = round(-math.log2(largest))  # of steps: the power of one half

    @property
    def length(self) -> float:
        """Of all times."""
        return self.end - self.begin

    # -- the march ---
    def run(self) -> Course:
        """March to the end.

        Raises
        ------
        StopRun
            If steps become too small, if the memory does not suffice, or whatever ``progress`` raises.
        """
        at, power = 0, self._first_power()  # time is at / 2**power of its length
        rest, patience, longer = 0, PATIENCE, False  # pairs until a longer step is tried; whether this is one
        while at < 2**power:
            self.progress(self._time(at, power))
            work = self.course.inner
            pair = self._pair(at, power)
            shorter = 0 if pair is not None else 1
            if pair is not None:
                if self._wants_cells(pair.space_error) and self._refine(pair.space_error, at == 0):
                    self.course.refused += 2
                    continue
                if pair.time_error > TIME * self.steps_tol:
                    shorter = max(1, math.ceil(math.log2(pair.time_error / (TIME * self.steps_tol)) / (2 * self.m)))
            if shorter or pair is None:
                patience = min(2 * patience, MOST_PATIENCE) if longer else patience
                at, power, rest, longer = at << shorter, power + shorter, patience, False
                self.course.refused += 2
                if 2.0**-power < SMALLEST:
                    raise StopRun(Status.STALLED, f"steps in time become too small at {self._time(at, power):.6g}")
                continue
            self._accept(pair)
            self._tell(pair)
            patience = max(PATIENCE, patience // 2) if longer else patience
            at, rest, work = at + 2, max(0, rest - 1), self.course.inner - work
            calm = pair.time_error * 4.0**self.m < CALM * TIME * self.steps_tol and work <= EASY
            if not rest and calm and at % 4 == 0 and power > self.largest:
                at, power, longer = at // 2, power - 1, True
            else:
                longer = False
        return self.course

    def _time(self, at: int, power: int) -> float:
        return self.begin + self.length * at / 2.0**power

    def _first_power(self) -> int:
        """The first step, by how fast the solution changes in a very short one."""
        change = None if self.implicit.smooth else self._foreseen()
        if change is None:
            _, taken = self._step(None, self.begin, self.begin + FIRST * self.length, None)
            start, moved = self.errors.moved(taken.coefficients)
            sizes = start.flatten(1).norm(dim=1).clamp(min=1e-300)
            change = float((moved.flatten(1).norm(dim=1) / sizes).max()) if taken.solved else 0.0
        wanted = 2.0**-self.largest if not change > 0 else BEGIN * FIRST / change
        return max(self.largest, min(round(-math.log2(SMALLEST)), math.ceil(-math.log2(wanted))))

    def _foreseen(self) -> float | None:
        """Sizes that fields have soon, by one longer step: those of a flow that begins at rest are zero at first.

        Returns
        -------
        float or None
            How much they change in a very short step, relative to these sizes; None where that is not known.
        """
        system, taken = self._step(None, self.begin, self.begin + SOON * self.length, None)
        if not taken.solved or not bool(torch.isfinite(taken.coefficients).all()):
            return None
        self.errors.note_sizes(system, taken.coefficients)
        return self.errors.change(taken.coefficients) * FIRST / SOON

    def _halved(self, space: Sequence[float]) -> tuple[int, ...]:
        """Cells that are half as large along the axes that miss most."""
        worst = max(space)
        return tuple(2 * n if e > worst / 4.0**self.m else n for n, e in zip(self.course.cells, space, strict=True))

    def _wants_cells(self, space: Sequence[float], part: float = 1.0) -> bool:
        """Whether the cells miss more than a part of what they may, and may be halved."""
        if not max(space, default=0.0) > part * SPACE * self.tol:
            return False
        if self.below is None:
            return True
        pairs = list(zip(self._halved(space), self.below, strict=True))
        return all(n <= most for n, most in pairs) and any(n < most for n, most in pairs)

    def _refine(self, space: Sequence[float], starting: bool) -> bool:
        """Halve the cells along the axes that miss most."""
        cells = self._halved(space)
        logger.info("cells in space: %s, as %s misses %s", cells, self.course.cells, space)
        if not self._fits(cells):
            raise StopRun(
                Status.MAX_SIZE,
                f"{'x'.join(map(str, cells))} cells would be needed for tol={self.tol:g}, which is more than steps in time are for or than fits into the free memory",
            )
        if self.course.records:
            last = self.course.records[-1]
            values = prolonged_in_space(last.values, self.grid, last.cells, cells)
            if not starting:
                state = self.implicit.consistent(cells, last.time, self._scaled(values, 1.0))
                values = self._physical(state, 1.0)
            self.course.records[-1] = Record(last.time, cells, values, last.error)
        if starting:
            self.course.records.clear()
        self.course.cells = cells
        return True

    def _fits(self, cells: Sequence[int]) -> bool:
        free = available_memory(self.grid.device)
        if max((self.m * n for n in cells), default=0) > WIDEST:
            return False
        if free is None:
            return True
        numbers = len(self.grid.problem.fields) * math.prod(self.m * n for n in cells) * self.m
        return 8.0 * numbers * (40 + 2 * len(self.course.records)) < SHARE * free

    # -- two steps ---
    def _pair(self, at: int, power: int) -> _Pair | None:
        """Both steps, or None where an iteration did not end."""
        course, begun = self.course, self.course.records
        times = [self._time(at + k, power) for k in range(3)]
        state, before = (None, None) if not begun else (begun[-1].values, self._last_cell())
        coefficients: list[torch.Tensor] = []
        for start, end in itertools.pairwise(times):
            system, taken = self._step(state, start, end, before)
            course.newton += taken.newton
            course.inner += taken.inner
            if not taken.solved or not bool(torch.isfinite(taken.coefficients).all()):
                return None
            coefficients.append(taken.coefficients)
            h = end - start
            state = self._physical(taken.coefficients.narrow(self.axis + 1, self.m, self.m), h)
            before = (taken.coefficients, start, h)
        self.errors.note_sizes(
            system, coefficients[-1]
        )  # in the first step a state may leap to what holds on the faces
        course.rate = max(course.rate, self.errors.change(coefficients[-1]) / h)
        missed = self.errors.in_time(coefficients, course.rate)
        return _Pair(times, coefficients, missed, self.errors.in_space(coefficients[1]), before)

    def _step(
        self,
        state: torch.Tensor | None,
        start: float,
        end: float,
        before: tuple[torch.Tensor, float, float] | None,
    ) -> tuple[Step, Taken]:
        h = end - start
        carried = None if state is None else self._scaled(state, h)
        system = self.implicit.make(self.course.cells, start, end, carried)
        guess = torch.zeros(system.shape, dtype=self.grid.dtype, device=self.grid.device)
        if carried is None:
            guess = system.system.impose(guess.reshape(-1)).view(system.shape)
            carried = guess.narrow(self.axis + 1, 0, self.m).clone()
        first = guess.narrow(self.axis + 1, 0, self.m)
        first.copy_(carried)
        last = guess.narrow(self.axis + 1, self.m, self.m)
        if before is None or not self.implicit.smooth:
            last.narrow(self.axis + 1, 0, 1).copy_(carried.narrow(self.axis + 1, 0, 1))
            if self.order > 1 or before is not None:
                if self.order == 1:
                    last.narrow(self.axis + 1, 0, 1).add_(carried.narrow(self.axis + 1, 1, 1))
                last.narrow(self.axis + 1, 1, 1).copy_(carried.narrow(self.axis + 1, 1, 1))
        else:
            last.copy_(self._extrapolated(before, end, h))
        return system, system.solve(guess, NEWTON * self.steps_tol, self.check)

    def _extrapolated(self, before: tuple[torch.Tensor, float, float], end: float, h: float) -> torch.Tensor:
        """The polynomial of a step before, at the end of the next one."""
        own, start, width = before
        local = torch.tensor((end - start) / width, dtype=torch.float64)
        parts = []
        for order in range(self.m):
            weights = torch.stack([torch.as_tensor(w) for w in basis_values(self.grid.basis, local, order)]).to(own)
            parts.append(torch.tensordot(own, weights, ([self.axis + 1], [0])) * (h / width) ** order)
        return torch.stack(parts, self.axis + 1)

    def _last_cell(self) -> tuple[torch.Tensor, float, float] | None:
        """The polynomial between the last two states."""
        records = self.course.records
        if len(records) < 2 or records[-2].cells != records[-1].cells:
            return None
        a, b = records[-2:]
        h = b.time - a.time
        return torch.cat([self._scaled(a.values, h), self._scaled(b.values, h)], self.axis + 1), a.time, h

    def _scaled(self, values: torch.Tensor, h: float) -> torch.Tensor:
        """A state with its derivatives per step of length h, along the axis of time."""
        powers = torch.tensor([h**k for k in range(values.shape[-1])], dtype=values.dtype, device=values.device)
        return (values * powers).movedim(-1, self.axis + 1).contiguous()

    def _physical(self, coefficients: torch.Tensor, h: float) -> torch.Tensor:
        """The inverse of :meth:`_scaled`."""
        count = coefficients.shape[self.axis + 1]
        powers = torch.tensor([h**-k for k in range(count)], dtype=coefficients.dtype, device=coefficients.device)
        return coefficients.movedim(self.axis + 1, -1) * powers

    def _accept(self, pair: _Pair) -> None:
        """Keep the states at the ends of both steps."""
        course, times = self.course, pair.times
        h = times[1] - times[0]
        first, second = (self._physical_cell(c, h) for c in pair.coefficients)
        cells = course.cells
        if not course.records:
            course.records.append(Record(times[0], cells, first[0], 0.0))
        else:
            last = course.records[-1]
            course.records[-1] = Record(last.time, cells, self._mean(last.values, first[0]), last.error)
        course.records.append(Record(times[1], cells, self._mean(first[1], second[0]), pair.time_error))
        course.records.append(Record(times[2], cells, second[1], pair.time_error))
        course.steps += 2
        known = course.space_errors or (0.0,) * len(pair.space_error)
        course.space_errors = tuple(map(max, known, pair.space_error))
        if not self._fits(cells):
            raise StopRun(
                Status.MAX_SIZE,
                f"the states until {times[2]:.6g} need about {spelled_size(8.0 * second[1].numel() * len(course.records))}, and the memory does not suffice for more",
            )

    def _tell(self, pair: _Pair) -> None:
        """Let others look at both steps."""
        p, (first, second), cells = self.grid.problem, pair.coefficients, list(self.course.cells)
        cells.insert(self.axis, 2)
        name = p.domain.names[self.axis]
        domain = p.domain.restricted({name: (pair.times[0], pair.times[2])})

        def field() -> GridField:
            whole = torch.cat([first, second.narrow(self.axis + 1, self.m, self.m)], self.axis + 1)
            return linear_field(domain, p.fields, p.periodic, self.grid.basis, [tuple(cells)], [whole])

        self.advanced(domain, field)

    def _physical_cell(self, coefficients: torch.Tensor, h: float) -> tuple[torch.Tensor, torch.Tensor]:
        start, end = (coefficients.narrow(self.axis + 1, k * self.m, self.m) for k in (0, 1))
        return self._physical(start, h), self._physical(end, h)

    def _mean(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Of what both sides of a time were free to choose; the rest is that of the left."""
        out = left.clone()
        out[..., self.order :] = 0.5 * (left[..., self.order :] + right[..., self.order :])
        return out


@dataclass(frozen=True)
class _Pair:
    """Two steps of equal length."""

    times: Sequence[float]
    coefficients: Sequence[torch.Tensor]
    time_error: float
    space_error: Sequence[float]
    before: tuple[torch.Tensor, float, float] | None
