"""References for problems on cut domains agree with known solutions, and with each other."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.validation.geometry import CASES, Case, Measured, Outcome, run_case, to_json, to_markdown
from hermite_pinn.validation.references import finite_elements
from hermite_pinn.validation.references.multipoles import fit_boundary, four_discs, poisson2d_cg
from hermite_pinn.validation.references.pinnacle import read_table, relative_error, shared_file
from hermite_pinn.validation.references.plane_meshes import Ring, graded, plane_mesh
from hermite_pinn.validation.references.random_walks import potential_about, walk_on_spheres

needs_fem = pytest.mark.skipif(importlib.util.find_spec("skfem") is None, reason="scikit-fem is not installed")


def table(name):
    try:
        return read_table(name)
    except InvalidArgumentError as error:
        pytest.skip(str(error))


# -- multipoles ---
@pytest.mark.parametrize("k", [0.0, 3.0])
def test_a_boundary_fit_finds_a_known_solution(k):
    """Poles inside the holes and a regular part, which the basis does not hold as such."""

    def exact(x, y):
        slow = np.exp(np.hypot(k, 1.0) * x) * np.sin(y) if k else np.exp(x) * np.sin(y)
        return slow + (0 if k else np.log(np.hypot(x - 0.35, y - 0.28)))

    discs = [(0.3, 0.3, 0.2), (-0.4, 0.1, 0.15)]
    fit = fit_boundary(1.0, discs, exact, [exact, exact], k, order=16, regular=24)
    assert fit.misfit < 1e-8
    x, y = np.random.default_rng(0).uniform(-1, 1, (2, 500))
    left = np.all([np.hypot(x - p, y - q) > r for p, q, r in discs], 0)
    assert np.abs(fit(x[left], y[left]) - exact(x[left], y[left])).max() <= 2 * fit.misfit


def test_the_fit_of_the_four_discs_states_its_accuracy():
    assert four_discs().misfit < 1e-9
    rows = table("poisson2d_C_accurate.txt")
    assert relative_error(four_discs()(*rows[:, :2].T), rows[:, 2]) < 1e-9


@pytest.mark.slow
def test_the_fit_of_the_screened_equation_states_its_accuracy():
    u = poisson2d_cg()
    assert u.misfit < 2e-7
    h, (x, y) = 1e-3, np.array([[0.0, -0.9, 0.93], [0.1, -0.2, 0.95]])
    laplacian = (u(x + h, y) + u(x - h, y) + u(x, y + h) + u(x, y - h) - 4 * u(x, y)) / h**2
    source = 10 * (17 + x**2 + y**2) * np.sin(np.pi * x) * np.sin(4 * np.pi * y)
    assert np.abs(64 * u(x, y) - laplacian - source).max() < 2e-2
    rows = table("poisson2d_CG_accurate.txt")
    assert relative_error(u(*rows[:, :2].T), rows[:, 2]) < 1e-7


# -- walks ---
def test_walks_find_a_harmonic_function_about_a_ball():
    """Boundary values of x^2 - y^2 in a cube without a ball; four standard errors, and the shell."""
    points = np.random.default_rng(1).uniform(0.05, 0.95, (40, 3))
    points = points[np.linalg.norm(points - 0.5, axis=1) > 0.35][:12]

    def distance(x):
        return np.minimum(np.minimum(x, 1 - x).min(1), np.linalg.norm(x - 0.5, axis=1) - 0.3)

    found = walk_on_spheres(points, distance, lambda x: x[:, 0] ** 2 - x[:, 1] ** 2, walks=400, seed=3)
    assert (np.abs(found.values - points[:, 0] ** 2 + points[:, 1] ** 2) < 4 * found.noise + 1e-3).all()
    assert 0 < found.noise.max() < 0.05


class Ball:
    """A ball in the middle of the cube, as a mesh would be."""

    def signed_distance(self, x):
        return np.linalg.norm(x - 0.5, axis=0) - 0.25


def test_the_table_of_distances_changes_nothing_but_the_time():
    points = np.array([[0.5, 0.5, 0.85], [0.1, 0.1, 0.1], [0.5, 0.2, 0.5]])
    coarse, fine = (potential_about(Ball(), points, walks=2000, cells=cells) for cells in (8, 32))
    assert (np.abs(coarse.values - fine.values) < 4 * np.hypot(coarse.noise, fine.noise)).all()
    assert (np.argsort(coarse.values) == [1, 0, 2]).all()


# -- finite elements ---
@needs_fem
def test_curved_cells_have_the_area_of_the_domain_to_fourth_order():
    from skfem import Basis, ElementQuad2

    errors = []
    for n in (8, 16):
        line = graded([0, 1], [1 / n, 1 / n])
        mesh = plane_mesh(
            line, line, [Ring((0.5, 0.45), 0.18, (0.25, 0.25), (0.75, 0.75), n // 4)], [(0, 0, 0.25, 0.125)]
        )
        area = Basis(mesh, ElementQuad2(), intorder=5).dx.sum()
        errors.append(abs(area - (1 - np.pi * 0.18**2 - 0.25 * 0.125)))
    assert errors[0] / errors[1] > 12
    with pytest.raises(ValueError, match="does not enclose"):
        plane_mesh(line, line, [Ring((0.5, 0.45), 0.3, (0.25, 0.25), (0.75, 0.75), 2)])


@needs_fem
def test_a_channel_without_obstacles_has_a_parabola():
    line = graded([0, 2], [0.25, 0.25]), graded([0, 1], [0.125, 0.125])
    for outlet in ("gradient", "suppressed"):
        flow = finite_elements.channel_flow(plane_mesh(*line), 0.1, lambda y: 4 * y * (1 - y), 2.0, outlet)
        x, y = np.random.default_rng(0).random((2, 50)) * [[2], [1]]
        found = flow(x, y)
        assert np.abs(found["u"] - 4 * y * (1 - y)).max() < 1e-9
        assert np.abs(found["v"]).max() < 1e-9
        assert np.abs(found["p"] - 0.8 * (2 - x)).max() < 1e-8
    with pytest.raises(InvalidArgumentError, match="1 points lie outside"):
        flow(np.array([3.0]), np.array([0.5]))


def test_the_marching_scheme_is_of_third_order():
    from scipy import sparse

    def error(steps):
        (u,) = finite_elements._march(
            sparse.eye(1, format="csc"), sparse.csc_matrix([[2.0]]), np.ones(1), np.array([1.0]), steps
        )
        return abs(u[0] - (1 - np.exp(-2)) / 2)

    assert error(16) < 1e-4
    assert error(16) / error(32) > 5


@needs_fem
@pytest.mark.slow
def test_the_heat_of_the_discs_is_that_of_the_benchmark():
    """The first rows of the benchmark's table, itself good to some 1e-4."""
    x, y = np.array([[-7.843955186670439, -8, -7.761194029850675], [-11.83728611734195, -12, -12]])
    at_one, at_end = (state(x, y)["u"] for state in finite_elements.heat2d_cg([1.0, 3.0], 0.35, 40))
    assert np.abs(at_one - [0.0819955846, 0.0862307461, 0.0835763815]).max() < 6e-4
    assert np.abs(at_end - [0.2000916289, 0.1740578458, 0.1927778844]).max() < 3e-4


