"""Derivatives of a solution: up to what its basis has, whatever the problem asked for, and from files, too."""

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn import pi, sin


def beam():
    """A clamped beam whose deflection is x**2 (1 - x)**2."""
    conditions = [hp.Dirichlet(u=0.0), hp.Neumann(u=0.0)]
    return hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.xxxx - 24, conditions, max_order=4)


def test_the_shear_force_of_a_beam(tmp_path):
    solution = hp.solve(beam(), levels=2, progress=False)
    solution.save(tmp_path / "beam.h5")
    x = np.linspace(0, 1, 7)
    for u in (solution.u, hp.Solution.load(tmp_path / "beam.h5").u):
        assert np.allclose(u.xxx(x), 24 * x - 12, atol=1e-7)
        assert np.allclose(u.xxxx(x), 24.0, atol=1e-4)
        assert np.allclose(u.x.xx(x), u.xxx(x))


def test_mixed_derivatives_go_beyond_the_order_of_the_equation():
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        "u",
        lambda u, x, y: u.laplacian + 2 * pi**2 * sin(pi * x) * sin(pi * y),
        [hp.Dirichlet(u=0.0)],
    )
    u = hp.solve(problem, tol=1e-6, progress=False).u
    assert abs(u.xxyy(0.3, 0.4) - pi**4 * np.sin(0.3 * pi) * np.sin(0.4 * pi)) < 1e-1 * pi**4


def test_advice_for_higher_derivatives_works():
    problem = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u.xx - 60 * x**4, [hp.Dirichlet(u=0.0)])
    solution = hp.solve(problem, levels=1, field=hp.Field(basis="cubic"), progress=False)
    with pytest.raises(hp.InvalidArgumentError, match=r"u.xxxx .*cubic basis .* order 3 .*basis='quintic'"):
        solution.u.xxxx(0.5)
    finer = hp.solve(problem, levels=3, field=hp.Field(basis="quintic"), progress=False)
    assert abs(finer.u.xxxx(0.4) - 720 * 0.4**2) < 5.0


def test_a_network_has_two():
    problem = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.xx - 1, [hp.Dirichlet(u=0.0)])
    solution = hp.solve(problem, method=hp.Adam(steps=2, points=16), levels=2, progress=False)
    assert np.isfinite(solution.u.xx(0.5))
    with pytest.raises(hp.InvalidArgumentError, match="read through a network has them up to order 2"):
        solution.u.xxx(0.5)
