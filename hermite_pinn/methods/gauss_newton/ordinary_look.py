"""What a march through ordinary differential equations has missed between its points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from scipy.integrate import trapezoid

from hermite_pinn.geometry import Samples
from hermite_pinn.geometry.quadrature import sobol_cube
from hermite_pinn.problem.problem import Problem

from .peaks import candidates
from .radau_march import RadauCourse
from .state_equations import StateEquations

__all__ = ["driven_sizes", "extreme_places", "watched_parts"]

DRIVEN, STILL = 2**14, 2**9  # points on the whole axis: where the equations depend on the place, and elsewhere
STARTS = 2**10  # points among which searches for extremes begin
HALVED, FEW = 40, 64  # distances about an extreme, and extremes at most
WITHIN = 4  # beside these, of every cell
NUMBERS = 2**23  # at most
MISSED = 30.0  # times the tolerance of a cell
DIVIDED = 8.0  # of a cell that has missed something
SHORTEST = 2.0**-40  # cell that is asked for, of the length of the axis


def watched_parts(
    equations: StateEquations, course: RadauCourse, ends: Sequence[float], tol: float, extremes: np.ndarray
) -> tuple[float, list[tuple[float, float, float]]]:
    """What the defects at many points ask for, and where cells have to be shorter for them.

    A march looks at each of its cells at a few points, and a source that acts for a short time may lie between them.

    Parameters
    ----------
    equations, course
        What was solved, and how.
    ends
        Of the axis, and of its pieces.
    tol
        Of the march.
    extremes
        Places where what drives the equations may act for a short time, see :func:`extreme_places`.

    Returns
    -------
    missed, parts
        In the mean square, relative to the size of the component for which it is largest; ``(start, end, longest
        cell)`` of each part.
    """
    knots, n = np.array(course.knots), equations.count
    most = NUMBERS // (n * (course.points.count + n))
    whole = sobol_cube(1, DRIVEN if equations.driven else STILL, 0).numpy().ravel()[:most]
    within = np.random.default_rng(0).random((course.cells, WITHIN))
    inner = (knots[:-1, None] + np.diff(knots)[:, None] * within).ravel()
    times = np.concatenate([ends[0] + (ends[-1] - ends[0]) * whole, inner])
    if len(times) > most:
        times = times[:: -(-len(times) // most)]
    times = np.concatenate([times, extremes])
    cell = np.clip(np.searchsorted(knots, times, side="right") - 1, 0, course.cells - 1)
    rest = equations.residuals(times, course.values(times), course.values(times, 1))
    wrong = np.abs(np.einsum("pij,jp->ip", np.stack(course.filters)[cell], rest))
    lengths, running = np.diff(knots), np.stack(course.sizes)
    sizes = np.sqrt(np.average(course.means, axis=0, weights=lengths))
    noise = np.stack(course.noises)[cell].T
    wrong = np.where(np.isfinite(wrong), np.maximum(wrong - noise, 0.0), 0.0)
    relative = wrong / np.where(sizes > 0, sizes, np.inf)[:, None]
    missed = float(np.sqrt(np.mean(relative[:, : len(whole)] ** 2, 1)).max())
    bad = (wrong > MISSED * tol * running[cell].T).any(0)
    parts = []
    for k in np.unique(cell[bad]).tolist():
        length = (knots[k + 1] - knots[k]) / DIVIDED
        if length > SHORTEST * (ends[-1] - ends[0]):
            parts.append((float(knots[k]), float(knots[k + 1]), float(length)))
    return missed, parts


def extreme_places(problem: Problem) -> np.ndarray:
    """Coordinates (n,) near where parts of the equations that depend on the coordinate alone are extreme or steep.

    Their expressions tell, however short the time is for which they act.  Beside each come places at distances that are
    halved again and again.
    """
    unit = sobol_cube(1, STARTS, 0).reshape(1, -1)
    samples = Samples(problem.domain.lower[0] + problem.domain.lengths[0] * unit)
    found = [
        candidates(problem, problem.plan.known(t.residual), samples) for t in problem.terms if t.region.is_interior
    ]
    centres = np.unique(torch.cat([f[0] for f in found]).numpy()) if found else np.zeros(0)
    lower, length = problem.domain.lower[0], problem.domain.lengths[0]
    distances = length * 0.5 ** np.arange(1, HALVED + 1)
    about = (centres[:FEW, None] + np.concatenate([-distances, [0.0], distances])).ravel()
    return np.unique(about[(lower <= about) & (about <= lower + length)])


def driven_sizes(
    equations: StateEquations, ends: Sequence[float], start: np.ndarray, extremes: np.ndarray
) -> np.ndarray:
    """How far what depends on the place alone could drive each component from its start, (n,).

    That is the integral of the rate of change by it over the axis: more than a component that decays fast comes to, and
    zero where nothing depends on the place.
    """
    sizes = np.zeros(equations.count)
    if not equations.driven:
        return sizes
    whole = ends[0] + (ends[-1] - ends[0]) * sobol_cube(1, DRIVEN, 0).numpy().ravel()
    most = max(2, NUMBERS // equations.count)
    places = np.unique(np.concatenate([ends[:1], whole[:most], extremes, ends[-1:]]))
    values = np.broadcast_to(start[:, None], (equations.count, len(places)))
    rest = equations.residuals(places, values, np.zeros_like(values))
    moved = np.abs(rest - rest[:, :1])
    moved = trapezoid(np.where(np.isfinite(moved), moved, 0.0), places, axis=1)
    _, _, by_slope = equations.evaluate(places[:1], values[:, :1], np.zeros((equations.count, 1)))
    try:
        rates = np.abs(np.linalg.inv(by_slope[0])) @ moved
    except np.linalg.LinAlgError:
        return sizes
    return np.where(np.isfinite(rates), rates, 0.0)
