"""L-BFGS on fixed points, in variables scaled by the Jacobian."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from hermite_pinn.cuda.encoder.layout import BASES
from hermite_pinn.errors import DivergedError, InvalidArgumentError, OutOfMemoryError
from hermite_pinn.field.field import Levels
from hermite_pinn.memory import available_memory, spelled_size
from hermite_pinn.methods.base import Method, Outcome, Task
from hermite_pinn.methods.gauss_newton.pilot import saved_choice
from hermite_pinn.run.interrupt import uninterrupted
from hermite_pinn.run.monitor import StopRun
from hermite_pinn.run.status import Status

from .batches import RAD, Batch, Pool, TermGroup
from .bounded_parameters import BoundedMap
from .objective import PREFIX, Objective, StepClock
from .optimizer_state import packed, unpacked
from .quasi_newton import REMEMBERED, Evaluation, QuasiNewton

__all__ = ["LBFGS"]

PIECE = 1 << 15  # points evaluated at a time
MOST = {True: 1 << 16, False: 1 << 18}  # points chosen without being asked for, with a network and without
SPAN = 10  # steps over which the change of the loss is judged


@dataclass(frozen=True)
class LBFGS(Method):
    """Limited-memory BFGS with strong Wolfe line search, in float64, on points that stay fixed.

    The loss is the weighted mean square of every interior residual plus ``weight`` times those of the conditions.
    Every unknown is measured in units of its column of the Jacobian, estimated at the start of each round; on the
    levels of a grid that is the multilevel preconditioner of ``gauss_newton``.

    Parameters
    ----------
    steps
        Most steps, all rounds together.
    points, face_points
        Quasi-random (scrambled Sobol) points inside and on each face with a condition.  ``None`` takes Gauss points
        with their weights in the cells of the finest level, one more per axis than the basis has coefficients per
        vertex, or, where these are more than 2**18 (2**16 with a network), quasi-random points: twice as many as
        unknowns, but no more than that.
    rounds
        Rounds into which the steps are divided.  Every round begins with new points (other Gauss points do not exist),
        new units and an empty memory.
    adaptive
        Interior points that follow the residual at the start of each round, see :class:`hermite_pinn.RAD`; needs
        ``points``.
    weight
        Factor of the mean squares of the conditions.
    normalize
        Divide residuals by the RMS of their source term.
    memory
        Steps remembered.
    search_steps
        Most evaluations in one line search.
    gtol
        A round ends when the largest component of the gradient is below this part of its first value.
    ftol
        A round ends when ten steps have lowered the loss by less than this part of it.
    probes
        Random directions by which the columns of the Jacobian are measured, each the cost of one gradient; 0 keeps
        the unknowns as they are.
    check_every
        Steps between two rows of the history.

    Notes
    -----
    ``solution.message`` says why the run ended and ``solution.stats["reason"]`` says it in a word: ``gradient``,
    ``change``, ``line_search``, ``steps``, ``time``, ``callback`` or ``interrupted``.  The first two count as
    convergence of the optimiser, which is no statement about the error; compare the history's ``held-out`` columns,
    residuals at other points, with the ``rms`` columns.  Parameters stay within their bounds by MINUIT's
    transformation.  The optimiser is ``torch.optim.LBFGS``: unlike SciPy's L-BFGS-B its state can be saved between
    steps, and it runs on any device.

    References
    ----------
    D. C. Liu and J. Nocedal, "On the limited memory BFGS method for large scale optimization", Mathematical
    Programming 45 (1989).  Columns: C. Bekas, E. Kokiopoulou, Y. Saad, "An estimator for the diagonal of a matrix",
    Applied Numerical Mathematics 57 (2007).

    Examples
    --------
    >>> LBFGS(steps=200).memory
    50
    """

    steps: int = 2000
    points: int | None = None
    face_points: int | None = None
    rounds: int = 1
    adaptive: RAD | None = None
    weight: float = 100.0
    normalize: bool = True
    memory: int = 50
    search_steps: int = 25
    gtol: float = 1e-8
    ftol: float = 1e-6
    probes: int = 16
    check_every: int = 10

    name = "lbfgs"

    def __post_init__(self) -> None:
        for option in ("steps", "rounds", "memory", "search_steps", "check_every"):
            if getattr(self, option) < 1:
                raise InvalidArgumentError(f"{option} must be at least 1, got {getattr(self, option)}")
        for option in ("points", "face_points"):
            if getattr(self, option) is not None and getattr(self, option) < 1:
                raise InvalidArgumentError(f"{option} must be at least 1 or None, got {getattr(self, option)}")
        if self.rounds > self.steps:
            raise InvalidArgumentError(f"rounds={self.rounds} exceeds steps={self.steps}")
        if not (self.gtol >= 0 and self.ftol >= 0 and self.weight > 0 and self.probes >= 0):
            raise InvalidArgumentError(
                f"gtol, ftol and probes must not be negative and weight must be positive, got gtol={self.gtol}, "
                f"ftol={self.ftol}, probes={self.probes}, weight={self.weight}"
            )
        if self.adaptive is not None and not isinstance(self.adaptive, RAD):
            raise InvalidArgumentError(f"adaptive takes a hermite_pinn.RAD or None, got {self.adaptive!r}")
        if self.adaptive is not None and self.points is None:
            raise InvalidArgumentError("adaptive points need their number: LBFGS(points=10_000, adaptive=RAD())")

    def default_levels(self, task: Task) -> Levels:
        """Eight levels with hash tables, else as many as keep a dense grid small: 5 in up to two dimensions."""
        spec = task.field or self.default_field(task.problem)
        return 8 if spec.table_size is not None else {1: 5, 2: 5, 3: 4}.get(task.problem.domain.dim, 3)

    def run(self, task: Task) -> Outcome:
        """Train; see :class:`Method`."""
        return _Run(self, task).outcome()


class _Finished(Exception):  # noqa: N818 - the end of a round, not an error
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


class _Run:
    """One run of :class:`LBFGS`."""

    def __init__(self, options: LBFGS, task: Task) -> None:
        self.options, self.task, self.monitor = options, task, task.monitor
        if task.dtype not in (None, torch.float64):
            raise InvalidArgumentError(f"lbfgs works in float64, got dtype={task.dtype}; use adam for float32")
        self.objective = Objective(task, options, torch.float64, options.default_levels(task))
        tensors = self.objective.tensors()
        self.shapes = {k: v.shape for k, v in tensors.items()}
        self._check_memory(sum(v.numel() for v in tensors.values()))
        self.maps = {
            p.name: BoundedMap(*p.bounds, unit=max((abs(p.init - b) for b in p.bounds if math.isfinite(b)), default=1.0) or 1.0)
            for p in self.objective.problem.parameters
        }  # fmt: skip
        self.weights = dict.fromkeys(self.objective.conditions, options.weight)
        self.generator = torch.Generator(task.device).manual_seed(task.seed + 2)
        self.step = self.round = self.recorded = 0
        self.held_out = self._held_out()
        self.recent: list[float] = []
        self.failed = False
        self.clock = StepClock()
        self.start = torch.cat([self._free(k, v).reshape(-1) for k, v in tensors.items()])
        self.batches: list[Batch] = []
        self._solver: QuasiNewton | None = None

    def _check_memory(self, unknowns: int) -> None:
        need = 8.0 * unknowns * (2 * self.options.memory + 2 * REMEMBERED + 8)
        free = available_memory(self.task.device)
        if free is not None and need > free:
            raise OutOfMemoryError(
                f"lbfgs with memory={self.options.memory} needs about {spelled_size(need)} for {unknowns:,} unknowns, but "
                f"{spelled_size(free)} are free on {self.task.device}; use a smaller memory or fewer levels"
            )

    # -- unknowns: free numbers in units of the columns of the Jacobian ---
    def _free(self, name: str, value: torch.Tensor) -> torch.Tensor:
        if not name.startswith(PREFIX):
            return value
        return torch.full_like(value, self.maps[name.removeprefix(PREFIX)].free(float(value)))

    def _tensors(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """Tensors by name from free numbers, differentiable."""
        parts = torch.split(flat, [s.numel() for s in self.shapes.values()])
        found = {k: v.view(s) for (k, s), v in zip(self.shapes.items(), parts, strict=True)}
        for name, bounded in self.maps.items():
            found[PREFIX + name] = bounded.bounded(found[PREFIX + name])
        return found

    @property
    def solver(self) -> QuasiNewton:
        """The optimiser of this round."""
        assert self._solver is not None
        return self._solver

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """Tensors of the last complete step."""
        if self._solver is None:
            return self._tensors(self.start)
        return self._tensors(self.solver.z.detach() / self.units)

    def _units(self, flat: torch.Tensor) -> torch.Tensor:
        """Norms of the columns of the Jacobian of all weighted residuals: root mean squares of its random products."""
        o = self.options
        squares = torch.zeros_like(flat)
        if o.probes == 0:
            return squares + 1.0
        x = flat.detach().requires_grad_()
        for group, batch in zip(self.objective.groups, self.batches, strict=True):
            for piece in batch.pieces(PIECE):
                rows = self._rows(x, group, piece)
                for _ in range(o.probes):
                    signs = torch.randint(2, rows.shape, generator=self.generator, device=rows.device) * 2.0 - 1.0
                    product = torch.autograd.grad((signs * rows).sum(), x, retain_graph=True)[0]
                    squares += product.square() / o.probes
        norms = squares.sqrt()
        top = norms.max()
        if not (torch.isfinite(top) and top > 0):
            return torch.ones_like(norms)
        return torch.where(norms > 1e-8 * top, norms, top)

    def _rows(self, x: torch.Tensor, group: TermGroup, piece: Batch) -> torch.Tensor:
        assert piece.weights is not None
        return torch.stack(
            [
                r * (piece.weights * self.weights.get(name, 1.0)).sqrt()
                for name, r in self.objective.residuals(group, self._tensors(x), piece)
            ]
        )

    def _evaluate(self, units: torch.Tensor, z: torch.Tensor) -> Evaluation:
        x = (z / units).requires_grad_()
        losses = dict.fromkeys([*(t.name for g in self.objective.groups for t in g.terms)], 0.0)
        total = 0.0
        for group, batch in zip(self.objective.groups, self.batches, strict=True):
            for piece in batch.pieces(PIECE):
                found = self.objective.residuals(group, self._tensors(x), piece)
                squares = torch.stack([piece.mean_square(r) for _, r in found])
                factors = torch.tensor([self.weights.get(name, 1.0) for name, _ in found], device=squares.device)
                value = squares @ factors.double()
                if value.requires_grad:
                    value.backward()  # type: ignore[no-untyped-call]
                total += float(value.detach())
                for (name, _), s in zip(found, squares.tolist(), strict=True):
                    losses[name] += s
        gradient = torch.zeros_like(x) if x.grad is None else x.grad
        return Evaluation(total, gradient / units, losses)

    # -- rounds ---
    def _begin_round(self, flat: torch.Tensor) -> None:
        o = self.options
        self.batches = self._batches()
        if self.round == 0 and o.normalize:
            self.objective.normalize(self.batches[0])
        if o.adaptive is not None:
            self._adapt(self._tensors(flat), o.adaptive)
        units = self._units(flat)
        solver = self._new_solver(flat * units, units)
        self._check_finite(solver.current)
        value = solver.current.value
        with uninterrupted():
            if value > 0:
                solver.factor = 2.0 ** (33 - math.frexp(value)[1])
            self.first_gradient = float(solver.current.gradient.abs().max())
            self.recent, self.failed, self.units, self._solver = [value], False, units, solver

    def _new_solver(self, z: torch.Tensor, units: torch.Tensor, factor: float = 1.0) -> QuasiNewton:
        return QuasiNewton(partial(self._evaluate, units), z, self.options.memory, self.options.search_steps, factor)

    def _check_finite(self, current: Evaluation) -> None:
        if not math.isfinite(current.value) or not torch.isfinite(current.gradient).all():
            bad = next((k for k, v in current.report.items() if not math.isfinite(v)), "the weighted sum")
            raise DivergedError(
                f"the loss of {bad!r} or its gradient is not finite at step {self.step}. Look for divisions by zero, "
                "roots or logarithms of negative numbers in the residual, or start from another field"
            )

    def _batches(self) -> list[Batch]:
        o, field, domain = self.options, self.objective.field, self.objective.problem.domain
        cells = [max(n[i] for n in field.layout.resolutions) for i in range(field.layout.dim)]
        order = BASES[field.layout.basis] + 1
        unknowns = sum(s.numel() for s in self.shapes.values())
        most = MOST[field.siren is not None]
        many = min(most, 1 << max(12, math.ceil(math.log2(2 * unknowns))))
        found = []
        for k, group in enumerate(self.objective.groups):
            count = o.points if group.whole else o.face_points
            if count is None and group.region.gauss_count(cells, order) <= most:
                found.append(group.gauss(cells, order).sorted(domain))
            else:
                count = count or (many if group.whole else max(1 << 10, many >> 4))
                found.append(group.quasi_random(count, self.task.seed + 1009 * self.round + 31 * k).sorted(domain))
        return found

    def _adapt(self, tensors: dict[str, torch.Tensor], rad: RAD) -> None:
        count = self.batches[0].x.shape[1]
        x = self.objective.groups[0].random(rad.pool_size(count), self.generator).x
        pool = Pool.weighted(x, rad.probabilities(self.objective.residual_sizes(tensors, x)))
        self.batches[0] = Batch(pool.draw(count, self.generator)).sorted(self.objective.problem.domain)

    def _held_out(self) -> Batch:
        generator = torch.Generator(self.task.device).manual_seed(self.task.seed + 3)
        return self.objective.groups[0].random(2000, generator)

    # -- state ---
    def _state(self) -> dict[str, Any]:
        arrays: dict[str, torch.Tensor] = {}
        solver = packed(self.solver.state(), "solver", arrays)
        found: dict[str, Any] = {
            "step": self.step,
            "round": self.round,
            "recorded": self.recorded,
            "failed": self.failed,
            "scales": self.objective.scales,
            "choice": saved_choice(self.objective.choice),
            "recent": self.recent,
            "first_gradient": self.first_gradient,
            "generator": self.generator.get_state(),
            "units": self.units,
            "solver": solver,
            "arrays": arrays,
        }
        if self.options.adaptive is not None:
            found["points"] = self.batches[0].x
        return found

    def _restore(self, saved: dict[str, Any]) -> None:
        self.step, self.round, self.recorded = int(saved["step"]), int(saved["round"]), int(saved["recorded"])
        self.objective.scales = dict(saved["scales"])
        self.batches = self._batches()
        if "points" in saved:
            self.batches[0] = Batch(saved["points"].to(self.task.device))
        self.units = saved["units"].to(self.task.device)
        solver = unpacked(saved["solver"], saved["arrays"])
        self._solver = self._new_solver(solver["point"].to(self.units), self.units, float(solver["factor"]))
        self._solver.restore(solver)
        self.failed = bool(saved["failed"])
        self.recent, self.first_gradient = list(saved["recent"]), float(saved["first_gradient"])
        self.generator.set_state(saved["generator"])

    # -- steps ---
    def outcome(self) -> Outcome:
        o = self.options
        try:
            if self.task.saved is not None:
                self._restore(self.task.saved)
            else:
                self._begin_round(self.start)
            self.clock = StepClock()
            while True:
                try:
                    self._steps(until=math.ceil(o.steps * (self.round + 1) / o.rounds))
                except _Finished as end:
                    if self.round + 1 >= o.rounds or self.step >= o.steps:
                        status, reason, message = STATUS[end.reason], end.reason, end.message
                        break
                with uninterrupted():
                    self.round += 1
                    self._begin_round(self.solver.z.detach() / self.units)
        except StopRun as stop:
            status, message = stop.status, stop.message
            reason = "time" if stop.status is Status.MAX_TIME else "callback"
        except KeyboardInterrupt:
            status, reason = Status.INTERRUPTED, "interrupted"
            message = f"interrupted from the keyboard at step {self.step}"
        except DivergedError as error:
            error.outcome = self._outcome(Status.DIVERGED, str(error), "diverged")  # type: ignore[attr-defined]
            raise
        if self._solver is not None:
            self.task.save(self._state, True)
        return self._outcome(status, message, reason)

    def _outcome(self, status: Status, message: str, reason: str) -> Outcome:
        stats: dict[str, Any] = {"reason": reason, "rounds": self.round + 1}
        if self._solver is not None:
            rows = sum(b.x.shape[1] * len(g.terms) for g, b in zip(self.objective.groups, self.batches, strict=True))
            unknowns = self.units.numel()
            if rows < unknowns and status is not Status.DIVERGED:
                message += (
                    f"; {rows:,} residuals for {unknowns:,} unknowns: compare the held-out residuals in the history"
                )
            stats |= {"evaluations": self.solver.evaluations, "points": self.batches[0].x.shape[1]}
        field = self.objective.field_of(self.tensors).detached()
        parameters = self.objective.parameter_values(self.tensors)
        return Outcome(
            field,
            parameters,
            status,
            self.objective.message(message),
            None,
            stats | self.clock.stats() | self.objective.stats(),
        )

    def _steps(self, until: int) -> None:
        """Steps of a round; ends by an exception that says why."""
        o = self.options
        while True:
            try:
                self._check_finished(until)
            except _Finished:
                if self.recorded != self.step:
                    self._record()
                raise
            with uninterrupted():
                self.failed = not self.solver.step()
                self.step += 1
                self.clock.tick()
                self.recent = [*self.recent[-SPAN:], self.solver.current.value]
            if self.step % o.check_every == 0:
                self._record()
            self.task.save(self._state, False)
            self.monitor.check_time()

    def _check_finished(self, until: int) -> None:
        o, current = self.options, self.solver.current
        gradient = float(current.gradient.abs().max())
        if self.failed:
            raise _Finished(
                "line_search",
                f"line search failed at step {self.step}: {o.search_steps} evaluations along the negative gradient did "
                f"not lower the loss {current.value:.3e}",
            )
        if gradient <= o.gtol * self.first_gradient:
            raise _Finished(
                "gradient",
                f"gradient tolerance met after {self.step} steps: largest component {gradient:.1e} <= gtol={o.gtol:g} "
                f"times the first, {self.first_gradient:.1e}",
            )
        if len(self.recent) > SPAN and self.recent[-1 - SPAN] - self.recent[-1] <= o.ftol * self.recent[-1]:
            raise _Finished(
                "change",
                f"change tolerance met after {self.step} steps: {SPAN} steps lowered the loss {current.value:.3e} by "
                f"less than ftol={o.ftol:g} of it",
            )
        if self.step >= until:
            raise _Finished("steps", f"steps exhausted: {self.step} done, loss {current.value:.3e} still falling")

    def _record(self) -> None:
        o, objective, current = self.options, self.objective, self.solver.current
        done, tensors, self.recorded = self.step / o.steps, self.tensors, self.step
        with torch.no_grad():
            apart = {
                name: math.sqrt(float(self.held_out.mean_square(r)))
                for name, r in objective.residuals(objective.groups[0], tensors, self.held_out)
            }
        terms = objective.rms(current.report)
        others = objective.rms({k: v * v for k, v in apart.items()})
        self.monitor.record(
            step=self.step,
            loss=current.value,
            terms=terms,
            level=objective.field.layout.levels,
            unknowns=self.units.numel(),
            field=lambda: objective.field_of(tensors).detached(),
            done=done,
            left=self.monitor.elapsed * (1 - done) / done if done > 0 else None,
            gradient=float(current.gradient.abs().max()),
            step_length=self.solver.step_length,
            evaluations=self.solver.evaluations,
            **{f"held-out {k}": v for k, v in others.items()},
        )


#: What the reasons for which the last round may end mean.
STATUS = {
    "gradient": Status.CONVERGED,
    "change": Status.CONVERGED,
    "line_search": Status.STALLED,
    "steps": Status.COMPLETED,
}
