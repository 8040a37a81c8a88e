"""Runs that divide cells where the error is: narrow sources, layers, fronts; and what they say of themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import exp, pi, sin
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.methods.gauss_newton.peaks import candidates
from hermite_pinn.methods.gauss_newton.small_coefficients import small_coefficients
from hermite_pinn.run.status import Status
from hermite_pinn.validation.accuracy.sharp_problems import layer, narrow_sources, sine_series


def error_at(solution: hp.Solution, points: np.ndarray, exact: np.ndarray) -> float:
    values = np.asarray(solution.u(points[:, 0], points[:, 1]))
    return float(np.linalg.norm(values - exact) / np.linalg.norm(exact))


def test_a_source_narrower_than_the_first_cells_is_found_and_resolved() -> None:
    spec = (0.29, 0.68, 4e-3, 1.0)
    solution = hp.solve(narrow_sources(spec), progress=False)
    assert solution.status is Status.CONVERGED
    assert solution.stats["refine"] == "local"
    assert solution.stats["unknowns"] < 20_000
    random = np.random.default_rng(0)
    near = np.array(spec[:2]) + spec[2] * random.standard_normal((50, 2))
    for points in (random.random((100, 2)), near):
        assert error_at(solution, points, sine_series(points, [spec])) < 1e-6


@pytest.mark.slow
def test_several_sources_of_different_width_and_height_are_found() -> None:
    specs = ((0.3, 0.7, 1e-3, 1.0), (0.81, 0.13, 3e-3, 0.2), (0.52, 0.48, 0.03, 0.1))
    solution = hp.solve(narrow_sources(*specs), progress=False)
    assert solution.status is Status.CONVERGED
    assert solution.stats["unknowns"] < 20_000
    random = np.random.default_rng(1)
    for cx, cy, w, _ in specs:
        points = np.array([cx, cy]) + w * random.standard_normal((50, 2))
        assert error_at(solution, points, sine_series(points, specs)) < 2e-6


@pytest.mark.parametrize("width", [1e-3, 1e-6])
def test_the_expression_tells_where_a_peak_is_that_no_sample_hits(width: float) -> None:
    problem = narrow_sources((0.337, 0.7125, width, 1.0))
    samples = problem.domain.interior.quasi_random(512, 0)
    found = candidates(problem, problem.terms[0].residual, samples)
    distance = (found - torch.tensor([[0.337], [0.7125]], dtype=torch.float64)).norm(dim=0)
    assert float(distance.min()) < 1e-2 * width


def test_peaks_at_sides_are_where_their_exponents_are_largest() -> None:
    """Exponents that are affine are not searched, those that occur twice are searched once."""
    problem = hp.Problem(
        domain=hp.Box(x=(-1, 2), y=(3, 5)),
        fields=["u"],
        residual=lambda u, x, y: (
            u.laplacian
            - hp.exp(1e4 * (x - 2))
            - u * hp.exp(1e4 * (x - 2))
            - hp.exp(-3e3 * (y - 3) - 1e3 * x)
            + hp.cosh(x)
        ),
        conditions=[hp.Dirichlet(u=0.0)],
    )
    samples = problem.domain.interior.quasi_random(512, 0)
    found = candidates(problem, problem.terms[0].residual, samples)
    sides = [found[0] == 2.0, (found[0] == -1.0) & (found[1] == 3.0), found[0] == -1.0]
    assert all(bool(side.any()) for side in sides)
    assert found.shape[1] <= 4 * 64


def test_a_layer_is_resolved_with_few_cells_along_it() -> None:
    eps = 3e-3
    problem = layer(eps)
    solution = hp.solve(problem, method=hp.GaussNewton(refine="local"), tol=1e-5, progress=False)
    assert solution.status is Status.CONVERGED
    assert solution.stats["unknowns"] < 10_000
    assert solution.error()["u"]["relative_l2"] < 1e-5
    x, y = 1 - eps * np.linspace(0, 5, 40), np.full(40, 0.4)
    exact = np.asarray(problem.exact["u"](torch.as_tensor(x), torch.as_tensor(y)))
    assert np.abs(np.asarray(solution.u(x, y)) - exact).max() < 1e-3
    cells = solution.stats["resolution"]
    assert cells[0] >= 8 * cells[1]  # levels that double one axis alone


@pytest.mark.slow
def test_the_front_of_burgers_equation_is_resolved_by_local_levels() -> None:
    problem = hp.problems.burgers()
    solution = hp.solve(problem, method=hp.GaussNewton(refine="local"), progress=False)
    assert solution.status is Status.CONVERGED
    assert solution.stats["refine"] == "local"
    assert solution.stats["unknowns"] < 40_000
    assert solution.error()["u"]["relative_l2"] < 1e-6


def test_small_coefficients_are_found_with_their_axis_and_sign() -> None:
    problem = hp.problems.burgers()
    (small,) = small_coefficients(problem)
    axis = problem.domain.names.index("x")
    assert small.jet == ("u", tuple(2 * (k == axis) for k in range(2)))
    assert math.isclose(small.value, -0.01 / pi)
    assert small.at(0) < small.value < 0
    assert small.at(small.halvings) == pytest.approx(small.value)
    assert small_coefficients(hp.problems.helmholtz2d()) == []


def test_a_smooth_solution_is_left_to_uniform_levels() -> None:
    problem = hp.problems.poisson2d()
    options = {"field": hp.Field(basis="cubic"), "tol": 1e-4, "progress": False}
    automatic = hp.solve(problem, **options)
    uniform = hp.solve(problem, method=hp.GaussNewton(refine="uniform"), **options)
    assert "refine" not in automatic.stats
    assert torch.equal(automatic.field.table, uniform.field.table)


def test_a_front_that_the_limits_leave_unresolved_is_not_called_converged() -> None:
    method = hp.GaussNewton(refine="local", max_unknowns=2000)
    solution = hp.solve(hp.problems.burgers(), method=method, progress=False)
    assert solution.status is Status.MAX_SIZE
    assert "is not resolved" in solution.message
    assert solution.estimated_error is None or solution.estimated_error > 0.05


def test_the_solution_is_saved_and_loaded(tmp_path) -> None:
    solution = hp.solve(
        narrow_sources((0.3, 0.6, 0.02, 1.0)), method=hp.GaussNewton(refine="local"), tol=1e-3, progress=False
    )
    solution.save(tmp_path / "u.h5")
    loaded = hp.Solution.load(tmp_path / "u.h5")
    x = np.linspace(0, 1, 57)
    assert np.array_equal(np.asarray(loaded.u(x, x**2)), np.asarray(solution.u(x, x**2)))


@pytest.mark.slow
def test_two_fields_with_soft_conditions_and_a_periodic_axis() -> None:
    def bump(x, y):
        return exp((hp.cos(2 * pi * (x - 0.3)) - 1) * 40) * exp(-((y - 0.4) ** 2) * 400)

    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u", "v"],
        lambda u, v, x, y: (u.laplacian - v + bump(x, y), v.laplacian - 2 * v + u),
        [hp.Periodic("x"), hp.Robin(u=(1.0, 0.5, 0.0)), hp.Dirichlet(v=0.0)],
    )
    local = hp.solve(problem, method=hp.GaussNewton(refine="local"), tol=1e-4, progress=False)
    uniform = hp.solve(
        problem, method=hp.GaussNewton(refine="uniform"), field=hp.Field(basis="quintic"), levels=4, progress=False
    )
    assert local.status is Status.CONVERGED
    points = np.random.default_rng(0).random((200, 2)).T
    for name in ("u", "v"):
        a, b = (np.asarray(getattr(s, name)(*points)) for s in (local, uniform))
        assert np.linalg.norm(a - b) < 2e-4 * np.linalg.norm(b)


@pytest.mark.parametrize(
    ("problem", "options", "reason"),
    [
        (hp.problems.four_discs, {}, "shapes cut"),
        (hp.problems.inverse_poisson, {}, "noisy data or penalties"),
        (hp.problems.plate, {}, "order 4"),
        (hp.problems.poisson2d, {"levels": 3}, "levels"),
    ],
)
def test_what_cannot_be_refined_locally_is_refused(problem, options, reason) -> None:
    with pytest.raises(hp.InvalidArgumentError, match=reason):
        hp.solve(problem(), method=hp.GaussNewton(refine="local"), progress=False, **options)


@pytest.mark.filterwarnings("ignore::hermite_pinn.HermitePinnWarning")
def test_a_problem_without_a_unique_solution_is_undetermined() -> None:
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)), ["u"], lambda u, x, y: u.xx + u.x - sin(pi * x), [hp.Dirichlet(u=0.0, on="x-")]
    )
    solution = hp.solve(problem, method=hp.GaussNewton(refine="local"), tol=1e-4, progress=False, max_time=20)
    assert solution.status is Status.UNDETERMINED


def carried_step(eps: float) -> hp.Problem:
    """A front of width ``sqrt(eps)`` along a flow that crosses the square, with the values of its exact solution."""
    c, s = math.cos(pi / 6), math.sin(pi / 6)

    def across(x, y):
        return (y - 0.2) * c - x * s

    def along(x, y):
        return x * c + (y - 0.2) * s + 0.35

    def exact(x, y):
        return hp.erf(across(x, y) / (2 * hp.sqrt(eps * along(x, y))))

    def source(x, y):
        a, t = across(x, y) / (2 * hp.sqrt(eps * along(x, y))), along(x, y)
        return -eps * 2 / math.sqrt(pi) * exp(-a * a) * (3 * a - 2 * a**3) / (4 * t * t)

    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u"],
        lambda u, x, y: -eps * u.laplacian + c * u.x + s * u.y - source(x, y),
        [hp.Dirichlet(u=exact)],
        exact={"u": exact},
    )


def test_a_front_along_a_skewed_flow_needs_no_larger_coefficient() -> None:
    solution = hp.solve(carried_step(1e-3), tol=1e-5, method=hp.GaussNewton(refine="local"), progress=False)
    assert solution.status is Status.CONVERGED
    assert solution.stats["unknowns"] < 10_000
    assert len(solution.history) < 12  # stages
    assert solution.error()["u"]["relative_l2"] < 1e-5


@pytest.mark.slow
def test_a_residual_that_does_not_alternate_is_no_solution() -> None:
    weak, eps = 1e-3, 1e-4  # a layer beside which the rest of the solution is large

    def exact(x, y):
        layer_part = (exp((x - 1) / eps) - math.exp(-1 / eps)) / (1 - math.exp(-1 / eps))
        return (sin(3 * pi * x) + weak * (x - layer_part)) * sin(pi * y)

    def source(x, y):
        layer_part = (exp((x - 1) / eps) - math.exp(-1 / eps)) / (1 - math.exp(-1 / eps))
        rest = sin(3 * pi * x) + weak * (x - layer_part)
        slope = 3 * pi * hp.cos(3 * pi * x) + weak
        return sin(pi * y) * (eps * 9 * pi**2 * sin(3 * pi * x) + slope + eps * pi**2 * rest)

    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u"],
        lambda u, x, y: -eps * u.laplacian + u.x - source(x, y),
        [hp.Dirichlet(u=0.0)],
        exact={"u": exact},
    )
    seen = []

    class Note(hp.Callback):
        def on_step(self, state):
            field = state.field
            points = torch.rand(2, 400, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
            value = field.jets(points, Channels.value(2))[0, 0]
            right = exact(*points)
            seen.append((state.error, float((value - right).norm() / right.norm())))

    method = hp.GaussNewton(refine="local")
    hp.solve(problem, tol=1e-5, method=method, callbacks=Note(), progress=False, throw=False)
    assert seen
    assert all(estimate is None or estimate > error for estimate, error in seen)
