"""Gauss-Newton on the multilevel frame, by nested iteration from the coarsest level."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from hermite_pinn.cuda.layout import BASES
from hermite_pinn.cuda.pyramid import Pyramid
from hermite_pinn.errors import DivergedError, InvalidArgumentError, InvalidProblemError, OutOfMemoryError
from hermite_pinn.field import Field, GridField, linear_field, resolutions_of
from hermite_pinn.memory import available_memory, spelled_size
from hermite_pinn.monitor import StopRun
from hermite_pinn.status import Status

from .base import Method, Outcome, Task
from .joint import JointGaussNewton, is_hashed
from .levenberg_marquardt import Fit, LevenbergMarquardt
from .refinement import refined
from .system import GridSystem

__all__ = ["GaussNewton"]

logger = logging.getLogger(__name__)

Resolution = tuple[int, ...]


@dataclass(frozen=True)
class GaussNewton(Method):
    """Coarse-to-fine Gauss-Newton (Levenberg-Marquardt where the problem is nonlinear).

    A stage solves for all levels up to its finest at the Gauss points of that level's cells, starting from the last
    stage, which the additive levels reproduce exactly.  The columns are scaled to unit norm; together with the levels
    that is an additive multilevel (BPX) preconditioner, so the steps of the inner conjugate gradients hardly depend
    on the resolution for elliptic problems.

    Parameters
    ----------
    gauss
        Gauss points per cell and axis; ``None`` takes as many as the basis has coefficients per vertex where that
        determines the solution (orthogonal spline collocation) and one more elsewhere.
    inner_tol
        Reduction of the gradient at which an inner solve stops; ``None``: 1e-8 for cubics, 1e-10 for quintics.
    inner_steps
        Most steps of one inner solve.
    outer_steps
        Most Levenberg-Marquardt steps of one stage.
    damping
        First Levenberg-Marquardt parameter of a nonlinear problem.
    max_levels
        Most stages when levels are chosen automatically.
    max_unknowns
        Most coefficients per stage when levels are chosen automatically; ``None``: what fits into memory.
    inner
        ``"cg"``, ``"banded"`` (a banded Cholesky factor as preconditioner; one or two axes), or ``"auto"``: the
        banded factor from the level on where conjugate gradients are expected to cost more, as for transport and
        waves.

    Notes
    -----
    Without ``levels`` the resolution is doubled, axis by axis where the field needs it, until the estimated error
    meets ``tol``.  The estimate is the change from stage to stage, extrapolated with the observed rate.

    Examples
    --------
    >>> GaussNewton(gauss=3).gauss
    3
    """

    gauss: int | None = None
    inner_tol: float | None = None
    inner_steps: int = 3000
    outer_steps: int = 40
    damping: float = 1e-3
    max_levels: int = 16
    max_unknowns: int | None = None
    inner: str = "auto"

    name = "gauss_newton"

    def __post_init__(self) -> None:
        for option in ("inner_steps", "outer_steps", "max_levels"):
            if getattr(self, option) < 1:
                raise InvalidArgumentError(f"{option} must be at least 1, got {getattr(self, option)}")
        if self.gauss is not None and not 1 <= self.gauss <= 16:
            raise InvalidArgumentError(f"gauss must be between 1 and 16 points per cell and axis, got {self.gauss}")
        if self.inner not in ("auto", "cg", "banded"):
            raise InvalidArgumentError(f"inner must be 'auto', 'cg' or 'banded', got {self.inner!r}")
        if self.inner_tol is not None and not 0 < self.inner_tol < 1:
            raise InvalidArgumentError(f"inner_tol must lie between 0 and 1, got {self.inner_tol}")

    def run(self, task: Task) -> Outcome:
        """Solve; see :class:`Method`.  Hashed levels and networks are solved for by :class:`JointGaussNewton`."""
        given = task.start or task.field
        if given is not None and (given.head != "linear" or is_hashed(given)):
            return JointGaussNewton(damping=self.damping, gauss=self.gauss or 3).run(task)
        return _Run(self, task).outcome()


@dataclass
class _Best:
    """The best state so far: what is returned if the run ends early."""

    resolutions: list[Resolution]
    vector: torch.Tensor
    parameters: dict[str, float]
    error: float | None = None


class _Run:
    """One run of :class:`GaussNewton`."""

    def __init__(self, options: GaussNewton, task: Task) -> None:
        self.options, self.task, self.problem = options, task, task.problem
        self.monitor = task.monitor
        self.spec = task.field or options.default_field(task.problem)
        self._check_field(self.spec)
        self.basis = self.spec.basis
        if task.dtype not in (None, torch.float64):
            raise InvalidArgumentError(
                "gauss_newton works in float64: normal equations square the rounding errors of float32"
            )
        self.dtype = torch.float64
        self.tol = task.tol if task.tol is not None else (1e-6 if task.levels is None else None)
        self.changes: list[float] = []
        self.estimates: list[float | None] = []
        self.held_out: dict[str, float] = {}
        self.residual = math.inf
        self.stage_seconds: list[float] = []
        self.foreign = False  # whether the stage starts from a field of another method
        self.best: _Best | None = None
        self.message = ""
        self.solver = LevenbergMarquardt(
            inner=options.inner,
            inner_tol=options.inner_tol or (1e-10 if self.basis == "quintic" else 1e-8),
            inner_steps=options.inner_steps,
            outer_steps=options.outer_steps,
            damping=options.damping,
            change=1e-2 * (self.tol or 1e-6),
            monitor=task.monitor,
        )

    def _check_field(self, field: Field) -> None:
        if field.head != "linear" or field.table_size is not None:
            raise InvalidArgumentError(
                f"gauss_newton solves for dense levels read by the linear head; the field has head={field.head!r} and "
                f"table_size={field.table_size}. Use method='adam' for networks and hashed tables"
            )
        if field.basis not in ("linear", "cubic", "quintic"):
            raise InvalidArgumentError(
                f"gauss_newton needs nested levels: basis 'linear', 'cubic' or 'quintic', not {field.basis!r}"
            )
        limit = BASES[field.basis]
        if self.problem.order > limit:
            raise InvalidProblemError(
                f"the problem has derivatives of order {self.problem.order}, but those of the {field.basis} basis are square "
                f"integrable up to order {limit}; introduce an auxiliary field for a lower derivative"
                + (
                    ", or use field=Field(basis='quintic')"
                    if field.basis == "cubic" and self.problem.order == 3
                    else ""
                )
            )

    # -- stages ---
    def outcome(self) -> Outcome:
        status = Status.COMPLETED
        try:
            status = self._stages()
        except StopRun as stop:
            status, self.message = stop.status, stop.message
        except KeyboardInterrupt:
            status, self.message = Status.INTERRUPTED, "interrupted from the keyboard; this is the last complete level"
        except DivergedError as error:
            self.message = str(error)
            error.outcome = self._outcome(Status.DIVERGED)  # type: ignore[attr-defined]
            raise
        return self._outcome(status)

    def _outcome(self, status: Status) -> Outcome:
        if self.best is None:
            self.best = self._empty()
        return Outcome(
            self._field(self.best),
            self.best.parameters,
            status,
            self.message,
            self.best.error,
            {
                "inner_steps": self.solver.inner_total,
                "resolution": self.best.resolutions[-1],
                "points": getattr(self, "points", 0),
            },
        )

    def _empty(self) -> _Best:
        first = self._first_resolutions()[:1]
        system = GridSystem(self.problem, self.basis, first, self.options.gauss, self.dtype, self.task.device)
        start = {p.name: p.init for p in self.problem.parameters}
        return _Best(first, torch.zeros(system.size, dtype=self.dtype, device=self.task.device), start)

    def _first_resolutions(self) -> list[Resolution]:
        levels = 1 if self.task.levels is None else self.task.levels
        if self.spec.ratio != 2.0 and isinstance(levels, int):
            raise InvalidArgumentError(f"gauss_newton needs nested levels: ratio=2, got {self.spec.ratio}")
        found = resolutions_of(levels, self.spec.base, 2.0, self.problem.domain.dim)
        for coarse, fine in itertools.pairwise(found):
            if any(b not in (a, 2 * a) for a, b in zip(coarse, fine, strict=True)):
                raise InvalidArgumentError(
                    f"gauss_newton needs nested levels: every resolution is the one before or twice that, got {coarse} -> {fine}"
                )
        return list(found)

    def _stages(self) -> Status:
        planned = None if self.task.levels is None else self._first_resolutions()
        if planned is not None:
            self._check_memory(planned)
        start = self._start(planned)
        resolutions, vector = start if start is not None else (self._first_resolutions()[:1], None)
        while True:
            began = time.perf_counter()
            system = GridSystem(self.problem, self.basis, resolutions, self.options.gauss, self.dtype, self.task.device)
            self.points = system.rows
            error, finest, settled = self._stage(system, vector)
            assert self.best is not None
            vector = self.best.vector
            self.stage_seconds.append(time.perf_counter() - began)
            met = self._met(error)
            self.task.save(self._state, True)
            done = planned is not None and len(resolutions) >= len(planned)
            if met or done:
                return self._verdict(met, done, settled, error)
            if planned is None and self._stagnant():
                self.message = (
                    f"two refinements did not lower the estimated relative error {error:.1e} (tol={self.tol:g})"
                )
                return Status.STALLED
            if planned is not None:
                following = planned[len(resolutions)]
            else:
                following = refined(self.basis, self.problem.periodic, resolutions, finest)
                limit = self._obstacle([*resolutions, following])
                if limit:
                    self.message = limit
                    return Status.MAX_SIZE
            resolutions = [*resolutions, following]
            self.monitor.check_time()

    def _met(self, error: float | None) -> bool:
        """Whether the tolerance is met, and the stage before was as close as the order of the basis predicts.

        The second condition, and that the held-out residual has not grown, guard against two coarse levels that agree
        by chance.
        """
        before, self.estimates = self.estimates, [*self.estimates, error]
        residual, self.residual = self.residual, max(self.held_out.values(), default=0.0)
        if self.tol is None or error is None or error > self.tol or not before or before[-1] is None:
            return False
        return before[-1] <= 1.5 * 4.0 ** BASES[self.basis] * self.tol and self.residual <= residual

    def _stagnant(self) -> bool:
        """Whether the last two levels brought nothing: rounding, or a problem without a solution."""
        last = self.estimates[-3:]
        if len(last) < 3 or any(e is None for e in last):
            return False
        a, b, c = (e for e in last if e is not None)
        return a < 0.1 and b > 0.9 * a and c > 0.9 * b

    def _verdict(self, met: bool, done: bool, settled: bool, error: float | None) -> Status:
        estimate = "unknown" if error is None else f"{error:.1e}"
        if met:
            self.message = f"estimated relative error {estimate} <= {self.tol:g}"
            return Status.CONVERGED
        if not settled:
            self.message = f"the linear solver did not reach its tolerance in {self.options.inner_steps} steps; estimated relative error {estimate}"
            return Status.STALLED
        levels = len(self.best.resolutions) if self.best is not None else 0
        self.message = f"all {levels} levels done, estimated relative error {estimate}"
        if self.tol is not None:
            self.message += f" > tol={self.tol:g}: more levels would be needed"
            return Status.MAX_SIZE
        return Status.COMPLETED

    def _start(self, planned: list[Resolution] | None) -> tuple[list[Resolution], torch.Tensor] | None:
        if self.task.saved is not None:
            saved = self.task.saved
            resolutions = [tuple(r) for r in saved["resolutions"]]
            vector = torch.as_tensor(saved["vector"]).to(self.task.device, self.dtype)
            self.changes, self.estimates = list(saved["changes"]), list(saved["estimates"])
            self.solver.inner_total = int(saved["inner_total"])
            self.residual = float(saved["residual"])
            self.best = _Best(resolutions, vector, dict(saved["parameters"]), saved["error"])
            if planned is not None and len(resolutions) < len(planned):
                following = planned[len(resolutions)]
            elif planned is None:
                system = GridSystem(
                    self.problem, self.basis, resolutions, self.options.gauss, self.dtype, self.task.device
                )
                following = refined(self.basis, self.problem.periodic, resolutions, system.finest(vector))
            else:
                return resolutions, vector
            return [*resolutions, following], vector
        field = self.task.start
        if field is None:
            return None
        layout = field.layout
        if field.head != "linear" or not layout.nested or layout.basis != self.basis:
            raise InvalidArgumentError(
                "gauss_newton can start from a field with the linear head, nested dense levels and its own basis only"
            )
        parts = [field.level_coefficients(level).reshape(-1) for level in range(layout.levels)]
        values = torch.tensor(
            list((self.task.start_parameters or {}).values()), dtype=self.dtype, device=self.task.device
        )
        vector = torch.cat([*(p.to(self.task.device, self.dtype) for p in parts), values])
        self.foreign = True
        return list(layout.resolutions), vector

    def _state(self) -> dict[str, Any]:
        assert self.best is not None
        return {
            "resolutions": [list(r) for r in self.best.resolutions],
            "vector": self.best.vector,
            "changes": self.changes,
            "estimates": self.estimates,
            "residual": self.residual,
            "inner_total": self.solver.inner_total,
            "parameters": self.best.parameters,
            "error": self.best.error,
        }

    # -- one stage ---
    def _stage(self, system: GridSystem, previous: torch.Tensor | None) -> tuple[float | None, torch.Tensor, bool]:
        vector = torch.zeros(system.size, dtype=self.dtype, device=self.task.device)
        grid, parameters = system.split(vector)
        first = previous is None
        if previous is not None:
            count = previous.numel() - len(system.names)
            grid[:count] = previous[:count]
            parameters[:] = previous[count:]
        else:
            for i, p in enumerate(self.problem.parameters):
                parameters[i] = (self.task.start_parameters or {}).get(p.name, p.init)
        before = system.finest(vector)
        system.impose(vector)
        if first:
            self.best = _Best(list(system.pyramid.resolutions), vector, system.parameters(vector))
        state = self.solver.fit(
            system, vector, lambda fit: self._record(system, fit, None) if not system.affine else None
        )
        vector = state.vector
        finest = system.finest(vector)
        norms, moved = system.norms(finest), system.norms(finest - before)
        change = max((m / n if n > 0 else 0.0 for m, n in zip(moved, norms, strict=True)), default=0.0)
        error = None if first or self.foreign else self._estimate(change)
        self.foreign = False
        self.best = _Best(list(system.pyramid.resolutions), vector, system.parameters(vector), error)
        if system.affine or state.inner is None:
            self._record(system, state, error)
        else:
            self.monitor.history[-1]["error"] = error
        self.monitor.check_time()
        return error, finest, state.settled

    def _estimate(self, change: float) -> float:
        """Error from the changes of the last stages, assuming they go on shrinking at the observed rate."""
        self.changes.append(change)
        order = 2.0 * BASES[self.basis]
        rate = 2.0**order
        if len(self.changes) > 1 and change > 0:
            rate = min(rate, max(1.5, self.changes[-2] / change))
        return change / (rate - 1.0) if len(self.changes) > 1 else max(change, 1e-300)

    def _record(self, system: GridSystem, state: Fit, error: float | None) -> None:
        vector, inner = state.vector, state.inner
        resolutions = list(system.pyramid.resolutions)
        self.held_out = system.held_out(system.finest(vector), system.parameters(vector))
        ahead = self._levels_ahead(len(resolutions), error)
        left = None
        if ahead is not None and self.stage_seconds:
            growth = 2.0**self.problem.domain.dim
            left = sum(self.stage_seconds[-1] * growth ** (i + 1) for i in range(ahead))
        self.monitor.record(
            loss=state.loss,
            terms=system.residual_rms(state.rows) | self.held_out,
            level=len(resolutions),
            unknowns=system.size,
            field=lambda: self._field(_Best(resolutions, vector, {})),
            error=error,
            done=0.0 if ahead is None else len(resolutions) / (len(resolutions) + ahead),
            left=left,
            inner=inner.steps if inner else 0,
            reduction=inner.reduction if inner else 0.0,
            damping=state.damping,
        )

    def _levels_ahead(self, level: int, error: float | None) -> int | None:
        """How many levels will follow: those asked for, or as many as the order needs to meet the tolerance."""
        if self.task.levels is not None:
            return len(self._first_resolutions()) - level
        if error is None or self.tol is None:
            return None
        return max(0, math.ceil(math.log(error / self.tol) / math.log(4.0 ** BASES[self.basis])))

    def _field(self, best: _Best) -> GridField:
        pyramid = self._pyramid(best.resolutions)
        return linear_field(
            self.problem.domain,
            self.problem.fields,
            self.problem.periodic,
            self.basis,
            best.resolutions,
            pyramid.views(best.vector[: pyramid.size]),
        )

    def _pyramid(self, resolutions: Sequence[Resolution]) -> Pyramid:
        return Pyramid(self.basis, resolutions, self.problem.periodic, len(self.problem.fields))

    # -- refinement ---
    def _bytes(self, resolutions: Sequence[Resolution]) -> float:
        """Estimate of the memory of a stage: vectors of unknowns, and arrays of points."""
        shape = self._pyramid(resolutions)
        m = BASES[self.basis]
        points = math.prod((m + 1) * n for n in resolutions[-1]) * len(self.problem.residuals)
        return 8.0 * (9 * shape.size + 14 * points)

    def _check_memory(self, resolutions: list[Resolution]) -> None:
        need, free = self._bytes(resolutions), available_memory(self.task.device)
        if free is not None and need > free:
            shape = self._pyramid(resolutions)
            raise OutOfMemoryError(
                f"levels up to {resolutions[-1]} cells have {shape.size:,} coefficients and need about {spelled_size(need)}, but "
                f"{spelled_size(free)} are free on {self.task.device}; use fewer levels"
            )

    def _obstacle(self, resolutions: list[Resolution]) -> str:
        shape = self._pyramid(resolutions)
        estimate = self.best.error if self.best is not None else None
        tail = "" if estimate is None else f"; the estimated relative error is {estimate:.1e}, tol={self.tol:g}"
        if len(resolutions) > self.options.max_levels:
            return f"stopped after max_levels={self.options.max_levels} levels{tail}"
        if self.options.max_unknowns is not None and shape.size > self.options.max_unknowns:
            return f"the next level {resolutions[-1]} would have {shape.size:,} coefficients > max_unknowns={self.options.max_unknowns:,}{tail}"
        need, free = self._bytes(resolutions), available_memory(self.task.device)
        if free is not None and need > 0.8 * free:
            return f"the next level {resolutions[-1]} would need about {spelled_size(need)} of {spelled_size(free)} free memory{tail}"
        return ""
