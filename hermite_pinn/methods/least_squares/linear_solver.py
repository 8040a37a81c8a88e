"""Solvers of a linearised least-squares problem, and the rule by which one of them is chosen.

What they need of a system is written down in protocols, so that a solver is for every system that has it.
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import torch

from hermite_pinn.cuda.runtime.cuda_graph import TorchRecorder
from hermite_pinn.schema import Entry

from .cgls import LeastSquaresResult, Products, cgls
from .rows import Rows, dot
from .scaling import Scaling
from .settling import Settling

__all__ = [
    "BlockConjugateGradients",
    "CheapestSolver",
    "ConjugateGradients",
    "DenseQR",
    "DenseSystem",
    "Limits",
    "LinearSolver",
    "LinearSystem",
    "PreconditionedSystem",
    "iteration_seconds",
    "preconditioned_steps",
    "steps_left",
]

logger = logging.getLogger(__name__)

GROWTH = 5.0  # of steps that is expected at most from what is known: beyond, iterations are tried
LOOK = 25  # steps between two looks at how many are left


class LinearSystem(Protocol):
    """A system at its last linearisation."""

    @property
    def device(self) -> torch.device:
        """Of all vectors."""

    @property
    def size(self) -> int:
        """Number of unknowns."""

    def forward(self, direction: torch.Tensor) -> Rows:
        """Product with the Jacobian; may overwrite ``direction``."""

    def adjoint(self, rows: Rows) -> torch.Tensor:
        """Product with the transposed Jacobian."""

    def column_scale(self) -> torch.Tensor:
        """Inverse column norms; 0 for fixed unknowns."""

    def inner(self, a: Rows, b: Rows) -> torch.Tensor:
        """Inner product of rows, of all processes that share them."""

    @property
    def recordable(self) -> bool:
        """Whether products and inner products run on a GPU, never look at values and find their memory where it was."""

    def iteration_cost(self) -> tuple[float, float] | None:
        """Seconds of a step of conjugate gradients, and how many steps to reckon with before there were any, or None.

        None stands for what steps mostly take.
        """


class PreconditionedSystem(LinearSystem, Protocol):
    """A system that may know a better change of variables than the column scaling."""

    @property
    def preconditioned(self) -> bool:
        """Whether it does."""

    def preconditioner(self, columns: torch.Tensor, damping: float) -> Scaling:
        """That change of variables; ``columns`` is the column scale."""

    def settling(self) -> Settling | None:
        """What may end an iteration by the change of the solution, or None for the gradient alone."""


class DenseSystem(LinearSystem, Protocol):
    """A system whose Jacobian may be small enough to be formed."""

    @property
    def dense(self) -> bool:
        """Whether it is, and one undamped step solves the problem."""

    def direct(self, rows: Rows, columns: torch.Tensor) -> torch.Tensor:
        """The step; ``columns`` is the column scale."""


System = TypeVar("System", bound=LinearSystem, contravariant=True)
Preconditioned = TypeVar("Preconditioned", bound=PreconditionedSystem, contravariant=True)


@dataclass(frozen=True)
class Limits:
    """When a linear problem counts as solved, or is given up.

    Attributes
    ----------
    tol
        Reduction of the gradient.
    max_steps
        Most steps of an iteration.
    stop
        Asked with the number of steps and the reduction; a true answer ends the iteration.
    require
        Told how many seconds something takes that cannot be stopped on the way, before it begins; raises where that
        is too long.
    """

    tol: float
    max_steps: int
    stop: Callable[[int, float], bool]
    require: Callable[[float], None] = lambda seconds: None


class LinearSolver(ABC, Generic[System]):
    """A way to minimise ``|J s + r|^2 + damping |s / columns|^2`` for a step ``s``.

    Attributes
    ----------
    name
        For messages.
    iterative
        Whether its steps tell how many the next problem will take.
    """

    name: str
    iterative: bool = False

    @abstractmethod
    def seconds(self, system: System, steps: float | None) -> float:
        """Time a solution takes by a count of operations, on two CPU cores or a GPU; infinity where it cannot be had.

        Never by the clock, so that runs are reproducible.  ``steps`` is how many conjugate gradients are expected to
        take, or None where nothing is known yet.
        """

    @abstractmethod
    def solve(
        self, system: System, rows: Rows, damping: float, limits: Limits
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        """The step for the residuals ``rows`` at the last linearisation, and how it was found."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {}

    def restore(self, state: Entry) -> None:
        """Take over what a checkpoint kept."""


def iteration_seconds(system: LinearSystem, steps: float | None) -> float:
    """Conjugate gradients take about 60 ns per coefficient and step on two cores.

    On a GPU a step is taken for 2.5 ms of launches and 0.1 ns per coefficient, as on an H200.  Where nothing is known
    they are tried.  Systems that know better say how long a step takes and how many are reckoned with then.
    """
    own = system.iteration_cost()
    if own is not None:
        return own[0] * (own[1] if steps is None else steps)
    if steps is None:
        return 0.0
    return steps * (6e-8 * system.size if system.device.type == "cpu" else 2.5e-3 + 1e-10 * system.size)


