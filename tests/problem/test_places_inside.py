"""Conditions inside the domain: on planes, at points, on the sides of periodic axes; and point sources."""

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn import cos, exp, pi, sin

UNIT = {"x": (0, 1), "y": (0, 1)}


def solved(problem, within, **options):
    solution = hp.solve(problem, progress=False, **options)
    assert solution.status is hp.Status.CONVERGED
    for error in solution.error().values():
        assert error["relative_l2"] < within
    return solution


def bump(**changes):
    """A sine bump with conditions to be given."""
    return hp.Problem(
        hp.Box(**UNIT),
        "u",
        lambda u, x, y: u.laplacian + 2 * pi**2 * sin(pi * x) * sin(pi * y),
        exact={"u": lambda x, y: sin(pi * x) * sin(pi * y)},
        **changes,
    )


def test_value_and_slope_on_a_plane_stand_for_two_faces():
    inside = hp.Condition(lambda u, y: (u - sin(pi * y), u.x), on={"x": 0.5})
    solved(bump(conditions=[hp.Dirichlet(u=0.0, on=["y-", "y+"]), inside]), 1e-5)


def test_the_normal_of_a_plane_points_along_its_axis():
    flux = hp.Neumann(u=lambda x, y: pi * cos(pi * x) * sin(pi * y), on={"x": [0.25, 0.7]})
    solved(bump(conditions=[hp.Dirichlet(u=0.0, on=["x-", "y-", "y+"]), flux]), 1e-5)


def test_supports_and_clamps_of_a_beam_may_lie_inside():
    beam = hp.Problem(
        hp.Box(x=(0, 2)),
        "u",
        lambda u: u.xxxx - 24,
        [
            hp.Dirichlet(u=lambda x: x**4, on={"x": [0.5, 1.0]}),
            hp.Condition(lambda u: (u.x - 4.0, u.xx - 12.0), on=np.array([[1.0]])),
        ],
        exact={"u": lambda x: x**4},
        max_order=4,
    )
    solution = solved(beam, 1e-9)
    assert abs(solution.u.xxx(2.0) - 48) < 1e-6


def test_a_point_fixes_the_constant_of_a_neumann_problem():
    problem = hp.Problem(
        hp.Box(**UNIT),
        "u",
        lambda u: u.laplacian - 4,
        [
            hp.Neumann(u=lambda n, x, y: 2 * x * n.x + 2 * y * n.y),
            hp.Condition(lambda u: u - 0.25, on=np.array([[0.5, 0.0]])),
        ],
        exact={"u": lambda x, y: x**2 + y**2},
    )
    solved(problem, 1e-10)


def test_a_periodic_axis_may_have_a_value_on_its_seam():
    wave = hp.Problem(
        hp.Box(**UNIT),
        "u",
        lambda u, x, y: u.x + u.y - 6 * pi * cos(2 * pi * (x + 2 * y)),
        [hp.Periodic("x"), hp.Dirichlet(u=lambda y: sin(4 * pi * y), on="x-")],
        exact={"u": lambda x, y: sin(2 * pi * (x + 2 * y))},
    )
    solved(wave, 1e-5)
    same = hp.Problem(
        hp.Box(x=(0, 1)),
        "u",
        lambda u, x: u.xx + 4 * pi**2 * sin(2 * pi * x),
        [hp.Periodic("x"), hp.Dirichlet(u=0.5, on="x+")],
        exact={"u": lambda x: sin(2 * pi * x) + 0.5},
    )
    solution = solved(same, 1e-5)
    assert solution.u(0.0) == solution.u(1.0)


def test_a_state_may_be_given_in_the_middle_of_time():
    rotation = hp.Problem(
        hp.Box(t=(0, 4)),
        ["u", "v"],
        lambda u, v: (u.t - v, v.t + u),
        [hp.Dirichlet(u=1.0, v=0.0, on={"t": 2.0})],
        exact={"u": lambda t: cos(t - 2), "v": lambda t: -sin(t - 2)},
    )
    solved(rotation, 1e-5)


def test_training_takes_conditions_inside():
    conditions = [
        hp.Periodic("y"),
        hp.Neumann(u=0.0),
        hp.Dirichlet(u=1.0, on=["y-"]),
        hp.Dirichlet(u=0.0, on={"x": 0.3}),
    ]
    solution = hp.solve(bump(conditions=conditions), method=hp.Adam(steps=2, points=16), levels=2, progress=False)
    assert {"u on x = 0.3", "u on y-"} <= set(solution.residuals)


