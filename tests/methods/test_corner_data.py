"""Problems whose prescribed values do not fit together at corners of the box, by the default call."""

from __future__ import annotations

import numpy as np
import pytest

import hermite_pinn as hp

SQUARE = hp.Box(x=(0, 1), y=(0, 1))
MIDDLE = np.array([0.5]), np.array([0.5])


def hot_lid(convection: float = 0.0) -> hp.Problem:
    return hp.Problem(
        SQUARE,
        "u",
        lambda u: u.laplacian - convection * u * u.x,
        [hp.Dirichlet(u=1.0, on="y+"), hp.Dirichlet(u=0.0, on=["x-", "x+", "y-"])],
    )


def test_a_jump_of_values_costs_no_accuracy():
    solution = hp.solve(hot_lid(), tol=1e-5, progress=False)
    assert solution.status is hp.Status.CONVERGED
    assert float(solution.u(*MIDDLE)[0]) == pytest.approx(0.25, abs=1e-9)  # by symmetry
    k = np.arange(1, 80, 2)
    series = (4 / (np.pi * k) * np.sin(0.3 * np.pi * k) * np.sinh(0.8 * np.pi * k) / np.sinh(np.pi * k)).sum()
    assert float(solution.u(np.array([0.3]), np.array([0.8]))[0]) == pytest.approx(series, abs=1e-5)


def test_the_estimate_is_that_of_the_whole_solution_and_a_file_keeps_it(tmp_path):
    first, last = (hp.solve(hot_lid(2.0), levels=n, progress=False) for n in (3, 5))
    x, y = np.random.default_rng(0).uniform(size=(2, 2000))
    error = np.linalg.norm(first.u(x, y) - last.u(x, y)) / np.linalg.norm(last.u(x, y))
    assert error / 3 < first.estimated_error < 10 * error
    first.save(tmp_path / "lid.h5")
    assert np.array_equal(hp.Solution.load(tmp_path / "lid.h5").u(x, y), first.u(x, y))


def test_a_run_is_continued_to_the_same_bits(tmp_path):
    class Stop(hp.Callback):
        def on_step(self, state):
            return "enough" if state.level == 2 else None

    whole = hp.solve(hot_lid(1.0), levels=3, checkpoint=tmp_path / "a.h5", progress=False)
    hp.solve(hot_lid(1.0), levels=3, checkpoint=tmp_path / "b.h5", callbacks=[Stop()], progress=False)
    again = hp.solve(hot_lid(1.0), levels=3, resume=tmp_path / "b.h5", progress=False)
    x, y = np.random.default_rng(0).uniform(size=(2, 100))
    assert np.array_equal(again.u(x, y), whole.u(x, y))
    assert again.estimated_error == whole.estimated_error


@pytest.mark.slow
def test_the_classical_cavity_has_the_values_of_a_spectral_method():
    """Values of O. Botella and R. Peyret, Computers and Fluids 27, 421 (1998), from Chebyshev series."""
    solution = hp.solve(hp.problems.cavity(), levels=3, progress=False)
    at = np.array([0.5])
    assert float(solution.u(at, at)[0]) == pytest.approx(-0.20915, abs=3e-3)
    assert float(solution.u(at, np.array([0.4581]))[0]) == pytest.approx(-0.2140424, abs=3e-3)
    assert float(solution.v(np.array([0.8104]), at)[0]) == pytest.approx(-0.2538030, abs=4e-3)
    assert solution.estimated_error > 1e-3


@pytest.mark.slow
def test_the_classical_cavity_converges_at_second_order():
    errors = []
    for levels in (3, 4, 5):
        solution = hp.solve(hp.problems.cavity(), levels=levels, progress=False)
        errors.append(abs(float(solution.u(np.array([0.5]), np.array([0.4581]))[0]) + 0.2140424))
    assert errors[1] < errors[0] / 3
    assert errors[2] < min(2e-4, errors[1] / 2)
