"""The course of a Gauss-Newton run: stage after stage on finer levels, until the estimated error is small enough."""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import torch

from hermite_pinn.cuda.encoder.layout import BASES, REFINABLE
from hermite_pinn.errors import DivergedError, InvalidArgumentError, InvalidProblemError, OutOfMemoryError
from hermite_pinn.field.field import Field, GridField, basis_for, linear_field, resolutions_of
from hermite_pinn.memory import available_memory, spelled_size
from hermite_pinn.methods.base import Outcome, Task
from hermite_pinn.methods.least_squares.levenberg_marquardt import LevenbergMarquardt
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.residuals.data_weights import Misfit
from hermite_pinn.residuals.scales import IMBALANCE, row_scales, source_norms, term_norms
from hermite_pinn.run.monitor import StopRun
from hermite_pinn.run.status import Status

from .convergence import Convergence
from .mixed_precision import chosen_precision
from .penalty_weights import Choice
from .refinement import refined
from .stage import Discretization, Stage, solve_at_once
from .standard_errors import standard_errors
from .time_slabs import cells_per_slab, march, why_at_once
from .uniqueness import free_combinations

if TYPE_CHECKING:
    from .method import GaussNewton

__all__ = ["NestedIteration"]

logger = logging.getLogger(__name__)

Resolution = tuple[int, ...]

REPEATS = 3  # of the first stage, with rows scaled anew


