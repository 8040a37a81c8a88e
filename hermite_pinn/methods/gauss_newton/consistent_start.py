"""Start values of fields that have no derivative in differential-algebraic equations."""

from __future__ import annotations

import numpy as np

from .state_equations import StateEquations

__all__ = ["consistent_start"]

MOST = 200  # steps of Newton's method
SAME = 1e-9  # relative to the terms of an equation: what is given contradicts it no more than that
CLOSE = 1e-12  # change of a step of Newton's method, relative
SINGULAR = 1e-12  # smallest singular value of an equilibrated matrix, relative


def consistent_start(equations: StateEquations, place: float, start: np.ndarray) -> np.ndarray | None:
    """A state that satisfies differential-algebraic equations of index one at a place.

    The equations are solved for the rates of change of the components that have one and for the values of the others
    by Newton's method; what is given of the latter is where it begins and has to satisfy the equations.  Where nothing
    is given, two different beginnings have to lead to the same values.

    Parameters
    ----------
    equations, place
        What to solve, and where.
    start
        The state, (n,), NaN for components without a derivative that are not given.

    Returns
    -------
    ndarray or None
        None where there is no such state, or not only one: as where the index is higher than one.
    """
    free, missing = equations.algebraic, np.isnan(start)
    if not bool(np.isfinite(start[~missing]).all()) or bool(missing[~free].any()):
        return None
    size = float(np.abs(start[~missing]).max(initial=0.0)) or 1.0
    one, another = (_solved(equations, place, np.where(missing, first, start)) for first in (0.0, size))
    if one is None or another is None:
        return None
    (state, slopes, rounding), (other, _, _) = one, another
    if bool((np.abs(state - other) > SAME * (np.abs(state) + rounding)).any()):
        return None
    given = np.where(missing, state, start)
    rest, by_value, by_slope = equations.evaluate(np.array([place]), given[:, None], slopes[:, None])
    sizes = np.abs(by_value[0]) @ np.abs(given) + np.abs(by_slope[0]) @ np.abs(slopes)
    return state if bool((np.abs(rest[:, 0]) <= SAME * sizes).all()) else None


def _solved(
    equations: StateEquations, place: float, state: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """State and rates of change that satisfy the equations; of the former only what has no rate is changed.

    Third come the sizes of the terms that what was found is the sum of, to which its rounding is relative.
    """
    free, time = equations.algebraic, np.array([place])
    slopes = np.zeros_like(state)
    for _ in range(MOST):
        rest, by_value, by_slope = equations.evaluate(time, state[:, None], slopes[:, None])
        matrix = np.where(free[None, :], by_value[0], by_slope[0])
        if not (np.isfinite(matrix).all() and np.isfinite(rest).all()):
            return None
        rows = np.abs(matrix).max(1)
        columns = np.abs(matrix / np.where(rows > 0, rows, 1.0)[:, None]).max(0)
        if not ((rows > 0).all() and (columns > 0).all()):
            return None
        scaled = matrix / rows[:, None] / columns
        sizes = np.linalg.svd(scaled, compute_uv=False)
        if not sizes[-1] > SINGULAR * sizes[0]:
            return None
        move = np.linalg.solve(scaled, -rest[:, 0] / rows) / columns
        before = np.where(free, state, slopes)
        state, slopes = np.where(free, state + move, state), np.where(free, slopes, slopes + move)
        noise = np.abs(np.linalg.inv(scaled)) @ (
            (np.abs(by_value[0]) @ np.abs(state) + np.abs(by_slope[0]) @ np.abs(slopes)) / rows
        )
        if bool((np.abs(move) <= CLOSE * (np.abs(before) + noise / columns)).all()):
            return state, slopes, noise / columns
    return None
