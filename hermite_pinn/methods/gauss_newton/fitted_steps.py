"""Steps in time of systems in which some fields have no derivative in time, as the pressure of a flow.

In space the equations are fitted in the least-squares sense, at more points than there are unknowns, so that no pair
of spaces has to be chosen for flow and pressure.  In time a step is collocated at the points of Radau, the last of
which is its end: the method Radau IIA, which is stable for every step, and at whose points the equations without
derivatives in time hold like the others.  The normal equations of a step are solved by conjugate gradients with a
sparse factor, which serves further steps as long as it does so well.

Source: E. Hairer, G. Wanner, Solving Ordinary Differential Equations II, 1996, chapters IV.5 and VI.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.polynomial import legendre

from hermite_pinn.cuda.encoder.basis import BASES, basis_values
from hermite_pinn.methods.least_squares.linear_solver import Limits, LinearSolver
from hermite_pinn.methods.systems.constraints import Carried, Constraints
from hermite_pinn.methods.systems.dense_block import DenseBlock
from hermite_pinn.methods.systems.grid_rows import GridRows
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.methods.systems.tensor_block import TensorBlock
from hermite_pinn.problem.terms import Term
from hermite_pinn.residuals.compiled import CompiledTerm
from hermite_pinn.run.monitor import StopRun
from hermite_pinn.run.status import Status

from .fourier_factor import FourierFactor
from .sparse_factor import SparseFactor
from .stage import Discretization
from .step_system import Taken

__all__ = ["FittedStep", "FittedSteps", "radau_rule"]

MOST = 12  # steps of Newton's method
INNER = 200  # steps of conjugate gradients
STRONG = 100.0  # times the other equations at the size of a cell, that conditions on states weigh
INSTANT = 2.0**-30  # of all times: the length of a step that only makes a state consistent
CONSISTENT = 1e-6  # change at which such a step is finished
WORN = 10  # steps of conjugate gradients, after which a factor is given up
COARSE, FINE = 1e-3, 1e-8  # reductions of the error in a step of Newton's method
GROWTH = 2.0  # of the change from step to step, beyond which Newton's method is given up


@lru_cache(maxsize=16)
def radau_rule(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points in (0, 1], the last of which is 1, and weights that integrate polynomials up to degree 2 count - 2.

    Examples
    --------
    >>> points, weights = radau_rule(2)
    >>> bool(np.allclose(points, [1 / 3, 1])), bool(np.allclose(weights, [0.75, 0.25]))
    (True, True)
    """
    series = np.zeros(count + 1)
    series[-1], series[-2] = 1.0, -1.0
    x = np.sort(legendre.legroots(series).real)
    x[-1] = 1.0
    before = legendre.legval(x, [0.0] * (count - 1) + [1.0])
    return 0.5 * (x + 1.0), 0.5 * (1.0 + x) / (count * before) ** 2


class RadauRows(GridRows):
    """Makes blocks whose points in time, a single cell of it, are those of Radau.

    Equations without derivatives in time are conditions on the states.  A state has to satisfy those of the next step
    as well as its own, or else what is left of them becomes an impulse, larger the shorter the step is.  So they have
    as many points in a cell as a field has coefficients, which leaves a flow as many as it needs, and weigh more than
    the others.
    """

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        sizes = [self._size(t) / s for t, s in zip(self.interior.terms, self.interior.scales, strict=True)]
        for k, term in enumerate(self.conditions.terms):
            own = self._size(term) / self.conditions.scales[k]
            if own > 0.0:
                self.conditions.scales[k] *= own / (STRONG * max(sizes))

    def _interior_block(self, terms: list[CompiledTerm]) -> TensorBlock:
        """The block of the equations with derivatives in time; that of the others is kept beside it."""
        domain, axis = self.problem.domain, self.problem.domain.time_axis
        assert axis is not None
        m = BASES[self.basis].coefficients
        moving = [any(orders[axis] for _, orders in t.jets) for t in terms]
        per = tuple(n if i == axis else m for i, n in enumerate(self.gauss))
        blocks = []
        for wanted, count in ((True, self.gauss), (False, per)):
            own = [k for k, moves in enumerate(moving) if moves == wanted]
            points, weights = self._own(domain.interior.gauss(self.resolution, count), count, len(own))
            scales = [self._scales[k] for k in own]
            blocks.append(self._tensor_block([terms[k] for k in own], points, weights, scales))
        self.conditions = blocks[1]
        return blocks[0]

    @property
    def blocks(self) -> list[DenseBlock]:
        """All blocks, in their order."""
        return [self.interior, self.conditions, *self.soft]

    def _tensor_block(
        self,
        terms: Sequence[CompiledTerm],
        points: Sequence[np.ndarray],
        weights: Sequence[np.ndarray],
        scales: Sequence[float] | None,
    ) -> TensorBlock:
        axis = self.problem.domain.time_axis
        assert axis is not None
        if len(points[axis]) == self.gauss[axis]:  # all but those between the points
            lower, length = self.problem.domain.lower[axis], self.problem.domain.lengths[axis]
            own, shares = radau_rule(self.gauss[axis])
            points = [lower + length * own if i == axis else p for i, p in enumerate(points)]
            weights = [length * shares if i == axis else w for i, w in enumerate(weights)]
        return super()._tensor_block(terms, points, weights, scales)


