"""Gauss-Newton on boxes with breaks: coefficients that jump cost no order."""

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.validation.accuracy.sharp_problems import BREAKS, jumping_waves, layered, squared
from hermite_pinn.validation.references.blocks import spectral_elements


def error(problem, **options):
    return hp.solve(problem, progress=False, **options).error()["u"]["relative_l2"]


@pytest.mark.parametrize(("basis", "levels"), [("cubic", 6), ("quintic", 4), ("septic", 3)])
def test_jumping_wave_numbers_cost_no_order(basis, levels):
    problem, exact = jumping_waves()
    x, errors = np.random.default_rng(0).random(2000), []
    for n in (levels, levels + 1):
        solution = hp.solve(problem, levels=n, field=hp.Field(basis=basis), progress=False)
        errors.append(np.linalg.norm(solution.u(x) - exact(x)) / np.linalg.norm(exact(x)))
    order = {"cubic": 4, "quintic": 6, "septic": 8}[basis]
    assert errors[0] / errors[1] > 2 ** (order - 0.8)


def test_the_default_call_reaches_its_tolerance_with_few_unknowns():
    problem, exact = jumping_waves()
    solution = hp.solve(problem, progress=False)
    x = np.random.default_rng(0).random(2000)
    reached = np.linalg.norm(solution.u(x) - exact(x)) / np.linalg.norm(exact(x))
    assert solution.status is hp.Status.CONVERGED
    assert reached <= 1e-6
    assert solution.stats["parameters"] <= 10_000


def test_second_derivatives_jump_and_slopes_do_not():
    solution = hp.solve(jumping_waves()[0], levels=5, field=hp.Field(basis="quintic"), progress=False)
    for place in BREAKS:
        sides = np.array([place - 1e-10, place + 1e-10])
        value, slope, curvature = solution.u(sides), solution.u.x(sides), solution.u.xx(sides)
        assert slope[0] == pytest.approx(slope[1], rel=1e-6)
        assert curvature[1] - curvature[0] == pytest.approx(
            float(value[0]) * (float(squared(sides[0])) - float(squared(sides[1]))), rel=1e-4
        )


@pytest.mark.parametrize("ratio", [1000.0, 1e-3])
def test_a_layer_that_conducts_better_costs_no_order(ratio):
    errors = [error(layered(ratio), levels=n) for n in (2, 3)]
    assert errors[0] / errors[1] > 2**3.5


def test_heat_in_layers_costs_no_order():
    errors = [error(layered(1000.0, time=True), levels=n) for n in (3, 4)]
    assert errors[0] / errors[1] > 2**3.2


def test_the_flux_is_continuous_and_the_slope_is_not():
    solution = hp.solve(layered(1000.0), levels=3, progress=False)
    sides, y = np.array([0.4 - 1e-10, 0.4 + 1e-10]), np.array([0.3, 0.3])
    slope = solution.u.x(sides, y)
    assert slope[0] == pytest.approx(1000 * slope[1], rel=1e-3)


def test_crossings_of_breaks_are_converged_to_and_never_thought_resolved():
    tables = {
        "coefficient": np.array([[1.0, 5.0], [5.0, 1.0]]),
        "constant": np.array([[1.0, 3.0], [0.0, 2.0]]),
        "amplitude": np.array([[1.0, 0.0], [0.5, 1.0]]),
    }
    x, y = np.random.default_rng(0).uniform(-10, 10, (2, 1000))
    exact = spectral_elements(**tables, layers=7, degree=6, divergence=True)(x, y)
    problem, errors = hp.problems.poisson_blocks(blocks=2, **tables, divergence=True), []
    for levels in (3, 5):
        solution = hp.solve(problem, levels=levels, progress=False)
        errors.append(np.linalg.norm(solution.u(x, y) - exact) / np.linalg.norm(exact))
        assert errors[-1] <= solution.estimated_error
    assert errors[1] < 0.4 * errors[0]


def test_breaks_that_nothing_needs_change_little():
    exact = {"u": lambda x, y: hp.sin(5 * x) * hp.cos(3 * y)}

    def posed(**breaks):
        return hp.Problem(
            hp.Box(x=(0, 1), y=(0, 1), **breaks),
            ["u"],
            lambda u, x, y: u.laplacian + 34 * hp.sin(5 * x) * hp.cos(3 * y),
            [hp.Dirichlet(u=exact["u"])],
            exact=exact,
        )

    plain, broken = error(posed(), levels=4), error(posed(breaks={"x": 0.3, "y": [0.1, 0.5]}), levels=4)
    assert broken < 3 * plain


def test_swapping_the_axes_swaps_the_solution():
    def posed(swapped):
        def residual(u, x, y):
            s, t = (y, x) if swapped else (x, y)
            return hp.where(s < 0.3, 1.0, 20.0) * u.laplacian + hp.sign(t - 0.6) + s

        return hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), ["u"], residual, [hp.Dirichlet(u=0.0)])

    u, v = (hp.solve(posed(s), levels=4, progress=False) for s in (False, True))
    x, y = np.random.default_rng(0).random((2, 50))
    np.testing.assert_allclose(u.u(x, y), v.u(y, x), rtol=1e-6, atol=1e-9)


