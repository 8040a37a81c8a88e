"""Conjugate gradients preconditioned by a factor of a coarse level, for systems that are too large to be factored.

Where steps of conjugate gradients grow with the resolution, it is mostly smooth functions that need them: the first
modes of a wave equation that is not positive, long times of an evolution, coefficients that vary.  A coarse level holds
these functions, and on it the normal matrix is small enough for an exact factor.  Finer functions keep what they had:
scaled columns of all levels, vertex bases, or the modes of fast diagonalisation, which are good for fine functions
whatever the terms of lower order are.

Bramble, Pasciak, Xu, Parallel multilevel preconditioners, Math. Comp. 55 (1990), with an exact solver on the coarse
level; Dryja, Widlund, Domain decomposition algorithms with small overlap, SIAM J. Sci. Comput. 15 (1994).
"""

from __future__ import annotations

import logging
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.memory import available_memory
from hermite_pinn.methods.least_squares.cgls import LeastSquaresResult
from hermite_pinn.methods.least_squares.linear_solver import Limits, LinearSolver, preconditioned_steps, steps_left
from hermite_pinn.methods.least_squares.rows import Rows
from hermite_pinn.methods.least_squares.scaling import ColumnScaling, Scaling
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.methods.systems.tensor_block import TensorBlock
from hermite_pinn.schema import Entry

from .coarse_scaling import CoarseFactorScaling, CoarseGrid, WithCoarseGrid
from .factor_cost import FactorCost, factor_cost
from .fast_diagonalization import ModesScaling, modes_cost

__all__ = ["CoarseFactor", "FineColumns", "FineModes", "FineVariables"]

logger = logging.getLogger(__name__)

SHARE = 0.3  # of the free memory
COARSEST, LEAST = 4, 2  # times as long as the finest cells, and how many there are along an axis
SMALL = 1e-3  # part of the gradient that rounding may leave
STEADY = 3.0  # ratio of the largest and the smallest coefficient of a leading term that modes do with
#: Times the steps that are reckoned with, while none were taken, and then: a factor of the finest level never fails.
DOUBT, CAUTION = 3.0, 2.0
LARGER, CHANCES = 3, 6  # times the unknowns for which it was given up: there it is tried again, and how often


@dataclass(frozen=True)
class FineVariables(ABC):
    """Variables for functions that are finer than a coarse level.

    Attributes
    ----------
    name
        For messages and checkpoints.
    rate
        Steps to reckon with where cells of the coarse level are twice as long along every axis as those of the finest.
        They grow with the root of the number of fine cells in a coarse one.
    most, trial
        Steps beyond which it is given up, and those after which it shows whether it will be.
    """

    name: str
    rate: float
    most: int
    trial: int

    @abstractmethod
    def seconds(self, system: GridSystem) -> tuple[float, float] | None:
        """What it takes to make them, and a step with them; None where they cannot be had."""

    @abstractmethod
    def scaling(self, system: GridSystem, damping: float) -> Scaling:
        """The variables at the last linearisation."""


@dataclass(frozen=True)
class FineColumns(FineVariables):
    """Scaled columns of all levels, beyond cubics in vertex bases; see :class:`FineVariables`."""

    name: str = "scaled columns"
    rate: float = 100.0
    most: int = 300
    trial: int = 120

    def seconds(self, system: GridSystem) -> tuple[float, float] | None:
        """See :class:`FineVariables`."""
        cost = system.iteration_cost()
        return None if cost is None else (0.0, cost[0])

    def scaling(self, system: GridSystem, damping: float) -> Scaling:
        """See :class:`FineVariables`."""
        columns = system.column_scale()
        if system.preconditioned:
            return system.preconditioner(columns, damping)
        return ColumnScaling(columns, damping)


@dataclass(frozen=True)
class FineModes(FineVariables):
    """The modes of fast diagonalisation on the finest level; see :class:`FineVariables`.

    Fine functions see the leading terms, whose coefficients must be those of the modes, nearly.
    """

    name: str = "modes"
    rate: float = 40.0
    most: int = 150
    trial: int = 25

    def seconds(self, system: GridSystem) -> tuple[float, float] | None:
        """See :class:`FineVariables`."""
        cost = modes_cost(system)
        return None if cost is None or not _is_steady(system.interior) else (cost.making, cost.step)

    def scaling(self, system: GridSystem, damping: float) -> Scaling:
        """See :class:`FineVariables`."""
        return ModesScaling.of(system, damping)


