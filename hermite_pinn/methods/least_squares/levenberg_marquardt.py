"""Levenberg-Marquardt steps on a least-squares system, each a linear least-squares problem."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Generic, Protocol, TypeVar

import torch

from hermite_pinn.errors import DivergedError
from hermite_pinn.run.monitor import Monitor
from hermite_pinn.schema import Entry

from .cgls import LeastSquaresResult
from .deflation import Deflation, stretch
from .iterate import Fit, Iterate, Trial
from .linear_solver import Limits, LinearSolver, LinearSystem
from .rows import Rows

__all__ = ["SOLVED", "UNBOUNDED", "Fit", "LeastSquares", "LevenbergMarquardt"]

logger = logging.getLogger(__name__)

#: What is logged of every linear problem; the numbers of a record are its arguments.
#: What to do about a solution that outgrows the numbers.
UNBOUNDED = (
    "The solution grows without bound: look at the signs of the time derivative and of the highest derivatives (an equation "
    "that runs backward in time amplifies every disturbance), or end the domain earlier"
)
SOLVED = "%s: a linear problem of %d unknowns took %d steps (%s)"
CORRECTIONS, FALLING = 3, 0.5  # of a step that fails, as long as each lowers the loss by this factor
CURVED = 64.0  # factor of the damping of a corrected step that fails where there is hardly any
SHORTER = 10  # times that a deflated step is tried at a quarter of its length
PATIENCE, FELL = 12, 0.999  # undamped steps without a fall of the loss by that
SAME, STAYS = 1e-6, 1e-12  # relative changes of the loss, or of the unknowns, that are none
AFTER = 3.0  # steps of conjugate gradients that take as long as what follows a linear solve


class LeastSquares(LinearSystem, Protocol):
    """What the iteration needs of a system, beside its linearisation."""

    affine: bool

    @property
    def warm(self) -> bool:
        """Whether its iterations start close to their end, and a later one corrects what is left, as in time slabs."""

    @property
    def location(self) -> str:
        """Where in the run this is, for messages."""

    @property
    def row_names(self) -> list[str]:
        """What every tensor of the rows belongs to, for messages."""

    @property
    def chooses(self) -> bool:
        """Whether the unknowns choose between equations."""

    def linearize(self, vector: torch.Tensor) -> Rows:
        """Rows at a vector; the products are those there."""

    def where_undefined(self, vector: torch.Tensor) -> str:
        """Which part of a residual is not defined at a vector, and where; nothing if that is not found."""

    def within_bounds(self, vector: torch.Tensor) -> torch.Tensor:
        """Move what left its bounds back, in place."""

    def holding(self, numbers: Collection[int]) -> AbstractContextManager[None]:
        """Products in which these parameters, by number, have no part."""

    def pressed(self, vector: torch.Tensor, gradient: Callable[[], torch.Tensor]) -> tuple[int, ...]:
        """Numbers of the parameters on a bound which the descent from there would take beyond it."""

    def beyond(
        self, vector: torch.Tensor, step: torch.Tensor, held: Collection[int]
    ) -> tuple[tuple[int, ...], torch.Tensor]:
        """Numbers of the parameters that a step takes beyond their bounds, and the step that takes these to them."""

    def within_reach(self, vector: torch.Tensor, trial: torch.Tensor) -> torch.Tensor:
        """Shorten what changes farther from one vector to the other than a step may be trusted, in place."""

    def change(self, step: torch.Tensor, vector: torch.Tensor) -> float:
        """Relative size of a step."""


System = TypeVar("System", bound=LeastSquares)


class _Pace:
    """How long the steps of an iteration take, for the time that must be left after them."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self._first = 0, monitor.clock()  # number of a step, and when it ended

    def late(self, steps: int, reduction: float) -> bool:
        """Whether a step that ended now would end in time; told after every one of an iteration.

        One that begins anew, because another was given up, is timed anew: what was before its first step, as a factor,
        takes no part.
        """
        if steps <= self._first[0] or self._first[0] == 0:
            self._first = steps, self.monitor.clock()
        else:
            number, began = self._first
            self.monitor.ahead = AFTER * (self.monitor.clock() - began) / (steps - number)
        return self.monitor.out_of_time


