"""A linear eigenvalue problem on one grid: ``A u = E M u`` in the least-squares sense."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.field.field import GridField
from hermite_pinn.methods.least_squares.block_krylov import dominant_eigenpairs, without_phases
from hermite_pinn.methods.least_squares.linear_solver import Limits, LinearSolver
from hermite_pinn.methods.least_squares.rows import Rows
from hermite_pinn.methods.systems.grid_system import GridSystem

from .grid_solver import grid_solver
from .sparse_factor import SparseFactor
from .stage import Discretization, Resolution

__all__ = ["Eigenpairs", "Pencil"]

LINEAR = 1e-9  # relative error up to which rows count as linear in fields or parameter
SHIFTS = (1.0, *(10.0 ** (sign * n) for n in range(6, 67, 6) for sign in (1, -1)))  # steps of the parameter: any units
EXTRA = 4  # vectors of a block beyond those asked for
SOLVED, STEPS = 1e-13, 1000  # reduction and most steps of a linear solve


@dataclass(frozen=True)
class Eigenpairs:
    """Eigenvalues on one grid.

    Attributes
    ----------
    values
        (count + more,) complex: those asked for in ascending order of their real parts, and behind them some more that
        may not have converged.
    vectors
        (unknowns, count + more) complex; the squares of all fields integrate to one.
    residuals
        (count,): what is left of the equations, relative to their terms.
    settled
        Whether the iteration ended by itself.
    """

    values: np.ndarray
    vectors: torch.Tensor
    residuals: np.ndarray
    settled: bool


class Pencil:
    """The rows ``A u`` and ``M u`` of a problem whose residuals and conditions are ``A u - E M u``.

    The operator ``T u = argmin_v |(A - shift M) v - M u|`` has the eigenvalues ``1 / (E - shift)``: those closest to
    the shift become the largest.

    Parameters
    ----------
    grid
        How the problem is discretised.
    resolution
        Cells per axis.
    near
        Eigenvalues closest to this are found.
    shift
        What is subtracted in place of ``near``, which may be an eigenvalue itself: then nothing can be solved for.

    Raises
    ------
    InvalidProblemError
        If the residuals are not linear in the fields, not homogeneous, or not affine in the parameter.
    """

    def __init__(self, grid: Discretization, resolution: Resolution, near: float, shift: float | None = None) -> None:
        self.grid, self.resolution, self.near = grid, resolution, near
        self.shift = near if shift is None else shift
        self.system = self._at(self.shift)
        scale = self.system.column_scale().clone()
        scale[self.system.size - len(self.system.parameter_names)] = 0.0
        self.columns = scale
        self.step, self._other = self._stepped()
        # every solve is for another right-hand side: a factor serves them all
        factor = SparseFactor()
        self._solver: LinearSolver[GridSystem] = (
            factor if math.isfinite(factor.seconds(self.system, None)) else grid_solver()
        )

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return self.system.size

    def _vector(self, value: float) -> torch.Tensor:
        """Zero fields with a value of the parameter, which is the first one."""
        vector = torch.zeros(self._size, dtype=self.grid.dtype, device=self.grid.device)
        vector[self._place] = value
        return vector

    def _at(self, value: float) -> GridSystem:
        """The rows linearised at zero fields and a value of the parameter."""
        system = self.grid.system([self.resolution])
        self._size, self._place = system.size, system.size - len(system.parameter_names)
        rows = system.linearize(self._vector(value))
        wrong = [name for name, row in zip(system.row_names, rows, strict=True) if float(row.abs().max()) > 0.0]
        if float(system.impose(torch.zeros_like(self._vector(0.0))).abs().max()) > 0.0:
            wrong += [term.name for term in system.constraints.terms]
        if wrong:
            raise InvalidProblemError(
                f"an eigenvalue problem is homogeneous, but not all of {', '.join(map(repr, wrong))} vanish where the "
                "fields do; leave out sources and values other than 0, or solve it with hp.solve"
            )
        return system

    def _random(self) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        drawn = torch.randn(self.size, dtype=self.grid.dtype, generator=generator)
        return drawn.to(self.grid.device) * self.columns

    def _stepped(self) -> tuple[float, GridSystem]:
        """A step of the parameter that changes the rows about as much as their size, and the rows after it."""
        at = self._random()
        before = self._product(self.system, at)
        size = _norm(before)
        for step in SHIFTS:
            change = _norm(_difference(self._product(self._at(self.shift + step), at), before))
            if change > 1e-4 * size:
                step = step * min(1.0, size / change) if change > 1e4 * size else step
                return step, self._at(self.shift + step)
        name = self.grid.problem.parameters[0].name
        raise InvalidProblemError(f"the eigenvalue {name} appears in no equation or condition")

    def check(self) -> None:
        """Refuse what is no linear eigenvalue problem."""
        at, name = self._random(), self.grid.problem.parameters[0].name
        before, after = self._product(self.system, at), self._product(self._other, at)
        twice = self._product(self._at(self.shift + 2 * self.step), at)
        bent = [a - 2 * b + c for a, b, c in zip(before, after, twice, strict=True)]
        if _norm(bent) > LINEAR * (_norm(after) + _norm(twice)):
            raise InvalidProblemError(
                f"an eigenvalue problem is affine in its eigenvalue, and this one is not in {name}; "
                f"introduce a field for the product of {name} and a field, so that it is"
            )
        system = self.grid.system([self.resolution])
        values = system.linearize(at + self._vector(self.shift))
        if not _norm(_difference(values, before)) <= LINEAR * _norm(before):
            raise InvalidProblemError("an eigenvalue problem is linear in its fields, and this one is not")

    @staticmethod
    def _product(system: GridSystem, x: torch.Tensor) -> Rows:
        return [row.clone() for row in system.forward(x.clone())]

    def left(self, x: torch.Tensor) -> Rows:
        """``(A - shift M) x``."""
        return self._product(self.system, x)

    def right(self, x: torch.Tensor) -> Rows:
        """``M x``."""
        return [r / -self.step for r in _difference(self._product(self._other, x), self.left(x))]

    def apply(self, y: torch.Tensor) -> torch.Tensor:
        """The operator, in unknowns of columns of unit norm."""
        rows = [-row for row in self.right(y * self.columns)]
        limits = Limits(SOLVED, STEPS, lambda steps, reduction: False)
        x, _ = self._solver.solve(self.system, rows, 0.0, limits)
        return torch.where(self.columns > 0, x / self.columns.clamp(min=1e-300), 0.0)

    @property
    def spread(self) -> float:
        """How far apart eigenvalues of the grid are at most, about."""
        at = self._random()
        return _norm(self.left(at)) / _norm(self.right(at))

    def solve(self, count: int, seed: int, stop: Callable[[], bool]) -> Eigenpairs:
        """The ``count`` eigenvalues closest to ``near``, in ascending order, and behind them a few more."""
        generator, free = torch.Generator().manual_seed(seed), int((self.columns > 0).sum())
        start = torch.randn(self.size, min(count + EXTRA, free), dtype=self.grid.dtype, generator=generator)
        start = start.to(self.grid.device) * (self.columns > 0)[:, None]
        found = dominant_eigenpairs(self.apply, start, min(count + EXTRA, free), stop=stop)
        found = without_phases(found)
        values = (self.shift + 1.0 / found.values).cpu().numpy()
        order = np.argsort(np.abs(values - self.near), kind="stable")
        asked = order[:count][np.lexsort((values.imag[order[:count]], values.real[order[:count]]))]
        chosen = np.concatenate([asked, order[count:]])
        vectors = found.vectors[:, torch.as_tensor(chosen)] * self.columns[:, None]
        pairs = [self._turned(v) for v in vectors.T]
        residuals = [self.residual(complex(e), v) for e, v in zip(values[asked], pairs, strict=False)]
        return Eigenpairs(values[chosen], torch.stack(pairs, 1), np.array(residuals), found.settled)

    def field(self, vector: torch.Tensor) -> GridField:
        """The fields of real coefficients."""
        return self.system.at(vector.clone())

    def _turned(self, vector: torch.Tensor) -> torch.Tensor:
        """An eigenvector with norm one as fields, whose largest coefficient is real and positive."""
        scaled = torch.where(self.columns > 0, vector / self.columns.clamp(min=1e-300), 0.0)
        largest = scaled[scaled.abs().argmax()]
        vector = vector * (largest.conj() / largest.abs())
        system, parts = self.system, (vector.real.contiguous(), vector.imag.contiguous())
        sizes = [system.norms(system.finest(part), system.at_corners(part)) for part in parts]
        return vector / math.sqrt(sum(s * s for own in sizes for s in own))

    def residual(self, value: complex, vector: torch.Tensor) -> float:
        """``|A u - E M u|`` relative to its larger part."""
        parts = [(self.left(part.contiguous()), self.right(part.contiguous())) for part in (vector.real, vector.imag)]
        left, right = ([torch.complex(a, b) for a, b in zip(*(p[k] for p in parts), strict=True)] for k in (0, 1))
        off = [a - (value - self.shift) * m for a, m in zip(left, right, strict=True)]
        return _norm(off) / max(_norm(left), abs(value - self.shift) * _norm(right), 1e-300)


def _difference(a: Rows, b: Rows) -> Rows:
    return [u - v for u, v in zip(a, b, strict=True)]


def _norm(rows: Rows) -> float:
    return float(torch.stack([row.norm() for row in rows]).norm())
