"""Solutions on domains that shapes cut: evaluated inside, compared inside, reported by face."""

import pickle

import numpy as np
import pytest
import torch
from outlined import Round, Tilted, on_part

import hermite_pinn as hp
from hermite_pinn import exp, sin
from hermite_pinn.errors import InvalidArgumentError

BOX = hp.Box(x=(0, 1), y=(0, 1))


def known(x, y):
    return exp(x) * sin(3 * y)


@pytest.fixture(scope="module")
def whole():
    residual = lambda u, x, y: u.laplacian + 8 * known(x, y)
    return hp.solve(hp.Problem(BOX, "u", residual, [hp.Dirichlet(u=known)], exact={"u": known}), levels=3)


@pytest.fixture(scope="module")
def holed(whole):
    return on_part(whole, BOX - Round((0.5, 0.5), 0.25))


@pytest.fixture(scope="module")
def disc(whole):
    return on_part(whole, BOX & Round((0.5, 0.5), 0.25))


@pytest.fixture(scope="module")
def solved():
    problem = hp.Problem(
        BOX - Round((0.4, 0.5), 0.2),
        "u",
        lambda u, x, y: u.laplacian + 8 * known(x, y),
        [hp.Dirichlet(u=known)],
        exact={"u": known},
    )
    return hp.solve(problem, levels=2)


def around(angle, radius=0.25):
    return 0.5 + radius * np.cos(angle), 0.5 + radius * np.sin(angle)


def test_values_inside_are_those_of_the_field(whole, holed):
    x, y = around(np.linspace(0, 6, 50), 0.3)
    assert np.array_equal(holed.u(x, y), whole.u(x, y))
    assert np.array_equal(holed.u.grad(x, y), whole.u.grad(x, y))
    assert np.array_equal(holed.at_points(np.stack([x, y], 1)), whole.at_points(np.stack([x, y], 1)))


@pytest.mark.parametrize("which", ["holed", "disc"])
def test_points_of_the_boundary_are_inside(which, request):
    solution = request.getfixturevalue(which)
    x, y = around(np.linspace(0, 2 * np.pi, 2000))
    assert np.isfinite(solution.u(x, y)).all()
    assert solution.inside(x, y).all()
    surface = solution.domain.face("ring").in_space((64, 64)).x.numpy()
    assert solution.inside(surface.T).all()


def test_points_outside_are_an_error_that_tells_what_to_do(holed):
    x = np.linspace(0, 1, 11)
    with pytest.raises(
        InvalidArgumentError, match=r"5 of 11 points lie outside .* first at x = 0.3, y = 0.5; .*inside\("
    ):
        holed.u(x, 0.5)
    with pytest.raises(InvalidArgumentError, match=r"the point x = 0.5, y = 0.4 lies outside"):
        holed.u.laplacian(0.5, 0.4)
    middle = np.full((3, 2), 0.5)
    for call in (holed.at_points, holed.residual, holed.error):
        with pytest.raises(InvalidArgumentError, match="3 of 3 points lie outside"):
            call(middle)
    with pytest.raises(InvalidArgumentError, match=r"x = 1\.5 lies outside"):
        holed.u(1.5, 0.5)
    with pytest.raises(InvalidArgumentError, match="must be finite"):
        holed.u(np.nan, 0.5)


def test_the_advice_works(holed):
    points = np.random.default_rng(0).random((500, 2))
    inside = holed.inside(points)
    assert 0.6 < inside.mean() < 0.95
    assert np.isfinite(holed.at_points(points[inside])).all()
    assert holed.error(points[inside])["u"]["relative_l2"] < 1e-4


def test_what_inside_takes(whole, holed):
    assert holed.inside(0.1, 0.5).shape == ()
    assert bool(holed.inside(0.1, 0.5))
    assert not holed.inside(0.5, 0.5)
    assert holed.inside(np.zeros((3, 1)), np.zeros(4)).shape == (3, 4)
    assert holed.inside(torch.full((5, 2), 0.5)).tolist() == [False] * 5
    assert holed.inside([[0.1, 0.1], [np.nan, 0.1], [-1.0, 0.1]]).tolist() == [True, False, False]
    assert holed.inside(np.zeros((0, 2))).shape == (0,)
    assert whole.inside([[0.5, 0.5], [0.5, 1.5]]).tolist() == [True, False]
    with pytest.raises(InvalidArgumentError, match=r"points \(n, 2\) or the coordinates x, y, got 3"):
        holed.inside(0.1, 0.2, 0.3)
    with pytest.raises(InvalidArgumentError, match=r"shape \(n, 2\)"):
        holed.inside(np.zeros((3, 3)))


def test_periodic_axes_have_no_outside():
    wave = lambda x: sin(2 * np.pi * x)
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        "u",
        lambda u, x, y: u.laplacian + 4 * np.pi**2 * wave(x),
        [hp.Periodic("x"), hp.Neumann(u=0.0), hp.Gauge("u")],
    )
    whole = hp.solve(problem, levels=2)
    holed = on_part(whole, whole.domain - Round((0.5, 0.5), 0.2))
    assert holed.inside([[1.1, 0.5], [1.5, 0.5], [-0.9, 0.5]]).tolist() == [True, False, True]
    assert holed.u(2.05, 0.5) == pytest.approx(holed.u(0.05, 0.5))


