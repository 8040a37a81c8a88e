"""The suite of rivals: what each code's order of convergence is, how times are compared, and what is kept."""

import importlib.util
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

import hermite_pinn as hp
from hermite_pinn.errors import CorruptFileError
from hermite_pinn.validation import rivals
from hermite_pinn.validation.rivals import calls, chebyshev, elements, evolution, ordinary, steps
from hermite_pinn.validation.rivals.curves import ratio_at, seconds_at
from hermite_pinn.validation.rivals.products import Products
from hermite_pinn.validation.rivals.timing import one_thread, shortest

needs_fem = pytest.mark.skipif(importlib.util.find_spec("skfem") is None, reason="scikit-fem is not installed")
FEM, SPECTRAL, SCIPY = "scikit-fem", "spectral", "SciPy"


def contest(name):
    return rivals.CONTESTS[name]()


def entrant(name, code):
    return next(e for e in contest(name).entrants if e.code == code)


def error(name, code, setting):
    return contest(name).error(entrant(name, code).solve(setting))


# -- the contests ---
def test_every_contest_has_this_package_first_and_its_rivals():
    kinds = set()
    for name in rivals.CONTESTS:
        made = contest(name)
        assert made.name == name
        others = [SCIPY] if made.kind == "ordinary" else [FEM, SPECTRAL]
        assert [e.code for e in made.entrants] == ["hermite_pinn", *others]
        assert list(made.targets) == sorted(made.targets, reverse=True)
        kinds.add(made.kind)
    assert kinds == {"stationary", "evolution", "inverse", "ordinary"}


def test_this_package_solves_the_same_problem():
    """A loose tolerance, for which coarse levels are enough: what is compared is the statement."""
    for name in ("variable", "nonlinear", "heat", "diffusivity"):
        assert error(name, "hermite_pinn", 1e-2) < 1e-2, name


def test_the_exact_solutions_have_the_derivatives_they_tell():
    u = Products(((1.5, ((3, 1.0), (2, -2.0))), (0.5, ((1, 0.0), (4, 1.0)))))
    x, y, h = 0.31, 0.57, 1e-4
    slope = (u(x + h, y) - u(x - h, y)) / (2 * h)
    around = u(x + h, y) + u(x - h, y) + u(x, y + h) + u(x, y - h) - 4 * u(x, y)
    assert math.isclose(u.slope(0, x, y), slope, rel_tol=1e-6)
    assert math.isclose(u.laplacian(x, y), around / h**2, rel_tol=1e-5)


# -- orders of convergence ---
@needs_fem
@pytest.mark.parametrize(
    ("name", "coarse", "fine", "order"),
    [
        ("helmholtz", (4, 12), (4, 24), 5),
        ("variable", (4, 6), (4, 12), 5),
        ("nonlinear", (4, 4), (4, 8), 5),
        ("poisson3d", (6,), (12,), 3),
        ("heat", (8, 1), (16, 1), 5),
        ("wave", (8, 8), (16, 8), 5),
        ("diffusivity", (8,), (16,), 2),
    ],
)
def test_finite_elements_converge_with_their_order(name, coarse, fine, order):
    assert error(name, FEM, coarse) > 2 ** (order - 0.7) * error(name, FEM, fine)


@needs_fem
def test_cells_graded_by_hand_see_a_narrow_source():
    assert error("narrow", FEM, (4, 16)) < 1e-3


@pytest.mark.parametrize(
    ("name", "coarse", "fine"),
    [
        ("helmholtz", 24, 32),
        ("variable", 12, 20),
        ("nonlinear", 10, 16),
        ("narrow", 72, 128),
        ("poisson3d", 8, 14),
        ("heat", 8, 14),
        ("wave", 12, 20),
        ("diffusivity", 6, 12),
    ],
)
def test_spectral_methods_converge_faster_than_any_order(name, coarse, fine):
    assert error(name, SPECTRAL, coarse) > (fine / coarse) ** 6 * error(name, SPECTRAL, fine)