def preconditioned_steps(
    system: LinearSystem,
    rows: Rows,
    columns: torch.Tensor,
    change: Scaling,
    damping: float,
    limits: Limits,
    settling: Settling | None = None,
    restart: int = 50,
) -> tuple[torch.Tensor, LeastSquaresResult]:
    """Conjugate gradients in other variables; the damping, which is that of the columns, becomes rows.

    Parameters
    ----------
    columns
        The column scale.
    change
        The variables; the damping that it was made for need not be that of the problem.
    settling
        What may end the iteration, or None.
    restart
        See :func:`cgls`.
    """
    own, roots = len(rows), []
    if damping > 0:
        scale = torch.where(columns > 0, columns, torch.inf)
        roots = [math.sqrt(damping) / scale]

    def forward(y: torch.Tensor) -> Rows:
        x = change.apply(y)
        parts = [x * root for root in roots]
        return [*system.forward(x), *parts]

    def adjoint(r: Rows) -> torch.Tensor:
        gradient = system.adjoint(r[:own])
        for root, row in zip(roots, r[own:], strict=True):
            gradient.addcmul_(row, root)
        return change.transposed(gradient)

    def inner(a: Rows, b: Rows) -> torch.Tensor:
        total = system.inner(a[:own], b[:own])
        return total + dot(a[own:], b[own:]) if roots else total  # every process has the rows of the damping

    b = [*(-r for r in rows), *(torch.zeros_like(root) for root in roots)]
    settled = None if settling is None else lambda steps, y: settling(steps, change.apply(y))
    result = cgls(
        forward, adjoint, b, tol=limits.tol, max_steps=limits.max_steps, restart=restart, on_step=limits.stop,
        inner=inner, settled=settled,
    )  # fmt: skip
    if settling is not None and result.reason == "settled":
        result = replace(result, left=settling.left)
    return change.apply(result.y), result


