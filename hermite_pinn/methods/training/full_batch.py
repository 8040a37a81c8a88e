"""Training by quasi-Newton steps on batches that stay fixed for a round."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from hermite_pinn.errors import DivergedError, InvalidArgumentError, OutOfMemoryError
from hermite_pinn.memory import available_memory, spelled_size
from hermite_pinn.methods.course import Ending, run_to_end
from hermite_pinn.run.interrupt import cause, uninterrupted
from hermite_pinn.run.status import Status
from hermite_pinn.schema import Entry, intact
from hermite_pinn.torch_state import isolated

from .loss import Loss, checked_tensors
from .minimizer import REMEMBERED, Evaluation, Minimizer
from .optimizer_state import packed, unpacked
from .options import QuasiNewtonOptions
from .quasi_newton import QuasiNewton
from .saved_state import restore_generator
from .self_scaled import SelfScaledBroyden
from .session import Session, StepClock, TrainingResult
from .unknowns import Unknowns, column_norms

__all__ = ["train_full_batch"]

SPAN = 10  # steps over which the change of the loss is judged


@isolated()
def train_full_batch(loss: Loss[Any], options: QuasiNewtonOptions, session: Session) -> TrainingResult:
    """Minimise a loss by quasi-Newton steps on its parts, in units of the columns of the Jacobian.

    Parameters
    ----------
    loss
        What is minimised; its tensors are float64.
    options
        Steps, rounds, memory and tolerances.
    session
        The run around it.

    Returns
    -------
    TrainingResult
        The tensors of the last complete step, also when a limit, a callback or Ctrl-C ended the run; why is in
        ``stats["reason"]``.

    Raises
    ------
    InvalidArgumentError
        For tensors in another precision.
    OutOfMemoryError
        If the remembered steps do not fit.
    DivergedError
        If the loss at the start of a round is infinite or NaN; ``error.outcome`` is the result before that.
    """
    return _Run(loss, options, session).outcome()


class _Finished(Exception):  # noqa: N818 - the end of a round, not an error
    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message


class _Run:
    """One training, from the start or from a saved state."""

    def __init__(self, loss: Loss[Any], options: QuasiNewtonOptions, session: Session) -> None:
        self.loss, self.options, self.session, self.monitor = loss, options, session, session.monitor
        self.plan = options.plan()
        tensors = checked_tensors(loss)
        for name, v in tensors.items():
            if v.dtype != torch.float64:
                raise InvalidArgumentError(
                    f"lbfgs works in float64, and the tensor {name!r} is {v.dtype}; train it with adam, or make it float64"
                )
        self.unknowns = Unknowns(tensors, loss.bounds)
        self.memory = options.remembered(self.unknowns.count, bool(loss.networks))
        self._check_memory()
        self.weights = dict.fromkeys(loss.weighted, options.weight)
        self.generator = torch.Generator(session.device).manual_seed(session.seed + 2)
        self.round_generator = self.generator.get_state()
        self.step = self.round = self.recorded = 0
        self.recent: list[float] = []
        self.failed = False
        self.clock = StepClock()
        self.start = self.unknowns.flat(tensors)
        self.units = torch.ones_like(self.start)
        self.parts: Sequence[Any] = []
        self._solver: Minimizer | None = None

    def _check_memory(self) -> None:
        count, device = self.unknowns.count, self.session.device
        kept = count if self.memory is None else 2 * self.memory
        need = 8.0 * count * (kept + 2 * REMEMBERED + 8)
        free = available_memory(device)
        if free is not None and need > free:
            raise OutOfMemoryError(
                f"lbfgs with memory={self.memory} needs about {spelled_size(need)} for {count:,} unknowns, but "
                f"{spelled_size(free)} are free on {device}; use a smaller memory or fewer levels"
            )

    @property
    def solver(self) -> Minimizer:
        """The optimiser of this round."""
        assert self._solver is not None
        return self._solver

    @property
    def flat(self) -> torch.Tensor:
        """Free numbers of the last complete step."""
        return self.start if self._solver is None else self.solver.z.detach() / self.units

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """Tensors of the last complete step."""
        return self.unknowns.tensors(self.flat)

    def _units(self, flat: torch.Tensor) -> torch.Tensor:
        o = self.options
        return column_norms(self.loss, self.parts, self.unknowns, flat, self.weights, o.probes, self.generator)

    def _evaluate(self, units: torch.Tensor, z: torch.Tensor) -> Evaluation:
        x = (z / units).requires_grad_()
        losses = dict.fromkeys(self.loss.names, 0.0)
        total = 0.0
        for part in self.parts:
            values = self.loss.losses(self.unknowns.tensors(x), part)
            stacked = torch.stack(list(values.values()))
            weights = [self.weights.get(name, 1.0) for name in values]
            factors = torch.tensor(weights, dtype=torch.float32, device=stacked.device)
            value = stacked @ factors.double()
            if value.requires_grad:
                value.backward()  # type: ignore[no-untyped-call]
            total += float(value.detach())
            for name, v in zip(values, stacked.tolist(), strict=True):
                losses[name] += v
        gradient = torch.zeros_like(x) if x.grad is None else x.grad
        return Evaluation(total, gradient / units, losses)

    # -- rounds ---
    def _begin_round(self, flat: torch.Tensor) -> None:
        self.round_generator = self.generator.get_state()
        self.parts = self.loss.parts(self.round, self.unknowns.tensors(flat), self.generator)
        kept = self._solver is not None and self._solver.renew()
        units = self.units if kept else self._units(flat)
        solver = self.solver if kept else self._new_solver(flat * units, units)
        self._check_finite(solver.current)
        value = solver.current.value
        with uninterrupted():
            if value > 0 and not kept:
                solver.factor = 2.0 ** (33 - math.frexp(value)[1])
            self.first_gradient = float(solver.current.gradient.abs().max())
            self.recent, self.failed, self.units, self._solver = [value], False, units, solver

    def _new_solver(self, z: torch.Tensor, units: torch.Tensor, factor: float = 1.0) -> Minimizer:
        function, o = partial(self._evaluate, units), self.options
        if self.memory is None:
            return SelfScaledBroyden(function, z, o.search_steps, factor)
        return QuasiNewton(function, z, self.memory, o.search_steps, factor)

    def _check_finite(self, current: Evaluation) -> None:
        if not math.isfinite(current.value) or not torch.isfinite(current.gradient).all():
            bad = next((k for k, v in current.report.items() if not math.isfinite(v)), "the weighted sum")
            raise DivergedError(
                f"the loss of {bad!r} or its gradient is not finite at step {self.step}. Look for divisions by zero, "
                "roots or logarithms of negative numbers in the residual, or start from another field"
            )

    # -- state ---
    def _state(self) -> dict[str, Any]:
        arrays: dict[str, torch.Tensor] = {}
        solver = packed(self.solver.state(), "solver", arrays)
        return {
            "step": self.step,
            "round": self.round,
            "recorded": self.recorded,
            "failed": self.failed,
            "recent": self.recent,
            "first_gradient": self.first_gradient,
            "generator": self.generator.get_state(),
            "round_generator": self.round_generator,
            "units": self.units,
            "solver": solver,
            "arrays": arrays,
            **self.loss.state(),
        }

    def _restore(self, saved: dict[str, Any]) -> None:
        entry = Entry.of(saved, "the checkpoint")
        with intact(entry.source):
            count = self.unknowns.count
            self.step, self.round = entry.at("step").integer(0), entry.at("round").integer(0, self.plan.rounds - 1)
            self.recorded = entry.at("recorded").integer(0, self.step)
            self.units = entry.at("units").tensor((count,), lower=sys.float_info.min).to(self.session.device)
            arrays = entry.at("arrays")
            solver = Entry(unpacked(entry.at("solver"), arrays.value), entry.source, "solver")
            point = solver.at("point").tensor((count,)).to(self.units)
            self.loss.restore(saved)
            restore_generator(self.generator, entry.at("round_generator"))
            self.round_generator = self.generator.get_state()
            self.parts = self.loss.parts(self.round, self.unknowns.tensors(point / self.units), self.generator)
            self._solver = self._new_solver(point, self.units, solver.at("factor").number(sys.float_info.min))
            self._solver.restore(solver.value)
            if not math.isfinite(self._solver.current.value):
                raise solver.at("point").refuse("a point with a finite loss")
            self.failed = entry.at("failed").flag()
            self.recent = [value.number(0.0) for value in entry.at("recent").items(None, 1, SPAN + 1)]
            self.first_gradient = entry.at("first_gradient").number(0.0)
            restore_generator(self.generator, entry.at("generator"))

    # -- steps ---
    def outcome(self) -> TrainingResult:
        reason = "callback"

        def work() -> Ending:
            nonlocal reason
            end = self._rounds()
            reason = end.reason
            return Ending(STATUS[end.reason], end.message)

        def settle(ending: Ending) -> Ending:
            if self._solver is not None:
                self.session.save(self._state, True)
            return ending

        return run_to_end(
            work,
            lambda ending: self._outcome(ending.status, ending.message, REASONS.get(ending.status, reason)),
            interrupted=lambda: f"{cause()} at step {self.step}",
            settle=settle,
            usable=lambda: self.step > 0,
            monitor=self.session.monitor,
        )

    def _rounds(self) -> _Finished:
        """All rounds; returns how the last one ended."""
        plan = self.plan
        if self.session.saved is not None:
            self._restore(self.session.saved)
        else:
            self._begin_round(self.start)
        self.clock = StepClock()
        while True:
            try:
                self._steps(until=math.ceil(plan.steps * (self.round + 1) / plan.rounds))
            except _Finished as end:
                if self.round + 1 >= plan.rounds or self.step >= plan.steps:
                    return end
            with uninterrupted():
                self.round += 1
                self._begin_round(self.flat)

    def _outcome(self, status: Status, message: str, reason: str) -> TrainingResult:
        stats: dict[str, Any] = {"reason": reason, "rounds": self.round + 1} | self.clock.stats()
        if self._solver is not None:
            stats["evaluations"] = self.solver.evaluations
        return TrainingResult({k: v.detach().clone() for k, v in self.tensors.items()}, status, message, stats)

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
            self.session.save(self._state, False)
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
        loss, current, tensors = self.loss, self.solver.current, self.tensors
        done, self.recorded = self.step / self.plan.steps, self.step
        self.monitor.record(
            step=self.step,
            loss=current.value,
            terms=loss.report(current.report),
            level=max((len(levels) for levels in loss.tables.values()), default=0),
            unknowns=self.unknowns.count,
            field=lambda: loss.model({k: v.detach().clone() for k, v in tensors.items()}),
            done=done,
            left=self.monitor.elapsed * (1 - done) / done if done > 0 else None,
            gradient=float(current.gradient.abs().max()),
            step_length=self.solver.step_length,
            evaluations=self.solver.evaluations,
            **{f"held-out {k}": v for k, v in loss.held_out(tensors).items()},
        )


#: What the reasons for which the last round may end mean.
STATUS = {
    "gradient": Status.CONVERGED,
    "change": Status.CONVERGED,
    "line_search": Status.STALLED,
    "steps": Status.COMPLETED,
}

#: And what the statuses of a run that something else ended are called.
REASONS = {Status.MAX_TIME: "time", Status.INTERRUPTED: "interrupted", Status.DIVERGED: "diverged"}
