"""Integrals in equations and conditions: memories, Fredholm equations, integrals over the domain that are given."""

import copy
import pickle

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn import Integral, cos, cosh, exp, pi, sin

LINE = hp.Box(x=(0, 1))


def solved(problem, within=1e-5, **options):
    solution = hp.solve(problem, progress=False, **options)
    assert solution.status is hp.Status.CONVERGED
    for error in solution.error().values():
        assert error["relative_l2"] < within
    return solution


def memory(**changes):
    """DeepXDE's integro-differential equation of Volterra: y = exp(-x) cosh x."""
    given = {
        "domain": hp.Box(x=(0, 5)),
        "fields": "y",
        "residual": lambda y, x: y.x + y - Integral(y, "x", upper=x, kernel=lambda x, s: exp(s - x), name="past"),
        "conditions": [hp.Dirichlet(y=1.0, on="x-")],
        "exact": {"y": lambda x: exp(-x) * cosh(x)},
    }
    return hp.Problem(**given | changes)


# -- Volterra ---
def test_a_memory_that_fades():
    solution = solved(memory(), 1e-8)
    x = np.linspace(0.1, 5, 7)
    past = np.array([solution.integrate(lambda y, x, b=b: y * exp(x - b), over={"x": (0, b)}) for b in x])
    assert np.allclose(solution.past(x), past, atol=1e-8)


@pytest.mark.parametrize(
    ("residual", "exact"),
    [
        (lambda y, x: y - x + Integral(y, "x", upper=x, kernel=lambda x, s: x - s), sin),
        (
            lambda y, x: y - cos(x) + Integral(y, "x", upper=x, kernel=lambda x, s: sin(x - s)),
            lambda x: cos(2**0.5 * x),
        ),
        (lambda y, x: y - exp(x) + x * (exp(2 * x) - 1) / 2 - x * Integral(y**2, "x", upper=x), exp),
        (lambda y, x: y - 1 - Integral(y, "x", lower=x), lambda x: exp(1 - x)),
        (lambda y, x: y - x - 0.5 - Integral(y.x, "x", lower=x, upper=0.5), lambda x: 0.75 + x / 2),
    ],
)
def test_equations_of_volterra(residual, exact):
    solved(hp.Problem(LINE, "y", residual, exact={"y": exact}))


@pytest.mark.slow
def test_a_kernel_that_is_no_sum_of_few_products():
    x = np.linspace(0, 2, 801)
    weights = np.exp(-((x[:, None] - x) ** 2) / 2) * np.tril(np.full((801, 801), x[1]))
    weights[np.arange(801), np.arange(801)] *= 0.5
    weights[:, 0] *= 0.5
    weights[0] = 0.0
    exact = np.linalg.solve(np.eye(801) + weights, np.cos(x))  # by trapezoids

    def residual(y, x):
        return y - cos(x) + Integral(y, "x", upper=x, kernel=lambda x, s: exp(-((x - s) ** 2) / 2))

    solution = hp.solve(hp.Problem(hp.Box(x=(0, 2)), "y", residual), progress=False)
    assert np.abs(solution.y(x) - exact).max() < 1e-5


# -- Fredholm ---
@pytest.mark.parametrize("periodic", [False, True])
def test_equations_of_fredholm_on_lines_and_circles(periodic):
    problem = hp.Problem(
        hp.Box(x=(0, 2 * np.pi)),
        "u",
        lambda u, x: u - sin(x) - 0.1 * Integral(u, "x", kernel=lambda x, s: cos(x - s)),
        [hp.Periodic("x")] if periodic else [],
        exact={"u": lambda x: sin(x) / (1 - 0.1 * pi)},
    )
    solved(problem)


@pytest.mark.slow
def test_a_smooth_kernel_is_interpolated():
    nodes, weights = np.polynomial.legendre.leggauss(30)
    s, w = (nodes + 1) / 2, weights / 2
    known = np.linalg.solve(np.eye(30) - 0.5 * w / (1 + 4 * (s[:, None] - s) ** 2), np.ones(30))

    def residual(u, x):
        return u - 1 - 0.5 * Integral(u, kernel=lambda x, s: 1 / (1 + 4 * (x - s) ** 2))

    solution = hp.solve(hp.Problem(LINE, "u", residual), progress=False)
    assert np.abs(solution.u(s) - known).max() < 1e-5


def test_a_nonlinear_equation_with_a_part_of_the_axis():
    total = 1 / 3 * (0.75**3 - 0.25**3)
    problem = hp.Problem(
        LINE,
        "u",
        lambda u, x: u - x - u * (Integral(u**2, "x", lower=0.25, upper=0.75) - total),
        exact={"u": lambda x: x},
    )
    solved(problem, 1e-8)


