"""A march in time by the method of lines, whose steps, states that are kept, and cells in space follow the solution."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from hermite_pinn.field.field import GridField, linear_field
from hermite_pinn.geometry import Domain
from hermite_pinn.memory import spelled_size
from hermite_pinn.run.monitor import StopRun
from hermite_pinn.run.status import Status

from .exponential_steps import ExponentialSteps
from .line_equations import LineEquation
from .march_states import Course, Record, prolonged_in_space
from .record_slopes import with_slopes
from .space_lines import SpaceLines
from .stage import Discretization
from .stepping import LARGEST, Stepping

__all__ = ["LineMarch", "StiffError"]

logger = logging.getLogger(__name__)

SMALLEST = 2.0**-20  # step, as a part of all times: other methods take longer ones
LENGTHS = 4  # of steps in a doubling
SAFETY, LEAST, MOST = 0.85, 0.2, 2.0  # of a step's length against the one before
SHRUNK, GROWN = 0.85, 1.2  # changes between that are not worth new weights
REST, MOST_REST = 8, 128  # steps after a refused one, before a longer one is tried again
STEPS = 0.5  # of the tolerance, for the errors of all steps together
CHECK = 8  # steps between looks at the cells
BETWEEN = 24  # steps between two states that are kept, at most
FAINT = 0.1  # part of what cells may miss that makes them, not steps, the reason of a failure
FIRST = 2.0**-14  # step, as a part of all times
CUBIC = 4  # power of a step that cubic interpolation falls with
LEAST_KEPT = 16  # states, where the memory does not suffice for more


class StiffError(Exception):
    """Steps would have to be very short; never leaves the method."""


@dataclass(frozen=True, eq=False)
class _Parts:
    """What cubics in time are made of.

    Attributes
    ----------
    time
        Of a state.
    parts
        Modes of the values, and of their derivatives in time: (2, fields, n_1, ...).
    """

    time: float
    parts: torch.Tensor


@dataclass(frozen=True, eq=False)
class _State(_Parts):
    """A state to go on from.

    Attributes
    ----------
    state
        What its steps begin with.
    rate
        What the linear part leaves of its rate of change.
    """

    state: torch.Tensor
    rate: torch.Tensor


class _Pace:
    """By how much steps grow or shrink.

    After a step that was refused they stay as they are for a while, and for twice as long whenever the next attempt to
    lengthen them fails: where not accuracy but stability limits them, refused steps are few.
    """

    def __init__(self) -> None:
        self.last, self.rest, self.patience, self.grown = 1.0, 0, REST, False

    def factor(self, error: float) -> float:
        """For the next step, after one with an error relative to what is allowed."""
        if not error <= 1.0:
            self.patience = min(2 * self.patience, MOST_REST) if self.grown else self.patience
            self.rest, self.grown = self.patience, False
            return LEAST if not math.isfinite(error) else min(SHRUNK, max(LEAST, SAFETY * error ** (-1.0 / 3.0)))
        factor = min(MOST, SAFETY * max(error, 1e-9) ** -0.3 * (self.last / max(error, 1e-9)) ** 0.1)
        self.last = max(error, 1e-9)
        self.rest = max(0, self.rest - 1)
        if factor >= GROWN and self.rest == 0:
            self.patience = max(REST, self.patience // 2) if self.grown else self.patience
            self.grown = True
            return factor
        self.grown = False
        return min(1.0, factor) if factor < SHRUNK else 1.0


class LineMarch(Stepping):
    """Marches from the start to the end of time by exponential steps on the equations at the points of space.

    States are kept where cubics between them would miss too much.

    Parameters
    ----------
    grid, cells, tol, progress, check, largest, advanced
        As for :class:`Stepping`.
    equations
        By field.
    between
        What cubics between the states that are kept may miss, relative to the sizes of the fields.
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
        between: float,
        below: Sequence[int] | None = None,
    ) -> None:
        super().__init__(grid, cells, tol, progress, check, largest, advanced, below)
        self.equations, self.between_tol = equations, between

    # -- the march ---
    def run(self) -> Course:
        """March to the end.

        Raises
        ------
        StiffError
            If steps become very short.
        StopRun
            If the memory does not suffice, or whatever ``progress`` raises.
        """
        self._begin(None)
        h, taken, pace = FIRST * self.length, 0, _Pace()
        longest = self.length * 2.0**-self.largest
        while self.now.time < self.end:
            self.progress(self.now.time)
            last = self._ladder(min(h, longest))
            step = self._fitting(last)
            done = self._advanced(step)
            error = math.inf if done is None else done[1] / (STEPS * self.tol)
            factor = pace.factor(error)
            h = h if step < last and factor >= 1.0 else step * factor
            if done is None or error > 1.0:
                self.course.refused += 1
                if h < SMALLEST * self.length:
                    if not self._unresolved(FAINT):
                        raise StiffError(f"steps of {h:.2g} at {self.now.time:.6g}")
                    h = FIRST * self.length
            else:
                self._take(done[0])
                taken += 1
                if taken % CHECK == 0 or self.now.time >= self.end:
                    self._look()
        return self.course

    def _ladder(self, h: float) -> float:
        """One of few lengths, whose weights are kept, that is about as long."""
        return self.length * 2.0 ** (math.floor(LENGTHS * math.log2(h / self.length) + 1e-6) / LENGTHS)

    def _fitting(self, step: float) -> float:
        """A step that does not go beyond the end, nor leaves a much shorter one."""
        left = self.end - self.now.time
        if step >= left * (1.0 - 1e-9):
            return left
        return 0.5 * left if 2.0 * step > left else step

    def _begin(self, kept: Record | None) -> None:
        """Take the cells of the course, from the start or from a state that was kept."""
        self.lines = SpaceLines(self.grid.problem, self.grid.basis, self.equations, self.order, self.course.cells)
        if kept is None:
            time, state = self.begin, self.lines.start()
        else:
            time = kept.time
            state = self.lines.state_of([kept.values[..., k] for k in range(self.order)])
        self.lines.damp(state)
        self.steps = ExponentialSteps(self.lines.linear, self.lines.rates, self.length)
        self.now = self._known(time, state, self.lines.rates(time, state))
        self.past: tuple[float, torch.Tensor] | None = None
        self.between: list[_Parts] = [self.now]
        self.since = 0  # steps after the first of these
        self.missed = 0.0
        self._measure_sizes(self.now)
        self.good = self.now
        if kept is None:
            self.course.records.clear()
            self._keep(self.now, 0.0)
            errors = self._space_errors()
            if self._wants_cells(errors) and self._refine(errors, True):
                self._begin(None)

    def _known(self, time: float, state: torch.Tensor, rate: torch.Tensor) -> _State:
        parts = self.lines.parts(state)
        if self.order == 1:
            parts = [*parts, self.lines.change(state, rate)]
        return _State(time, torch.stack(parts), state, rate)

    def _measure_sizes(self, state: _State) -> None:
        self.errors.sizes = torch.maximum(self.errors.sizes, self.lines.size(state.parts[0]))

    def _advanced(self, h: float) -> tuple[_State, float] | None:
        """The state after a step, and the error of steps like this one; None where that is not finite."""
        self.check()
        done = self.steps.take(self.now.time, h, self.now.state, self.now.rate, self.past)
        self.course.newton += 1
        self.course.inner += 4
        if not bool(torch.isfinite(torch.view_as_real(done.state) if self.order > 1 else done.state).all()):
            return None
        time = self.now.time + h
        if self.end - time < 1e-9 * h:
            time = self.end
        after = self._known(time, done.state, done.rate)
        missed = self.lines.missed(done.error)
        error = max(self.errors.relative(self.lines.size(e) * h**k) for k, e in enumerate(missed))
        return (after, error) if math.isfinite(error) else None

    def _take(self, after: _State) -> None:
        """Go on to a state, and keep the one before where cubics do not reach from the last that is kept."""
        self.past = self.now.time, self.now.rate
        self.now = after
        self._measure_sizes(after)
        self.course.steps += 1
        self.between.append(_Parts(after.time, after.parts))
        self.since += 1
        if self.since < 2:
            return
        missed = self._cubic_error()
        if missed > self.between_tol or self.since >= BETWEEN:
            before = self.between[-2]
            error = self.missed if self.since > 2 else missed / 2.0**CUBIC
            self._keep(before, error)
            self.between = [before, self.between[-1]]
            self.missed, self.since = 0.0, 1
        else:
            self.missed = missed

    def _cubic_error(self) -> float:
        """What the cubic from the last state that is kept to this one misses at a state between them."""
        a, b = self.between[0], self.between[-1]
        h = b.time - a.time
        inner = self.between[1:-1]
        nearest = min(range(len(inner)), key=lambda i: abs(inner[i].time - a.time - 0.5 * h))
        middle = inner[nearest]
        del self.between[1 : 1 + nearest]  # the middle only moves on
        guess = _cubic(a.parts, b.parts, h, (middle.time - a.time) / h)
        return self.errors.relative(self.lines.size(guess - middle.parts[0]))

    def _space_errors(self) -> list[float]:
        """By axis of space, what the cells miss at present.

        On periodic axes the modes tell it: by how much less there is in the upper half of them than in the quarter
        below.  On others the hierarchical surplus does, since modes hold values at the ends badly.
        """
        modes = self.now.parts[0]
        periodic = [a.periodic for a in self.lines.axes]
        tails = [self._tail(modes, i) for i in range(self.lines.dim)] if any(periodic) else []
        if all(periodic):
            return tails
        missed = self.errors.of_state(self.lines.coefficients(self.now.time, modes))
        return [tails[i] if own else missed[i] for i, own in enumerate(periodic)]

    def _tail(self, modes: torch.Tensor, axis: int) -> float:
        """What modes that are not there would hold along an axis."""
        found = []
        for own, along in zip(modes, self.lines.modes, strict=True):
            order = along[axis].waves.argsort()
            ordered = own.movedim(axis, 0).flatten(1).square().sum(1)[order]
            n = len(ordered)
            upper, lower = float(ordered[n // 2 :].sum()), float(ordered[n // 4 : n // 2].sum())
            found.append(math.sqrt(upper) * min(1.0, math.sqrt(upper / lower) if lower > 0 else 1.0))
        volume = math.prod(b - a for a, b in (a.bounds for a in self.lines.axes))
        return self.errors.relative(torch.tensor(found, dtype=torch.float64) / math.sqrt(volume))

    def _look(self) -> None:
        """Look at the cells, and go on from here if they hold the present state."""
        if not self._unresolved():
            self.good = self.now
            if self.now.time >= self.end:
                self._keep(self.now, self.missed)

    def _unresolved(self, part: float = 1.0) -> bool:
        """Whether the cells miss too much of the present state; then go back to one that they held, on finer cells.

        Parameters
        ----------
        part
            Of what they may miss.
        """
        errors, course = self._space_errors(), self.course
        if not self._wants_cells(errors, part):
            known = course.space_errors or (0.0,) * len(errors)
            course.space_errors = tuple(map(max, known, errors))
            return False
        course.refused += 1
        starting = self.good.time <= self.begin
        course.records[:] = [r for r in course.records if r.time <= self.good.time]
        if not starting and course.records[-1].time < self.good.time:
            self._keep(self.good, self.missed)
        if not self._refine(errors, starting):
            return False
        self._begin(None if starting else course.records[-1])
        return True

    # -- what is kept ---
    def _keep(self, state: _Parts, error: float) -> None:
        """Keep a state, with an error of what lies between it and the one before."""
        course = self.course
        parts = [self.lines.coefficients(state.time, state.parts[k], k) for k in (0, 1)]  # with_slopes adds the rest
        course.records.append(Record(state.time, course.cells, torch.stack(parts, -1), error))
        while not self._fits(course.cells):
            if len(course.records) < LEAST_KEPT:
                numbers = parts[0].numel() * self.m * len(course.records)
                raise StopRun(
                    Status.MAX_SIZE,
                    f"the states until {state.time:.6g} need about {spelled_size(8.0 * numbers)}, and the memory does not suffice for more",
                )
            self._thin()
        if len(course.records) > 1:
            self._show(course.records[-3:])

    def _thin(self) -> None:
        """Give up every other state, and keep fewer from here on; what cubics then miss is measured."""
        records = self.course.records
        kept = records[:1]
        for middle, after in zip(records[1:-1:2], records[2::2], strict=False):
            kept.append(replace(after, error=self._error_without(kept[-1], middle, after)))
        kept += records[2 * len(kept) - 1 :]  # the last one of an even number
        logger.info("%d of %d states are kept: the memory is small", len(kept), len(records))
        records[:] = kept
        self.between_tol *= 2.0**CUBIC

    def _error_without(self, before: Record, middle: Record, after: Record) -> float:
        """What the cubic between the states beside one misses, relative to the sizes of the fields."""
        left, own = (
            prolonged_in_space(r.values[..., :2], self.grid, r.cells, after.cells).movedim(-1, 0)
            for r in (before, middle)
        )
        h = after.time - before.time
        guess = _cubic(left, after.values.movedim(-1, 0), h, (middle.time - before.time) / h)
        return max(self.errors.relative(self.errors.rms(guess - own[0])), middle.error, after.error)

    def _show(self, records: Sequence[Record]) -> None:
        """Let others look at what lies between the last two states."""
        p, (before, after) = self.grid.problem, records[-2:]
        domain = p.domain.restricted({p.domain.names[self.axis]: (before.time, after.time)})
        cells = list(after.cells)
        cells.insert(self.axis, 1)

        def field() -> GridField:
            left, right = (with_slopes(self.grid, records, k) for k in (len(records) - 2, len(records) - 1))
            h = after.time - before.time
            whole = [prolonged_in_space(left.values, self.grid, left.cells, right.cells), right.values]
            parts = torch.cat([self._scaled(values, h) for values in whole], self.axis + 1)
            return linear_field(domain, p.fields, p.periodic, self.grid.basis, [tuple(cells)], [parts])

        self.advanced(domain, field)


def _cubic(a: torch.Tensor, b: torch.Tensor, h: float, s: float) -> torch.Tensor:
    """Between two states with their rates of change (2, ...), at a part of the distance h between them."""
    return (
        a[0] * ((1 + 2 * s) * (1 - s) ** 2)
        + b[0] * (s * s * (3 - 2 * s))
        + a[1] * (h * s * (1 - s) ** 2)
        - b[1] * (h * s * s * (1 - s))
    )
