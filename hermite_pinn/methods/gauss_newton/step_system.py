"""One step in time: the equations at as many points as there are unknowns, solved by Newton and GMRES.

Along every axis of space a cell has as many Gauss points as a vertex has coefficients (orthogonal spline collocation),
and the step is one cell of time with as many Gauss points as a field has free coefficients there: the implicit
Runge-Kutta method of Gauss, which is stable for every step.  The matrix of the equations with their coefficients
replaced by means over the points is a sum of products over the axes.  It is inverted exactly, by the eigenvectors of
every axis of space and a small matrix in time for each, and preconditions the whole.

Source: J. Douglas, T. Dupont, Collocation methods for parabolic equations in a single space variable, 1974, for the
collocation; R. Lynch, J. Rice, D. Thomas, Direct solution of partial difference equations by tensor product methods,
Numerische Mathematik 6 (1964), for the inverse.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.linalg as dense
import scipy.sparse as sparse
import torch
from scipy.sparse.linalg import splu

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.tensor_grid.axis import evaluation_matrix
from hermite_pinn.methods.systems.constraints import Carried
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.problem.problem import Problem

from .gmres import gmres
from .stage import Discretization
from .step_rows import WaveSteps

__all__ = ["SpaceModes", "SquareSteps", "Step", "StepSystem", "Steps", "Taken", "points_in_time"]

DIRECT = 3  # axes of the coefficients, that of the fields with them, up to which the matrix is factorised
MOST = 40  # steps of GMRES
COARSE, FINE = 1e-2, 1e-6  # reductions of the residual in a step of Newton's method
FIRM = 0.1  # of the tolerance, that a step of an iteration leaves
EASY = 1e-3  # the first one where equations are affine
SPREAD = 1e8  # condition of eigenvectors up to which they serve


def points_in_time(problem: Problem, basis: str, orders: Mapping[str, int]) -> int:
    """Gauss points of a step: the free coefficients of a field whose derivatives of lower orders are given."""
    return 2 * BASES[basis].coefficients - next(iter(orders.values()))


@dataclass(frozen=True, eq=False)
class AxisModes:
    """The eigenvectors of an averaged operator along one axis.

    Attributes
    ----------
    values
        Eigenvalues (n,).
    to_modes, from_modes
        From rows at the points to modes, and from these to free coefficients, (n, n).
    """

    values: torch.Tensor
    to_modes: torch.Tensor
    from_modes: torch.Tensor


class SpaceModes:
    """Eigenvectors along the axes of space, kept as long as the coefficients of the operators stay.

    Parameters
    ----------
    basis
        Of the grid.
    """

    def __init__(self, basis: str) -> None:
        self.basis = basis
        self._kept: dict[tuple[int, int, tuple[tuple[int, float], ...]], AxisModes] = {}

    def of(self, system: GridSystem, axis: int, free: np.ndarray, strengths: Mapping[int, float]) -> AxisModes:
        """Those of ``sum strengths[order] d^order`` along an axis; the last ones where they hardly differ."""
        cells = system.resolution[axis]
        for (own, n, known), modes in self._kept.items():
            if (own, n) == (axis, cells) and modes.values.numel() == len(free) and _close(dict(known), strengths):
                return modes
        a = system.axes[axis]
        block = system.interior
        root = np.sqrt(block.weights[axis])
        orders = sorted({0, *strengths})
        made = evaluation_matrix(self.basis, cells, a.bounds, a.periodic, block.points[axis], orders, root)
        matrices = {o: m.toarray()[:, free] for o, m in made.matrices.items()}
        operator = sum((s * matrices[o] for o, s in strengths.items()), np.zeros_like(matrices[0]))
        modes = _modes(matrices[0], operator, root, all(o % 2 == 0 for o in strengths))
        if len(self._kept) >= 16:
            self._kept.clear()
        self._kept[(axis, cells, tuple(sorted(strengths.items())))] = modes
        return modes


def _close(a: Mapping[int, float], b: Mapping[int, float]) -> bool:
    """Whether strengths differ so little that a preconditioner does not mind."""
    largest = max((abs(v) for v in b.values()), default=0.0)
    return set(a) == set(b) and all(abs(a[o] - b[o]) <= 0.2 * max(abs(b[o]), 1e-3 * largest) for o in b)


def _modes(values: np.ndarray, operator: np.ndarray, root: np.ndarray, even: bool) -> AxisModes:
    """Of the pair (operator, values), real where the operator is of even order."""
    mass, stiffness = values.T @ values, values.T @ operator
    if even:
        eigenvalues, vectors = dense.eigh(0.5 * (stiffness + stiffness.T), 0.5 * (mass + mass.T))
        to_modes = vectors.T @ values.T
    else:
        eigenvalues, vectors = np.linalg.eig(np.linalg.solve(values, operator))
        if np.linalg.cond(vectors) > SPREAD:
            return _modes(values, np.zeros_like(operator), root, True)
        to_modes = np.linalg.inv(values @ vectors)
    kind = torch.complex128 if np.iscomplexobj(vectors) else torch.float64
    return AxisModes(*(torch.as_tensor(np.ascontiguousarray(a)).to(kind) for a in (eigenvalues, to_modes, vectors)))


class Step(Protocol):
    """The equations of a step.

    Attributes
    ----------
    system
        In which the end of the step is unknown.
    shape
        Of the coefficients of its cell of time.
    """

    @property
    def system(self) -> GridSystem:
        """See above."""

    @property
    def shape(self) -> Sequence[int]:
        """See above."""

    def solve(self, guess: torch.Tensor, tol: float, check: Callable[[], None]) -> Taken:
        """Find the coefficients from a guess."""


class Steps(Protocol):
    """What makes the steps of a march.

    Attributes
    ----------
    carried
        By field, how many derivatives in time are taken over from the step before.
    smooth
        Whether the polynomials of a step may be continued to guess the next one; else straight lines are.
    """

    @property
    def carried(self) -> Mapping[str, int]:
        """See above."""

    @property
    def smooth(self) -> bool:
        """See above."""

    def make(self, cells: Sequence[int], start: float, end: float, state: torch.Tensor | None) -> Step:
        """The step between two times from a state; None at the start of the problem."""

    def consistent(self, cells: Sequence[int], time: float, state: torch.Tensor) -> torch.Tensor:
        """A state on new cells with what the equations ask of states themselves."""


class SquareSteps:
    """Makes the steps of problems with as many points as unknowns, which share the modes of the axes of space.

    Parameters
    ----------
    grid
        The whole problem.
    orders
        By field, the highest derivative in time.
    """

    smooth = True

    def __init__(self, grid: Discretization, orders: Mapping[str, int]) -> None:
        self.grid, self.carried, self.modes = grid, orders, SpaceModes(grid.basis)

    def make(self, cells: Sequence[int], start: float, end: float, state: torch.Tensor | None) -> StepSystem:
        """See :meth:`Steps.make`."""
        return StepSystem(self.grid, cells, start, end, self.carried, state, self.modes)

    def consistent(self, cells: Sequence[int], time: float, state: torch.Tensor) -> torch.Tensor:
        """The state itself: every field has a derivative in time, and may begin anywhere."""
        return state


@dataclass(frozen=True)
class Taken:
    """A step that was taken.

    Attributes
    ----------
    coefficients
        (fields, m N_1, ...) of its cell of time.
    newton, inner
        Numbers of steps of Newton's method, and of GMRES in all.
    solved
        Whether the last change is as small as was asked for.
    """

    coefficients: torch.Tensor
    newton: int
    inner: int
    solved: bool


class StepSystem:
    """The equations of a step between two times.

    Parameters
    ----------
    grid
        The whole problem; its scales divide the rows.
    cells
        Cells along the axes of space.
    start, end
        Times.
    orders
        By field, the highest derivative in time.
    carried
        The state at the start; None at the start of the problem.
    modes
        Of the axes of space.
    """

    def __init__(
        self,
        grid: Discretization,
        cells: Sequence[int],
        start: float,
        end: float,
        orders: Mapping[str, int],
        carried: torch.Tensor | None,
        modes: SpaceModes,
    ) -> None:
        problem, axis = grid.problem, grid.problem.domain.time_axis
        assert axis is not None
        self.axis, self.modes, self.m = axis, modes, BASES[grid.basis].coefficients
        resolution = list(cells)
        resolution.insert(axis, 1)
        part = problem.restricted(**{problem.domain.names[axis]: (start, end)})
        own = None if carried is None else Carried(axis, orders, carried)
        points = [self.m] * problem.domain.dim
        points[axis] = points_in_time(problem, grid.basis, orders)
        kind = WaveSteps if next(iter(orders.values())) == 2 else GridSystem
        self.system = kind(
            part,
            grid.basis,
            [tuple(resolution)],
            tuple(points),
            grid.dtype,
            grid.device,
            scales=grid.scales,
            carried=own,
        )
        self.shape = self.system.pyramid.dense_shapes[-1]
        self.orders = orders
        self.free = self._free()
        self._inverse: list[_FieldInverse] = []
        self._rows: list[int] = []
        self._factor: Callable[[torch.Tensor], torch.Tensor] | None = None

    def _free(self) -> list[list[np.ndarray]]:
        """By field and axis, the numbers of the coefficients that are free."""
        free = ~self.system.fixed
        found: list[list[np.ndarray]] = []
        for own in free:
            found.append([])
            for axis in range(own.ndim):
                found[-1].append(np.flatnonzero(own.movedim(axis, 0).reshape(own.shape[axis], -1).any(1).cpu().numpy()))
        return found

    @property
    def square(self) -> bool:
        """Whether there are as many points as free coefficients along every axis, and no other rows."""
        system = self.system
        if len(system.blocks) != 1 or len(system.interior.terms) != len(system.problem.fields):
            return False
        shape = system.interior.shape
        for field, axes in enumerate(self.free):
            if tuple(len(a) for a in axes) != shape:
                return False
            if int((~system.fixed[field]).sum()) != math.prod(shape):
                return False
        return True

    def solve(self, guess: torch.Tensor, tol: float, check: Callable[[], None], most: int = 8) -> Taken:
        """Newton's method from a guess of the coefficients, until a change is below ``tol`` times a field's size.

        Sizes are those of the coefficients in the mean square.  ``check`` is called now and then, and may raise.
        """
        system = self.system
        vector = system.impose(guess.reshape(-1).clone())
        inner, last, sizes = 0, math.inf, None
        rows = system.linearize(vector)
        for k in range(1, most + 1):
            check()
            self._prepare()
            wanted = FIRM * tol / last if k > 1 else EASY if system.affine else COARSE
            reduction = min(COARSE, max(FINE, wanted))
            step, steps, met = self._newton(rows, reduction, check)
            inner += steps
            if not met:
                return Taken(vector.view(self.shape), k, inner, False)
            vector = vector + step
            sizes = vector.view(self.shape).flatten(1).norm(dim=1)
            moved = step.view(self.shape).flatten(1).norm(dim=1)
            change = float(torch.where(sizes > 0, moved / sizes, 0.0).max())
            if not math.isfinite(change):
                return Taken(vector.view(self.shape), k, inner, False)
            if system.affine:
                before, rows = rows, system.linearize(vector)
                reduction = max(_size(rows) / max(_size(before), 1e-300), 1e-16)
            if (
                (system.affine and (reduction * change <= FIRM * tol or k > 1))
                or change <= tol
                or (last < math.inf and change < last and change * (change / last) <= 0.3 * tol)
            ):
                return Taken(vector.view(self.shape), k, inner, True)
            if k > 2 and change > 2.0 * last:
                break
            last = change
            if not system.affine:
                rows = system.linearize(vector)
        return Taken(vector.view(self.shape), k, inner, False)

    def _newton(
        self, rows: Sequence[torch.Tensor], tol: float, check: Callable[[], None]
    ) -> tuple[torch.Tensor, int, bool]:
        def product(x: torch.Tensor) -> torch.Tensor:
            check()
            return torch.stack(self.system.forward(x.clone()))

        return gmres(product, self._apply, -torch.stack(list(rows)), tol, MOST)

    # -- the inverse of the averaged equations ---
    def _prepare(self) -> None:
        if len(self.shape) <= DIRECT:
            self._factor = _factor(self.system, torch.nonzero(~self.system.fixed.reshape(-1))[:, 0])
            return
        if not self._rows:
            self._rows = _assigned(self.system, self.orders, self.axis)
        self._inverse = [self._field_inverse(f) for f in range(len(self.free))]

    def _field_inverse(self, f: int) -> _FieldInverse:
        system, name = self.system, self.system.problem.fields[f]
        block, row = system.interior, self._rows[f]
        known: dict[tuple[int, ...], float] = {}
        for (field, orders), s in (block.terms[row].constant | block.sensitivity(row)).items():
            if field == name:
                known[orders] = float(s.mean()) if isinstance(s, torch.Tensor) else float(s)
        space = system.problem.domain.space_axes
        time = {o[self.axis]: s for o, s in known.items() if sum(o) == o[self.axis]}
        along = []
        for axis in space:
            strengths = {o[axis]: s for o, s in known.items() if sum(o) == o[axis] and o[axis] > 0}
            along.append(self.modes.of(system, axis, self.free[f][axis], strengths))
        free = self.free[f][self.axis]
        rows = {o: m.toarray() for o, m in block.evaluated(self.axis, 1, sorted({0, *time})).items()}
        matrices = {o: torch.as_tensor(np.ascontiguousarray(m[:, free])) for o, m in rows.items()}
        own = sum((s * matrices[o] for o, s in time.items()), torch.zeros_like(matrices[0]))
        total: torch.Tensor = torch.zeros([1] * len(space), dtype=torch.float64)
        for i, modes in enumerate(along):
            where = [1] * len(space)
            where[i] = -1
            total = total + modes.values.reshape(where)
        small = own.to(total.dtype) + total[..., None, None] * matrices[0].to(total.dtype)
        inverse = torch.linalg.inv(small) * block.scales[row]
        return _FieldInverse(row, tuple(self.free[f]), space, self.axis, along, inverse)

    def _apply(self, rows: torch.Tensor) -> torch.Tensor:
        if self._factor is not None:
            return self._factor(rows)
        out = torch.zeros(self.shape, dtype=rows.dtype, device=rows.device)
        for f, inverse in enumerate(self._inverse):
            inverse.put(rows[inverse.row], out[f])
        return out.reshape(-1)


def _size(rows: Sequence[torch.Tensor]) -> float:
    """The norm of all rows."""
    return math.sqrt(sum(float(r.norm()) ** 2 for r in rows))


def _assigned(system: GridSystem, orders: Mapping[str, int], axis: int) -> list[int]:
    """By field, the equation in which its highest derivative in time is largest."""
    fields, terms = system.problem.fields, system.interior.terms
    sizes = np.zeros((len(fields), len(terms)))
    for k, t in enumerate(terms):
        for (name, o), s in (t.constant | system.interior.sensitivity(k)).items():
            if o[axis] == orders[name] and sum(o) == o[axis]:
                size = s.abs().mean() if isinstance(s, torch.Tensor) else abs(s)
                sizes[fields.index(name), k] = float(size)
    best = max(itertools.permutations(range(len(terms))), key=lambda p: min(sizes[f, k] for f, k in enumerate(p)))
    return list(best)


@dataclass(frozen=True)
class _FieldInverse:
    """The inverse of a field's own averaged equation.

    Attributes
    ----------
    row
        Number of the equation.
    free
        By axis the numbers of the free coefficients.
    space, time
        Numbers of the axes.
    along
        Modes of the axes of space.
    inverse
        By modes, from points to free coefficients in time, (..., k, k).
    """

    row: int
    free: tuple[np.ndarray, ...]
    space: Sequence[int]
    time: int
    along: Sequence[AxisModes]
    inverse: torch.Tensor

    def put(self, rows: torch.Tensor, out: torch.Tensor) -> None:
        """Write the coefficients for rows at the points."""
        x = rows.movedim(self.time, -1).to(self.inverse.dtype)
        for i, modes in enumerate(self.along):
            x = torch.tensordot(modes.to_modes.to(x), x, ([1], [i])).movedim(0, i)
        x = torch.matmul(self.inverse, x[..., None])[..., 0]
        for i, modes in enumerate(self.along):
            x = torch.tensordot(modes.from_modes.to(x), x, ([1], [i])).movedim(0, i)
        x = x.movedim(-1, self.time)
        out[np.ix_(*self.free)] = x.real if x.is_complex() else x


def _factor(system: GridSystem, free: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """The inverse of the matrix of the equations, by a sparse factor: from rows at the points to coefficients."""
    block = system.interior
    shape, terms = block.shape, len(block.terms)
    groups = [n if i != system.problem.domain.time_axis else 1 for i, n in enumerate(system.resolution)]
    per = [k // g for k, g in zip(shape, groups, strict=True)]
    places = np.arange(terms * math.prod(shape)).reshape(
        terms, *(n for pair in zip(groups, per, strict=True) for n in pair)
    )
    dim = len(shape)
    order = [1 + 2 * i for i in range(dim)] + [0] + [2 + 2 * i for i in range(dim)]
    by_cell = places.transpose(order).reshape(math.prod(groups), -1)
    rows, columns, values, begin = [], [], [], 0
    for own, piece in block.elements():
        count = len(own)
        at = by_cell[begin : begin + count]
        begin += count
        rows.append(np.repeat(at.ravel(), own.shape[1]))
        columns.append(np.tile(own.numpy()[:, None, :], (1, at.shape[1], 1)).ravel())
        values.append(piece.numpy().ravel())
    size = math.prod(system.pyramid.dense_shapes[-1])
    made = sparse.coo_matrix(
        (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(by_cell.size, size)
    ).tocsc()
    lu = splu(made[:, free.numpy()])

    def solve(right: torch.Tensor) -> torch.Tensor:
        out = torch.zeros(size, dtype=right.dtype)
        out[free] = torch.as_tensor(lu.solve(right.reshape(-1).numpy()))
        return out

    return solve
