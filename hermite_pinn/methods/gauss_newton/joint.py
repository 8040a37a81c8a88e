"""Gauss-Newton for hashed tables and networks: tables, layers and parameters in one least-squares problem."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from hermite_pinn.calls import with_options_named
from hermite_pinn.checks import check_options
from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError
from hermite_pinn.field.field import Field, GridField
from hermite_pinn.field.heads import HEADS
from hermite_pinn.field.outline import Outline
from hermite_pinn.memory import available_memory, check_fits
from hermite_pinn.methods.base import Method, Outcome, Task, planned, refuse_breaks, refuse_half
from hermite_pinn.methods.course import Ending, run_to_end
from hermite_pinn.methods.least_squares.levenberg_marquardt import Fit, LevenbergMarquardt
from hermite_pinn.methods.least_squares.linear_solver import (
    BlockConjugateGradients,
    CheapestSolver,
    ConjugateGradients,
    DenseQR,
)
from hermite_pinn.methods.systems.exact_faces import boundary_factor, vanishing_faces
from hermite_pinn.methods.systems.field_block import FieldBlock
from hermite_pinn.methods.systems.field_system import FieldSystem, Points, collocate, held_out_blocks
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import compile_term
from hermite_pinn.residuals.data_weights import Misfit
from hermite_pinn.residuals.defined_start import defined_start
from hermite_pinn.run.interrupt import cause
from hermite_pinn.run.status import Status
from hermite_pinn.schema import Entry, intact

from .coordinate_start import check_coordinates, coordinate_start
from .joint_options import JOINT, JointStage
from .penalty_weights import Choice
from .pilot import chosen_before, saved_choice
from .requirements import check_dtype
from .unfinished import Unfinished

__all__ = ["JointGaussNewton", "JointStage", "is_joint"]

DEFAULT_LEVELS = 8


@with_options_named
@dataclass(frozen=True)
class JointGaussNewton(Method):
    """Levenberg-Marquardt on any field: hashed or dense levels, linear or network head, matrix-free.

    ``gauss_newton`` runs this where the levels are hashed or a network reads them.  A network starts with the
    coordinates as inputs, which the coarsest levels represent exactly, and random frequencies whose largest one is
    chosen, like the state that is returned, by the residual at points that were not trained on.  ``tol`` is compared
    with that residual, relative to the source.

    Parameters
    ----------
    stages
        What is solved for, in order; ``None``: the table for the linear head, else the last layer alone, then table
        and last layer if the problem is affine, or all layers and then everything if not.
    gauss
        Gauss points per cell and axis.
    oversampling
        Rows per unknown, where a stage does not give its cells.
    frequencies
        Candidates for the largest angular frequency of the first layer along half an edge of the box.
    start
        ``"coordinates"``, or ``"random"``: as the field is built.
    hard
        Whether zero Dirichlet conditions on whole faces are satisfied exactly, by a boundary factor.
    face_weight
        Factor of the weight of the other conditions.
    inner_tol, inner_steps
        When a linear problem is solved; a nonlinear one to no less than 1e-6.
    damping
        First Levenberg-Marquardt parameter of a nonlinear stage.
    patience
        Accepted steps without a lower held-out residual that end a stage.
    dense_limit
        Most unknowns of the network for which its block of the normal matrix is factored as a preconditioner.
    held_out
        Number of points at which the residual is only measured.

    Examples
    --------
    >>> JointGaussNewton(stages=(JointStage("readout"),)).stages[0].train
    'readout'
    """

    stages: tuple[JointStage, ...] | None = None
    gauss: int = 3
    oversampling: float = 4.0
    frequencies: tuple[float, ...] = (2.0, 4.0, 8.0, 12.0, 16.0, 20.0, 25.0, 30.0, 40.0)
    start: str = "coordinates"
    hard: bool = True
    face_weight: float = 1.0
    inner_tol: float = 1e-8
    inner_steps: int = 300
    damping: float = 1e-3
    patience: int = 4
    dense_limit: int = 6000
    held_out: int = 4000

    name = "gauss_newton"

    def __post_init__(self) -> None:
        check_options(self, JOINT)

    def default_field(self, problem: Problem) -> Field:
        """Tables of 2**12 slots read by a wide network of one hidden layer beside the sum of the levels."""
        return Field(head="siren+linear", features=len(problem.fields) + 1, table_size=2**12, width=512, depth=1)

    @property
    def shared(self) -> bool:
        """Every process takes a part of the points, and products with the transposed Jacobian are summed."""
        return True

    def check(self, task: Task, before: Outline | None = None) -> Outline:
        """See :meth:`Method.check`."""
        check_dtype(task)
        refuse_breaks(task.problem, self.name)
        problem, start = task.problem, before
        exact = self.hard and bool(vanishing_faces(problem))
        if start is None:
            spec = task.field or self.default_field(problem)
            refuse_half(spec, self.name)
            start = replace(planned(task, spec, DEFAULT_LEVELS), factor=exact)
            if not spec.linear and self.start == "coordinates":
                kind = HEADS[spec.head]
                check_coordinates(start.grid, len(problem.fields) if kind.one_feature_per_field else 0)
        check_order(problem, start)
        for part in self.stages or ():
            if start.linear and part.train in ("readout", "network"):
                raise InvalidArgumentError(
                    f"a stage trains the {part.train}, and the field is the sum of the levels without a network; use JointStage('table')"
                )
        points = f"held_out={self.held_out:,} points"
        check_fits(8 * self.held_out * problem.domain.dim, points, "lower their number", task.device)
        return start

    def run(self, task: Task) -> Outcome:
        """Solve; see :class:`Method`."""
        return _Run(self, task).outcome()


def check_order(problem: Problem, start: Outline) -> None:
    """Raise an error for derivatives of an order that a field does not carry."""
    networked, order = not start.linear or start.factor, start.derivatives
    limit = min(2, order) if networked else order
    if problem.order > limit:
        head = "a network" if not start.linear else "a boundary factor" if start.factor else "the sum of the levels"
        raise InvalidProblemError(
            f"the problem has derivatives of order {problem.order}; {head} on the {start.basis} basis carries them up to order {limit}"
        )


def is_joint(start: Field | Outline | None) -> bool:
    """Whether a field is more than a sum of dense levels; None is the default field of Gauss-Newton, which is not."""
    if start is None:
        return False
    if isinstance(start, Field):
        return not start.linear or start.table_size is not None or not start.nestable
    return not start.linear or start.hashed or start.factor or not start.nestable


class _Run:
    """One run of :class:`JointGaussNewton`."""

    def __init__(self, options: JointGaussNewton, task: Task) -> None:
        self.options, self.task, self.problem, self.monitor = options, task, task.problem, task.monitor
        spec = task.field or options.default_field(self.problem)
        self.fresh = task.start is None
        if task.start is not None:
            self.field = task.start.to(task.device, torch.float64).detached()
        else:
            levels = DEFAULT_LEVELS if task.levels is None else task.levels
            problem = self.problem
            field = spec.build(
                problem.domain, problem.fields, problem.periodic, levels, task.seed, torch.float64, task.device
            )
            field = defined_start(problem, field)
            self.field = replace(field, boundary_factor=boundary_factor(problem) if options.hard else None)
        self.parameters = {p.name: p.init for p in self.problem.parameters} | (task.start_parameters or {})
        self.held: list[FieldBlock] = []
        self.residual = math.inf
        self.inner_total = self.points = 0
        self.chosen: float | None = None
        self.choice: Choice | None = None
        self.done = 0  # parts
        self.improved = not self.fresh  # whether the field is better than the first one
        self.cells: list[int] = []  # of every part; they depend on the memory that was free at the start
        self.solver: LevenbergMarquardt[FieldSystem] | None = None  # of the part under way
        self.unfinished = Unfinished(task, lambda: {} if self.solver is None else self.solver.state())

    # -- state ---
    def _state(self) -> dict[str, Any]:
        """The state between two parts."""
        return {
            "done": self.done,
            "cells": list(self.cells),
            "inner_total": self.inner_total,
            "points": self.points,
            "residual": self.residual,
            "frequency": self.chosen,
            "choice": saved_choice(self.choice),
            "parameters": self.parameters,
            "field": self.field.describe(),
            "tensors": self.field.tensors(),
        }

    def _restore(self, saved: dict[str, Any]) -> None:
        entry, parts = Entry.of(saved, "the checkpoint"), self._parts()
        with intact(entry.source):
            self.done = entry.at("done").integer(0, len(parts))
            cells = zip(entry.at("cells").items(len(parts)), parts, strict=True)
            self.cells = [n.integer(*self._cell_bounds(part)) for n, part in cells]
            self.inner_total, self.points = (entry.at(key).integer(0) for key in ("inner_total", "points"))
            self.residual = entry.at("residual").number(0.0, finite=False)
            if math.isnan(self.residual):
                raise entry.at("residual").refuse("a number from 0 on")
            frequency = entry.get("frequency")
            self.chosen = None if frequency is None else frequency.number(sys.float_info.min)
            self.parameters = entry.at("parameters").named_numbers(self.parameters)
            field = GridField.from_description(entry.at("field"), entry.at("tensors"))
            if field.describe() != self.field.describe():
                raise entry.at("field").refuse(f"the field of this run, {self.field.describe()}")
            entry.at("tensors").tensors(self.field.tensors())
            self.field = field.to(self.task.device, torch.float64).detached()

    def outcome(self) -> Outcome:
        return run_to_end(
            self._course,
            lambda ending: self._outcome(ending.status, ending.message),
            interrupted=lambda: f"{cause()}; this is the best state so far",
            settle=self._settled,
            usable=lambda: self.done > 0 or self.improved,
            monitor=self.monitor,
        )

    def _settled(self, ending: Ending) -> Ending:
        """Save what is not saved yet."""
        self.unfinished.save()
        return ending

    def _course(self) -> Ending:
        """All parts, or as many as the tolerance takes."""
        parts = self._parts()
        if self.task.saved is not None:
            self._restore(self.task.saved)
        self.choice = chosen_before(self.task)
        if self.task.saved is None:
            if self.fresh and self.field.siren is not None and self.options.start == "coordinates":
                self._choose_frequency()
            self.cells = [self._cells(part, self._most_points()) for part in parts]
            self.task.save(self._state, True)
        for part, cells in list(zip(parts, self.cells, strict=True))[self.done :]:
            if self._met():
                break
            self._train(part, cells)
            self.done += 1
            self.unfinished.finished(self._state())
            self.unfinished.save()
        message = f"relative residual {self.residual:.1e} at points not trained on"
        if self.task.tol is None:
            return Ending(Status.COMPLETED, message)
        status = Status.CONVERGED if self._met() else Status.STALLED
        return Ending(status, message + f" {'<=' if self._met() else '>'} tol={self.task.tol:g}")

    def _outcome(self, status: Status, message: str) -> Outcome:
        stats: dict[str, Any] = {"inner_steps": self.inner_total, "points": self.points, "held_out": self.residual}
        if self.chosen is not None:
            stats["frequency"] = self.chosen
        if self.choice is not None:
            stats |= self.choice.stats(self.problem)
            message += f"; {self.choice.sentence(self.problem)}"
        return Outcome(self.field, self.parameters, status, message, None, stats)

    def _met(self) -> bool:
        return self.task.tol is not None and self.residual <= self.task.tol

    def _parts(self) -> Sequence[JointStage]:
        if self.options.stages is not None:
            return self.options.stages
        if self.field.siren is None:
            return (JointStage("table"),)
        if not self.fresh:
            return (JointStage("all"),)
        if all(compile_term(self.problem, t).affine for t in self.problem.terms):
            return (JointStage("readout"), JointStage("linear", 2))
        return (JointStage("readout"), JointStage("network"), JointStage("all", 5))

    def _cells(self, part: JointStage, limit: float) -> int:
        """Cells of Gauss points per axis, for no more points than a limit."""
        if part.cells is not None:
            return part.cells
        tensors = self.field.tensors()
        unknowns = sum(tensors[k].numel() for k in part.names(self.field))
        rows = self.options.oversampling * unknowns / len(self.problem.residuals)
        most = min(rows, limit)
        return max(8, math.ceil(most ** (1 / self.problem.domain.dim) / self.options.gauss))

    def _cell_bounds(self, part: JointStage) -> tuple[int, int]:
        """Least and most cells of a part on any machine."""
        return self._cells(part, 0.0), self._cells(part, math.inf)

    def _blocks(self, cells: int) -> list[FieldBlock]:
        points = Points(cells, self.options.gauss, self.options.face_weight)
        weights, ranks = None if self.choice is None else self.choice.weights, self.task.ranks
        blocks = collocate(
            self.problem, points, torch.float64, self.task.device, self.field.boundary_factor, weights, ranks
        )
        self.held = held_out_blocks(blocks, self.problem, self.options.held_out, self.task.seed + 7919, ranks)
        self.points = int(sum(ranks.add_all(*(b.x.shape[1] for b in blocks))))
        return blocks

    def _most_points(self) -> float:
        """Points whose signals and layer inputs fill a quarter of the free memory."""
        encoder = self.field.encoder
        units = encoder.levels * encoder.features + 3 * self.field.head.units
        free = self.task.ranks.least(available_memory(self.task.device) or math.inf)
        return 0.25 * free / (8 * (self.problem.domain.dim + 2) * units * len(self.problem.residuals))

    def _system(self, part: JointStage, blocks: Sequence[FieldBlock], field: GridField) -> FieldSystem:
        limit, ranks = self.options.dense_limit, self.task.ranks
        return FieldSystem(self.problem, field, blocks, part.names(field), dense_limit=limit, ranks=ranks)

    def _solver(self, part: JointStage) -> LevenbergMarquardt[FieldSystem]:
        options = self.options
        linear: CheapestSolver[FieldSystem] = CheapestSolver(
            [DenseQR(), BlockConjugateGradients(), ConjugateGradients()]
        )
        return LevenbergMarquardt(
            linear, inner_tol=options.inner_tol, near_tol=max(options.inner_tol, 1e-6), inner_steps=options.inner_steps, outer_steps=part.steps,
            damping=options.damping, change=1e-10, monitor=self.monitor,
            corrected=bool(Misfit(self.problem).noisy),
        )  # fmt: skip

    def _held_out(self, system: FieldSystem, vector: torch.Tensor) -> float:
        """Relative residual at the held-out points."""
        rows = system.residuals(vector, self.held)
        return math.sqrt(float(system.inner(rows, rows)))

    def _choose_frequency(self) -> None:
        """Solve for the last layer with every candidate; keep the one with the lowest held-out residual."""
        if len(self.options.frequencies) == 1:
            self.chosen = self.options.frequencies[0]
            self.field = coordinate_start(self.field, self.chosen, self.task.seed)
            return
        part = JointStage("readout", 1)
        blocks, best = self._blocks(self._cells(part, self._most_points())), (math.inf, self.field)
        for frequency in self.options.frequencies:
            candidate = coordinate_start(self.field, frequency, self.task.seed)
            system = self._system(part, blocks, candidate)
            solver = self._solver(part)
            vector = solver.fit(system, system.vector(parameters=self.parameters), lambda fit: None).vector
            self.inner_total += solver.inner_total
            residual = self._held_out(system, vector)
            if residual < best[0]:
                best, self.chosen = (residual, candidate), frequency
            self.monitor.check_time()
        self.field = best[1]

    def _train(self, part: JointStage, cells: int) -> None:
        system = self._system(part, self._blocks(cells), self.field)
        resumed = self.unfinished.taken([(cells,)])
        waited = 0 if resumed is None else resumed.at("waited").integer(0)
        vector = system.vector(parameters=self.parameters)
        if resumed is None:
            self.residual = self._held_out(system, vector)
        else:
            vector = resumed.at("vector").tensor(vector.shape).to(vector, copy=True)

        def accepted(state: Fit) -> bool:
            nonlocal waited
            residual = self._held_out(system, state.vector)
            waited = 0 if residual < self.residual else waited + 1
            if residual < self.residual:
                self.residual, self.improved = residual, True
                self.field, self.parameters = system.field_of(state.vector), system.parameters(state.vector)
            self.monitor.record(
                loss=state.loss,
                terms={"held out": residual},
                level=system.field.encoder.levels,
                unknowns=system.size,
                field=lambda: self.field,
                inner=state.inner.steps if state.inner else 0,
                reduction=state.inner.reduction if state.inner else 0.0,
                damping=state.damping,
            )
            self.monitor.check_time()
            return waited >= self.options.patience or self._met()

        def stepped(step: dict[str, Any]) -> None:
            self.unfinished.keep([(cells,)], step | {"waited": waited}, self._state())

        solver = self.solver = self._solver(part)
        if resumed is not None and self.task.saved is not None:
            solver.restore(Entry.of(self.task.saved, "the checkpoint").at("solver"))
        kept = stepped if self.unfinished.keeps else None
        try:
            solver.fit(system, vector, accepted, stepped=kept, resumed=resumed)
        finally:
            self.inner_total += solver.inner_total
