"""A Gauss-Newton run on locally refined grids: solve, estimate, mark, refine."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.field.field import GridField
from hermite_pinn.field.hermite_grid import MOST_CELLS
from hermite_pinn.field.singular_part import SingularPart
from hermite_pinn.memory import available_memory, spelled_size
from hermite_pinn.methods.base import Doubt, Outcome, Task
from hermite_pinn.methods.course import Ending
from hermite_pinn.methods.least_squares.levenberg_marquardt import Fit, LevenbergMarquardt
from hermite_pinn.methods.systems.refined_mesh import RefinedMesh
from hermite_pinn.methods.systems.refined_system import RefinedSystem
from hermite_pinn.residuals.scales import source_scales
from hermite_pinn.run.monitor import StopRun
from hermite_pinn.run.status import Status

from .balance import ZERO
from .indicators import LEAF
from .local_convergence import LocalConvergence
from .local_marking import refined_mesh
from .local_sensitivity import local_sensitivity
from .local_stage import LocalStage, measured
from .local_state import SavedLocal, local_state
from .options import GaussNewtonOptions
from .pace import Pace
from .parameter_change import parameter_change
from .refined_solver import RefinedSolver, stage_memory
from .small_coefficients import added, foreign_sides, small_coefficients
from .stage import Stage
from .standard_errors import bound_note, bounded, parameter_doubts, standard_errors
from .verdict import BY_ITSELF
from .watch_points import WatchPoints

__all__ = ["LocalIteration"]

logger = logging.getLogger(__name__)

DAMPING = 1e-6  # of the first step: larger ones keep the smooth parts of a solution from moving
FEW = 4  # nonlinear steps of a stage whose equations are not yet those of the problem, or that is not resolved
MOST_UNKNOWNS = 200_000
MOST_DEPTH = 40  # levels
LEAST_HALVING = 0.25
TRIES = 4  # stages with one coefficient: values on the sides that belong to a smaller one need not be resolved
HASTE = 0.3  # of the time that a stage is expected to take: it is not begun with less left
TRUST = 1e-4  # in data that belong to the problem's coefficients, while these are larger
SHARE = 0.5  # of the free memory


class LocalIteration:
    """One run on locally refined grids.

    Parameters
    ----------
    options
        Of the method.
    task
        What to solve.
    basis, base
        Of the grid, and the cells per axis of its first level.
    tol
        Relative error asked for.
    watch
        Where the problem prescribes something narrow.
    known
        What is added to the fields that are solved for, or None.
    finished
        Given what a checkpoint keeps, after every stage.
    parameters
        Where the unknown parameters start.
    scales
        Divisors of the rows of the equations, or None for those by their sources.
    """

    def __init__(
        self,
        options: GaussNewtonOptions,
        task: Task,
        basis: str,
        base: tuple[int, ...],
        tol: float,
        watch: WatchPoints,
        known: SingularPart | None = None,
        finished: Callable[[Callable[[], dict[str, Any]]], None] = lambda state: None,
        parameters: Mapping[str, float] | None = None,
        scales: Sequence[float] | None = None,
    ) -> None:
        self.finished, self.first_parameters = finished, dict(parameters or {})
        self.options, self.task, self.problem, self.basis = options, task, task.problem, basis
        self.monitor, self.watch, self.tol, self.known = task.monitor, watch, tol, known
        mesh = RefinedMesh.uniform(base, task.problem.periodic)
        self.mesh = mesh.refined([np.ones(mesh.levels[0].count, dtype=bool)], (2,) * mesh.dim)
        self.scales = list(scales or source_scales(self.problem))
        self.gauss = options.gauss or BASES[basis].coefficients + 1
        self.equations = sum(t.region.is_interior for t in self.problem.terms)
        self.small = small_coefficients(self.problem)
        if self.small:  # levels on which a layer is not resolved tell nothing of parameters
            self.first_parameters = {p.name: p.init for p in self.problem.parameters} | (task.start_parameters or {})
        self.convergence = LocalConvergence(tol)
        self.pace = Pace(self.monitor)
        self.halvings = 0.0
        self.tried = 0  # stages with the same coefficients
        self.inner_total = 0
        self.best: LocalStage | None = None

    # -- the run ---
    def stages(self, saved: SavedLocal | None = None) -> Ending:
        """Stage after stage until one is the last, after the one that a checkpoint kept if there is any."""
        stage = None if saved is None else self._restored(saved)
        if stage is None and self.small and self._right_at_once():
            self.halvings = max(c.halvings for c in self.small)
        while True:
            if stage is None:
                stage = self._next()
            ending = self._verdict(stage)
            if ending is not None:
                return ending
            self.monitor.check_time()
            self.tried += 1
            if not stage.original and (stage.indicators.steepness <= LEAF or self.tried >= TRIES):
                self.halvings += self._halving(stage)
                self.tried = 0
            self.mesh = refined_mesh(stage, self.tol)
            stage = None

    def _next(self) -> LocalStage:
        """The next stage, solved, measured, recorded, and saved."""
        self._check_size()
        self.pace.begin()
        stage = self._solved()
        change = stage.change if self.best is not None else None
        stage.error = self.convergence.add(stage, change, self._unseen(stage), bool(self.small))
        self.best = stage
        self.pace.end(stage.system.unknowns)
        self._record(stage)
        course = {"halvings": self.halvings, "tried": self.tried, "inner_total": self.inner_total}
        self.finished(lambda: local_state(stage, self.convergence, course))
        return stage

    def _restored(self, saved: SavedLocal) -> LocalStage:
        """The stage of a checkpoint, with what follows from its coefficients."""
        self.mesh, course = saved.mesh, saved.course
        self.halvings, self.tried = course["halvings"], int(course["tried"])
        self.inner_total = int(course["inner_total"])
        self.convergence.restore(saved.convergence)
        system = self._system()
        rows = system.linearize(saved.vector)
        stage = self._measured(system, saved.vector, rows, saved.moved)
        numbers = saved.numbers
        self.best = replace(
            stage,
            settled=saved.settled,
            inner=int(numbers["inner"]),
            reduction=numbers["reduction"],
            damping=numbers["damping"],
            error=saved.error,
        )
        return self.best

    def _right_at_once(self) -> bool:
        """Whether the first grid, with the coefficients of the problem, has the solution that finer ones approach.

        Where all layers are along the flow, or are nearly resolved, it does, and the coefficients need not be larger.
        """
        largest, self.halvings = self.halvings, max(c.halvings for c in self.small)
        system = self._system()
        right = False
        if system.affine:
            start = system.start(None, self.first_parameters)
            fit = self._solver(system).fit(system, start.clone())
            stage = self._measured(system, fit.vector, fit.rows, system.norms(fit.vector - start))
            right = not stage.even.even
        self.halvings = largest
        return right

    def _halving(self, stage: LocalStage) -> float:
        """By how many halvings a coefficient is lowered after a stage that resolves its layer: at most by one.

        The surplus grows with the order of the basis as the layer narrows; it should not exceed twice what counts as
        resolved, or the next stage would begin too far from its solution.
        """
        growth = math.log(stage.factor, 2)
        room = math.log2(2.0 * LEAF / max(stage.indicators.steepness, 1e-300))
        return min(max(room / growth, LEAST_HALVING), 1.0)

    @property
    def _original(self) -> bool:
        """Whether the equations are those of the problem."""
        return all(self.halvings >= c.halvings for c in self.small)

    @staticmethod
    def _unseen(stage: LocalStage) -> float:
        return stage.missed.worst

    def _system(self) -> RefinedSystem:
        extra = added(self.small, self.equations, self.halvings)
        layers = [c.layer(self.halvings) for c in self.small]
        trust = 1.0 if self._original else TRUST
        system = RefinedSystem(self.problem, self.basis, self.mesh, self.gauss, self.scales, extra, layers, trust)
        system.held = not self._original
        return system

    def _measured(
        self, system: RefinedSystem, vector: torch.Tensor, rows: list[torch.Tensor], moved: list[float]
    ) -> LocalStage:
        stage = measured(system, vector, rows, moved, self.watch, self.tol or ZERO, not self._original)
        if not self._original:
            stage.indicators = stage.indicators.without(self.mesh, foreign_sides(self.problem, self.small))
        return replace(stage, original=self._original)

    def _solved(self) -> LocalStage:
        system, best = self._system(), self.best
        if best is None:
            vector = system.start(None, self.first_parameters)
        else:
            known = best.system.grid.transferred(best.system.split(best.vector)[0].numpy(), system.grid)
            vector = system.start(known, best.parameters)
        solver = self._solver(system)

        def accepted(fit: Fit) -> None:
            self.monitor.check_time()

        told = None if system.affine else accepted
        fit = solver.fit(system, vector.clone(), told, guessed=best is not None)
        if fit.inner is None and not fit.finished:  # no step lowered the loss: more damping takes more of them
            solver.outer_steps = self.options.outer_steps
            fit = solver.fit(system, vector.clone(), told, guessed=best is not None)
        self.inner_total += solver.inner_total
        reached = system.without_means(fit.vector)
        moved = system.norms(reached - system.without_means(vector))
        stage, inner = self._measured(system, reached, fit.rows, moved), fit.inner
        before = self.first_parameters if best is None else best.parameters
        return replace(
            stage,
            change=max(stage.change, parameter_change(self.problem, before, stage.parameters)),
            settled=fit.settled,
            inner=0 if inner is None else inner.steps,
            reduction=0.0 if inner is None else inner.reduction,
            damping=fit.damping,
        )

    def _solver(self, system: RefinedSystem) -> LevenbergMarquardt[RefinedSystem]:
        options = self.options
        best = self.best
        rough = best is None or not best.original or best.indicators.steepness > LEAF
        return LevenbergMarquardt(
            RefinedSolver(),
            inner_tol=options.inner_tol or 1e-10,
            near_tol=options.inner_tol or 1e-8,
            inner_steps=options.inner_steps,
            outer_steps=min(options.outer_steps, FEW) if rough else options.outer_steps,
            damping=min(options.damping, DAMPING),
            change=1e-2 * self.tol,
            monitor=self.monitor,
        )

    def is_better_than(self, other: Stage | None) -> bool:
        """Whether there is a state, and of the problem itself unless nothing is known of another one."""
        if self.best is None:
            return False
        return self.best.original or other is None or other.error is None or other.error >= 1.0

    # -- limits ---
    def _check_size(self) -> None:
        """End the run before a stage that memory or the limits do not allow."""
        best = self.best
        if best is None:
            return
        system = RefinedSystem(self.problem, self.basis, self.mesh, self.gauss, self.scales)
        count, tail = system.unknowns, ""
        if best.error is not None:
            tail = f"; the estimated relative error is {best.error:.1e}, tol={self.tol:g}"
        most = self.options.max_unknowns or MOST_UNKNOWNS
        if count > most:
            raise StopRun(
                Status.MAX_SIZE,
                f"the next grid of {self.mesh.leaves:,} cells would have {count:,} coefficients > max_unknowns={most:,}{tail}",
            )
        if self.mesh.depth > MOST_DEPTH:
            raise StopRun(Status.MAX_SIZE, f"stopped at {MOST_DEPTH} levels of cells{tail}")
        if max(self.mesh.levels[-1].resolution) > MOST_CELLS:
            raise StopRun(
                Status.MAX_SIZE, f"stopped at cells of the smallest size: more than 2**31 along an axis{tail}"
            )
        need, free = stage_memory(system), available_memory(torch.device("cpu"))
        if free is not None and need > SHARE * free:
            raise StopRun(
                Status.MAX_SIZE,
                f"the next grid of {self.mesh.leaves:,} cells would need about {spelled_size(need)} of {spelled_size(free)} free "
                f"memory{tail}",
            )
        expected = self.pace.expected(count) if self.monitor.max_time else None
        if expected is not None:
            self.monitor.require(expected, f"the next grid ({self.mesh.leaves:,} cells)", HASTE)

    def _verdict(self, stage: LocalStage) -> Ending | None:
        error, convergence = stage.error, self.convergence
        if convergence.met and self._original:
            return Ending(Status.CONVERGED, f"estimated relative error {error:.1e} <= {self.tol:g}")
        if convergence.stagnant:
            return Ending(
                Status.STALLED,
                f"local refinements did not lower the estimated relative error {error:.1e} (tol={self.tol:g})",
            )
        return None

    # -- what it tells ---
    def unresolved(self) -> str:
        """What the last stage did not resolve, for messages; nothing where all is."""
        stage = self.best
        if stage is None:
            return ""
        parts, own = [], stage.indicators.steepness
        if not self._original:
            sizes = ", ".join(f"{abs(c.at(self.halvings)):.1e} instead of {abs(c.value):.1e}" for c in self.small)
            parts.append(f"a layer is not resolved: the coefficient of the highest derivative still is {sizes}")
        elif own > LEAF:
            widths = stage.system.grid.widths(stage.mesh.depth - 1)
            cells = " x ".join(f"{w:.1e}" for w in widths)
            parts.append(
                f"a layer is not resolved: in the smallest cells ({cells}) the solution changes by up to {own:.0%} of its size"
            )
        if stage.missed.worst > self.tol:
            parts.append(f"a peak of what is prescribed, at {stage.missed.place}, is not seen by the cells")
        return "; ".join(parts)

    def _record(self, stage: LocalStage) -> None:
        self.monitor.record(
            loss=stage.loss,
            terms=stage.residuals,
            level=stage.mesh.depth,
            unknowns=stage.system.unknowns,
            field=lambda: self.field(stage),
            error=stage.error,
            inner=stage.inner,
            reduction=stage.reduction,
            damping=stage.damping,
            slabs=1,
            cells=stage.mesh.leaves,
        )

    def field(self, stage: LocalStage) -> GridField:
        """The fields of a stage."""
        found = stage.system.at(stage.vector)
        if self.known is not None:
            found = replace(found, singular=self.known.to(stage.vector))
        return found.to(self.task.device)

    def outcome(self, ending: Ending) -> Outcome:
        """The best state, with what is to be said of it."""
        stage = self.best
        assert stage is not None
        message = ending.message
        if ending.status in (Status.MAX_SIZE, Status.MAX_TIME, Status.STALLED):
            message = "; ".join(part for part in (message, self.unresolved()) if part)
        stats: dict[str, Any] = {
            "inner_steps": self.inner_total,
            "resolution": stage.mesh.levels[-1].resolution,
            "cells": stage.mesh.leaves,
            "levels": stage.mesh.depth,
            "unknowns": stage.system.unknowns,
            "points": sum(len(b.root) * len(b.terms) for b in stage.system.blocks),
            "slabs": 1,
            "precision": "float64",
            "refine": "local",
        }
        error = None if ending.status is Status.DIVERGED else stage.error
        minimised = stage.settled and ending.status in (Status.CONVERGED, Status.STALLED, Status.MAX_SIZE)
        parameters, doubts = stage.parameters, tuple[Doubt, ...]()
        if parameters and ending.status in BY_ITSELF:
            known = local_sensitivity(stage, self.options.inner_steps)
            bounds = bounded(self.problem.parameters, parameters)
            errors = standard_errors(stage.system, known, values=parameters, bounds=bounds, error=error)
            message = "; ".join(part for part in (message, bound_note(bounds)) if part)
            doubts = tuple(parameter_doubts(self.problem.parameters, parameters, known, errors))
            if errors:
                stats["standard_errors"] = errors
        return Outcome(self.field(stage), parameters, ending.status, message, error, stats, minimised, doubts)
