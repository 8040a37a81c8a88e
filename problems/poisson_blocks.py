"""Poisson's equation in a square of blocks, in each of which coefficient and source are others.

    a (u_xx + u_yy) + f = 0        on [-10, 10]^2,        u.n = -u on the boundary.

The square is cut into n x n blocks.  In block (i, j), i along x, a is a constant and
f = F + G sin(pi r) sin(pi s), with r, s in [0, 1] across the block and constants F and G.  The second derivatives of u
jump between the blocks, its first ones do not.

Source: PINNacle (arXiv 2306.08827), case Poisson2d-MS, as it is coded: n = 5, a from 0.1 to 100.  The paper writes
div(a grad u), which is another problem where a jumps.  Without tables of a, F and G random ones are drawn: log10 a
between -1 and 2, F and G between -1 and 1.  With ``divergence`` it is the problem of the paper, whose slopes jump, too,
and are singular where blocks meet.

Number to beat: 0.59, the best of PINNacle's methods.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn import checks
from hermite_pinn.errors import InvalidArgumentError

from .base import positive_number, seed_number, settings

__all__ = ["poisson_blocks", "random_blocks"]

Table = np.ndarray | Sequence[Sequence[float]]


@settings(
    blocks=functools.partial(checks.integer, least=1, most=64),
    half_width=positive_number,
    seed=seed_number,
    divergence=checks.flag,
)
def poisson_blocks(
    blocks: int = 5,
    half_width: float = 10.0,
    seed: int = 0,
    coefficient: Table | None = None,
    constant: Table | None = None,
    amplitude: Table | None = None,
    divergence: bool = False,
) -> hp.Problem:
    """Two space axes.

    Parameters
    ----------
    blocks
        n.
    half_width
        Of the square.
    seed
        Of the random numbers where no tables are given.
    coefficient, constant, amplitude
        a, F and G by block, (n, n) each, the first index along x.
    divergence
        Solve div(a grad u) + f = 0 instead.

    Raises
    ------
    InvalidArgumentError
        If a table has another shape, or a coefficient is not positive.

    Examples
    --------
    >>> poisson_blocks(blocks=2, coefficient=[[1, 2], [3, 4]]).fields
    ('u',)
    """
    drawn = random_blocks(blocks, seed)
    tables = [
        d if given is None else _checked(name, given, blocks)
        for name, given, d in zip(
            ("coefficient", "constant", "amplitude"), (coefficient, constant, amplitude), drawn, strict=True
        )
    ]
    if tables[0].min() <= 0:
        raise InvalidArgumentError(f"coefficient must be positive in all blocks, got {tables[0].min():g} in one")
    size = 2 * half_width / blocks
    signs = (-1.0) ** np.add.outer(np.arange(blocks), np.arange(blocks))

    def by_block(table: np.ndarray, x: Any, y: Any) -> Any:
        columns = [_steps(column, y, half_width, size) for column in table]
        return _steps(columns, x, half_width, size)

    def source(x: Any, y: Any) -> Any:
        waves = hp.sin(math.pi * (x + half_width) / size) * hp.sin(math.pi * (y + half_width) / size)
        return by_block(tables[1], x, y) + by_block(tables[2] * signs, x, y) * waves

    def as_coded(u: Any, x: Any, y: Any) -> Any:
        return by_block(tables[0], x, y) * u.laplacian + source(x, y)

    def divided(u: Any, x: Any, y: Any) -> Any:
        return hp.div(by_block(tables[0], x, y) * u.grad) + source(x, y)

    return hp.Problem(
        domain=hp.Box(x=(-half_width, half_width), y=(-half_width, half_width)),
        fields=["u"],
        residual=divided if divergence else as_coded,
        conditions=[hp.Robin(u=(1.0, 1.0, 0.0))],
        name=f"poisson_blocks {blocks}x{blocks}",
    )


def random_blocks(blocks: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """a, F and G by block, (blocks, blocks) each, float64.

    Examples
    --------
    >>> [table.shape for table in random_blocks(3, 0)]
    [(3, 3), (3, 3), (3, 3)]
    """
    random = np.random.default_rng(seed)
    shape = (blocks, blocks)
    return 10 ** random.uniform(-1, 2, shape), random.uniform(-1, 1, shape), random.uniform(-1, 1, shape)


def _checked(name: str, given: Table, blocks: int) -> np.ndarray:
    table = checks.real_array(name, given, shape=f"a table of {blocks} x {blocks} numbers")
    if table.shape != (blocks, blocks):
        raise InvalidArgumentError(
            f"{name} must be a table of {blocks} x {blocks} numbers, got the shape {table.shape}"
        )
    return table


def _steps(values: Sequence[Any] | np.ndarray, s: Any, half_width: float, size: float) -> Any:
    """The value of the part of an axis in which a coordinate lies."""
    found = values[-1]
    for k in range(len(values) - 2, -1, -1):
        found = hp.where(s < -half_width + (k + 1) * size, values[k], found)
    return found