@needs_fem
@pytest.mark.slow
def test_the_flow_over_the_step_is_that_of_the_benchmark():
    flow = finite_elements.step_flow(0, outlet="suppressed", size=0.12, corner=0.04)
    rows = table("ns_0_obstacle.dat.gz")
    found = flow(rows[:, 0], rows[:, 1])
    assert relative_error(np.stack([found["u"], found["v"]]), rows[:, 2:4].T) < 5e-3


# -- the suite ---
def test_names_of_cases_are_those_of_files():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_") for name in names)


def fake(**changes):
    given = {
        "name": "a",
        "title": "a case",
        "work": lambda seed, device, seconds: Measured({"error": 1e-3, "other": 1.0}, 2.0),
    }
    return Case(**(given | {"limits": {"error": 1e-2}, "seconds": 3.0} | changes))


def test_a_case_is_judged_by_its_limits_alone():
    assert run_case(fake()).mark == "reached"
    assert run_case(fake(limits={"error": 1e-4})).mark == "MISSED"
    assert run_case(fake(seconds=1.0)).mark == "MISSED"

    def fails(seed, device, seconds):
        raise InvalidArgumentError("it does not work")

    failed = run_case(fake(work=fails))
    assert (failed.mark, failed.reached) == ("FAILED", False)
    assert "it does not work" in failed.line


def test_a_case_whose_files_are_missing_is_skipped_with_a_reason(monkeypatch, tmp_path):
    monkeypatch.setenv("HERMITE_PINN_SHARED", str(tmp_path))
    skipped = run_case(fake(needs=(("meshes", "bunny.obj"),)))
    assert skipped.skipped
    assert "bunny.obj is needed and is not there" in skipped.line
    assert "HERMITE_PINN_SHARED" in to_markdown([skipped])
    (tmp_path / "meshes").mkdir()
    (tmp_path / "meshes" / "bunny.obj").touch()
    assert run_case(fake(needs=(("meshes", "bunny.obj"),))).reached
    assert shared_file("meshes", "bunny.obj") == Path(os.environ["HERMITE_PINN_SHARED"], "meshes", "bunny.obj")


def test_a_table_has_a_row_for_every_outcome():
    outcomes = [run_case(fake()), Outcome(fake(), reason="no time", skipped=True)]
    assert len(to_markdown(outcomes).splitlines()) == 2 + len(outcomes)
    assert [row["outcome"] for row in to_json(outcomes)] == ["reached", "skipped"]