@pytest.mark.parametrize("code", [pytest.param(FEM, marks=needs_fem), SPECTRAL])
def test_a_coefficient_is_found_to_within_the_noise(code):
    setting = (4,) if code == FEM else 12
    assert error("coefficient", code, setting) < 1e-2


# -- time steps ---
def oscillators():
    """Mass and stiffness of three independent oscillators, u = cos(w t), or decays."""
    squares = np.array([1.0, 4.0, 9.0])
    return sparse.eye_array(3).tocsr(), sparse.diags_array(squares).tocsr(), squares


def last(march, steps_each):
    mass, stiffness, squares = oscillators()
    return march(mass, stiffness, np.ones(3), [0.5, 1.0], steps_each)[-1], squares


def test_rational_steps_have_their_order():
    found = {n: last(steps.march_diffusion, n) for n in (1, 2)}
    errors = [np.abs(u - np.exp(-s)).max() for u, s in found.values()]
    assert errors[0] > 2**8 * errors[1]
    found = {n: last(steps.march_waves, n) for n in (1, 2)}
    errors = [np.abs(u - np.cos(np.sqrt(s))).max() for u, s in found.values()]
    assert errors[0] > 2**7.5 * errors[1]


def test_waves_keep_their_energy():
    mass, stiffness, _ = oscillators()
    states = np.array(steps.march_waves(mass, stiffness, np.ones(3), list(np.arange(1, 201) / 2), 1))
    assert np.abs(states[-50:]).max(0) == pytest.approx(np.ones(3), abs=0.05)


def test_stiff_steps_are_as_accurate_as_they_are_asked_to_be():
    mass = sparse.eye_array(2).tocsr()
    system = steps.Implicit(
        mass,
        lambda u: np.array([-1000 * (u[0] - u[1] ** 2) - 2 * u[1] ** 2, -u[1]]),
        lambda u: sparse.csr_array([[-1000.0, 2000 * u[1] - 4 * u[1]], [0.0, -1.0]]),
    )
    for tolerance in (1e-5, 1e-8):
        (state,) = steps.march_stiff(system, np.ones(2), [1.0], tolerance)
        away = np.abs(state - np.exp([-2.0, -1.0])).max()
        assert away < 3 * tolerance


def test_exponential_steps_have_order_four():
    fine = evolution.burgers_sines(64, 640)[-1]
    errors = [np.linalg.norm(evolution.burgers_sines(64, n)[-1] - fine) for n in (80, 160)]
    assert 12 < errors[0] / errors[1] < 24


@needs_fem
def test_both_rivals_agree_about_the_inner_layer():
    made, fem, sines = contest("burgers"), *(entrant("burgers", code) for code in (FEM, SPECTRAL))
    points = made.points()
    a, b = fem.solve((24, 1e-5)).values(points), sines.solve((512, 512)).values(points)
    assert np.linalg.norm(a - b) < 3e-4 * np.linalg.norm(b)


# -- ordinary differential equations ---
@pytest.mark.parametrize("name", ["ode-lotka-volterra", "ode-hodgkin-huxley", "ode-lorenz"])
def test_a_tolerance_of_scipy_is_that_of_the_system(name):
    assert error(name, SCIPY, ("DOP853", 1e-9)) < 1e-7
    assert error(name, SCIPY, ("LSODA", 1e-9)) < 1e-5


@pytest.mark.parametrize(
    "name",
    [
        "ode-lotka-volterra",
        "ode-hodgkin-huxley",
        "ode-layer",
        pytest.param("ode-robertson-sum", marks=pytest.mark.slow),
    ],
)
def test_this_package_solves_the_same_system(name):
    assert error(name, "hermite_pinn", 1e-6) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("name", list(ordinary.SYSTEMS))
def test_references_do_not_depend_on_the_integrator(name):
    """By another integrator with other tolerances."""
    system = ordinary.SYSTEMS[name]()
    times = system.contest.points()[0]
    other = system.integrated("LSODA", 1e-12).sol(times)
    wanted = system.reference(times)
    for row, truth in zip(other, wanted, strict=False):
        assert np.linalg.norm(row - truth) < 2e-8 * np.linalg.norm(truth)