class StateConstraints(Constraints):
    """What a step satisfies exactly: the state at its start, also of fields without initial conditions, and faces."""

    def mask(self, shape: Sequence[int], device: torch.device | str = "cpu") -> torch.Tensor:
        """See :meth:`Constraints.mask`."""
        fixed = super().mask(shape, device)
        if self.carried is not None:
            for f, name in enumerate(self.fields):
                fixed[f].narrow(self.carried.axis, 0, self.carried.orders[name]).fill_(True)
        return fixed


class RadauSystem(GridSystem):
    """The system of a step."""

    _rows_of: ClassVar[type[GridRows]] = RadauRows

    def _constraints_of(self, hard: tuple[Term, ...], carried: Carried | None) -> Constraints:
        own = super()._constraints_of(hard, carried)
        return StateConstraints(own.terms, own.fields, own.basis, own.axes, carried, own.continuity)


class FittedSteps:
    """Makes the steps of a march, which share the factor of their matrices.

    Parameters
    ----------
    grid
        The whole problem.
    orders
        By field, the highest derivative in time: one or none.

    Attributes
    ----------
    carried
        By field, how many derivatives in time are taken over from the step before: the value, of all fields; that of
        one without a derivative in time says nothing of the next state.
    """

    smooth = False

    def __init__(self, grid: Discretization, orders: Mapping[str, int]) -> None:
        self.grid, self.orders = grid, orders
        self.carried = dict.fromkeys(orders, 1)
        self._begun: tuple[tuple[int, ...], torch.Tensor] | None = None
        periodic = all(grid.problem.periodic[a] for a in grid.problem.domain.space_axes)
        self._solver: Callable[[], LinearSolver[GridSystem]] = FourierFactor if periodic else SparseFactor
        self.patience = INNER if periodic else WORN  # the factors of waves are those of mean coefficients at any time
        self.renew()

    def renew(self) -> None:
        """Give up the factors that there are."""
        self.linear: LinearSolver[GridSystem] = self._solver()

    def make(self, cells: Sequence[int], start: float, end: float, state: torch.Tensor | None) -> FittedStep:
        """The step between two times from a state; None at the start of the problem."""
        return FittedStep(self, cells, start, end, state)

    def begun(self, cells: Sequence[int]) -> torch.Tensor:
        """The state at the start of the problem; zero for what is not given, as a pressure, which no equation sees."""
        if self._begun is not None and self._begun[0] == tuple(cells):
            return self._begun[1].clone()
        grid, axis = self.grid, self.grid.problem.domain.time_axis
        assert axis is not None
        name, start = grid.problem.domain.names[axis], grid.problem.domain.lower[axis]
        instant = grid.problem.restricted(**{name: (start, start + INSTANT * grid.problem.domain.lengths[axis])})
        resolution = list(cells)
        resolution.insert(axis, 1)
        first = GridSystem(instant, grid.basis, [tuple(resolution)], None, grid.dtype, grid.device, scales=grid.scales)
        given = first.impose(torch.zeros(first.size, dtype=grid.dtype, device=grid.device))
        state = given.view(first.pyramid.dense_shapes[-1]).narrow(axis + 1, 0, BASES[grid.basis].coefficients).clone()
        state.narrow(axis + 1, 1, state.shape[axis + 1] - 1).zero_()
        self._begun = tuple(cells), self.consistent(cells, start, state)
        return self._begun[1].clone()

    def consistent(self, cells: Sequence[int], time: float, state: torch.Tensor) -> torch.Tensor:
        """A state that satisfies the equations without derivatives in time: the end of a step that has no length.

        What a state misses would be an impulse in the next step.  Fields without a derivative in time stay as they are.
        """
        axis = self.grid.problem.domain.time_axis
        assert axis is not None
        length = INSTANT * self.grid.problem.domain.lengths[axis]
        step = FittedStep(self, cells, time, time + length, state)
        guess = torch.zeros(step.shape, dtype=state.dtype, device=state.device)
        guess.narrow(axis + 1, 0, step.m).copy_(state)
        guess.narrow(axis + 1, step.m, 1).copy_(state.narrow(axis + 1, 0, 1))
        taken = step.solve(guess, CONSISTENT, lambda: None)
        self.renew()  # its factors are those of no other step
        found = state.clone()
        if taken.solved:
            for f, name in enumerate(self.grid.problem.fields):
                if self.orders[name]:
                    own = taken.coefficients[f].narrow(axis, step.m, 1)
                    found[f].narrow(axis, 0, 1).copy_(own)
        return found