def test_a_periodic_axis_may_have_breaks():
    problem = hp.Problem(
        hp.Box(x=(0, 1)), ["u"], lambda u, x: u.xx - u + hp.where(x < 0.3, 1.0, 0.0), [hp.Periodic("x")]
    )
    u = hp.solve(problem, progress=False).u
    # of exp(-|x|) / 2, repeated, and a step: the sums over all periods
    x = np.linspace(0.0, 0.999, 37)
    s = (x[:, None] - np.linspace(0, 0.3, 20001)) % 1.0
    kernel = np.cosh(s - 0.5) / (2 * np.sinh(0.5))
    exact = np.trapezoid(kernel, dx=0.3 / 20000, axis=1)
    assert np.abs(u(x) - exact).max() < 1e-5 * np.abs(exact).max()
    assert u(np.array([0.0])) == pytest.approx(u(np.array([1.0])), rel=1e-9)


@pytest.mark.parametrize("inner", ["cg", "banded", "auto"])
def test_all_linear_solvers_agree(inner):
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u"],
        lambda u, x, y: hp.div(hp.where((x < 0.3) & (y < 0.6), 5.0, 1.0) * u.grad) + 1,
        [hp.Dirichlet(u=0.0)],
    )
    x, y = np.random.default_rng(0).random((2, 50))
    exact = hp.solve(problem, method=hp.GaussNewton(inner_tol=1e-12), levels=3, progress=False).u(x, y)
    found = hp.solve(problem, method=hp.GaussNewton(inner=inner, inner_tol=1e-11), levels=3, progress=False).u(x, y)
    np.testing.assert_allclose(found, exact, rtol=1e-6)


def test_files_keep_breaks(tmp_path):
    solution = hp.solve(layered(1000.0), levels=2, progress=False)
    solution.save(tmp_path / "u.h5")
    loaded = hp.Solution.load(tmp_path / "u.h5")
    x, y = np.random.default_rng(0).random((2, 50))
    assert (loaded.u.x(x, y) == solution.u.x(x, y)).all()
    assert loaded.domain == solution.domain
    assert dict(loaded.domain.breaks) == {"x": (0.4,)}


def test_a_run_continues_from_its_checkpoint(tmp_path):
    problem = layered(1000.0)
    hp.solve(problem, tol=1e-3, checkpoint=tmp_path / "run.h5", progress=False)
    whole = hp.solve(problem, tol=1e-5, progress=False)
    resumed = hp.solve(problem, tol=1e-5, resume=tmp_path / "run.h5", progress=False)
    x, y = np.random.default_rng(0).random((2, 50))
    np.testing.assert_allclose(resumed.u(x, y), whole.u(x, y), rtol=1e-9)


def test_jumps_along_curves_are_told_by_the_message():
    def residual(u, x, y):
        return u.laplacian + hp.where(x * x + y * y < 0.5, 1.0, 2.0)

    problem = hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), ["u"], residual, [hp.Dirichlet(u=0.0)])
    assert "no line of the grid" in hp.solve(problem, levels=2, progress=False).message


def test_three_axes_may_have_breaks():
    def exact(x, y, z):
        return hp.where(z < 0.4, z, 0.4 + (z - 0.4) / 50) * hp.sin(x) * hp.exp(y)

    def residual(u, x, y, z):
        return hp.div(hp.where(z < 0.4, 1.0, 50.0) * u.grad)

    box = hp.Box(x=(0, 1), y=(0, 1), z=(0, 1))
    problem = hp.Problem(box, ["u"], residual, [hp.Dirichlet(u=exact)], exact={"u": exact})
    assert dict(problem.domain.breaks) == {"z": (0.4,)}
    errors = [error(problem, levels=n) for n in (1, 2)]
    assert errors[0] / errors[1] > 2**3.2


def test_levels_without_a_cell_for_every_piece_are_refused():
    with pytest.raises(hp.InvalidArgumentError, match="a cell for each of its 3 pieces"):
        hp.solve(jumping_waves()[0], levels=[2, 4], progress=False)


@pytest.mark.parametrize("method", ["adam", "lbfgs", hp.GaussNewton()])
def test_fields_without_lines_take_no_breaks(method):
    problem = hp.Problem(hp.Box(x=(0, 1), breaks={"x": 0.3}), ["u"], lambda u, x: u.xx + 1, [hp.Dirichlet(u=0.0)])
    field = hp.Field(head="siren") if isinstance(method, hp.GaussNewton) else None
    with pytest.raises(hp.InvalidArgumentError, match="without lines at breaks"):
        hp.solve(problem, method=method, field=field, progress=False)
