"""Whether the start values of ordinary differential equations leave the solution open.

There are two ways in which they may.  Where the equations cannot be solved for the rates of change at the start (the
coefficient of a highest derivative vanishes there), functions that grow like a power of the distance from it, or more
slowly than any power, may satisfy the linearised equations: those that do not touch what is given can be added.  And
where the rates grow faster than any multiple of the distance from a state of rest, solutions leave it at any time.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.field import GridField
from hermite_pinn.problem.problem import Problem

from .ordinary_choice import stated_equations
from .state_equations import StateEquations

__all__ = ["open_start"]

NEAR, NEARER = 2.0**-18, 2.0**-22  # of the length of the axis: distances from the start
SINGULAR = 1e-10  # smallest singular value of a matrix whose rows are of size one
SETTLED = 1e-2  # relative difference of matrices at the two distances, that have a limit
ABOVE = 1e-3  # an exponent that is larger by this than the order of a derivative lets that vanish
TOUCHED = 1e-5  # of a function: a smaller component is none
FAR = (0.0, 1e-3, 0.1, 0.5, 0.9)  # of the axis: places at which a state is seen to be at rest
STEPS = (-30, -40)  # exponents of two: distances from that state
STEEP = 0.1  # power of the distance with which rates rise beyond a multiple of it


def open_start(problem: Problem, field: GridField) -> str | None:
    """What start values of a problem leave open, as a sentence; None where they do not, or where it is another problem.

    Parameters
    ----------
    problem
        What was solved.
    field
        A solution of it, at which nonlinear equations are linearised.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> problem = hp.Problem(hp.Box(t=(0, 1)), "u", lambda u, t: t * u.t - 3 * u, [hp.Initial(u=0.0)])
    >>> hp.solve(problem, progress=False).status.label
    'undetermined'
    """
    stated = stated_equations(problem)
    if stated is None:
        return None
    equations, ends, given = stated
    start, length = ends[0], ends[-1] - ends[0]
    with np.errstate(all="ignore"):
        values, slopes = _states(equations, field, np.array([start]))
        for i, state in enumerate(equations.states):
            values[i] = given.get(state, values[i])
        _, by_value, by_slope = equations.evaluate(np.array([start]), values, slopes)
        where = f"{equations.time}={equations.coordinate(start):g}"
        if _singular(by_slope[0]):
            power = _open_exponent(equations, field, start, length, given)
            if power is not None:
                distance = f"|{equations.time} - {equations.coordinate(start):g}|" if start else equations.time
                like = f"{distance}**{power:.3g}"
                return (
                    f"the highest derivative has no share in the equations at {where}, and functions like {like} "
                    "satisfy them and the start values there: give the value or a derivative at another place"
                )
        elif not np.isfinite(by_value).all() and _leaves_rest(equations, values[:, 0], ends):
            return (
                f"the state at {where} is one of rest that solutions leave at any time, since rates grow faster there "
                "than any multiple of the distance: give a start that is not at rest"
            )
    return None


def _singular(matrix: np.ndarray) -> bool:
    """Whether a square matrix, with rows of size one, has no inverse."""
    rows = np.abs(matrix).max(1, keepdims=True)
    if not np.isfinite(matrix).all():
        return False
    return not (rows > 0).all() or bool(np.linalg.svd(matrix / rows, compute_uv=False)[-1] < SINGULAR)


def _states(equations: StateEquations, field: GridField, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """States and their rates of change at places, each (n, p), by a field."""
    direction = equations.coordinate(1.0)
    orders = range(max(k for _, k in equations.states) + 2)
    at = torch.as_tensor(direction * places[None]).to(field.device, field.dtype)
    jets = field.evaluate(at, Channels(1, tuple(((1.0, (k,)),) for k in orders))).to("cpu", torch.float64).numpy()
    own = [(field.names.index(name), k) for name, k in equations.states]
    return np.stack([jets[i, k] for i, k in own]), direction * np.stack([jets[i, k + 1] for i, k in own])


def _open_exponent(
    equations: StateEquations,
    field: GridField,
    start: float,
    length: float,
    given: Collection[tuple[str, int]],
) -> float | None:
    """The smallest power of the distance like which a function grows that no start value sees; None if there is none.

    The components are scaled by the powers of the distance with which their derivatives fall; then the equations are
    ``s z' = A(s) z``, and the powers are the eigenvalues of ``A(0)`` (Coddington and Levinson, *Theory of Ordinary
    Differential Equations*, chapter 4).  One function whose power rises without end, as ``exp(-1 / s)``, counts too.
    """
    orders = np.array([k for _, k in equations.states])
    scaled = []
    for part in (NEAR, NEARER):
        s = part * length
        place = np.array([start + s])
        s = float(place[0] - start)
        _, by_value, by_slope = equations.evaluate(place, *_states(equations, field, place))
        if not (np.isfinite(by_value).all() and np.isfinite(by_slope).all()) or not _solvable(by_slope[0]):
            return None
        units = float(s) ** orders
        rates = -np.linalg.solve(by_slope[0], by_value[0])
        scaled.append(s * units[:, None] * rates / units + np.diag(orders))
    before, last = scaled
    if not np.isfinite(scaled).all():
        return None
    if not np.abs(last - before).max() <= SETTLED * (1.0 + np.abs(last).max()):
        alone = equations.count == 1 and last[0, 0] > before[0, 0] > 1.0
        return float(last[0, 0]) if alone else None
    powers, functions = np.linalg.eig(last)
    needed = np.array([state in given for state in equations.states])
    found = []
    for power, function in zip(powers.real, functions.T, strict=True):
        seen = needed & (np.abs(function) > TOUCHED * np.abs(function).max())
        if bool((power > orders[seen] + ABOVE).all()) and power > -ABOVE:
            found.append(float(power))
    return min(found, default=None)


def _solvable(matrix: np.ndarray) -> bool:
    """Whether a matrix has an inverse, whatever the sizes of its rows and columns."""
    rows = np.abs(matrix).max(1, keepdims=True)
    columns = np.abs(matrix / np.where(rows > 0, rows, 1.0)).max(0)
    return bool((rows > 0).all() and (columns > 0).all()) and not _singular(matrix / rows / columns)


def _leaves_rest(equations: StateEquations, state: np.ndarray, ends: tuple[float, ...]) -> bool:
    """Whether a state stays as it is, and solutions leave it nevertheless."""
    n = equations.count
    places = ends[0] + (ends[-1] - ends[0]) * np.array(FAR)
    still = np.broadcast_to(state[:, None], (n, len(places)))
    if equations.residuals(places, still, np.zeros_like(still)).any():
        return False
    for sign in (1.0, -1.0):
        growth = [_growth(equations, ends[0], state, sign * 2.0**k) for k in STEPS]
        octaves = STEPS[0] - STEPS[1]
        if growth[0] > 0 and np.log2(growth[1] / growth[0]) > STEEP * octaves:
            return True
    return False


def _growth(equations: StateEquations, place: float, state: np.ndarray, distance: float) -> float:
    """The largest rate of growth at a distance from a state, by a difference; NaN where there is none."""
    moved = state[:, None] + distance * np.eye(equations.count)
    rest, _, by_slope = equations.evaluate(np.full(equations.count, place), moved, np.zeros_like(moved))
    if not (np.isfinite(rest).all() and np.isfinite(by_slope).all() and all(_solvable(m) for m in by_slope)):
        return float("nan")
    quotients = -np.linalg.solve(by_slope, rest.T[:, :, None])[:, :, 0].T / distance
    return float(np.linalg.eigvals(quotients).real.max()) if np.isfinite(quotients).all() else float("nan")
