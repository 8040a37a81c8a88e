"""Integrals of solutions: exact for what the element holds, functions of the axes left, refused where they diverge."""

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn import cos, pi, sin


@pytest.fixture(scope="module")
def line():
    """x**3 - x, which cubics hold."""
    problem = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u.xx - 6 * x, [hp.Dirichlet(u=0.0)])
    return hp.solve(problem, progress=False)


@pytest.fixture(scope="module")
def plane():
    """x**3 y**2 + y on an uneven box, which bicubics hold."""
    exact = {"u": lambda x, y: x**3 * y**2 + y}
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(-1, 2)),
        "u",
        lambda u, x, y: u.laplacian - 6 * x * y**2 - 2 * x**3,
        [hp.Dirichlet(u=exact["u"])],
        exact=exact,
    )
    return hp.solve(problem, levels=2, progress=False)


@pytest.fixture(scope="module")
def spread():
    """Heat around a hole: x**2 + y**2 + t."""
    domain = hp.Box(x=(0, 1), y=(0, 2), t=(0, 1)) - hp.Disk((0.5, 1.0), 0.3)
    value = hp.Dirichlet(u=lambda x, y, t: x**2 + y**2 + t)
    problem = hp.Problem(domain, "u", lambda u: u.t - u.laplacian + 3, [hp.Initial(u=lambda x, y: x**2 + y**2), value])
    return hp.solve(problem, levels=1, progress=False)


def test_polynomials_of_the_element_are_integrated_exactly(line, plane):
    assert abs(line.integrate() + 0.25) < 1e-14
    assert (
        abs(line.integrate("u", over={"x": (0.1, 0.37)}) - (0.37**4 / 4 - 0.37**2 / 2 - 0.1**4 / 4 + 0.1**2 / 2))
        < 1e-14
    )
    assert abs(line.integrate(lambda u: u**2) - (1 / 7 - 2 / 5 + 1 / 3)) < 1e-14
    assert abs(plane.integrate() - (0.25 * 3 + 1.5)) < 1e-9


def test_the_fundamental_theorem_holds_whatever_the_field_is(line, plane):
    assert abs(line.integrate(lambda u: u.x, over={"x": (0.2, 0.9)}) - (line.u(0.9) - line.u(0.2))) < 1e-13
    y = np.linspace(-1, 2, 5)
    along_x = plane.integrate(lambda u: u.x, over="x")
    assert np.allclose(along_x(y), plane.u(1.0, y) - plane.u(0.0, y), atol=1e-12)
    outflow = plane.integrate(lambda u: u.n, over="boundary")
    assert abs(outflow - plane.integrate(lambda u: u.laplacian)) < 1e-11


def test_an_integral_over_one_axis_is_a_function_of_the_others(plane):
    y = np.linspace(-1, 2, 6).reshape(2, 3)
    assert np.allclose(plane.integrate(over="x")(y), y**2 / 4 + y, atol=1e-8)
    assert (
        abs(
            plane.integrate(over={"x": (0, 0.5), "y": None})
            - plane.integrate(over=["y", "x"], expression="u") * 0
            - (0.5**4 / 4 * 3 + 0.75)
        )
        < 1e-8
    )
    at = plane.integrate(over="y")(x=0.5)
    assert isinstance(at, float)
    assert abs(at - (0.125 * 3 + 1.5)) < 1e-8


def test_integrals_over_faces_know_the_normal(plane):
    assert abs(plane.integrate(over="x+") - (3 + 1.5)) < 1e-8
    assert abs(plane.integrate(lambda u, n: n.x * u, over=["x-", "x+"]) - 3.0) < 1e-8


def test_what_shapes_leave_is_integrated_by_the_rule_of_the_domain(spread):
    area = 2 - np.pi * 0.3**2
    assert abs(spread.integrate(lambda x: 1 + 0 * x) - area) < 1e-9
    in_space = spread.integrate(over=["x", "y"])
    # polar moments about the centre of the disc, moved to the origin
    exact = (2 / 3 + 8 / 3) - (np.pi * 0.3**4 / 2 + np.pi * 0.3**2 * 1.25)
    assert np.allclose(in_space(np.array([0.0, 1.0])), exact + area * np.array([0.0, 1.0]), rtol=1e-3)
    flux = spread.integrate(lambda u: u.n, over="boundary")
    assert abs(flux(0.5) - 4 * area) < 1e-3 * 4 * area
    assert abs(spread.integrate(lambda u: u.n, over=["boundary", "t"]) - 4 * area) < 1e-3 * 4 * area
    assert abs(spread.integrate(over="t")(0.1, 0.2) - 0.55) < 1e-2