def test_the_place_of_a_plane_belongs_to_the_identity():
    one, other = (bump(conditions=[hp.Dirichlet(u=0.0), hp.Dirichlet(u=0.0, on={"x": p})]) for p in (0.3, 0.3 + 1e-9))
    assert one.identity != other.identity


@pytest.mark.parametrize(
    ("on", "message"),
    [
        ({"x": 0.0}, "is the face x-; give its name"),
        ({"x": 2.0}, "no plane x = 2"),
        ({"z": 0.5}, "no axis 'z'"),
        ({}, "`on` must be"),
        ({"x": "a"}, "finite number"),
        ({"x": []}, "planes across x"),
    ],
)
def test_planes_that_are_none_are_refused(on, message):
    with pytest.raises(hp.InvalidProblemError, match=message):
        bump(conditions=[hp.Dirichlet(u=0.0, on=on)])


def test_domains_that_shapes_cut_have_no_planes():
    with pytest.raises(hp.InvalidProblemError, match="give points"):
        hp.Problem(
            hp.Box(**UNIT) - hp.Disk((0.5, 0.5), 0.1), "u", lambda u: u.laplacian, [hp.Dirichlet(u=0.0, on={"x": 0.2})]
        )


# -- point sources ---
def greens(x, at, k=5.0):
    """Of -u'' + k^2 u on (0, 1) with zero ends."""
    a, b = np.minimum(x, at), np.maximum(x, at)
    return np.sinh(k * a) * np.sinh(k * (1 - b)) / (k * np.sinh(k))


def test_away_from_a_source_the_error_falls_with_the_fourth_power_of_its_width():
    x, errors = np.array([0.05, 0.6, 0.9]), []
    for width in (0.04, 0.02):
        source = hp.Source(0.3, 2.0, width=width)
        problem = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x, s=source: u.xx - 25 * u + s(x), [hp.Dirichlet(u=0.0)])
        u = hp.solve(problem, tol=1e-9, progress=False).u
        errors.append(np.abs(u(x) - 2 * greens(x, 0.3)).max())
    assert 14 < errors[0] / errors[1] < 18


def test_the_laplacian_does_not_see_the_width_of_a_source():
    source = hp.Source([[0.3, 0.4], [0.6, 0.5]], [1.0, -1.0], width=0.03)
    m = np.arange(1, 200)[:, None] * np.pi

    def known(x, y, x0, y0):
        low, high = np.minimum(y, y0), np.maximum(y, y0)
        decay = np.exp(-m * (high - low)) * (1 - np.exp(-2 * m * low)) * (1 - np.exp(-2 * m * (1 - high)))
        return (np.sin(m * x0) * np.sin(m * x) * decay / (1 - np.exp(-2 * m)) / m).sum(0)

    x, y = np.array([0.6, 0.9, 0.1]), np.array([0.85, 0.1, 0.9])
    problem = hp.Problem(hp.Box(**UNIT), "u", lambda u, x, y: u.laplacian + source(x, y), [hp.Dirichlet(u=0.0)])
    u = hp.solve(problem, progress=False).u
    assert np.allclose(u(x, y), known(x, y, 0.3, 0.4) - known(x, y, 0.6, 0.5), atol=1e-8)


def test_a_source_integrates_to_its_strength_and_lies_at_its_point():
    x = np.linspace(-1, 1, 801)
    source = hp.Source([[0.1, -0.2]], 3.0, width=0.05)(x[:, None], x[None, :])
    h = x[1] - x[0]
    assert abs(source.sum() * h**2 - 3) < 1e-12
    assert abs((source * x[:, None]).sum() * h**2 - 0.3) < 1e-12
    assert abs((source * (x[:, None] - 0.1) ** 2).sum() * h**2) < 1e-12


@pytest.mark.parametrize(
    ("points", "strengths", "width"),
    [("a", 1.0, 0.1), ([], 1.0, 0.1), ([[0.1, 0.2]], [1.0, 2.0], 0.1), (0.1, 1.0, 0.0), (0.1, float("nan"), 0.1)],
)
def test_sources_that_are_none_are_refused(points, strengths, width):
    with pytest.raises(hp.InvalidArgumentError, match="of a Source"):
        hp.Source(points, strengths, width=width)


def test_a_source_is_called_with_all_its_coordinates():
    with pytest.raises(hp.InvalidArgumentError, match="with 2 coordinates is called with so many, got 1"):
        hp.Source([[0.1, 0.2]], width=0.1)(exp(0.0))