def test_the_layer_meets_its_equation_and_ends():
    x, h, e = np.array([3e-4, 0.01, 0.4]), 1e-5, ordinary.WIDTH
    u, below, above = ordinary.layer(x), ordinary.layer(x - h), ordinary.layer(x + h)
    left = e * (above - 2 * u + below) / h**2 + (1 + e) * (above - below) / (2 * h) + u
    assert np.abs(left).max() < 1e-3 * np.abs((above - below) / h).max()
    assert ordinary.layer(np.array([0.0, 1.0])) == pytest.approx([0.0, 1.0])


def test_two_calls_are_timed_and_told():
    row = calls.calls_of("ode-lotka-volterra")
    assert row.status == "converged"
    assert row.estimate is not None
    assert row.error < row.estimate
    assert "| Lotka-Volterra | converged |" in calls.to_markdown([row])


# -- Chebyshev collocation ---
def test_polynomials_are_differentiated_and_interpolated_exactly():
    x = chebyshev.lobatto(6, -1.0, 2.0)
    wanted = np.array([-1.0, 0.3, x[2], 2.0])
    assert chebyshev.interpolation(x, wanted) @ x**6 == pytest.approx(wanted**6)
    assert chebyshev.derivative(x) @ x**6 == pytest.approx(6 * x**5, abs=1e-10)


def test_gmres_solves_with_a_similar_operator():
    x = chebyshev.lobatto(12, 0.0, 1.0)
    first = chebyshev.derivative(x)
    second = (first @ first)[1:-1, 1:-1]
    a = 1 + 0.5 * x[1:-1, None]
    u = np.sin(np.pi * np.outer(x[1:-1], x[1:-1]))
    right = a * (second @ u + u @ second.T)
    near = chebyshev.Inverse.of([x, x])
    assert chebyshev.krylov(lambda v: a * (second @ v + v @ second.T), near, right) == pytest.approx(u)


@needs_fem
def test_a_function_at_the_points_of_the_quadrature_is_that_of_the_elements():
    space = elements.interval(elements.graded(5, 0.2, 0.1), 4)
    u = np.random.default_rng(0).standard_normal(space.unknowns)
    values, slopes = elements.at_points(space.basis, space.inside)
    known = space.at_quadrature(u)
    assert values @ u == pytest.approx(np.ravel(known))
    assert slopes @ u == pytest.approx(known.grad[0].ravel())


@needs_fem
def test_values_at_points_are_those_of_scikit_fem():
    for space in (
        elements.interval(elements.graded(5, 0.2, 0.1), 4),
        elements.rectangle(3, elements.graded(4, 0.3, 0.1), elements.uniform(3)),
        elements.solid(*[elements.uniform(2)] * 3),
    ):
        u = np.random.default_rng(0).standard_normal(space.unknowns)
        points = np.random.default_rng(1).random((space.basis.mesh.dim(), 20))
        assert space.values(u)(points) == pytest.approx(space.basis.probes(points) @ space.whole(u), abs=1e-10)


# -- times at equal error ---
def points(*runs):
    return [rivals.Point("", 1, seconds, error) for seconds, error in runs]


def test_times_are_read_off_along_straight_lines_of_logarithms():
    """An error of order p costs 1 / error^(1/p), which the line gives exactly; a run that another beats counts not."""
    runs = points(*((e**-0.5, e) for e in (1e-2, 1e-4, 1e-8)), (1e3, 1e-3), (5.0, math.nan))
    assert seconds_at(runs, 1e-6) == pytest.approx(1e3)
    assert seconds_at(runs, 1e-9) is None
    assert ratio_at(points((2.0, 1e-9)), runs, 1e-4) == pytest.approx(0.02)
    assert ratio_at(points((2.0, 1e-3)), runs, 1e-4) is None


def test_the_least_of_some_runs_counts_and_one_thread_is_used():
    import torch

    before = torch.get_num_threads()
    with one_thread():
        value, seconds = shortest(lambda: torch.get_num_threads())
    assert value == 1
    assert seconds >= 0
    assert torch.get_num_threads() == before


