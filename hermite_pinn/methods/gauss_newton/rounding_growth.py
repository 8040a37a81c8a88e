"""How much of its own rounding a march through ordinary differential equations multiplies until its end."""

from __future__ import annotations

import numpy as np

from .radau_march import RadauCourse
from .state_equations import StateEquations

__all__ = ["rounding_sizes"]

ROUNDED = 2.0**-53  # error of a component on a cell, relative to its value and its change there
NUMBERS = 2**22  # of matrices at once
MOST = 1e200  # of a covariance


def rounding_sizes(equations: StateEquations, course: RadauCourse) -> np.ndarray:
    """Root mean squares over the axis of the errors that rounding leaves in a march, (n,).

    Every cell rounds its state, independently of the others, and the linearised equations carry on what was rounded
    before.  Marches over other cells do not tell as much where they begin with the same roundings.

    Parameters
    ----------
    equations, course
        What was solved, and how.

    Returns
    -------
    ndarray
        Relative to nothing: of the units of the components.  Cells where the equations have no derivatives carry errors
        on as they are.

    Examples
    --------
    A solution that decays between others that grow as ``exp(t)``:

    >>> import hermite_pinn as hp
    >>> from hermite_pinn.methods.gauss_newton.radau_march import RadauMarch
    >>> from hermite_pinn.methods.gauss_newton.radau_points import radau_points
    >>> problem = hp.Problem(hp.Box(t=(0, 20)), "u", lambda u, t: u.t - u + 2 * hp.exp(-t), [hp.Initial(u=1.0)])
    >>> equations = StateEquations(problem, {"u": 1})
    >>> course = RadauMarch(equations, radau_points(7), (0.0, 20.0), np.array([1.0]), 1e-9).run()
    >>> bool(1e-9 < rounding_sizes(equations, course)[0] < 1e-7)
    True
    """
    count, n, one = course.points.count, equations.count, np.eye(equations.count)
    lengths = np.diff(np.array(course.knots))
    at_once = max(1, NUMBERS // (count * n) ** 2)
    spread, total = np.zeros((n, n)), np.zeros(n)  # of the errors at the end of a cell: covariances
    for first in range(0, course.cells, at_once):
        chosen = slice(first, first + at_once)
        carried = _carried(equations, course, chosen)
        carried = np.where(
            np.isfinite(carried).all((1, 2, 3), keepdims=True), carried, one
        )  # of kinks nothing is known
        starts, changes = np.stack(course.starts[:-1][chosen]), np.stack(course.changes[chosen])
        own = np.square(ROUNDED * (np.abs(starts) + np.abs(changes).max(2)))
        for ratios, size, length in zip(carried, own, lengths[chosen], strict=True):
            spreads = ratios @ (spread + np.diag(size)) @ ratios.transpose(0, 2, 1)
            total += length * (course.points.rule @ np.einsum("pii->pi", spreads))
            spread = np.clip(spreads[-1], -MOST, MOST)
    return np.asarray(np.sqrt(total / lengths.sum()))


def _carried(equations: StateEquations, course: RadauCourse, chosen: slice) -> np.ndarray:
    """From changes of the states at the starts of some cells to those at their points, (cells, count, n, n)."""
    points, n = course.points, equations.count
    count, changes = points.count, np.stack(course.changes[chosen])
    knots = np.array(course.knots)
    begin, length = knots[:-1][chosen], np.diff(knots)[chosen]
    cells = len(begin)
    times = (begin[:, None] + length[:, None] * points.points).reshape(-1)
    values = (np.stack(course.starts[:-1][chosen])[:, :, None] + changes).transpose(1, 0, 2).reshape(n, -1)
    rates = (changes @ points.slopes.T / length[:, None, None]).transpose(1, 0, 2).reshape(n, -1)
    _, by_value, by_slope = equations.evaluate(times, values, rates)
    by_value = length[:, None, None, None] * by_value.reshape(cells, count, n, n)
    by_slope = by_slope.reshape(cells, count, n, n)
    matrix = points.slopes[:, None, :, None] * by_slope[:, :, :, None, :]
    diagonal = np.arange(count)
    matrix[:, diagonal, :, diagonal, :] += by_value.transpose(1, 0, 2, 3)
    square = matrix.reshape(cells, count * n, count * n)
    rows = np.abs(square).max(2, keepdims=True)
    try:
        moved = np.linalg.solve(square / rows, -by_value.reshape(cells, count * n, n) / rows)
    except np.linalg.LinAlgError:
        return np.full((cells, count, n, n), np.nan)
    return np.asarray(moved.reshape(cells, count, n, n) + np.eye(n))
