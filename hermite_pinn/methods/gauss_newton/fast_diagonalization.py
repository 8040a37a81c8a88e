"""Fast diagonalisation as preconditioner: a few steps for separable equations on boxes, on all levels and bases."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.tensor_grid.axis import evaluation_matrix
from hermite_pinn.memory import available_memory
from hermite_pinn.methods.least_squares.cgls import LeastSquaresResult, cgls
from hermite_pinn.methods.least_squares.linear_solver import (
    Limits,
    LinearSolver,
    steps_left,
)
from hermite_pinn.methods.least_squares.rows import Rows
from hermite_pinn.methods.systems.axis_modes import (
    AxisModes,
    NormalModes,
    along_axis,
    axis_modes,
    free_along,
    transform_operations,
)
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.schema import Entry

__all__ = ["FastDiagonalization", "ModesCost", "ModesScaling", "modes_cost", "separable"]

#: Seconds on two cores, measured: per operation of a change of variables, per number that the chains read, per cubed
#: number of coefficients of an axis, and of what is done once.
OPERATION, READ, MODES, CALLS = 5e-11, 4e-9, 1e-9, 1e-2
FEW, SOME = 6.0, 25.0  # steps for constant coefficients, and for others
MOST = 80  # steps, beyond which it is given up
LARGER, CHANCES = 3, 3  # times the unknowns for which it was given up: there it is tried again, and how often
TRIAL = 15  # steps after which it shows how many it takes


@dataclass(frozen=True)
class _Plan:
    """How a system is taken apart.

    Attributes
    ----------
    along
        The axis along which nothing is diagonalised, or None.
    free
        By field and axis which coefficients are free.
    shape
        Coefficients by axis.
    """

    along: int | None
    free: list[list[np.ndarray]]
    shape: tuple[int, ...]


class FastDiagonalization(LinearSolver[GridSystem]):
    """Conjugate gradients in the variables of :class:`.NormalModes`, of every field by itself, on boxes.

    Where they take too many steps, as for strong transport across the modes, or for fields that the equations couple
    strongly, they are given up for systems up to a size; several times, for the rest of the run.

    Attributes
    ----------
    failed
        Unknowns of the systems for which they took too many steps.
    """

    name = "fast diagonalisation"

    def __init__(self) -> None:
        self.failed: list[int] = []
        self._known: list[AxisModes] = []

    def seconds(self, system: GridSystem, steps: float | None) -> float:
        """By the count of operations; infinity where the problem is of another kind or the modes do not fit."""
        cost = None if self._is_given_up(system.size) else modes_cost(system)
        if cost is None:
            return math.inf
        constant = all(not t.variable for block in system.blocks for t in block.terms)
        few = constant and len(system.problem.fields) == 1
        return cost.making + (FEW if few else SOME) * cost.step

    def solve(
        self, system: GridSystem, rows: Rows, damping: float, limits: Limits
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        """See :meth:`LinearSolver.solve`; the damping is that of the variables, in which the problem has unit size.

        A result that is ``"unsuitable"`` says that this system is for another solver.
        """
        plan = _plan(system)
        assert plan is not None
        try:
            change, self._known = _modes(system, plan, self._known)
        except ArithmeticError:
            self.failed.append(system.size)
            zero = torch.zeros(system.size, dtype=system.dtype, device=system.device)
            return zero, LeastSquaresResult(zero, 0, 1.0, False, "unsuitable", 0.0)
        watch = _Watch(limits)
        shape, last = system.pyramid.shapes[-1], system.pyramid.slices[-1]
        none = torch.zeros(0, dtype=system.dtype, device=system.device)

        def applied(y: torch.Tensor) -> torch.Tensor:
            return torch.stack([own.apply(part) for own, part in zip(change, y.view(shape), strict=True)])

        def forward(y: torch.Tensor) -> Rows:
            finest = applied(y)
            return [row for block in system.blocks for row in block.forward(finest, none)]

        def adjoint(r: Rows) -> torch.Tensor:
            gradient = torch.zeros(shape, dtype=system.dtype, device=system.device)
            for block, own in system.parts(r):
                block.adjoint(own, gradient)
            return torch.stack([own.transposed(g) for own, g in zip(change, gradient, strict=True)]).reshape(-1)

        result = cgls(
            forward, adjoint, [-r for r in rows], tol=limits.tol, max_steps=min(limits.max_steps, MOST), damping=damping,
            restart=20, on_step=watch, inner=system.inner,
        )  # fmt: skip
        if watch.hopeless or (result.reason == "steps" and limits.max_steps > MOST):
            self.failed.append(system.size)
            self._known = []
            result = replace(result, reason="unsuitable", converged=False)
        step = torch.zeros(system.size, dtype=system.dtype, device=system.device)
        step[last] = applied(result.y).reshape(-1)
        return step, result

    def _is_given_up(self, size: int) -> bool:
        """Whether it is not tried with so many unknowns."""
        return len(self.failed) >= CHANCES or (bool(self.failed) and size < LARGER * max(self.failed))

    def state(self) -> dict[str, Any]:
        """See :meth:`LinearSolver.state`."""
        return {"without_diagonalization": list(self.failed)}

    def restore(self, state: Entry) -> None:
        """See :meth:`LinearSolver.restore`."""
        known = state.get("without_diagonalization")
        self.failed = [] if known is None else [size.integer(1) for size in known.items(most=CHANCES)]


class _Watch:
    """Ends an iteration that shows that it will take more than :data:`MOST` steps."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.hopeless = limits, False

    def __call__(self, steps: int, reduction: float) -> bool:
        if self.limits.stop(steps, reduction):
            return True
        if steps >= TRIAL:
            self.hopeless = steps + steps_left(steps, reduction, self.limits.tol) > MOST
        return self.hopeless