def test_grids_are_nan_outside(whole, holed):
    axes = [np.linspace(0, 1, 41), np.linspace(0, 1, 33)]
    values, full = holed.on_grid(axes), whole.on_grid(axes)
    inside = holed.inside(axes[0][:, None], axes[1][None])
    assert np.array_equal(np.isfinite(values[0, 0]), inside)
    assert np.allclose(values[0, 0][inside], full[0, 0][inside], atol=1e-14)


def test_a_fine_grid_is_told_apart_as_point_by_point(holed):
    from hermite_pinn.result.inside import inside_grid

    for domain in (holed.domain, BOX - Tilted((0.5, 0.5), 0.25, 0.0), BOX & Tilted((0.5, 0.5), 0.25, 0.4)):
        axes = [np.linspace(0, 1, 257), np.linspace(0, 1, 193)]
        x, y = np.meshgrid(*axes, indexing="ij")
        one_by_one = domain.contains(torch.as_tensor(np.stack([x.ravel(), y.ravel()])), 1e-9).numpy()
        assert np.array_equal(inside_grid(domain, axes).ravel(), one_by_one)


def test_errors_are_those_of_the_domain(whole, holed, disc):
    off = {"u": lambda x, y: known(x, y) + 0.1 * ((x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.24**2)}
    assert holed.error(exact=off)["u"] == holed.error()["u"]
    assert holed.error()["u"]["max"] < 1e-4
    assert whole.error(exact=off)["u"]["max"] > 0.09
    assert disc.error(exact=off)["u"]["max"] == pytest.approx(0.1, rel=1e-2)


def test_the_known_solution_is_not_asked_for_outside(holed):
    undefined = {"u": lambda x, y: known(x, y) + 0 * hp.sqrt((x - 0.5) ** 2 + (y - 0.5) ** 2 - 0.0624)}
    assert holed.error(exact=undefined)["u"]["max"] < 1e-4


def test_a_tiny_domain_has_an_error_too(whole):
    small = on_part(whole, BOX & Round((0.5, 0.5), 0.01))
    assert small.error()["u"]["max"] < 1e-4


def test_a_gauge_is_compared_without_its_mean_over_the_domain():
    exact = lambda x, y: x**2 - y**2
    problem = hp.Problem(
        BOX,
        "u",
        lambda u: u.laplacian,
        [hp.Condition(lambda u, n, x, y: u.n - 2 * x * n.x + 2 * y * n.y, on="boundary"), hp.Gauge("u")],
        exact={"u": lambda x, y: exact(x, y) + 7.0},
    )
    part = on_part(hp.solve(problem, levels=2), BOX - Round((0.2, 0.3), 0.15))
    assert part.error()["u"]["max"] < 1e-8


def test_a_domain_in_time_is_cut_at_all_times():
    exact = lambda x, y, t: sin(x) * sin(y) * exp(-2 * t)
    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1), y=(0, 1)),
        "u",
        lambda u: u.t - u.xx - u.yy,
        [hp.Dirichlet(u=exact), hp.Initial(u=lambda x, y: exact(x, y, 0))],
        exact={"u": exact},
    )
    whole = hp.solve(problem, levels=2)
    part = on_part(whole, whole.domain - Round((0.5, 0.25), 0.2))
    assert part.inside([[0.5, 0.3, 0.9], [0.5, 0.3, 0.25], [0.5, 1.3, 0.9]]).tolist() == [True, False, False]
    assert part.error()["u"]["max"] < 1e-4
    values = part.on_grid([np.linspace(0, 1, 9)] * 3)[0, 0]
    assert (np.isnan(values).any(1) == np.isnan(values).all(1)).all()


def test_residuals_are_told_by_face(solved):
    by_face = solved.stats["face_residuals"]["u on boundary"]
    assert set(by_face) == {"x-", "x+", "y-", "y+", "ring"}
    squares = np.array(list(by_face.values())) ** 2
    assert np.sqrt(squares.mean()) == pytest.approx(solved.residuals["u on boundary"], rel=1e-12)
    assert set(solved.stats["face_residuals"]) == {"u on boundary"}


def test_the_report_names_the_worst_face_where_it_differs(solved):
    from hermite_pinn.result.report import solution_report

    shown = on_part(solved, solved.domain)
    shown.residuals = {"u on boundary": 1e-3}
    shown.stats = shown.stats | {
        "face_residuals": {"u on boundary": {"x-": 1e-4, "ring": 2e-3}},
        "condition_scales": {},
    }
    assert "u on boundary: 1.0e-03 (RMS at random points), worst on ring: 2.0e-03" in solution_report(shown, {})
    shown.stats = shown.stats | {"face_residuals": {"u on boundary": {"x-": 1e-3, "ring": 1.1e-3}}}
    assert "worst" not in solution_report(shown, {})


def test_a_solved_problem_is_a_function_on_its_domain(solved):
    assert solved.error()["u"]["relative_l2"] < 1e-3
    with pytest.raises(InvalidArgumentError, match="outside"):
        solved.u(0.4, 0.5)
    points = np.random.default_rng(1).random((200, 2))
    points = points[solved.inside(points)]
    assert np.isfinite(solved.residual(points)["pde"]).all()


def test_copies_keep_the_domain(solved):
    twin = pickle.loads(pickle.dumps(solved))
    assert not twin.inside(0.4, 0.5)
    assert twin.u(0.1, 0.1) == solved.u(0.1, 0.1)


def test_points_are_differentiable_inside(holed):
    x = torch.tensor([0.1, 0.9], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.5, 0.5], dtype=torch.float64)
    slope = torch.autograd.grad(holed.u(x, y).sum(), x)[0]
    assert torch.allclose(slope, holed.u.x(x.detach(), y), rtol=1e-6)
