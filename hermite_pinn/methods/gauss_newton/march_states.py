"""What a march in time has come to: states at some times, and how good they are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from hermite_pinn.cuda.tensor_grid.axis import prolongation_matrix

from .stage import Discretization

__all__ = ["Course", "Record", "prolonged_in_space"]


@dataclass(frozen=True)
class Record:
    """A state of the march.

    Attributes
    ----------
    time
        Of the state.
    cells
        Along the axes of space.
    values
        Coefficients over space (fields, m N_1, ..., m), the last axis with the derivatives in time.
    error
        Of what lies between this state and the one before, relative to the sizes of the fields.
    """

    time: float
    cells: tuple[int, ...]
    values: torch.Tensor
    error: float


@dataclass
class Course:
    """What a march has come to.

    Attributes
    ----------
    records
        The states so far, in the order of time.
    cells
        Along the axes of space, at the end.
    steps, refused, newton, inner
        Numbers of steps that were taken, of those refused, and of the iterations within all of them.
    space_errors
        Along the axes of space, the largest error of the cells.
    rate
        The fastest change of a field, in its sizes per unit of time.
    """

    records: list[Record] = field(default_factory=list)
    cells: tuple[int, ...] = ()
    steps: int = 0
    refused: int = 0
    newton: int = 0
    inner: int = 0
    space_errors: tuple[float, ...] = ()
    rate: float = 0.0

    @property
    def longest(self) -> float:
        """The longest step, as a part of the times so far."""
        steps = [b.time - a.time for a, b in itertools.pairwise(self.records)]
        return max(steps) / sum(steps) if steps else 1.0

    @property
    def space_error(self) -> float:
        """The largest error of the cells in space."""
        return max(self.space_errors, default=0.0)

    @property
    def time_error(self) -> float:
        """What the polynomials between the states miss, in the mean square over all times."""
        pairs = list(itertools.pairwise(self.records))
        whole = sum(b.time - a.time for a, b in pairs)
        return math.sqrt(sum((b.time - a.time) * b.error**2 for a, b in pairs) / whole) if whole > 0 else 0.0


def prolonged_in_space(
    values: torch.Tensor, grid: Discretization, before: Sequence[int], after: Sequence[int]
) -> torch.Tensor:
    """A state (fields, m N_1, ..., m) on cells that are those of its own or halves of these, again and again."""
    for i, axis in enumerate(grid.problem.domain.space_axes):
        n = before[i]
        while n < after[i]:
            matrix = prolongation_matrix(grid.basis, n, 2 * n, grid.problem.periodic[axis])
            values = matrix.apply([(0, values)], i + 1)
            n *= 2
    return values
