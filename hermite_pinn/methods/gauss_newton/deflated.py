"""Solutions that a run is to leave out, so that it finds another one.

The residuals r are multiplied by M = prod_k (1 + 1 / d_k^2), where d_k is the distance from the k-th known solution in
units of its size (P. E. Farrell, A. Birkisson, S. W. Funke, SIAM J. Sci. Comput. 37 (2015), shifted deflation of power
two).  A step p of Gauss-Newton for r becomes t p for M r, as the Jacobian of M r is M J + r (grad M)^T.  On every grid
the known solutions are those of the grid: solved for again from their projections.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.field.guess import Guess
from hermite_pinn.methods.least_squares.levenberg_marquardt import LevenbergMarquardt
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.problem.problem import Problem
from hermite_pinn.residuals.compiled import compile_term
from hermite_pinn.residuals.sizes import field_sizes

from .first_state import projected
from .stage import Discretization

__all__ = ["Deflated", "refuse_linear"]

LEAST = 1e-20  # square of a distance that counts as none


def refuse_linear(problem: Problem) -> None:
    """Raise an error for a problem that has no second solution beside a known one.

    Raises
    ------
    InvalidArgumentError
        If it is linear.
    """
    if all(compile_term(problem, t).affine for t in problem.terms):
        raise InvalidArgumentError(
            "deflate is for nonlinear problems: a linear one has one solution, or a whole space of them, which a status "
            "of a plain run says; leave deflate out"
        )


class Deflated:
    """The factor of known solutions; see :class:`.Deflation`.

    Parameters
    ----------
    grid
        What the systems discretise, when it is asked.
    guesses
        The known solutions.
    solver
        Solves for them on a grid.
    """

    def __init__(
        self,
        grid: Callable[[], Discretization],
        guesses: Sequence[Guess],
        solver: LevenbergMarquardt[GridSystem],
    ) -> None:
        self.grid, self.guesses, self.solver = grid, guesses, solver
        self.vectors: list[torch.Tensor] = []
        self.known: list[torch.Tensor] = []  # their finest coefficients
        self.system: GridSystem | None = None
        self.sizes: list[list[float]] = []

    def prepare(self, system: GridSystem) -> None:
        """Solve for the known solutions on the grid of a system, from their projections."""
        if self.system is system:
            return
        self.system, self.vectors, self.known, self.sizes = system, [], [], []
        units = field_sizes(system.problem)
        root = math.sqrt(system.problem.domain.interior.measure)
        for guess in self.guesses:
            vector = torch.zeros(system.size, dtype=system.dtype, device=system.device)
            last = len(system.pyramid.shapes) - 1
            system.set_level(vector, last, projected(self.grid(), system.resolution, guess))
            values = system.split(vector)[1]
            for i, p in enumerate(system.problem.parameters):
                values[i] = guess.parameters.get(p.name, p.init)
            self.vectors.append(self.solver.fit(system, system.impose(vector)).vector)
            finest = system.finest(self.vectors[-1])
            self.known.append(finest)
            norms = system.norms(finest)
            self.sizes.append(
                [n if n > 0 else root * units[f] for n, f in zip(norms, system.problem.fields, strict=True)]
            )

    def factor(self, system: GridSystem, vector: torch.Tensor) -> float:
        """See :meth:`.Deflation.factor`.

        Raises
        ------
        InvalidArgumentError
            At a known solution.
        """
        squares = self.squares(system, vector)
        if not min(squares) > LEAST:
            raise InvalidArgumentError(
                "the run would begin at a solution that it is to leave out; give another start: start={...}"
            )
        return math.prod(1.0 + 1.0 / square for square in squares)

    def slope(self, system: GridSystem, vector: torch.Tensor, step: torch.Tensor) -> float:
        """See :meth:`.Deflation.slope`."""
        finest, moved = system.finest(vector), system.finest(step)
        total = 0.0
        for known, sizes, square in zip(self.known, self.sizes, self.squares(system, vector), strict=True):
            more, less = system.norms(finest - known + moved), system.norms(finest - known - moved)
            twice = sum((a * a - b * b) / (2.0 * s * s) for a, b, s in zip(more, less, sizes, strict=True))
            total -= twice / (square * (square + 1.0))
        return total

    def squares(self, system: GridSystem, vector: torch.Tensor) -> list[float]:
        """Squares of the distances from the known solutions, each in units of its size."""
        finest = system.finest(vector)
        return [
            sum((n / s) ** 2 for n, s in zip(system.norms(finest - known), sizes, strict=True))
            for known, sizes in zip(self.known, self.sizes, strict=True)
        ]