class ConjugateGradients(LinearSolver[System]):
    """Conjugate gradients on columns of unit norm.

    Parameters
    ----------
    low
        Makes the same products in a lower precision from a system and its column scale: mixed precision (see
        :func:`cgls`).
    """

    name = "conjugate gradients"
    iterative = True

    def __init__(self, low: Callable[[System, torch.Tensor], Products] | None = None) -> None:
        self.low = low

    def seconds(self, system: System, steps: float | None) -> float:
        """See :func:`iteration_seconds`."""
        return iteration_seconds(system, steps)

    def solve(
        self, system: System, rows: Rows, damping: float, limits: Limits
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        """See :meth:`LinearSolver.solve`."""
        columns = system.column_scale()
        result = cgls(
            lambda y: system.forward(y * columns),
            lambda r: system.adjoint(r).mul_(columns),
            [-r for r in rows],
            tol=limits.tol,
            max_steps=limits.max_steps,
            damping=damping,
            on_step=limits.stop,
            inner=system.inner,
            low=None if self.low is None else self.low(system, columns),
            recorder=TorchRecorder(system.device) if system.recordable else None,
        )
        return result.y * columns, result


class BlockConjugateGradients(LinearSolver[Preconditioned]):
    """Conjugate gradients in the variables of the system's preconditioner: blocks of vertices, or of a network."""

    name = "conjugate gradients with blocks"
    iterative = True

    def seconds(self, system: Preconditioned, steps: float | None) -> float:
        """See :func:`iteration_seconds`."""
        return iteration_seconds(system, steps) if system.preconditioned else math.inf

    def solve(
        self, system: Preconditioned, rows: Rows, damping: float, limits: Limits
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        """See :meth:`LinearSolver.solve`; the damping, which is that of the columns, becomes rows."""
        columns = system.column_scale()
        change, settling = system.preconditioner(columns, damping), system.settling()
        return preconditioned_steps(system, rows, columns, change, change.damping, limits, settling)


class DenseQR(LinearSolver[DenseSystem]):
    """A QR factorisation of the whole Jacobian; for affine problems with few unknowns, which need no damping."""

    name = "a dense factor"

    def seconds(self, system: DenseSystem, steps: float | None) -> float:
        """Zero where it is possible: one pass over the rows, which a preconditioner takes before its first step."""
        return 0.0 if system.dense else math.inf

    def solve(
        self, system: DenseSystem, rows: Rows, damping: float, limits: Limits
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        """See :meth:`LinearSolver.solve`."""
        step = system.direct(rows, system.column_scale())
        left = [r + d for r, d in zip(rows, system.forward(step.clone()), strict=True)]
        decrease = float(system.inner(rows, rows) - system.inner(left, left))
        return step, LeastSquaresResult(step, 1, 0.0, True, "direct", decrease)


class _Watch:
    """Gives up an iteration that has taken as long as a factor would, and will take as long once more.

    Parameters
    ----------
    limits
        Of the iteration, whose own reasons to stop come first.
    step
        Seconds of a step; 0 where they are not known, and then nothing is given up.
    factor
        Seconds of a factor, from how many steps there will be.

    Attributes
    ----------
    given_up
        Whether it was.
    total
        Steps that it would have taken.
    """

    def __init__(self, limits: Limits, step: float, factor: Callable[[float], float]) -> None:
        self.limits, self.step, self.factor = limits, step, factor
        self.given_up, self.total = False, 0
        self._least: float | None = None

    def __call__(self, steps: int, reduction: float) -> bool:
        if self.limits.stop(steps, reduction):
            return True
        if steps % LOOK == 0 and self.step > 0:
            left = steps_left(steps, reduction, self.limits.tol)
            self.total = math.ceil(min(steps + left, self.limits.max_steps))
            if self._least is None:
                self._least = self.factor(self.total)
            self.given_up = self.step * min(steps, self.total - steps) > self._least
        return self.given_up


def steps_left(steps: int, reduction: float, tol: float) -> float:
    """Steps that an iteration will still take at its mean rate so far.

    Examples
    --------
    >>> round(steps_left(10, 1e-2, 1e-6))
    20
    """
    if not 0.0 < reduction < 1.0:
        return math.inf if reduction != 0.0 else 0.0
    return steps * max(0.0, math.log(tol / reduction) / math.log(reduction))


class CheapestSolver(LinearSolver[System]):
    """The rule: of some solvers the one with the least :meth:`LinearSolver.seconds`, the first of those that are equal.

    It remembers how many steps iterations took by the number of unknowns, and expects them to grow from the largest
    problem so far that was not larger as they grew to that one, or with the root of the unknowns where that is not
    known, which is the most, and to five times as many.  An iteration that has taken as long as a factor
    would, and at its rate will take as long once more, is given up for that.

    Parameters
    ----------
    solvers
        In order of preference.
    """

    name = "the cheapest solver"

    def __init__(self, solvers: Sequence[LinearSolver[System]]) -> None:
        self.solvers = tuple(solvers)
        self.steps_by_size: dict[int, int] = {}

    def expected(self, size: int) -> float | None:
        """Steps that conjugate gradients are expected to take; None where nothing is known."""
        known = sorted(n for n in self.steps_by_size if n <= size)
        if not known:
            return None
        last, power = known[-1], 0.5
        steps = self.steps_by_size[last]
        if len(known) > 1 and min(steps, self.steps_by_size[known[-2]]) > 0:
            grown = math.log(steps / self.steps_by_size[known[-2]]) / math.log(last / known[-2])
            power = min(max(grown, 0.0), 0.5)
        return steps * min((size / last) ** power, GROWTH)

    def chosen(self, system: System) -> LinearSolver[System]:
        """The solver for a system."""
        if len(self.solvers) == 1:
            return self.solvers[0]
        return self._cheapest(system, self.expected(system.size))

    def _cheapest(self, system: System, steps: float | None) -> LinearSolver[System]:
        return min(self.solvers, key=lambda solver: solver.seconds(system, steps))

    def seconds(self, system: System, steps: float | None) -> float:
        """That of the cheapest."""
        return min(solver.seconds(system, steps) for solver in self.solvers)

    def solve(
        self, system: System, rows: Rows, damping: float, limits: Limits
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        """See :meth:`LinearSolver.solve`."""
        solver = self.chosen(system)
        if not solver.iterative:
            return self._factored(solver, system, rows, damping, limits)
        watch = _Watch(limits, solver.seconds(system, 1.0), partial(self._factor_seconds, system))
        step, result = solver.solve(system, rows, damping, replace(limits, stop=watch))
        taken = watch.total if watch.given_up else result.steps
        self.steps_by_size[system.size] = max(taken, self.steps_by_size.get(system.size, 0))
        if not watch.given_up:
            return step, result
        step, found = self._factored(self._cheapest(system, taken), system, rows, damping, limits)
        return step, replace(found, steps=result.steps + found.steps)

    def _factor_seconds(self, system: System, steps: float) -> float:
        """The least time of a solver that does not iterate."""
        direct = (solver.seconds(system, steps) for solver in self.solvers if not solver.iterative)
        return min(direct, default=math.inf)

    def _factored(
        self, solver: LinearSolver[System], system: System, rows: Rows, damping: float, limits: Limits
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        expected = self.expected(system.size)
        if expected is not None and system.device.type != "cpu":
            logger.info(
                "%s takes the place of about %.0f steps of conjugate gradients on %s",
                solver.name,
                expected,
                system.device,
            )
        limits.require(solver.seconds(system, expected))
        step, result = solver.solve(system, rows, damping, limits)
        if result.reason != "unsuitable":
            return step, result
        step, found = self.solve(system, rows, damping, limits)  # by another one
        return step, replace(found, steps=result.steps + found.steps)

    def state(self) -> dict[str, Any]:
        """The steps that iterations took, and what the solvers keep."""
        own = {"steps_per_size": [[size, steps] for size, steps in self.steps_by_size.items()]}
        return {key: value for solver in self.solvers for key, value in solver.state().items()} | own

    def restore(self, state: Entry) -> None:
        """Take over what a checkpoint kept."""
        pairs = [pair.items(2) for pair in state.at("steps_per_size").items()]
        self.steps_by_size = {size.integer(1): steps.integer(0) for size, steps in pairs}
        for solver in self.solvers:
            solver.restore(state)
