"""Levenberg-Marquardt steps on a least-squares system, each a linear least-squares problem."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from hermite_pinn.errors import DivergedError
from hermite_pinn.memory import available_memory
from hermite_pinn.methods.gauss_newton.banded_cholesky import BandedNormal, banded_cost
from hermite_pinn.methods.gauss_newton.mixed_precision import single_products
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.run.monitor import Monitor

from .cgls import LeastSquaresResult, Rows, cgls, dot
from .scaling import Scaling

__all__ = ["Fit", "LeastSquares", "LevenbergMarquardt"]

logger = logging.getLogger(__name__)


class LeastSquares(Protocol):
    """What the iteration needs of a system: :class:`GridSystem` or :class:`FieldSystem`."""

    affine: bool
    blocks: Any

    @property
    def size(self) -> int:
        """Number of unknowns."""

    @property
    def location(self) -> str:
        """Where in the run this is, for messages."""

    def linearize(self, vector: torch.Tensor) -> Rows:
        """Rows at a vector; the products are those there."""

    def forward(self, direction: torch.Tensor) -> Rows:
        """Product with the Jacobian; may overwrite ``direction``."""

    def adjoint(self, rows: Rows) -> torch.Tensor:
        """Product with the transposed Jacobian."""

    def column_scale(self) -> torch.Tensor:
        """Inverse column norms; 0 for fixed unknowns."""

    def preconditioner(self, columns: torch.Tensor, damping: float) -> Scaling | None:
        """A change of variables beyond the column scaling, or None."""

    def direct(self, rows: Rows, columns: torch.Tensor) -> torch.Tensor | None:
        """The step of an affine problem, where the system has a better way than conjugate gradients."""

    def within_bounds(self, vector: torch.Tensor) -> torch.Tensor:
        """Move what left its bounds back, in place."""

    def change(self, step: torch.Tensor, vector: torch.Tensor) -> float:
        """Relative size of a step."""

    def inner(self, a: Rows, b: Rows) -> torch.Tensor:
        """Inner product of rows, of all processes that share them."""


@dataclass
class Fit:
    """A state of the iteration.

    Attributes
    ----------
    vector
        Unknowns.
    rows, loss
        Weighted residuals there, and the sum of their squares.
    inner
        How the last linear problem was solved; None before the first step.
    damping
        Levenberg-Marquardt parameter of that step.
    finished
        Whether the nonlinear iteration met its own tolerance (an affine problem does after its step).
    """

    vector: torch.Tensor
    rows: list[torch.Tensor]
    loss: float
    inner: LeastSquaresResult | None = None
    damping: float = 0.0
    finished: bool = False

    @property
    def settled(self) -> bool:
        """Whether the iteration finished, and its last linear problem was solved well enough."""
        return self.finished and (self.inner is None or self.inner.converged or self.inner.reduction < 1e-4)


class LevenbergMarquardt:
    """Minimise the sum of squares of a system's rows; an affine system takes one undamped step.

    Parameters
    ----------
    inner
        ``"cg"``, ``"banded"`` or ``"auto"`` (see :class:`GaussNewton`).
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
        Whether a step that fails is tried once more with the second-order correction: the step by which the linear
        model takes back what the residuals at its end are off.  It lets steps follow a curved valley, as of equations
        that weigh far more than noisy data.
    mixed
        Whether conjugate gradients on a grid take their steps in float32, corrected in float64.
    """

    def __init__(
        self,
        *,
        inner: str,
        inner_tol: float,
        near_tol: float,
        inner_steps: int,
        outer_steps: int,
        damping: float,
        change: float | None,
        monitor: Monitor,
        corrected: bool = False,
        mixed: bool = False,
    ) -> None:
        self.corrected, self.mixed = corrected, mixed
        self.inner, self.inner_tol, self.near_tol, self.inner_steps = inner, inner_tol, near_tol, inner_steps
        self.outer_steps, self.damping, self.change = outer_steps, damping, change
        self.monitor = monitor
        self.inner_total = 0
        self._damping = damping
        self._steps_per_size: dict[int, int] = {}

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, so that a resumed run takes the same steps."""
        sizes = [[size, steps] for size, steps in self._steps_per_size.items()]
        return {"inner_total": self.inner_total, "damping": self._damping, "steps_per_size": sizes}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over the state of a checkpoint."""
        self.inner_total, self._damping = int(state["inner_total"]), float(state["damping"])
        self._steps_per_size = {int(size): int(steps) for size, steps in state["steps_per_size"]}

    def fit(
        self,
        system: LeastSquares,
        vector: torch.Tensor,
        accepted: Callable[[Fit], bool | None] | None = None,
        *,
        guessed: bool = False,
    ) -> Fit:
        """Iterate from ``vector``; ``accepted`` sees every state that lowered the loss, and ends it by returning True.

        A nonlinear iteration is finished where fields and parameters change by less than ``change``, where the loss
        falls by less than 1e-5, or where the next step, which the bend of the residual along the last one predicts,
        would be as small.  If ``vector`` is ``guessed`` from a coarser level, 1/1000 of the largest step is enough.

        Raises
        ------
        DivergedError
            If a residual is not finite at the start, or after the step of an affine problem.
        StopRun
            If the time is over in the middle of a linear solve, whose unfinished result is dropped.
        """
        rows = system.linearize(vector)
        state = Fit(vector, rows, self._loss(system, rows))
        damping, first_change, refused = (0.0 if system.affine else self._damping), 0.0, 0.0
        for _ in range(self.outer_steps):
            step, result = self._linear(system, state.rows, damping)
            self.inner_total += result.steps
            if result.reason == "callback":
                self.monitor.check_time()
            if system.affine:
                state = self._affine(system, state, step, result)
                if accepted is not None:
                    accepted(state)
                return state
            if result.decrease <= 1e-14 * state.loss:
                state.finished = True
                break
            image = [row.clone() for row in system.forward(step.clone())]
            trial = system.within_bounds(state.vector + step)
            rows = system.linearize(trial)
            loss = float(system.inner(rows, rows))
            if self.corrected and not loss <= (1.0 - 1e-4) * state.loss and math.isfinite(loss):
                off = [c - a - b for a, b, c in zip(state.rows, image, rows, strict=True)]
                system.linearize(state.vector)
                back, more = self._linear(system, off, damping)
                self.inner_total += more.steps
                step = step + back
                trial = system.within_bounds(state.vector + step)
                rows = system.linearize(trial)
                loss = float(system.inner(rows, rows))
            if not loss <= state.loss:  # also where the loss is not a number
                if damping > 1e12:
                    break
                refused, damping = damping, max(8.0 * damping, 1e-9)
                state.rows = system.linearize(state.vector)
                continue
            gain, fall = (state.loss - loss) / result.decrease, 1.0 - loss / state.loss
            bent = [c - a - b for a, b, c in zip(state.rows, image, rows, strict=True)]  # what the linear model missed
            bend = math.sqrt(float(system.inner(bent, bent)) / max(float(system.inner(image, image)), 1e-300))
            state = Fit(trial, rows, loss, result, damping)
            change = system.change(step, trial)
            first_change = max(first_change, change)
            small = max(1e-13, 1e-3 * first_change if guessed else 0.0, self.change or 0.0)
            state.finished = (
                loss == 0.0
                or change <= small
                or (fall < 1e-5 and damping < 0.1)
                or (damping <= 1e-8 and bend * change <= small)
            )
            if accepted is not None and accepted(state):
                break
            if gain > 0.7:
                # what was refused is approached again, but more slowly every time
                damping = max(damping * (0.01 if gain > 0.95 else 0.2), 2.0 * refused, 1e-14)
                refused *= 0.5
            elif gain < 0.25:
                damping *= 3.0
            if state.finished:
                break
        self._damping = min(damping, self.damping)
        return state

    def _affine(self, system: LeastSquares, state: Fit, step: torch.Tensor, result: LeastSquaresResult) -> Fit:
        vector = system.within_bounds(state.vector + step)
        rows = system.linearize(vector)
        return Fit(vector, rows, self._loss(system, rows), result, 0.0, True)

    @property
    def limits(self) -> str:
        """The limits that an iteration may have met, for messages."""
        return f"outer_steps={self.outer_steps}, inner_steps={self.inner_steps}"

    def _loss(self, system: LeastSquares, rows: Rows) -> float:
        """Sum of squares; an error that names the term where it is not finite."""
        total, at = 0.0, 0
        for block in system.blocks:
            for t in block.terms:
                value = float(system.inner([rows[at]], [rows[at]]))
                if not math.isfinite(value):
                    bad, of = int((~torch.isfinite(rows[at])).sum()), rows[at].numel()
                    step = len(self.monitor.history) + 1
                    raise DivergedError(
                        f"the residual {t.name!r} is not finite at {bad} of {of} points at step {step} ({system.location}); "
                        "look for divisions by zero, roots or logarithms of negative numbers in it"
                    )
                total += value
                at += 1
        return total

    def _linear(
        self, system: LeastSquares, rows: list[torch.Tensor], damping: float
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        """One linearised problem: the step and how it was found."""
        columns = system.column_scale()
        # a slab starts close to its end, and a nonlinear iteration corrects what is left
        near = not system.affine or (isinstance(system, GridSystem) and system.constraints.carried is not None)
        tol = self.near_tol if near else self.inner_tol

        def late(steps: int, reduction: float) -> bool:
            return self.monitor.out_of_time

        if isinstance(system, GridSystem) and self._banded(system):
            return BandedNormal(system, columns, damping).solve(rows, tol, self.inner_steps, late)
        step = system.direct(rows, columns)
        if step is not None:
            left = [r + d for r, d in zip(rows, system.forward(step.clone()), strict=True)]
            decrease = float(system.inner(rows, rows) - system.inner(left, left))
            return step, LeastSquaresResult(step, 1, 0.0, True, "direct", decrease)
        change = system.preconditioner(columns, damping)
        if change is not None:
            return self._preconditioned(system, rows, columns, change, tol, late)
        result = cgls(
            lambda y: system.forward(y * columns),
            lambda r: system.adjoint(r).mul_(columns),
            [-r for r in rows],
            tol=tol,
            max_steps=self.inner_steps,
            damping=damping,
            on_step=late,
            inner=system.inner,
            low=single_products(system, columns) if self.mixed and isinstance(system, GridSystem) else None,
        )
        self._steps_per_size[system.size] = max(result.steps, self._steps_per_size.get(system.size, 0))
        return result.y * columns, result

    def _preconditioned(
        self,
        system: LeastSquares,
        rows: list[torch.Tensor],
        columns: torch.Tensor,
        change: Scaling,
        tol: float,
        late: Callable[[int, float], bool],
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        """A linearised problem in other variables; the damping, which is that of the columns, becomes rows."""
        own, roots = len(rows), []
        if change.damping > 0:
            scale = torch.where(columns > 0, columns, torch.inf)
            roots = [math.sqrt(change.damping) / scale]

        def forward(y: torch.Tensor) -> Rows:
            x = change.apply(y)
            return [*system.forward(x), *(x * root for root in roots)]

        def adjoint(r: Rows) -> torch.Tensor:
            gradient = system.adjoint(r[:own])
            for root, row in zip(roots, r[own:], strict=True):
                gradient.addcmul_(row, root)
            return change.transposed(gradient)

        def inner(a: Rows, b: Rows) -> torch.Tensor:
            total = system.inner(a[:own], b[:own])
            return total + dot(a[own:], b[own:]) if roots else total  # every process has the rows of the damping

        b = [*(-r for r in rows), *(torch.zeros_like(root) for root in roots)]
        result = cgls(forward, adjoint, b, tol=tol, max_steps=self.inner_steps, on_step=late, inner=inner)
        self._steps_per_size[system.size] = max(result.steps, self._steps_per_size.get(system.size, 0))
        return change.apply(result.y), result

    def _banded(self, system: GridSystem) -> bool:
        """Whether a banded factor of the finest level is expected to be cheaper than conjugate gradients.

        By a count of operations, not by the clock, so that runs are reproducible: conjugate gradients need about 60 ns
        per coefficient and step on two cores, and as many steps as on the last level times its growth.  On a GPU a step
        is taken for 1 ms of launches and 2 ns per coefficient (not measured); factors are those of the CPU there too.
        """
        if self.inner != "auto":
            return self.inner == "banded"
        cost = banded_cost(system.pyramid.shapes[-1], system.problem.periodic, system.basis)
        smaller = [size for size in self._steps_per_size if size <= system.size]
        if cost is None or not smaller:
            return False
        size = max(smaller)
        expected = self._steps_per_size[size] * math.sqrt(system.size / size)
        gpu = system.device.type != "cpu"
        iterating = expected * (1e-3 + 2e-9 * system.size if gpu else 6e-8 * system.size)
        free = system.ranks.least(available_memory(torch.device("cpu")) or math.inf)
        cheaper = cost[0] < iterating and cost[1] < min(2**31, free / 4)
        if cheaper and gpu:
            logger.info(
                "a banded factor on the CPU takes the place of about %.0f steps of conjugate gradients on %s",
                expected,
                system.device,
            )
        return cheaper