# -- conditions ---
@pytest.mark.parametrize("axes", [("x",), ("x", "y")])
def test_the_integral_of_a_neumann_problem_may_be_given(axes):
    waves = {
        ("x",): (lambda x: cos(pi * x), lambda u, x: u.xx + pi**2 * cos(pi * x)),
        ("x", "y"): (
            lambda x, y: cos(pi * x) * cos(pi * y),
            lambda u, x, y: u.laplacian + 2 * pi**2 * cos(pi * x) * cos(pi * y),
        ),
    }
    wave, residual = waves[axes]
    problem = hp.Problem(
        hp.Box(**dict.fromkeys(axes, (0, 1))),
        "u",
        residual,
        [hp.Neumann(u=0.0), hp.Condition(lambda u: Integral(u) - 0.3, on="x-", name="mass")],
    )
    solution = hp.solve(problem, progress=False)
    assert solution.status is hp.Status.CONVERGED
    assert abs(solution.integrate("u") - 0.3) < 1e-5
    grid = np.meshgrid(*[np.linspace(0, 1, 5)] * len(axes))
    assert np.allclose(solution.u(*grid), np.asarray(wave(*grid)) + 0.3, atol=1e-5)


def test_heat_that_depends_on_its_mean():
    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        "u",
        lambda u, x, t: u.t - u.xx - (Integral(u, "x") - 2 / pi * exp(-t)) - (pi**2 - 1) * exp(-t) * sin(pi * x),
        [hp.Initial(u=lambda x: sin(pi * x)), hp.Dirichlet(u=0.0)],
        exact={"u": lambda x, t: exp(-t) * sin(pi * x)},
    )
    solved(problem)


@pytest.mark.slow
def test_heat_that_remembers():
    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 2)),
        "u",
        lambda u, x, t: (
            u.t
            - u.xx
            + Integral(u, "t", upper=t, kernel=lambda t, s: exp(s - t))
            - sin(pi * x) * (cos(t) + pi**2 * sin(t) + (sin(t) - cos(t) + exp(-t)) / 2)
        ),
        [hp.Initial(u=0.0), hp.Dirichlet(u=0.0)],
        exact={"u": lambda x, t: sin(t) * sin(pi * x)},
    )
    solved(problem)


# -- what else a problem does ---
def test_equal_integrals_are_one_field():
    problem = hp.Problem(LINE, "u", lambda u, x: u - x - Integral(u, "x") * Integral(u, "x") * 0.1)
    assert problem.fields == ("u", "integral", "integral_running")


def test_problems_with_integrals_are_changed_and_copied_like_others(tmp_path):
    problem = memory()
    assert problem.replace(name="past").fields == problem.fields
    assert copy.deepcopy(memory()).fields == problem.fields
    assert problem.identity == memory().identity
    assert problem.identity != memory(residual=lambda y, x: y.x + y - Integral(y, "x", upper=x, name="past")).identity
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(problem)  # lambdas, as ever
    solution = hp.solve(problem, levels=1, progress=False)
    solution.save(tmp_path / "y.h5")
    assert hp.Solution.load(tmp_path / "y.h5").fields == ("y", "past")


@pytest.mark.parametrize(
    ("residual", "message"),
    [
        (lambda u: u - Integral(u, "z"), "no axis 'z'"),
        (lambda u: u - Integral(u, "x", lower=-1.0), "limits -1 and 1"),
        (lambda u: u - Integral(u, "x", lower=0.5, upper=0.2), "limits 0.5 and 0.2"),
        (lambda u, x: u - Integral(u, "x", lower=x, upper=x), "is zero"),
        (lambda u, x: u - Integral(u, "x", upper=2 * x), "neither a number nor the coordinate x"),
        (lambda u: u - Integral(u, "x", kernel=lambda x, s: hp.log(x - s)), "infinite or undefined"),
        (lambda u: u - Integral(u, "x", kernel=lambda x, s: exp(-1e4 * (x - s) ** 2)), "no sum of 24 products"),
        (lambda u: u - Integral(u, "x", kernel=lambda x, q: x), "unknown argument 'q'"),
        (lambda u: u - Integral(u, "x", kernel=3), "kernel of an Integral must be"),
        (lambda u: u - Integral(u, "x", kernel=lambda x, s: 0 * x), "is zero; leave"),
        (lambda u, x: u - Integral(u, ["x", "y"], upper=x), "no kernel and no limits"),
        (lambda u: u - Integral(3.0), "contains no field"),
        (lambda u: u - Integral(u.n), "depends on the normal"),
        (lambda u, x: u - hp.derivative(Integral(u, "x", upper=x), "x"), "not differentiated"),
    ],
)
def test_integrals_that_are_none_are_refused(residual, message):
    with pytest.raises(hp.InvalidProblemError, match=message):
        hp.Problem(LINE, "u", residual)


def test_integrals_stand_in_residuals_and_conditions_of_boxes():
    with pytest.raises(hp.InvalidProblemError, match="into the residual or into a Condition"):
        hp.Problem(LINE, "u", lambda u: u.xx, [hp.Dirichlet(u=lambda x: Integral(x, "x"))])
    with pytest.raises(hp.InvalidProblemError, match="shapes cut"):
        hp.Problem(
            hp.Box(x=(0, 1), y=(0, 1)) - hp.Disk((0.5, 0.5), 0.1),
            "u",
            lambda u: u.laplacian + Integral(u),
            [hp.Dirichlet(u=0.0)],
        )
    with pytest.raises(hp.InvalidProblemError, match="is periodic"):
        hp.Problem(LINE, "u", lambda u, x: u.xx + Integral(u, "x", upper=x), [hp.Periodic("x")])