@dataclass(frozen=True)
class ModesCost:
    """Seconds of making modes, and of a step of conjugate gradients in their variables."""

    making: float
    step: float


def modes_cost(system: GridSystem) -> ModesCost | None:
    """By the count of operations; None where the problem is of another kind or the modes do not fit."""
    plan, cost = _plan(system), system.iteration_cost()
    if plan is None or cost is None:
        return None
    width, fields = BASES[system.basis].coefficients, len(system.problem.fields)
    size = fields * math.prod(plan.shape)
    chains = 0.0 if plan.along is None else 2.0 * width * size
    modes = float(sum(n**2 for i, n in enumerate(plan.shape) if i != plan.along))
    free = available_memory(system.device) or math.inf
    if 8.0 * (3.0 * chains + 3.0 * modes + 4.0 * size) > 0.3 * free:
        return None
    making = CALLS + fields * MODES * sum(n**3 for i, n in enumerate(plan.shape) if i != plan.along)
    making += 5.0 * READ * width * chains
    step = cost[0] + fields * OPERATION * transform_operations(plan.shape, plan.along) + 2.0 * READ * chains
    return ModesCost(making, step)


@dataclass(frozen=True)
class ModesScaling:
    """The variables of the modes of all fields on the finest level, as a :class:`.Scaling`; all else stays zero.

    Attributes
    ----------
    changes
        By field.
    place, shape
        Where the finest level stands among the unknowns, and its shape.
    damping
        Of the linearised problem.
    """

    changes: Sequence[NormalModes]
    place: slice
    shape: tuple[int, ...]
    damping: float

    @classmethod
    def of(cls, system: GridSystem, damping: float) -> ModesScaling:
        """At the last linearisation of a system.

        Raises
        ------
        ArithmeticError
            If the matrix of a mode is not positive definite.
        """
        plan = _plan(system)
        assert plan is not None
        return cls(_modes(system, plan, [])[0], system.pyramid.slices[-1], system.pyramid.shapes[-1], damping)

    def apply(self, y: torch.Tensor) -> torch.Tensor:
        """Unknowns from the new variables."""
        x = torch.zeros_like(y)
        parts = zip(self.changes, y[self.place].view(self.shape), strict=True)
        x[self.place] = torch.stack([own.apply(part) for own, part in parts]).reshape(-1)
        return x

    def transposed(self, gradient: torch.Tensor) -> torch.Tensor:
        """Gradient with respect to the new variables."""
        out = torch.zeros_like(gradient)
        parts = zip(self.changes, gradient[self.place].view(self.shape), strict=True)
        out[self.place] = torch.stack([own.transposed(part) for own, part in parts]).reshape(-1)
        return out


def _modes(system: GridSystem, plan: _Plan, known: Sequence[AxisModes]) -> tuple[list[NormalModes], list[AxisModes]]:
    """The changes of variables of all fields at the last linearisation, and the modes they have; known ones stay."""
    block, width = system.interior, BASES[system.basis].coefficients
    changes: list[NormalModes] = []
    kept: dict[tuple[Hashable, ...], AxisModes] = {}
    named = []  # what is told apart by its identity stays
    for name, free in zip(system.problem.fields, plan.free, strict=True):
        rows = [row for own in system.blocks for row in own.separated(name)]
        modes: list[AxisModes | None] = []
        for i, axis in enumerate(system.axes):
            if i == plan.along:
                modes.append(None)
                continue
            roots = np.sqrt(block.weights[i])
            values = evaluation_matrix(
                system.basis, system.resolution[i], axis.bounds, axis.periodic, block.points[i], (0,), roots
            ).matrices[0]
            named.append((rows, values))
            key = id(values), free[i].tobytes(), *along_axis(rows, i)
            if key not in kept:
                kept[key] = axis_modes(rows, i, values, free[i], [*known, *kept.values()])
            modes.append(kept[key])
        changes.append(NormalModes(rows, modes, free, width, system.device))
    return changes, list(kept.values())


def separable(system: GridSystem) -> bool:
    """Whether a system is one that fast diagonalisation solves, as far as can be told beforehand."""
    return _plan(system) is not None


def _plan(system: GridSystem) -> _Plan | None:
    """How a system is taken apart; None where it is of another kind."""
    if not system.tensor or len(system.axes) < 2 or system.parameter_names or system.ranks.size > 1:
        return None
    if system.problem.domain.breaks or system.device.type != "cpu" or not all(b.separable for b in system.blocks):
        return None
    free = []
    for fixed in system.fixed:
        lines = free_along(fixed)
        if lines is None or not all(line.any() for line in lines):
            return None
        free.append(lines)
    return _Plan(_along(system), free, tuple(system.pyramid.shapes[-1][1:]))


def _along(system: GridSystem) -> int | None:
    """The axis along which every mode keeps its matrix: time, or the first axis with derivatives of odd order."""
    periodic, time = system.problem.periodic, system.problem.domain.time_axis
    if time is not None and not periodic[time]:
        return time
    odd = _odd(system)
    return next((i for i in odd if not periodic[i]), None)


def _odd(system: GridSystem) -> Sequence[int]:
    jets = [o for t in system.interior.terms for _, o in t.jets]
    return [i for i in range(len(system.axes)) if any(o[i] % 2 for o in jets)]
