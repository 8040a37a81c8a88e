"""Gauss-Newton on domains cut out of boxes: orders of convergence, invariance, statuses, estimates."""

import math
from types import SimpleNamespace

import pytest
import torch
from support.cut_domains import error, order, poisson, square, wave, wave_gradient, wave_laplacian, wave_slope

import hermite_pinn as hp
from hermite_pinn import cos, exp, log, sin, sqrt
from hermite_pinn.methods.gauss_newton.requirements import _check_cut

DISK = hp.Disk((0.42, 0.71), 0.31)
PART = hp.Polygon([(0.1, 0.5), (0.5, 0.35), (0.8, 0.8), (0.35, 1.05)])
TILTED = hp.Rectangle((0.2, 0.45), (0.65, 0.95)).rotated(23)
DOMAINS = {
    "in a disc": lambda: square() & DISK,
    "around a disc": lambda: square() - DISK,
    "in a tilted rectangle": lambda: square() & TILTED,
    "in a polygon": lambda: square() & PART,
}


def doubled(first, count, dim=2):
    """Levels from so many cells along every axis on."""
    return [(first * 2**k,) * dim for k in range(count)]


def solved(problem, levels, **options):
    """The solution, whose estimate is not far below the error."""
    solution = hp.solve(problem, levels=levels, **options)
    estimate = float(solution.message.split("error ")[1].split(";")[0].split()[0])
    worst = max(e["relative_l2"] for e in solution.error().values())
    assert estimate > worst / 3, solution.message
    return solution


CONDITIONS = {
    "dirichlet": lambda: [hp.Dirichlet(u=wave)],
    "robin": lambda: [hp.Condition(lambda u, x, y, n: 2 * u + u.n - 2 * wave(x, y) - wave_slope(x, y, n))],
    "neumann": lambda: [
        hp.Neumann(u=wave_slope, on="disk"),
        hp.Dirichlet(u=wave, on=["x-", "x+", "y-", "y+"]),
    ],
}


@pytest.mark.parametrize("name", DOMAINS)
def test_fourth_order_under_dirichlet_conditions(name):
    errors = [error(solved(poisson(DOMAINS[name]()), doubled(4, n))) for n in (3, 4)]
    assert order(errors) > 3.6
    assert errors[-1] < 8e-7


@pytest.mark.parametrize(
    ("name", "kind"), [("in a disc", "robin"), ("around a disc", "robin"), ("around a disc", "neumann")]
)
def test_high_order_under_conditions_on_slopes(name, kind):
    problem = poisson(DOMAINS[name](), CONDITIONS[kind]())
    errors = [error(solved(problem, doubled(4, n))) for n in (2, 4)]
    assert 0.5 * math.log2(errors[0] / errors[1]) > 3.2
    assert errors[-1] < 1e-6


@pytest.mark.parametrize("inner", ["cg", "auto"])
@pytest.mark.parametrize("name", ["in a disc", "in a polygon"])
def test_conditions_on_parts_of_a_shape(name, inner):
    """Two kinds on one shape, one beside the other."""
    face = {"in a disc": "disk", "in a polygon": "polygon"}[name]
    conditions = [
        hp.Neumann(u=wave_slope, on=face, where=lambda x: x > 0.42),
        hp.Dirichlet(u=wave, on=face, where=lambda x: x <= 0.42),
    ]
    problem = poisson(DOMAINS[name](), conditions)
    assert error(hp.solve(problem, levels=doubled(4, 4), method=hp.GaussNewton(inner=inner))) < 5e-6


def test_conditions_on_sides_of_a_polygon():
    conditions = [
        hp.Dirichlet(u=wave, on=["polygon:0", "polygon:2"]),
        hp.Neumann(u=wave_slope, on=["polygon:1", "polygon:3"]),
    ]
    assert error(solved(poisson(DOMAINS["in a polygon"](), conditions), doubled(4, 4))) < 5e-6


def test_sixth_order_of_the_quintic_basis_on_a_disc():
    problem = poisson(square() & DISK)
    errors = [error(hp.solve(problem, levels=doubled(4, n), field=hp.Field(basis="quintic"))) for n in (1, 2, 3)]
    assert 0.5 * math.log2(errors[0] / errors[2]) > 5


@pytest.mark.parametrize("inside", [True, False])
def test_fourth_order_on_both_sides_of_a_ball(inside):
    exact = lambda x, y, z: sin(4 * x + 0.3) * cos(3 * y - 0.2) * cos(2 * z)
    box, ball = hp.Box(x=(-0.1, 0.9), y=(0.2, 1.2), z=(0, 1)), hp.Ball((0.42, 0.71, 0.47), 0.31)
    problem = hp.Problem(
        box & ball if inside else box - ball,
        "u",
        lambda u, x, y, z: u.laplacian + 29 * exact(x, y, z),
        [hp.Dirichlet(u=exact)],
        exact={"u": exact},
    )
    errors = [error(hp.solve(problem, levels=doubled(4, n, 3))) for n in (2, 3)]
    assert order(errors) > 3.4