class NestedIteration:
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
        if options.inner == "banded" and self.problem.domain.dim > 2:
            raise InvalidArgumentError(
                f"inner='banded' is for one or two axes, and the domain has {self.problem.domain.dim}; use 'cg' or 'auto'"
            )
        self.at_once = why_at_once(self.problem, self.basis)
        if self.at_once and options.slabs not in ("auto", 1):
            raise InvalidArgumentError(
                f"slabs={options.slabs} needs an evolution problem, but {self.at_once}; use slabs=1 or 'auto'"
            )
        self.norms = source_norms(self.problem)
        self.grid = Discretization(
            self.problem,
            self.basis,
            options.gauss,
            self.dtype,
            task.device,
            row_scales(self.problem, self.norms),
            task.ranks,
        )
        self.convergence = Convergence(self.basis, self.tol)
        self.free = 0  # directions that the first level does not determine
        self.path: list[Resolution] = []  # finest resolution of every stage so far
        self.best: Stage | None = None
        self.message = ""
        self.precision = chosen_precision(options.precision, task.device)
        self.seconds: list[float] = []
        smooth = BASES[self.basis] > 2
        misfit = Misfit(self.problem)
        if misfit.automatic and task.ranks.size > 1:
            raise InvalidArgumentError(
                f"the smoothness of {', '.join(misfit.automatic)} has no weight, and on {task.ranks.size} processes none is chosen; give "
                "one, for example that of a run on one process: hp.Smoothness(u=1e-3)"
            )
        self.solver = LevenbergMarquardt(
            inner=options.inner,
            inner_tol=options.inner_tol or (1e-10 if smooth else 1e-8),
            near_tol=options.inner_tol or (1e-8 if smooth else 1e-6),
            inner_steps=options.inner_steps,
            outer_steps=options.outer_steps,
            damping=options.damping,
            change=None if self.tol is None else 1e-2 * self.tol,
            monitor=task.monitor,
            corrected=bool(misfit.noisy),
            mixed=self.precision == "mixed" and not misfit.noisy,
        )

    def _check_field(self, field: Field) -> None:
        if field.basis not in REFINABLE:
            raise InvalidArgumentError(
                f"gauss_newton needs nested levels: a basis of {', '.join(map(repr, REFINABLE))}, not {field.basis!r}"
            )
        limit = BASES[field.basis]
        if self.problem.order > limit:
            raise InvalidProblemError(
                f"the problem has derivatives of order {self.problem.order}, but those of the {field.basis} basis are square "
                f"integrable up to order {limit}; introduce an auxiliary field for a lower derivative"
                + f", or use field=hp.Field(basis={basis_for(self.problem.order)!r})"
            )

    # -- the run ---
    def outcome(self) -> Outcome:
        """Solve, and say how it ended."""
        try:
            status = self._judged(self._stages())
        except StopRun as stop:
            status, self.message = stop.status, stop.message
            if status is Status.MAX_SIZE:
                status = self._judged(status)
        except KeyboardInterrupt:
            status, self.message = Status.INTERRUPTED, "interrupted from the keyboard; this is the best state so far"
        except DivergedError as error:
            self.message = str(error)
            error.outcome = self._outcome(Status.DIVERGED)  # type: ignore[attr-defined]
            raise
        return self._outcome(status)

    def _outcome(self, status: Status) -> Outcome:
        best = self.best or self._empty()
        stats: dict[str, Any] = {
            "inner_steps": self.solver.inner_total,
            "resolution": best.resolutions[-1],
            "points": best.points,
            "slabs": best.slabs,
            "precision": self.precision,
            "residual_scales": dict(zip(self.problem.residuals, self.norms, strict=True)),
        }
        if best.choice is not None:
            stats |= best.choice.stats(self.problem)
            self.message += f"; {best.choice.sentence(self.problem)}"
        if self.problem.parameters and status in (Status.CONVERGED, Status.COMPLETED, Status.MAX_SIZE):
            system = self._system(best)
            found = standard_errors(system, best.vector, self.solver.inner_tol, self.options.inner_steps, best.choice)
            if found:
                stats["standard_errors"] = found
        return Outcome(self._field(best), best.parameters, status, self.message, self.error, stats)

    @property
    def error(self) -> float | None:
        """Estimated error of the best state: that of its stage."""
        estimates = self.convergence.estimates
        return estimates[-1] if estimates and len(estimates) >= len(self.path) else None

    def _empty(self) -> Stage:
        first = self._first_resolutions()[:1]
        pyramid = self.grid.pyramid(first)
        start = {p.name: p.init for p in self.problem.parameters}
        zero = torch.zeros(pyramid.size, dtype=self.dtype, device=self.task.device)
        return Stage(first, zero, pyramid.views(zero)[-1], start)

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
        foreign = False
        if self.task.saved is not None:
            verdict = self._restore(self.task.saved, planned)
            if verdict is not None:
                return verdict
        elif self.task.start is not None:
            self._take_over(self.task.start)
            foreign = True
        while True:
            self._choose_resolution(planned, foreign)
            began = time.perf_counter()
            stage = self._solve()
            if len(self.path) == 1 and not foreign:
                stage = self._balanced(stage)
            change = None if foreign or len(self.path) == 1 else stage.change
            self.convergence.add(change, stage.held_out)
            self.best, foreign = stage, False
            self._record(stage)
            if len(self.path) == 1 and stage.slabs == 1:
                self.free = free_combinations(self._system(stage)) or 0
            self.seconds.append(time.perf_counter() - began)
            self.task.save(self._state, True)
            verdict = self._verdict(planned)
            if verdict is not None:
                return verdict
            self.monitor.check_time()

    def _system(self, stage: Stage) -> GridSystem:
        """The system of a stage, linearised there."""
        system = self.grid.system(stage.resolutions)
        if stage.choice is not None:
            system.smooth(stage.choice.weights, stage.choice.emphasis)
        system.linearize(stage.vector)
        return system

    def _judged(self, status: Status) -> Status:
        """The verdict, but for a problem whose solution is not unique."""
        reasons = [f"{self.free} independent changes satisfy all equations and conditions"] if self.free else []
        reasons += self.problem.missing
        if not reasons or status not in (Status.CONVERGED, Status.COMPLETED, Status.MAX_SIZE, Status.STALLED):
            return status
        self.message += "; but " + "; ".join(reasons)
        return Status.UNDETERMINED

    def _choose_resolution(self, planned: list[Resolution] | None, again: bool) -> None:
        """Append the next stage to the path; a field of another method is first improved on its own levels."""
        if again:
            return
        if planned is not None:
            self.path.append(planned[len(self.path)])
        elif self.best is None:
            self.path.append(self._first_resolutions()[0])
        else:
            following = refined(self.basis, self.problem.periodic, self.path, self.best.finest)
            limit = self._obstacle(following)
            if limit:
                raise StopRun(Status.MAX_SIZE, limit)
            self.path.append(following)

    def _verdict(self, planned: list[Resolution] | None) -> Status | None:
        """Whether the run is over, and why."""
        c = self.convergence
        error = c.estimates[-1]
        estimate = "unknown" if error is None else f"{error:.1e}"
        assert self.best is not None
        if c.met and self.best.settled:
            self.message = f"estimated relative error {estimate} <= {self.tol:g}"
            return Status.CONVERGED
        if planned is None:
            if self.best.choice is not None and error is not None and error <= self.best.choice.error(self.problem):
                self.message = f"estimated relative error {estimate} of the discretisation is below that of the noise"
                return Status.COMPLETED
            if c.stagnant:
                self.message = (
                    f"two refinements did not lower the estimated relative error {estimate} (tol={self.tol:g})"
                )
                return Status.STALLED
            return None
        if len(self.path) < len(planned):
            return None
        if not self.best.settled:
            self.message = f"the iteration did not settle ({self.solver.limits}); estimated relative error {estimate}"
            return Status.STALLED
        self.message = f"all {len(self.path)} levels done, estimated relative error {estimate}"
        if self.tol is not None:
            self.message += f" > tol={self.tol:g}: more levels would be needed"
            return Status.MAX_SIZE
        return Status.COMPLETED

    # -- where it starts ---
    def _restore(self, saved: dict[str, Any], planned: list[Resolution] | None) -> Status | None:
        """Take over a checkpoint; returns the verdict if its run was over."""
        resolutions = [tuple(r) for r in saved["resolutions"]]
        vector = torch.as_tensor(saved["vector"]).to(self.task.device, self.dtype)
        self.path = [tuple(r) for r in saved["path"]]
        self.convergence.restore(saved)
        self.solver.restore(saved["solver"])
        self.free = int(saved["free"])
        self._scale(saved["norms"])
        self.best = Stage(
            resolutions,
            vector,
            self._finest(resolutions, vector),
            dict(saved["parameters"]),
            settled=bool(saved["settled"]),
            points=int(saved["points"]),
            slabs=int(saved["slabs"]),
            speeds=tuple(saved["speeds"]),
            choice=Choice(**saved["choice"]) if saved.get("choice") else None,
        )
        return self._verdict(planned)

    def _take_over(self, field: GridField) -> None:
        """Start from the field of another method."""
        layout = field.layout
        if not field.linear or not layout.nested or layout.basis != self.basis:
            raise InvalidArgumentError(
                "gauss_newton can start from a field with the linear head, nested dense levels and its own basis only"
            )
        parts = [field.level_coefficients(level).reshape(-1) for level in range(layout.levels)]
        vector = torch.cat([p.to(self.task.device, self.dtype) for p in parts])
        self.path = list(layout.resolutions)
        parameters = {p.name: p.init for p in self.problem.parameters} | (self.task.start_parameters or {})
        self.best = Stage(list(self.path), vector, self._finest(self.path, vector), parameters)

    def _finest(self, resolutions: Sequence[Resolution], vector: torch.Tensor) -> torch.Tensor:
        pyramid = self.grid.pyramid(resolutions)
        return pyramid.accumulate(vector[: pyramid.size].clone())

    def _state(self) -> dict[str, Any]:
        assert self.best is not None
        return self.convergence.state() | {
            "path": [list(r) for r in self.path],
            "resolutions": [list(r) for r in self.best.resolutions],
            "vector": self.best.vector,
            "settled": self.best.settled,
            "points": self.best.points,
            "slabs": self.best.slabs,
            "speeds": list(self.best.speeds),
            "choice": None if self.best.choice is None else asdict(self.best.choice),
            "solver": self.solver.state(),
            "free": self.free,
            "norms": self.norms,
            "parameters": self.best.parameters,
        }

    # -- one stage ---
    def _slabs(self, resolution: Resolution) -> int:
        axis = self.problem.domain.time_axis
        if self.at_once or axis is None:
            return 1
        cells = resolution[axis]
        if self.options.slabs != "auto":
            return min(int(self.options.slabs), cells)
        speeds = self.best.speeds if self.best is not None else ()
        return max(1, cells // cells_per_slab(self.problem, self.basis, resolution, speeds))

    def _solve(self) -> Stage:
        resolution, best = self.path[-1], self.best
        count = self._slabs(resolution)
        if count > 1:
            guess = None
            if best is not None:
                levels = [best.resolutions[-1], resolution]
                pyramid = self.grid.pyramid(levels)
                frame = torch.zeros(pyramid.size, dtype=self.dtype, device=self.task.device)
                pyramid.views(frame)[0].copy_(best.finest)
                guess = pyramid.accumulate(frame)
            return march(self.grid, resolution, count, guess, self.solver, self._progress(count))
        resolutions, start = list(self.path), None
        parameters = {p.name: p.init for p in self.problem.parameters} | (self.task.start_parameters or {})
        if best is not None:
            resolutions = list(best.resolutions)
            if len(self.convergence.estimates) > 0 or resolutions[-1] != resolution:
                resolutions.append(resolution)
            start, parameters = best.vector[: self.grid.pyramid(best.resolutions).size], best.parameters

        def began(stage: Stage) -> None:
            if self.best is None:
                self.best = stage

        def accepted(stage: Stage) -> None:
            self.best = stage
            self._record(stage)

        choice = None if best is None else best.choice
        return solve_at_once(self.grid, resolutions, start, parameters, self.solver, began, accepted, choice)

    def _balanced(self, stage: Stage) -> Stage:
        """The first stage, solved again while the terms of one equation outweigh those of another by far.

        The sources, or where there is none the coefficients, say beforehand how large an equation is; its terms at the
        solution may say more (with buoyancy in one equation, say, and a Rayleigh number of a million).  They never say
        less: terms vanish where nothing moves or changes, which is no reason to enforce an equation beyond all others.
        """
        for _ in range(REPEATS):
            if stage.slabs > 1 or len(self.norms) == 1:
                break
            terms = term_norms(self.problem, self._field(stage), stage.parameters)
            norms = [max(pair) for pair in zip(terms, self.norms, strict=True)]
            ratios = [new / old for new, old in zip(norms, self.norms, strict=True)]
            if not IMBALANCE * min(ratios) < max(ratios) < math.inf:
                break
            logger.info("the terms of the equations have sizes %s, not %s: rows are scaled anew", norms, self.norms)
            self._scale(norms)
            self.best = stage
            stage = self._solve()
        return stage

    def _scale(self, norms: Sequence[float]) -> None:
        self.norms = list(norms)
        self.grid = replace(self.grid, scales=row_scales(self.problem, norms))

    def _progress(self, count: int) -> Callable[[int], None]:
        began = time.perf_counter()

        def tell(done: int) -> None:
            left = (time.perf_counter() - began) * (count - done) / done
            text = f"{'x'.join(map(str, self.path[-1]))} cells, slab {done} of {count}"
            self.monitor.progress.update(done / count, text, left)
            self.monitor.check_time()

        return tell

    def _record(self, stage: Stage) -> None:
        ahead = self._stages_left()
        left = None
        if ahead is not None and self.seconds:
            growth = 2.0**self.problem.domain.dim
            left = sum(self.seconds[-1] * growth ** (i + 1) for i in range(ahead))
        self.monitor.record(
            loss=stage.loss,
            terms=stage.terms,
            level=len(self.path),
            unknowns=stage.vector.numel(),
            field=lambda: self._field(stage),
            error=self.error,
            done=0.0 if ahead is None else len(self.path) / (len(self.path) + ahead),
            left=left,
            inner=stage.inner,
            reduction=stage.reduction,
            damping=stage.damping,
            slabs=stage.slabs,
        )

    def _stages_left(self) -> int | None:
        if self.task.levels is not None:
            return len(self._first_resolutions()) - len(self.path)
        return self.convergence.stages_left()

    def _field(self, stage: Stage) -> GridField:
        pyramid, p = self.grid.pyramid(stage.resolutions), self.problem
        levels = pyramid.views(stage.vector[: pyramid.size])
        return linear_field(p.domain, p.fields, p.periodic, self.basis, stage.resolutions, levels)

    # -- memory ---
    def _free_memory(self) -> float | None:
        """Free bytes where least are, so that all ranks decide alike."""
        free = available_memory(self.task.device)
        return None if free is None else self.task.ranks.least(free)

    def _check_memory(self, resolutions: list[Resolution]) -> None:
        need, free = self.grid.memory(resolutions, self._slabs(resolutions[-1])), self._free_memory()
        if free is not None and need > free:
            size = self.grid.pyramid(resolutions).size
            raise OutOfMemoryError(
                f"levels up to {resolutions[-1]} cells have {size:,} coefficients and need about {spelled_size(need)}, but "
                f"{spelled_size(free)} are free on {self.task.device}; use fewer levels"
            )

    def _obstacle(self, following: Resolution) -> str:
        """Why there can be no further stage, or nothing."""
        assert self.best is not None
        earlier = [] if self._slabs(following) > 1 else self.best.resolutions
        size = self.grid.pyramid([*earlier, following]).size
        tail = "" if self.error is None else f"; the estimated relative error is {self.error:.1e}, tol={self.tol:g}"
        if len(self.path) >= self.options.max_levels:
            return f"stopped after max_levels={self.options.max_levels} levels{tail}"
        if self.options.max_unknowns is not None and size > self.options.max_unknowns:
            return f"the next level {following} would have {size:,} coefficients > max_unknowns={self.options.max_unknowns:,}{tail}"
        need, free = self.grid.memory([*earlier, following], self._slabs(following)), self._free_memory()
        if free is not None and need > 0.8 * free:
            return f"the next level {following} would need about {spelled_size(need)} of {spelled_size(free)} free memory{tail}"
        return ""
