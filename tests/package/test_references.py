"""The computed reference solutions: they converge, and agree with independent knowledge."""

import numpy as np
import pytest
from numpy.polynomial import legendre

from hermite_pinn import problems
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.problems.allen_cahn import _initial_coefficients
from hermite_pinn.problems.references import cole_hopf, regularised_cavity, spectral_history, stream_function
from hermite_pinn.validation.references import GHIA_RE100, centre_line_error


def points(count, lower, upper, time, seed=0):
    random = np.random.default_rng(seed)
    return random.uniform(lower, upper, count), random.uniform(0, time, count)


@pytest.mark.parametrize("nu", [1.0, 0.1, 0.01 / np.pi, 1e-4])
def test_quadrature_of_cole_and_hopf_has_converged(nu):
    x, t = points(500, -1, 1, 1.0)
    x[:100] *= 0.01  # into the layer
    assert np.abs(cole_hopf(x, t, nu) - cole_hopf(x, t, nu, refine=2)).max() < 1e-12
    assert np.abs(cole_hopf(x, 0 * t, nu) + np.sin(np.pi * x)).max() < 1e-12
    assert np.abs(cole_hopf(-x, t, nu) + cole_hopf(x, t, nu)).max() < 1e-12


def test_slow_decay_of_cole_and_hopf_follows_the_heat_equation():
    """For a large viscosity the solution is the decaying sine up to the square of its Reynolds number."""
    x = np.linspace(-1, 1, 50)
    found = cole_hopf(x, np.full(50, 0.01), 100.0)
    assert np.abs(found + np.sin(np.pi * x) * np.exp(-(np.pi**2))).max() < 1e-6


def burgers(modes, tol, steps=32):
    return spectral_history(
        lower=-1.0,
        length=2.0,
        linear=lambda ik: 0.05 * ik**2,
        nonlinear=lambda u: -0.5 * u(0) ** 2,
        degree=2,
        outer=1,
        start=lambda x: -np.sin(np.pi * x),
        segments=[0.0, 0.5, 1.0],
        modes=modes,
        tol=tol,
        steps=steps,
    )


def test_spectral_solver_agrees_with_cole_and_hopf():
    history = burgers(96, 1e-11)
    x, t = points(400, -1, 1, 1.0)
    assert np.abs(history(x, t) - cole_hopf(x, t, 0.05)).max() < 1e-8


def test_tensor_grids_and_scattered_points_agree():
    history = burgers(48, 1e-8)
    x, t = np.meshgrid(np.linspace(-1, 1, 7), np.linspace(0, 1, 5), indexing="ij")
    scattered = history(x.ravel(), t.ravel()).reshape(7, 5)
    for a, b in [(np.linspace(-1, 1, 7)[:, None], np.linspace(0, 1, 5)[None]), (x, t)]:
        assert np.abs(history(a, b) - scattered).max() < 1e-12
    broadcast = np.broadcast_arrays(np.linspace(0, 1, 5)[:, None], np.linspace(-1, 1, 7)[None])
    assert np.abs(history(broadcast[1], broadcast[0]) - scattered.T).max() < 1e-12
    assert history(np.array(0.5), np.array(0.5)).shape == ()


def test_derivatives_in_space_are_those_of_the_series():
    history = burgers(48, 1e-8)
    x, t = points(50, -1, 1, 1.0)
    h = 1e-4
    differences = (history(x + h, t) - 2 * history(x, t) + history(x - h, t)) / h**2
    assert np.abs(history(x, t, 2) - differences).max() < 1e-3 * np.abs(differences).max()


def test_times_outside_and_hopeless_settings_are_errors():
    history = burgers(32, 1e-6)
    with pytest.raises(InvalidArgumentError, match="covers t from 0 to 1"):
        history(np.array([0.0]), np.array([1.5]))
    with pytest.raises(InvalidArgumentError, match="does not settle"):
        spectral_history(
            lower=0.0,
            length=1.0,
            linear=lambda ik: 0 * ik,
            nonlinear=lambda u: 1e6 * u(0) ** 2,
            degree=2,
            start=np.cos,
            segments=[0.0, 1.0],
            modes=8,
            most_steps=64,
        )


def test_initial_coefficients_of_allen_cahn():
    x = np.linspace(-1, 1, 41)
    series = np.cos(np.pi * np.outer(x + 1, np.arange(20000))) @ _initial_coefficients(20000)
    assert np.abs(series - x**2 * np.cos(np.pi * x)).max() < 1e-4  # the corner at x = 1 converges like 1 / modes
    assert np.abs(series - x**2 * np.cos(np.pi * x))[1:-1].max() < 1e-7


@pytest.mark.parametrize(("reynolds", "tolerance"), [(10.0, 3e-6), (100.0, 2e-5)])
def test_the_cavity_converges(reynolds, tolerance):
    s = np.linspace(-1, 1, 40)
    coarse, fine = (
        legendre.leggrid2d(s, s, legendre.legder(stream_function(reynolds, n), 1, axis=1)) for n in (24, 32)
    )
    assert np.linalg.norm(coarse - fine) < tolerance * np.linalg.norm(fine)


def test_the_cavity_satisfies_its_conditions():
    reynolds, x = 10.0, np.linspace(0, 1, 20)
    assert np.abs(regularised_cavity(x, 0 * x + 1, reynolds, "u") - 16 * x**2 * (1 - x) ** 2).max() < 1e-12
    for field in ("u", "v"):
        assert np.abs(regularised_cavity(0 * x, x, reynolds, field)).max() < 1e-12
        assert np.abs(regularised_cavity(x, 0 * x, reynolds, field)).max() < 1e-12


def test_the_table_of_ghia_is_whole():
    for name, end in (("u", 1.0), ("v", 0.0)):
        table = GHIA_RE100[name]
        assert table.shape == (17, 2)
        assert (np.diff(table[:, 0]) > 0).all()
        assert table[0].tolist() == [0.0, 0.0]
        assert table[-1].tolist() == [1.0, end]
    assert centre_line_error(lambda x, y: 0 * x + 1, lambda x, y: 0 * x)["u"] > 1.2


def test_a_reference_tells_its_accuracy():
    x, t = points(400, -1, 1, 1.0)
    for modes in (24, 96):
        history = burgers(modes, 1e-7)
        assert np.abs(history(x, t) - cole_hopf(x, t, 0.05)).max() < 10 * history.accuracy


def test_a_tolerance_below_rounding_ends_at_what_is_reached():
    history = burgers(64, 1e-30)
    x, t = points(400, -1, 1, 1.0)
    assert np.abs(history(x, t) - cole_hopf(x, t, 0.05)).max() < 1e-8
    assert history.accuracy < 1e-9


def test_too_few_modes_are_an_error():
    with pytest.raises(InvalidArgumentError, match=r"does not settle: its error is .* with 6 modes"):
        burgers(6, 1e-8)


def test_chaotic_times_are_refused_when_the_problem_is_made():
    with pytest.raises(InvalidArgumentError, match=r"up to time=1\.52 with these coefficients"):
        problems.kuramoto_sivashinsky(time=2.0)
    problems.kuramoto_sivashinsky(time=1.5)
    problems.kuramoto_sivashinsky(beta=-1.0, time=5.0)  # nothing grows