class FittedStep:
    """The equations of a step between two times.

    Parameters
    ----------
    steps
        Whose step it is.
    cells
        Along the axes of space.
    start, end
        Times.
    state
        Coefficients at the start, with m along the axis of time; None at the start of the problem.
    """

    def __init__(
        self, steps: FittedSteps, cells: Sequence[int], start: float, end: float, state: torch.Tensor | None
    ) -> None:
        grid, problem = steps.grid, steps.grid.problem
        axis = problem.domain.time_axis
        assert axis is not None
        self.steps, self.axis, self.m, self.begins = steps, axis, BASES[grid.basis].coefficients, state is None
        resolution = list(cells)
        resolution.insert(axis, 1)
        part = problem.restricted(**{problem.domain.names[axis]: (start, end)})
        points = [self.m + 1] * problem.domain.dim
        points[axis] = 2 * self.m - 1

        if state is None:
            state = steps.begun(cells)
        self.system = RadauSystem(
            part, grid.basis, [tuple(resolution)], tuple(points), grid.dtype, grid.device, scales=grid.scales,
            carried=Carried(axis, steps.carried, state.clone()),
        )  # fmt: skip
        self.shape = self.system.pyramid.dense_shapes[-1]

    def solve(self, guess: torch.Tensor, tol: float, check: Callable[[], None], most: int = MOST) -> Taken:
        """Newton's method from a guess of the coefficients; see :meth:`.StepSystem.solve`."""
        system = self.system
        if math.isinf(self.steps.linear.seconds(system, None)):
            cells = "x".join(map(str, system.resolution))
            raise StopRun(Status.MAX_SIZE, f"the factor of a step on {cells} cells does not fit into the free memory")
        vector = system.impose(guess.reshape(-1).clone())
        inner, last, rows = 0, math.inf, system.linearize(vector)

        def stop(steps: int, reduction: float) -> bool:
            check()
            return False

        for k in range(1, most + 1):
            check()
            wanted = FINE if system.affine else COARSE if k == 1 else min(COARSE, max(FINE, 0.1 * tol / last))
            limits = Limits(wanted, INNER, stop)
            step, result = self.steps.linear.solve(system, rows, 0.0, limits)
            inner += result.steps
            if result.steps > self.steps.patience:
                self.steps.renew()
            vector = vector + step
            change = self._change(step, vector)
            usable = result.converged or result.reason == "rounding"
            if not usable or not math.isfinite(change) or (k > 2 and change > GROWTH * last):
                return Taken(vector.view(self.shape), k, inner, False)
            if system.affine or change <= tol:
                return Taken(self._finished(vector), k, inner, True)
            if last < math.inf and change < last and change * (change / last) <= 0.3 * tol:
                return Taken(self._finished(vector), k, inner, True)
            last = change
            rows = system.linearize(vector)
        return Taken(vector.view(self.shape), k, inner, False)

    def _change(self, step: torch.Tensor, vector: torch.Tensor) -> float:
        """The largest change of a field in the mean square of its coefficients, relative to its own."""
        sizes, moved = (v.view(self.shape).flatten(1).norm(dim=1) for v in (vector, step))
        return float(torch.where(sizes > 0, moved / sizes, 0.0).max())

    def _finished(self, vector: torch.Tensor) -> torch.Tensor:
        """The coefficients, with what the equations leave open settled."""
        found = self.system.without_means(self.system.finest(vector)).clone()
        if self.begins:
            matrix = _without_start(self.steps.grid.basis)
            for f, name in enumerate(self.system.problem.fields):
                if self.steps.orders[name] == 0:
                    own = torch.tensordot(found[f], matrix.to(found), ([self.axis], [1]))
                    found[f] = own.movedim(-1, self.axis)
        return found


@lru_cache(maxsize=8)
def _without_start(basis: str) -> torch.Tensor:
    """From coefficients of a cell to those of the polynomial through its values at the points alone, (2 m, 2 m)."""
    m = BASES[basis].coefficients
    points, _ = radau_rule(2 * m - 1)
    at = torch.as_tensor(points)
    values = np.stack([np.asarray(w) for w in basis_values(basis, at, 0)], 1)  # (points, 2 m)
    powers = np.vander(points, increasing=True)
    to_powers = np.linalg.solve(powers, values)
    ends = np.zeros((2 * m, len(points)))
    for side in (0, 1):
        for k in range(m):
            for j in range(k, len(points)):
                falling = math.factorial(j) // math.factorial(j - k)
                ends[side * m + k, j] = falling if side or j == k else 0.0
    return torch.as_tensor(ends @ to_powers)
