"""What a sparse factor of a normal matrix costs, counted before it is made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from hermite_pinn.methods.least_squares.nested_dissection import Work, elimination_work

__all__ = ["CALLS", "FactorCost", "factor_cost"]

#: Seconds on two cores, measured: per operation of an elimination, per number that a front passes on, per front, per
#: product of two columns of a cell in one row, per number of the factor that is read, and of what is done once.
OPERATION, PASSED, FRONT, PRODUCT, READ, CALLS = 5e-11, 4e-9, 2e-4, 1e-9, 1e-9, 5e-3


@dataclass(frozen=True)
class FactorCost:
    """Seconds of a new factor, and of its two products in a step; bytes of the factor and the matrix together."""

    making: float
    step: float
    memory: float


def factor_cost(sides: Sequence[int], wraps: Sequence[bool], width: int, *, rows: float, blocks: int) -> FactorCost:
    """The cost of assembling the normal matrix of a grid and of factoring it.

    Parameters
    ----------
    sides, wraps
        Vertices along every axis, and which axes are periodic.
    width
        Unknowns of a vertex.
    rows, blocks
        Rows of the Jacobian, and in how many blocks they are.

    Examples
    --------
    >>> small, large = (factor_cost((n, n, n), (False,) * 3, 8, rows=27.0 * n**3, blocks=1) for n in (8, 16))
    >>> large.making > 8 * small.making
    True
    """
    work = _work(tuple(sides), tuple(wraps), width)
    vertices = math.prod(sides)
    columns = width * 2 ** len(sides)
    making = (
        (4.0 + blocks) * CALLS
        + OPERATION * work.operations
        + PASSED * work.passing
        + FRONT * work.fronts
        + PRODUCT * (0.1 * rows * columns**2 + 3.0 * vertices * columns**2)
    )
    pairs = (3 ** len(sides) + 1) / 2 * vertices * width**2
    step = 2.0 * READ * work.entries + 0.5 * FRONT * work.fronts
    return FactorCost(making, step, 8.0 * (work.entries + pairs + 0.5 * work.passing))


@lru_cache(maxsize=64)
def _work(sides: tuple[int, ...], wraps: tuple[bool, ...], width: int) -> Work:
    return elimination_work(sides, wraps, width)