class LevenbergMarquardt(Generic[System]):
    """Minimise the sum of squares of a system's rows; an affine system takes one undamped step.

    Parameters
    ----------
    linear
        Solves the linear problem of a step.
    inner_tol, inner_steps
        When a linear problem is solved.
    near_tol
        The same for problems that start close to their solution: steps of nonlinear iterations, and time slabs.
    outer_steps
        Most steps.
    damping
        First parameter of a nonlinear problem.
    change
        Relative change of the fields at which a nonlinear iteration may stop, or None.
    monitor
        For the time limit and the number of the step in messages.
    corrected
        Whether a step that fails is tried again with second-order corrections: the steps by which the linear model
        takes back what the residuals at its end are off.  They let steps follow a curved valley, as of equations
        that weigh far more than noisy data.
    deflation
        Known solutions that are to be left out, or None.
    """

    def __init__(
        self,
        linear: LinearSolver[System],
        *,
        inner_tol: float,
        near_tol: float,
        inner_steps: int,
        outer_steps: int,
        damping: float,
        change: float | None,
        monitor: Monitor,
        corrected: bool = False,
        deflation: Deflation[System] | None = None,
    ) -> None:
        self.linear, self.corrected, self.deflation = linear, corrected, deflation
        self.inner_tol, self.near_tol, self.inner_steps = inner_tol, near_tol, inner_steps
        self.outer_steps, self.damping, self.change = outer_steps, damping, change
        self.monitor = monitor
        self.inner_total = 0
        self._damping = damping

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, so that a resumed run takes the same steps."""
        return {"inner_total": self.inner_total, "damping": self._damping} | self.linear.state()

    def restore(self, state: Mapping[str, Any] | Entry) -> None:
        """Take over the state of a checkpoint.

        Raises
        ------
        CorruptFileError
            If it is none.
        """
        saved = Entry.of(state, "the checkpoint", "solver")
        self.inner_total, self._damping = saved.at("inner_total").integer(0), saved.at("damping").number(0.0)
        self.linear.restore(saved)

    @property
    def limits(self) -> str:
        """The limits that an iteration may have met, for messages."""
        return f"outer_steps={self.outer_steps}, inner_steps={self.inner_steps}"

    def fit(
        self,
        system: System,
        vector: torch.Tensor,
        accepted: Callable[[Fit], bool | None] | None = None,
        *,
        guessed: bool = False,
        stepped: Callable[[dict[str, Any]], None] | None = None,
        resumed: Entry | None = None,
        enough: Callable[[Rows], float] | None = None,
    ) -> Fit:
        """Iterate from ``vector``; ``accepted`` sees every state that lowered the loss, and ends it by returning True.

        ``stepped`` is given what a checkpoint keeps after such a state, unless it is the last; ``resumed`` continues
        that, with its vector as ``vector``.

        A nonlinear iteration is finished where fields and parameters change by less than ``change``, where the loss
        falls by less than 1e-5, or where the next step, which the bend of the residual along the last one predicts,
        would be as small.  If ``vector`` is ``guessed`` from a coarser level, 1/1000 of the largest step is enough.
        It is also finished where a step lowers the loss by less than ``enough`` says of the rows there: what noise
        leaves open need not be found exactly.

        Raises
        ------
        DivergedError
            If a residual is not finite at the start, or after the step of an affine problem.
        InvalidArgumentError
            If it would start at a solution that is to be left out.
        StopRun
            If the time is over after a step, or in the middle of a linear solve, whose unfinished result is dropped.
        """
        if self.deflation is not None:
            self.deflation.prepare(system)
            self.deflation.factor(system, vector)  # infinite at a known solution
            guessed = False
        iterate = self.init(system, vector)
        if len(self.monitor.history):  # there is an earlier result
            self.monitor.check_time()
        if system.affine:
            state = self._affine(system, iterate.fit)
            if accepted is not None:
                accepted(state)
            return state
        choosing = system.chooses and resumed is None and self.deflation is None
        helped = choosing and self._chosen(system, iterate)
        if helped and accepted is not None and accepted(iterate.fit):
            return iterate.fit
        for k in range(0 if resumed is None else iterate.restore(resumed), self.outer_steps):
            trial = self.step(system, iterate)
            if trial is not None:
                least = 0.0 if enough is None else enough(trial.rows)
                small = iterate.damping < 0.1 and max(trial.fall * iterate.fit.loss, trial.result.decrease) < least
                finished = self.terminate(system, iterate, trial, guessed) or small
                iterate.fit = Fit(trial.vector, trial.rows, trial.loss, trial.result, iterate.damping, finished)
                if accepted is not None and accepted(iterate.fit):
                    break
                iterate.adapt(trial.gain, trial.result.reason != "steps")
                if stepped is not None and not finished and k + 1 < self.outer_steps:
                    stepped(iterate.state(k + 1))
            if iterate.over or iterate.fit.finished:
                break
            self.monitor.check_time()  # not every linear solver asks for the time
        self._damping = min(iterate.damping, self.damping)
        return iterate.fit

    def _chosen(self, system: System, iterate: Iterate) -> bool:
        """Undamped steps, also where the loss rises, until the pieces that unknowns choose stay; whether that helped.

        Every step solves the problem of the pieces chosen last.  For equations such as ``min(A u - f, u - g) = 0``
        these steps converge though the loss does not fall steadily, where damped ones end between the pieces
        (R. Howard's policy iteration; Hintermueller, Ito, Kunisch, *The primal-dual active set strategy as a semismooth
        Newton method*, SIAM J. Optim. 13 (2002)).
        """
        state, best, since = iterate.fit, iterate.fit, 0
        while since < PATIENCE:
            step, result, _ = self._bounded(system, state, 0.0)
            if result.reason == "callback":
                self.monitor.check_time()
            vector = system.within_bounds(system.within_reach(state.vector, state.vector + step))
            rows = system.linearize(vector)
            loss = float(system.inner(rows, rows))
            if not math.isfinite(loss):
                break
            stays = abs(loss - state.loss) <= SAME * state.loss or system.change(step, vector) <= STAYS
            state = Fit(vector, rows, loss, result, 0.0)
            since += 1
            if loss < FELL * best.loss:
                best, since = state, 0
            if loss == 0.0 or stays:
                break
            self.monitor.check_time()
        helped = best is not iterate.fit
        if helped:
            iterate.fit, iterate.damping = best, min(iterate.damping, 1e-9)
        system.linearize(iterate.fit.vector)
        return helped

    def init(self, system: System, vector: torch.Tensor) -> Iterate:
        """The iteration before its first step, with the system linearised there."""
        rows = system.linearize(vector)
        return Iterate(Fit(vector, rows, self._loss(system, rows, vector)), self._damping)

    def step(self, system: System, iterate: Iterate) -> Trial | None:
        """One damped step; None where it does not lower the loss, and the iterate says what to try next."""
        state, damping = iterate.fit, iterate.damping
        step, result, held = self._bounded(system, state, damping)
        if result.reason == "callback":
            self.monitor.check_time()
        if result.decrease <= 1e-14 * state.loss:
            state.finished = True
            return None
        image = [row.clone() for row in system.forward(step.clone())]
        if self.deflation is not None:
            return self._deflated(system, iterate, self.deflation, step, image, result)
        trial, rows, loss = self._tried(system, state.vector, step)
        for _ in range(CORRECTIONS if self.corrected else 0):
            if loss <= (1.0 - 1e-4) * state.loss or not math.isfinite(loss):
                break
            off = [c - a - b for a, b, c in zip(state.rows, image, rows, strict=True)]
            system.linearize(state.vector)
            with system.holding(held):
                correction = self._linear(system, off, damping)[0]
            image = [a + b for a, b in zip(image, system.forward(correction.clone()), strict=True)]
            step, before = step + correction, loss
            trial, rows, loss = self._tried(system, state.vector, step)
            if not loss < FALLING * before:
                break
        if not loss <= state.loss:  # also where the loss is not a number
            iterate.refuse(CURVED if self.corrected and damping < 1e-5 else 8.0)
            if not iterate.over:
                state.rows = system.linearize(state.vector)
            return None
        gain, fall = (state.loss - loss) / result.decrease, 1.0 - loss / state.loss
        bent = [c - a - b for a, b, c in zip(state.rows, image, rows, strict=True)]  # what the linear model missed
        bend = math.sqrt(float(system.inner(bent, bent)) / max(float(system.inner(image, image)), 1e-300))
        return Trial(trial, rows, loss, step, result, gain, fall, bend)

    def _deflated(
        self,
        system: System,
        iterate: Iterate,
        deflation: Deflation[System],
        step: torch.Tensor,
        image: Rows,
        result: LeastSquaresResult,
    ) -> Trial | None:
        """The multiple of a step that solves the deflated linear problem best, or a shorter one with a lower loss."""
        state = iterate.fit
        slope, factor = deflation.slope(system, state.vector, step), deflation.factor(system, state.vector)
        change = [b + slope * a for a, b in zip(state.rows, image, strict=True)]
        along, square = float(system.inner(state.rows, change)), float(system.inner(change, change))
        times = stretch(along, square)
        for _ in range(SHORTER):
            trial, rows, loss = self._tried(system, state.vector, times * step)
            deflated = loss * (deflation.factor(system, trial) / factor) ** 2 if math.isfinite(loss) else math.inf
            if deflated <= (1.0 - 1e-4) * state.loss or (deflated <= state.loss and abs(times) <= 1.0):
                break
            times *= 0.25
        else:
            iterate.refuse()
            if not iterate.over:
                state.rows = system.linearize(state.vector)
            return None
        told = -times * (2.0 * along + times * square)
        bent = [c - a - times * b for a, b, c in zip(state.rows, image, rows, strict=True)]
        bend = math.sqrt(float(system.inner(bent, bent)) / max(float(system.inner(image, image)), 1e-300))
        gain = (state.loss - deflated) / told if told > 0 else 0.0
        return Trial(trial, rows, loss, times * step, result, gain, 1.0 - deflated / state.loss, bend)

    def terminate(self, system: System, iterate: Iterate, trial: Trial, guessed: bool) -> bool:
        """Whether the iteration is finished with a step; see :meth:`fit`."""
        change = system.change(trial.step, trial.vector)
        iterate.first_change = max(iterate.first_change, change)
        small = max(1e-13, 1e-3 * iterate.first_change if guessed else 0.0, self.change or 0.0)
        return (
            trial.loss == 0.0
            or change <= small
            or (trial.fall < 1e-5 and iterate.damping < 0.1)
            or (iterate.damping <= 1e-8 and trial.bend * change <= small)
        )

    def _tried(self, system: System, vector: torch.Tensor, step: torch.Tensor) -> tuple[torch.Tensor, Rows, float]:
        """Where a step leads, within the bounds, with the system linearised there."""
        trial = system.within_bounds(system.within_reach(vector, vector + step))
        rows = system.linearize(trial)
        return trial, rows, float(system.inner(rows, rows))

    def _affine(self, system: System, state: Fit) -> Fit:
        step, result, _ = self._bounded(system, state, 0.0)
        if result.reason == "callback":
            self.monitor.check_time()
        vector = system.within_bounds(state.vector + step)
        rows = system.linearize(vector)
        return Fit(vector, rows, self._loss(system, rows, vector), result, 0.0, True)

    def _bounded(
        self, system: System, state: Fit, damping: float
    ) -> tuple[torch.Tensor, LeastSquaresResult, tuple[int, ...]]:
        """A linearised problem whose parameters stay within their bounds, and the numbers of those that are held there.

        Parameters that a step takes beyond a bound go to that, and the other unknowns are solved for again beside them
        (Bertsekas, *Projected Newton methods*, SIAM J. Control Optim. 20 (1982)).
        """
        held = system.pressed(state.vector, lambda: system.adjoint([r.clone() for r in state.rows]))
        rows, moved, gone = state.rows, torch.zeros_like(state.vector), 0.0
        while True:
            with system.holding(held):
                step, result = self._linear(system, rows, damping)
            more, move = system.beyond(state.vector, moved + step, held)
            if not more or result.reason == "callback":
                return moved + step, replace(result, decrease=result.decrease + gone), held
            moved = moved + move
            rows = [a + b for a, b in zip(rows, system.forward(move.clone()), strict=True)]
            gone = state.loss - float(system.inner(rows, rows))
            held = (*held, *more)

    def _loss(self, system: System, rows: Rows, vector: torch.Tensor) -> float:
        """Sum of squares; an error that names the term where it is not finite."""
        total = 0.0
        for name, row in zip(system.row_names, rows, strict=True):
            value = float(system.inner([row], [row]))
            if not math.isfinite(value):
                bad, of = int((~torch.isfinite(row)).sum()), row.numel()
                step = len(self.monitor.history) + 1
                if not bad:
                    raise DivergedError(
                        f"the squares of the residual {name!r} overflow at step {step} ({system.location}): its largest value is "
                        f"{float(row.abs().max()):.1e}. {UNBOUNDED}"
                    )
                part = system.where_undefined(vector)
                raise DivergedError(
                    f"the residual {name!r} is not finite at {bad} of {of} points at step {step} ({system.location})"
                    + (f": {part}" if part else "")
                    + "; look for divisions by zero, roots or logarithms of negative numbers in it"
                )
            total += value
        return total

    def _linear(self, system: System, rows: Rows, damping: float) -> tuple[torch.Tensor, LeastSquaresResult]:
        """One linearised problem: the step and how it was found."""
        near = not system.affine or system.warm  # a nonlinear iteration corrects what is left
        pace = _Pace(self.monitor)
        limits = Limits(
            self.near_tol if near else self.inner_tol,
            self.inner_steps,
            pace.late,
            lambda seconds: self.monitor.require(seconds, "a factorisation"),
        )
        step, result = self.linear.solve(system, rows, damping, limits)
        if result.reason != "callback":
            self.monitor.ahead = 0.0
        self.inner_total += result.steps
        logger.debug(SOLVED, system.location, system.size, result.steps, result.reason)
        return step, result