# -- what is kept and told ---
def made(solve, settings=(1, 2), needs=""):
    ours, rival = (rivals.Entrant(code, "a method", settings, solve, needs) for code in ("hermite_pinn", "rival"))
    return rivals.Contest(
        "any", "Any", "stationary", "$u = 1$", lambda: np.zeros((1, 3)), lambda p: np.ones(3), (0.5, 0.1), (ours, rival)
    )


class Counted:
    """Gives 1 + 1 / setting^2, and counts its runs."""

    def __init__(self):
        self.runs = 0

    def __call__(self, setting):
        self.runs += 1
        return rivals.Answer(lambda p: np.full(3, 1 + 1 / setting**2), int(setting))


def test_a_curve_is_not_run_again(tmp_path):
    work = Counted()
    race = made(work)
    first = rivals.run_curve(race, race.entrants[0], tmp_path)
    runs = work.runs
    assert [p.error for p in first.points] == [1.0, 0.25]
    assert rivals.run_curve(race, race.entrants[0], tmp_path) == first
    assert work.runs == runs
    assert rivals.kept_curve(race, replace(race.entrants[0], settings=(1, 3)), tmp_path) is None
    (tmp_path / "any-hermite_pinn.json").write_text("{")
    with pytest.raises(CorruptFileError, match="any-hermite_pinn"):
        rivals.run_curve(race, race.entrants[0], tmp_path)


def test_a_code_that_is_not_installed_says_so_and_is_not_kept(tmp_path):
    race = made(Counted(), needs="no_such_module")
    curve = rivals.run_curve(race, race.entrants[1], tmp_path)
    assert curve.skipped
    assert "rival is not installed" in curve.line
    assert "is not installed" in rivals.to_markdown([race], {"any": [curve]})
    assert not list(tmp_path.iterdir())


def test_a_code_that_fails_keeps_what_it_had():
    work = Counted()

    def solve(setting):
        if setting == 2:
            raise ZeroDivisionError("of two numbers")
        return work(setting)

    race = made(solve)
    curve = rivals.run_entrant(race, race.entrants[0])
    assert [p.setting for p in curve.points] == ["1"]
    assert curve.reason == "2: ZeroDivisionError: of two numbers"


def test_an_interrupted_run_is_no_curve(tmp_path):
    race = made(lambda setting: rivals.Answer(lambda p: np.ones(3), 1, hp.Status.INTERRUPTED.label))
    with pytest.raises(KeyboardInterrupt):
        rivals.run_curve(race, race.entrants[0], tmp_path)
    assert not list(tmp_path.iterdir())


def test_larger_runs_are_left_out_after_a_long_one():
    work = Counted()
    race = made(work)
    assert len(rivals.run_entrant(race, race.entrants[0], patience=-1.0).points) == 1


def test_tables_and_pictures_tell_ratios_and_what_was_not_reached(tmp_path):
    race = made(Counted())
    ours = rivals.Curve("any", "hermite_pinn", "m", tuple(points((1.0, 0.4), (3.0, 0.05))))
    rival = rivals.Curve("any", "rival", "m", tuple(points((2.0, 0.3))))
    table = rivals.to_markdown([race], {"any": [ours, rival]})
    assert "| Any | 0.5 | 1 | 2 | 0.5 |" in table
    assert "| not reached |  |" in table
    (told,) = rivals.to_json([race], {"any": [ours, rival]})
    assert told["ratios"]["rival"] == {"0.5": 0.5, "0.1": None}
    assert json.dumps(told)
    other = replace(race, name="other", title="Other", entrants=(race.entrants[0],))
    apart = rivals.to_markdown([race, other], {"any": [ours, rival], "other": [ours]})
    assert "| Any | 0.5 | 1 | 2 | 0.5 |" in apart
    assert apart.count("| problem | error |") == 2  # contests with other codes have a table of their own
    rivals.draw_curves([race], {"any": [ours, rival]}, tmp_path / "any.png")
    assert (tmp_path / "any.png").read_bytes().startswith(b"\x89PNG")
    rivals.draw_curves([race], {}, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
