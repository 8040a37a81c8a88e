"""How fine cells and steps of a march along one axis have to be at first, to see all that is prescribed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.program import Leaf, Program, Value, depends_on, leaves
from hermite_pinn.geometry.quadrature import gauss_axis
from hermite_pinn.problem.problem import Problem

from .line_equations import LineEquation

__all__ = ["first_scales", "seen_with"]

FINE, ACROSS = 4096, 64  # points along an axis, and along the other one
CLOSE = 0.1  # part of the mean square by which coarse points may be wrong
MOST_CELLS, MOST_STEPS = 512, 1024
FRACTION = 0.5 * (5.0**0.5 - 1.0)  # shifts the points across from the middle, where much is symmetric


def first_scales(
    problem: Problem, equations: Sequence[LineEquation], cells: int, steps: int, points: int, stages: int
) -> tuple[int, int]:
    """Cells and steps whose points see sources, coefficients, states and conditions.

    Parameters
    ----------
    problem, equations
        With one axis of space.
    cells, steps
        The least.
    points, stages
        Of a cell, and of a step.

    Returns
    -------
    cells, steps
        Those given, doubled until their points tell the mean squares of what is prescribed.
    """
    domain = problem.domain
    (space,), time = domain.space_axes, domain.time_axis
    assert time is not None
    begin = domain.lower[time]
    for value in _prescribed(problem, equations):
        own = {data for kind, data in leaves(value) if kind == "coordinate"}
        if domain.names[space] in own:
            times = begin + domain.lengths[time] * _across(domain.names[time] in own)
            cells = seen_with(_sampled(value, problem, space, times), cells, points, MOST_CELLS)
        if domain.names[time] in own:
            places = domain.lower[space] + domain.lengths[space] * _across(domain.names[space] in own)
            steps = seen_with(_sampled(value, problem, time, places), steps, stages, MOST_STEPS)
    return cells, steps


def _across(varies: bool) -> np.ndarray:
    return (np.arange(ACROSS) + FRACTION) / ACROSS if varies else np.zeros(1)


def _prescribed(problem: Problem, equations: Sequence[LineEquation]) -> Iterator[Expr]:
    """Expressions without fields: sources, coefficients, and values of conditions."""
    for e in equations:
        yield problem.plan.known(e.term.term.residual)
        yield from (s for s in e.term.variable.values() if not depends_on(s, ["jet"]))
    yield from (t.trace.value for t in problem.terms if t.trace is not None)


def _sampled(value: Expr, problem: Problem, axis: int, across: np.ndarray) -> np.ndarray:
    """Absolute values at fine points along an axis, (points across, points)."""
    domain = problem.domain
    x = domain.lower[axis] + domain.lengths[axis] * (np.arange(FINE) + 0.5) / FINE
    program = Program([value])
    env: dict[Leaf, Value] = {
        ("coordinate", domain.names[axis]): torch.as_tensor(x)[None, :],
        ("coordinate", domain.names[1 - axis]): torch.as_tensor(across)[:, None],
    }
    for leaf in program.leaves - env.keys():
        env[leaf] = 0.0
    found = torch.as_tensor(program.run(env)[0], dtype=torch.float64).expand(len(across), FINE)
    return found.abs().nan_to_num(0.0, 0.0, 0.0).numpy()


def seen_with(values: np.ndarray, cells: int, points: int, most: int) -> int:
    """Cells, doubled until the mean square at Gauss points is that of fine values along an axis.

    Parameters
    ----------
    values
        At equal distances along the last axis; all rows count, beside the largest.
    cells, points
        At least so many, with so many Gauss points each.
    most
        Cells at most.

    Examples
    --------
    >>> import numpy as np
    >>> x = (np.arange(4096) + 0.5) / 4096
    >>> [seen_with(np.exp(-(((x - 0.3) / w) ** 2))[None], 8, 7, 512) for w in (1e-1, 1e-3)]
    [8, 512]
    """
    squares = values**2
    true = squares.mean(1)
    while cells < most:
        at, weights = gauss_axis(0.0, 1.0, cells, points)
        found = squares[:, np.minimum((at * values.shape[1]).astype(int), values.shape[1] - 1)] @ weights
        if float(np.abs(found - true).max()) <= CLOSE * float(true.max()):
            break
        cells *= 2
    return cells
