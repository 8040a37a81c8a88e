"""Marches that begin with a layer in time, on domains that shapes cut out and on boxes."""

import math

import numpy as np
import pytest

import hermite_pinn as hp

LEVELS = [(4, 4, 4), (8, 8, 8), (16, 16, 16)]


def warmed(initial=0.0, **domain):
    """A plate that a hole warms at a constant rate: its heat grows like time."""
    box = hp.Box(**(domain or {"x": (-1, 1), "y": (-1, 1), "t": (0, 1)}))
    return hp.Problem(
        box - hp.Disk((0.0, 0.0), 0.4, name="hole"),
        "u",
        lambda u: u.t - u.laplacian,
        [
            hp.Neumann(u=1.0, on="hole"),
            hp.Neumann(u=0.0, on=["x-", "x+", "y-", "y+"]),
            hp.Initial(u=initial),
        ],
    )


def heat(solution, t):
    """Integral over the plate, by midpoints."""
    middles = (np.arange(300) + 0.5) / 150 - 1
    x, y = (v.ravel() for v in np.meshgrid(middles, middles))
    chosen = np.hypot(x, y) > 0.4
    x, y = x[chosen], y[chosen]
    return float(solution.u(x, y, np.full_like(x, t)).mean()) * (4 - math.pi * 0.4**2)


def test_heat_that_comes_in_stays_in():
    solution = hp.solve(warmed(), levels=LEVELS)
    rate = 2 * math.pi * 0.4
    for t in (0.3, 0.6, 1.0):
        assert heat(solution, t) == pytest.approx(rate * t, rel=2e-3)


def test_a_symmetric_problem_stays_symmetric():
    solution = hp.solve(warmed(), levels=LEVELS[:2])
    x, y, t = np.array([0.5, 0.9, 0.2]), np.array([0.3, 0.7, 0.95]), np.array([0.05, 0.4, 1.0])
    u = solution.u(x, y, t)
    for other in (solution.u(-x, y, t), solution.u(x, -y, t), solution.u(y, x, t)):
        assert np.allclose(u, other, rtol=3e-3)  # points on the circle are not quite symmetric