@dataclass(frozen=True)
class _Choice:
    """A coarse grid, how many fine cells one of it has, and the seconds of preparing and of a step."""

    resolution: tuple[int, ...]
    cells: float
    making: float
    step: float

    @property
    def growth(self) -> float:
        """Of the steps, relative to cells twice as long."""
        return math.sqrt(self.cells / 2.0 ** len(self.resolution))


class CoarseFactor(LinearSolver[GridSystem]):
    """Conjugate gradients with a factor of a coarse level; which one, the counted cost decides.

    How many steps the last solution took tells what the next one is expected to take.  A factor serves as long as its
    steps take less time than a new one would, as in :class:`.SparseFactor`.

    Parameters
    ----------
    fine
        Variables for finer functions.

    Attributes
    ----------
    failed
        Where too many steps were taken: unknowns of the system, and fine cells in a coarse one.
    """

    def __init__(self, fine: FineVariables) -> None:
        self.fine = fine
        self.name = f"a factor of a coarse level, with {fine.name}"
        self.failed: list[tuple[int, float]] = []
        self._rate: float | None = None
        self._kept: tuple[CoarseGrid, int] | None = None

    def seconds(self, system: GridSystem, steps: float | None) -> float:
        """By the count of operations; infinity where there is no coarse level, or its factor does not fit."""
        choice = self._chosen(system, steps)
        if choice is None:
            return math.inf
        doubt = DOUBT if self._rate is None else CAUTION
        return choice.making + doubt * self._expected(choice, steps) * choice.step

    def _expected(self, choice: _Choice, steps: float | None) -> float:
        """Steps to reckon with: not more than without a factor, where that is known."""
        own = (self.fine.rate if self._rate is None else self._rate) * choice.growth
        return own if steps is None else min(own, steps)

    def _chosen(self, system: GridSystem, steps: float | None) -> _Choice | None:
        """The grid of the least cost."""
        fine = self.fine.seconds(system) if _has_levels(system) else None
        if fine is None:
            return None
        free = available_memory(torch.device("cpu")) or math.inf
        choices = []
        for resolution in _coarse(system):
            cells = math.prod(system.resolution) / math.prod(resolution)
            cost = _cost(system, resolution)
            if not self._is_given_up(system.size, cells) and cost.memory <= SHARE * free:
                choices.append(_Choice(resolution, cells, fine[0] + cost.making, fine[1] + cost.step))
        return min(choices, key=lambda c: c.making + self._expected(c, steps) * c.step, default=None)

    def _is_given_up(self, size: int, cells: float) -> bool:
        """Whether a grid is not tried: it, or a finer one, took too many steps for a system not much smaller."""
        return len(self.failed) >= CHANCES or any(cells >= c and size < LARGER * n for n, c in self.failed)

    def solve(
        self, system: GridSystem, rows: Rows, damping: float, limits: Limits
    ) -> tuple[torch.Tensor, LeastSquaresResult]:
        """See :meth:`LinearSolver.solve`; ``"unsuitable"`` says that this system is for another solver."""
        choice = self._chosen(system, None)
        assert choice is not None
        taken = 0
        try:
            fine = self.fine.scaling(system, damping)
            if self._kept is not None and self._kept[0].fits(system, choice.resolution):
                grid, fresh = self._kept
                worth = min(self.fine.most, math.ceil(1.2 * fresh + choice.making / choice.step))
                watch = _Watch(limits, worth, max(self.fine.trial, fresh // 2))
                found = _steps(system, rows, damping, watch, fine, grid)
                if found is not None:
                    return found
                taken = watch.steps
            self._kept = None  # before there are two
            limits.require(choice.making)
            grid = CoarseGrid(system, choice.resolution, damping)
            watch = _Watch(limits, self.fine.most, self.fine.trial)
            found = _steps(system, rows, damping, watch, fine, grid)
            taken += watch.steps
        except ArithmeticError:
            found = None
        if found is None:
            logger.debug("%s does not do for %d unknowns", self.name, system.size)
            self.failed.append((system.size, choice.cells))
            zero = torch.zeros(system.size, dtype=system.dtype, device=system.device)
            return zero, LeastSquaresResult(zero, taken, 1.0, False, "unsuitable", 0.0)
        self._kept, self._rate = (grid, found[1].steps), max(found[1].steps / choice.growth, 1.0)
        return found[0], replace(found[1], steps=taken)

    def state(self) -> dict[str, Any]:
        """See :meth:`LinearSolver.state`; a factor is given up, as a resumed run has none."""
        self._kept = None
        failed = [list(pair) for pair in self.failed]
        return {f"coarse factor, {self.fine.name}": {"failed": failed, "rate": self._rate or 0.0}}

    def restore(self, state: Entry) -> None:
        """See :meth:`LinearSolver.restore`."""
        known = state.get(f"coarse factor, {self.fine.name}")
        if known is not None:
            pairs = [pair.items(2) for pair in known.at("failed").items(most=CHANCES)]
            self.failed = [(size.integer(1), cells.number(1.0)) for size, cells in pairs]
            self._rate = known.at("rate").number(0.0) or None


class _Watch:
    """Ends an iteration that takes more than some number of steps, or shows after a trial that it will."""

    def __init__(self, limits: Limits, most: int, trial: int) -> None:
        self.limits, self.most, self.trial = limits, most, trial
        self.steps, self.hopeless = 0, False

    def __call__(self, steps: int, reduction: float) -> bool:
        self.steps = steps
        if self.limits.stop(steps, reduction):
            return True
        if steps >= self.trial:  # the first steps lower the gradient less than later ones
            self.hopeless = steps + 0.5 * steps_left(steps, reduction, self.limits.tol) > self.most
        return self.hopeless


def _steps(
    system: GridSystem, rows: Rows, damping: float, watch: _Watch, fine: Scaling, grid: CoarseGrid
) -> tuple[torch.Tensor, LeastSquaresResult] | None:
    """The iteration; None where it takes too many steps, or rounding ends it far from the solution."""
    both, limits = WithCoarseGrid(system, grid), watch.limits
    few = replace(limits, max_steps=min(limits.max_steps, watch.most), stop=watch)
    change = CoarseFactorScaling(fine, grid, damping)
    step, result = preconditioned_steps(both, rows, both.column_scale(), change, damping, few)
    if watch.hopeless or (result.reason == "steps" and watch.most < limits.max_steps):
        return None
    if result.reason not in ("callback", "steps") and not (result.converged and result.reduction <= SMALL):
        return None
    return both.whole(step), result


def _is_steady(interior: TensorBlock) -> bool:
    """Whether the leading derivatives of every equation are those of one field, and their coefficients vary little."""
    for k, t in enumerate(interior.terms):
        members = t.constant | interior.sensitivity(k)
        highest = max((sum(orders) for _, orders in members), default=0)
        if len({name for name, orders in members if sum(orders) == highest}) > 1:
            return False
        for (_, orders), value in members.items():
            if sum(orders) < highest or not isinstance(value, torch.Tensor):
                continue
            sizes = value.abs()  # along one axis alone the modes have them
            if sum(n > 1 for n in value.shape) > 1 and float(sizes.max()) > STEADY * float(sizes.min()):
                return False
    return True


def _has_levels(system: GridSystem) -> bool:
    """Whether the rows of a system can be had by the functions of coarser grids, on the CPU."""
    return (
        system.tensor
        and len(system.axes) > 1
        and system.device.type == "cpu"
        and system.ranks.size == 1
        and system.pyramid.labels is None
        and not system.problem.domain.breaks
        and all(block.has_levels and block.singular is None for block in system.blocks)
    )


def _coarse(system: GridSystem) -> Iterator[tuple[int, ...]]:
    """Grids of cells two and four times as long along every axis but time, along which an evolution varies fast."""
    time = system.problem.domain.time_axis
    for times in (2, COARSEST):
        cells = []
        for axis, n in enumerate(system.resolution):
            kept = axis == time and not system.problem.periodic[axis]
            own = n if kept or n % times or n // times < LEAST else n // times
            cells.append(own)
        if tuple(cells) != system.resolution:
            yield tuple(cells)


def _cost(system: GridSystem, resolution: tuple[int, ...]) -> FactorCost:
    """Of the factor of a grid: assembled from the rows of the finest level by cells of the coarse one."""
    m, dim = BASES[system.basis].coefficients, len(resolution)
    sides = tuple(n + (not p) for n, p in zip(resolution, system.problem.periodic, strict=True))
    width = len(system.problem.fields) * m**dim
    cost = factor_cost(sides, system.problem.periodic, width, rows=system.rows, blocks=len(system.blocks))
    piece = 8.0 * system.rows / sides[0] * width * 2**dim  # rows of a layer of cells
    return replace(cost, memory=cost.memory + 2.0 * piece)