# -- invariance ---
def moved(factor=1.0, offset=(0.0, 0.0), swapped=False):
    """The same problem in other coordinates."""
    names = "yx" if swapped else "xy"
    corner = dict(zip("xy", ((-0.1, 0.9), (0.2, 1.2)), strict=True))
    shift = dict(zip("xy", offset, strict=True))
    box = hp.Box(**{n: tuple(factor * v + shift[n] for v in corner[n]) for n in names})
    center = {"x": 0.42 * factor + shift["x"], "y": 0.71 * factor + shift["y"]}
    disk = hp.Disk(tuple(center[n] for n in names), 0.31 * factor)
    back = lambda x, y: ((x - shift["x"]) / factor, (y - shift["y"]) / factor)
    exact = lambda x, y: wave(*back(x, y))
    return hp.Problem(
        box - disk,
        "u",
        lambda u, x, y: u.laplacian - wave_laplacian(*back(x, y)) / factor**2,
        [hp.Dirichlet(u=exact)],
        exact={"u": exact},
    )


@pytest.mark.parametrize(
    "change", [{"factor": 1e-3}, {"factor": 1e6}, {"offset": (0.317, -12.9)}, {"swapped": True}], ids=str
)
def test_other_units_places_and_orders_of_axes_change_nothing(change):
    one, other = (solved(p, doubled(4, 3)) for p in (moved(), moved(**change)))
    assert error(other) == pytest.approx(error(one), rel=0.03)
    assert other.status is one.status


def test_a_disc_off_the_grid_is_as_accurate_anywhere():
    found = []
    for k in range(3):
        disk = hp.Disk((0.4 + 0.017 * k, 0.7 - 0.011 * k), 0.29)
        found.append(error(solved(poisson(square() & disk), doubled(4, 3))))
    assert max(found) < 2 * min(found)


# -- kinds of equations ---
def test_variable_coefficients():
    source = lambda x, y: (2 + x) * wave_laplacian(x, y) + wave_gradient(x, y)[0]
    problem = hp.Problem(
        square() - DISK,
        "u",
        lambda u, x, y: (2 + x) * u.laplacian + u.x - source(x, y),
        [hp.Dirichlet(u=wave)],
        exact={"u": wave},
    )
    errors = [error(solved(problem, doubled(4, n))) for n in (3, 4)]
    assert order(errors) > 3.5


def test_a_nonlinear_equation():
    problem = hp.Problem(
        square() & DISK,
        "u",
        lambda u, x, y: u.laplacian - u**3 - wave_laplacian(x, y) + wave(x, y) ** 3,
        [hp.Dirichlet(u=wave)],
        exact={"u": wave},
    )
    errors = [error(solved(problem, doubled(4, n))) for n in (3, 4)]
    assert order(errors) > 3.5


def heat(robin=True):
    """Heat around a disc with a known solution."""
    exact = lambda x, y, t: exp(-t) * wave(x, y)
    flow = lambda x, y, t, n: exp(-t) * (wave(x, y) + wave_slope(x, y, n))
    return hp.Problem(
        hp.Box(x=(-0.1, 0.9), y=(0.2, 1.2), t=(0, 1)) - DISK,
        "u",
        lambda u, x, y, t: u.t - u.laplacian + exp(-t) * (wave(x, y) + wave_laplacian(x, y)),
        [
            hp.Condition(lambda u, x, y, t, n: u + u.n - flow(x, y, t, n), on="disk"),
            hp.Dirichlet(u=exact, on=["x-", "x+", "y-", "y+"]),
            hp.Initial(u=wave),
        ],
        exact={"u": exact},
    )


@pytest.mark.parametrize("slabs", [1, 2])
def test_heat_around_a_hole_at_once_and_in_slabs(slabs):
    method = hp.GaussNewton(slabs=slabs)
    solution = hp.solve(heat(), levels=[(4, 4, 4), (8, 8, 4), (16, 16, 8)], method=method)
    assert error(solution) < 3e-5


def test_stokes_flow_around_a_disc():
    u = lambda x, y: sin(2 * x) * cos(2 * y)
    v = lambda x, y: -cos(2 * x) * sin(2 * y)
    problem = hp.Problem(
        square() - DISK,
        ["u", "v", "p"],
        lambda u, v, p, x, y: {
            "a": u.laplacian - p.x + 8 * sin(2 * x) * cos(2 * y) + 3 * cos(3 * x + y),
            "b": v.laplacian - p.y - 8 * cos(2 * x) * sin(2 * y) + cos(3 * x + y),
            "div": u.x + v.y,
        },
        [hp.Dirichlet(u=u, v=v), hp.Gauge("p")],
        exact={"u": u, "v": v},
    )
    errors = [max(e["relative_l2"] for e in hp.solve(problem, levels=doubled(4, n)).error().values()) for n in (3, 4)]
    assert order(errors) > 2.5  # on the whole box it is about 3
    assert errors[-1] < 3e-6