def test_breaks_and_graded_axes_are_integrated_cell_by_cell():
    problem = hp.Problem(
        hp.Box(x=(0, 1), breaks={"x": 0.3}), "u", lambda u, x: u.xx - hp.where(x < 0.3, 0.0, 1.0), [hp.Dirichlet(u=0.0)]
    )
    solution = hp.solve(problem, progress=False)
    whole = solution.integrate(lambda u: u.xx)
    assert abs(whole - 0.7) < 1e-9
    stiff = hp.Problem(hp.Box(t=(0, 10)), "y", lambda y, t: y.t + 50 * (y - cos(t)), [hp.Initial(y=0.0)])
    graded = hp.solve(stiff, progress=False)
    assert abs(graded.integrate(lambda y: y.t) - graded.y(10.0) + graded.y(0.0)) < 1e-9


def test_networks_and_parameters_have_integrals():
    problem = hp.Problem(
        hp.Box(x=(0, 1)),
        "u",
        lambda u, k: u.xx + k,
        [hp.Dirichlet(u=0.0), hp.Data([[0.5]], u=0.25)],
        parameters=[hp.Parameter("k", init=1.0)],
    )
    solution = hp.solve(problem, progress=False)
    assert abs(solution.integrate(lambda u, k: u.xx + k)) < 1e-5
    trained = hp.solve(problem, method=hp.Adam(steps=3, points=16), levels=2, progress=False)
    assert abs(trained.integrate(lambda u: u.x) - trained.u(1.0) + trained.u(0.0)) < 1e-6


def test_a_loaded_solution_has_the_same_integrals(line, tmp_path):
    line.save(tmp_path / "u.h5")
    assert hp.Solution.load(tmp_path / "u.h5").integrate(lambda u: sin(u)) == line.integrate(lambda u: sin(u))


@pytest.mark.parametrize("pole", [lambda x: 1 / x, lambda x: 1 / (x - 0.5) ** 2, lambda x: 1 / (x - 1 / pi)])
def test_integrals_that_diverge_are_refused(line, pole):
    with pytest.raises(hp.InvalidArgumentError, match=r"does not settle|is not finite"):
        line.integrate(pole)


def test_bad_places_and_expressions_are_refused(line, plane, spread):
    bad = [
        (plane, {"over": "z"}, "neither an axis"),
        (plane, {"over": {"z": (0, 1)}}, "no axis"),
        (plane, {"over": {"x": (0, 2)}}, "within the domain"),
        (plane, {"over": ["x-", "y"]}, "as a whole"),
        (plane, {"over": 3}, "`over`"),
        (plane, {"expression": lambda u: u.n}, "outward normal"),
        (plane, {"expression": "v"}, "no field 'v'"),
        (plane, {"expression": lambda u: (u, u)}, "one by one"),
        (plane, {"tol": 0.0}, "tol"),
        (spread, {"over": "x"}, "shapes cut"),
    ]
    for solution, arguments, message in bad:
        with pytest.raises(hp.InvalidArgumentError, match=message):
            solution.integrate(**arguments)
    with pytest.raises(hp.InvalidArgumentError, match="takes the coordinates y"):
        plane.integrate(over="x")(0.1, 0.2)
    with pytest.raises(hp.InvalidArgumentError, match="outside"):
        plane.integrate(over="x")(3.0)


def test_the_flux_through_a_hole_of_a_stationary_solution_is_that_of_its_source():
    domain = hp.Box(x=(-1, 1), y=(-1, 1)) - hp.Disk((0.2, 0.1), 0.3, name="hole")
    known = lambda x, y: hp.log((x - 0.2) ** 2 + (y - 0.1) ** 2) / 2
    problem = hp.Problem(domain, "u", lambda u: u.laplacian, [hp.Dirichlet(u=known)])
    solution = hp.solve(problem, tol=1e-5, progress=False)
    assert solution.integrate(lambda u: u.n, over="hole") == pytest.approx(-2 * np.pi, rel=1e-3)
    assert solution.integrate(lambda u: u.n, over="boundary") == pytest.approx(0, abs=1e-3)
    assert solution.integrate(over="hole") == pytest.approx(0.6 * np.pi * np.log(0.3), rel=1e-5)