def test_an_unknown_coefficient_from_measurements_in_a_cut_domain():
    points = [[0.3, 0.6], [0.5, 0.8], [0.4, 0.9]]
    problem = hp.Problem(
        square() & DISK,
        "u",
        lambda u, x, y, c: u.laplacian - c * wave_laplacian(x, y),
        [hp.Dirichlet(u=wave), hp.Data(points, u=[wave(*p) for p in points])],
        parameters=[hp.Parameter("c", init=0.5)],
        exact={"u": wave},
    )
    solution = hp.solve(problem, levels=doubled(4, 3))
    assert solution.parameters["c"] == pytest.approx(1.0, abs=1e-4)


# -- where something is not defined outside ---
@pytest.mark.parametrize("hole", [False, True])
def test_a_source_that_is_not_defined_outside(hole):
    square_of = lambda x, y: (x - 0.42) ** 2 + (y - 0.71) ** 2
    extra = (lambda x, y: log(square_of(x, y) - 0.3**2)) if hole else (lambda x, y: sqrt(0.311**2 - square_of(x, y)))
    problem = hp.Problem(
        square() - DISK if hole else square() & DISK,
        "u",
        lambda u, x, y: u.laplacian - wave_laplacian(x, y) - 1e-9 * extra(x, y),
        [hp.Dirichlet(u=wave)],
        exact={"u": wave},
    )
    solution = solved(problem, doubled(4, 4))
    assert "not defined at points of cut cells outside" in solution.message
    assert error(solution) < 6e-7
    assert "not defined" not in hp.solve(poisson(square() - DISK), levels=2).message


def test_a_start_that_is_not_defined_outside():
    domain = hp.Box(x=(-0.1, 0.9), y=(0.2, 1.2), t=(0, 0.5)) & DISK
    start = lambda x, y: wave(x, y) + 1e-9 * sqrt(0.311**2 - (x - 0.42) ** 2 - (y - 0.71) ** 2)
    problem = hp.Problem(
        domain,
        "u",
        lambda u, x, y: u.t - u.laplacian + wave_laplacian(x, y),
        [hp.Dirichlet(u=wave), hp.Initial(u=start)],
        exact={"u": lambda x, y, t: wave(x, y)},
    )
    solution = solved(problem, [(4, 4, 2), (8, 8, 2), (16, 16, 2)])
    assert "not defined at points of cut cells outside" in solution.message
    assert error(solution) < 2e-5


# -- runs ---
def test_a_resumed_run_ends_as_if_it_had_not_stopped(tmp_path):
    class Stop(hp.Callback):
        def on_step(self, state):
            return "enough" if state.step >= 2 else None

    problem, levels = poisson(square() - DISK), doubled(4, 3)
    whole = hp.solve(problem, levels=levels)
    hp.solve(problem, levels=levels, callbacks=[Stop()], checkpoint=tmp_path / "c.h5")
    resumed = hp.solve(problem, levels=levels, resume=tmp_path / "c.h5")
    assert torch.equal(whole.field.table, resumed.field.table)


def test_saved_solutions_are_the_same_when_loaded(tmp_path):
    solution = hp.solve(poisson(square() & DISK), levels=2)
    solution.save(tmp_path / "u.h5")
    loaded = hp.Solution.load(tmp_path / "u.h5")
    x, y = torch.tensor([0.4, 0.5]), torch.tensor([0.7, 0.8])
    assert torch.equal(torch.as_tensor(solution.u(x, y)), torch.as_tensor(loaded.u(x, y)))


def test_a_tolerance_is_met():
    solution = hp.solve(poisson(square() & DISK), tol=1e-5)
    assert solution.status is hp.Status.CONVERGED
    assert error(solution) < 1e-5


def test_a_band_is_refused():
    with pytest.raises(hp.InvalidArgumentError, match="inner='banded' is for whole boxes"):
        hp.solve(poisson(square() & DISK), method=hp.GaussNewton(inner="banded"))


def test_several_processes_are_refused():
    problem = poisson(square() & DISK)
    task = SimpleNamespace(problem=problem, ranks=SimpleNamespace(size=2))
    with pytest.raises(hp.InvalidArgumentError, match="in one process, got 2"):
        _check_cut(hp.GaussNewton(), task)


@pytest.mark.parametrize(
    "chain", [hp.GaussNewton() >> hp.Adam(steps=3), hp.Adam(steps=3) >> hp.GaussNewton()], ids=["before", "after"]
)
def test_chains_with_adam(chain):
    assert error(hp.solve(poisson(square() & DISK), levels=2, method=chain, field=hp.Field(basis="cubic"))) < 0.1


def test_a_plate_that_misses_the_points_of_its_cells():
    """Residuals are looked at between the collocation points, wherever these lie."""
    thin = hp.Box(x=(0, 1), y=(0, 1)) & hp.Rectangle((0.1, 0.46), (0.9, 0.48))
    problem = hp.Problem(thin, "u", lambda u: u.laplacian, [hp.Dirichlet(u=lambda x, y: x + y)])
    solution = hp.solve(problem, levels=[(4, 4)], throw=False)
    assert abs(float(solution.u(0.5, 0.47)) - 0.97) < 1e-6
