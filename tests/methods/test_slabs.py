"""Evolution problems slab after slab in time, and fields with a gauge."""

import re

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import cos, exp, pi, sin
from hermite_pinn.cuda.encoder.basis import BASES, basis_values
from hermite_pinn.methods.gauss_newton.time_slabs import cells_per_slab, ladder, least_cells, stable_points, why_at_once


def heat(**changes):
    exact = lambda x, t: sin(pi * x) * exp(-t) + x * t
    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        "u",
        lambda u, x, t: u.t - 0.1 * u.xx - (0.1 * pi**2 - 1) * sin(pi * x) * exp(-t) - x,
        [hp.Initial(u=lambda x: sin(pi * x)), hp.Dirichlet(u=exact)],
        exact={"u": exact},
    )
    return problem.replace(**changes)


def wave():
    exact = lambda x, t: sin(pi * x) * cos(2 * pi * t)
    return hp.Problem(
        hp.Box(t=(0, 1), x=(0, 1)),
        "u",
        lambda u: u.tt - 4 * u.xx,
        [hp.Initial(u=lambda x: sin(pi * x), u_t=0.0), hp.Dirichlet(u=0.0)],
        exact={"u": exact},
    )


def reaction():
    """u_t = u_xx / 50 + u (1 - u) with a travelling front, periodic after a change of sign."""
    exact = lambda x, t: exp(sin(x + t))
    return hp.Problem(
        hp.Box(x=(0, 2 * np.pi), t=(0, 1)),
        "u",
        lambda u, x, t: u.t - 0.02 * u.xx + u**3 - (
            cos(x + t) * exp(sin(x + t))
            - 0.02 * (cos(x + t) ** 2 - sin(x + t)) * exp(sin(x + t))
            + exp(3 * sin(x + t))
        ),
        [hp.Periodic("x"), hp.Initial(u=lambda x: exp(sin(x)))],
        exact={"u": exact},
    )  # fmt: skip


def stokes():
    """Unsteady Stokes flow with a known stream function; the pressure is free up to a function of time."""
    u = lambda x, y, t: -cos(x) * sin(y) * exp(-t)
    v = lambda x, y, t: sin(x) * cos(y) * exp(-t)
    p = lambda x, y, t: cos(x + y) * (1 + t)
    return hp.Problem(
        hp.Box(x=(0, 2 * np.pi), y=(0, 2 * np.pi), t=(0, 1)),
        ["u", "v", "p"],
        lambda u, v, p, x, y, t: {
            "x": u.t + p.x - u.laplacian - (-cos(x) * sin(y) * exp(-t) - sin(x + y) * (1 + t)),
            "y": v.t + p.y - v.laplacian - (sin(x) * cos(y) * exp(-t) - sin(x + y) * (1 + t)),
            "div": u.x + v.y,
        },
        [hp.Periodic("x", "y"), hp.Initial(u=lambda x, y: u(x, y, 0), v=lambda x, y: v(x, y, 0)), hp.Gauge("p")],
        exact={"u": u, "v": v, "p": p},
    )


PROBLEMS = {"heat": heat, "wave": wave, "reaction": reaction}


def errors(solution):
    return {f: e["relative_l2"] for f, e in solution.error().items()}


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("basis", ["cubic", "quintic"])
def test_slabs_converge_with_the_order_of_the_basis(name, basis):
    field = hp.Field(head="linear", basis=basis)
    found = []
    finest = {"cubic": (16, 32), "quintic": (8, 16)}[basis]
    for levels in ([tuple(n // 2 for n in finest)], [finest]):
        method = hp.GaussNewton(slabs=4)
        found.append(errors(hp.solve(PROBLEMS[name](), levels=levels, method=method, field=field, throw=False))["u"])
    order = {"cubic": 4, "quintic": 6}[basis]
    assert np.log2(found[0] / found[1]) > order - 0.7


@pytest.mark.parametrize("name", PROBLEMS)
def test_slabs_are_as_accurate_as_all_times_at_once(name):
    levels = [(8, 8), (16, 16)]
    once = errors(hp.solve(PROBLEMS[name](), levels=levels, method=hp.GaussNewton(slabs=1), throw=False))["u"]
    slabs = hp.solve(PROBLEMS[name](), levels=levels, method=hp.GaussNewton(slabs=2), throw=False)
    assert slabs.stats["slabs"] == 2
    assert errors(slabs)["u"] < 3 * once


def amplification(basis, cells, points, order):
    """By what a slab multiplies states of d^order u / dt^order = z u at most, over negative z."""
    m = BASES[basis].coefficients
    nodes, weights = np.polynomial.legendre.leggauss(points)
    at, roots = torch.as_tensor((nodes + 1) / 2), np.tile(np.sqrt(weights / 2), cells)[:, None]
    own = np.zeros((2, cells * points, (cells + 1) * m))
    for rows, derivative in zip(own, (order, 0), strict=True):
        local = np.stack([np.asarray(v, dtype=float) for v in basis_values(basis, at, derivative)]).T
        for c in range(cells):
            rows[c * points : (c + 1) * points, c * m : (c + 2) * m] = local
    largest = 0.0
    for z in -np.logspace(-2, 6, 60):
        system = (own[0] - z * own[1]) * roots
        free = np.linalg.lstsq(system[:, order:], -system[:, :order], rcond=1e-14)[0]
        end = free[cells * m - order : cells * m]
        largest = max(largest, np.abs(np.linalg.eigvals(end)).max())
    return largest


@pytest.mark.parametrize("basis", ["cubic", "quintic", "septic"])
def test_slabs_do_not_multiply_errors(basis):
    m = BASES[basis].coefficients
    for name, order in (("heat", 1), ("wave", 2)):
        problem = PROBLEMS[name]()
        points = stable_points(problem, basis) or m + 1
        for cells in range(least_cells(problem, basis), 9):
            assert amplification(basis, cells, points, order) < 1.001


@pytest.mark.parametrize("basis", ["quintic", "septic"])
def test_fewer_points_would_multiply_those_of_waves_five_to_ninety_times(basis):
    found = [amplification(basis, cells, BASES[basis].coefficients + 1, 2) for cells in range(4, 9)]
    assert 5 < min(found) < max(found) < 95


@pytest.mark.slow_but("quintic")
@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("basis", ["quintic", "septic"])
def test_more_slabs_than_cells_of_time_allow_are_fewer(name, basis, levels):
    """Slabs of one or two cells leave coefficients free: errors of 1e14 to 1e30 came of them."""
    asked = {"levels": levels, "field": hp.Field(basis=basis), "throw": False}
    slabs = hp.solve(PROBLEMS[name](), method=hp.GaussNewton(slabs=4), **asked)
    once = hp.solve(PROBLEMS[name](), method=hp.GaussNewton(slabs=1), **asked)
    assert slabs.stats["slabs"] == min(4, 4 * 2 ** (levels - 1) // least_cells(PROBLEMS[name](), basis))
    assert slabs.status.name == "COMPLETED"
    assert errors(slabs)["u"] < max(10 * errors(once)["u"], 1e-9)  # at 1e-9 there is rounding


@pytest.mark.parametrize(("basis", "gauss"), [("cubic", 2), ("quintic", 3), ("septic", 3)])
def test_slabs_with_as_many_points_as_coefficients_are_refused_with_what_works(basis, gauss):
    with pytest.raises(hp.InvalidArgumentError, match=r"leave gauss out or give gauss=\d, or use slabs=1") as told:
        hp.solve(heat(), levels=2, method=hp.GaussNewton(slabs=2, gauss=gauss), field=hp.Field(basis=basis))
    enough = int(re.findall(r"give gauss=(\d)", str(told.value))[0])
    found = hp.solve(
        heat(), levels=2, method=hp.GaussNewton(slabs=2, gauss=enough), field=hp.Field(basis=basis), throw=False
    )
    assert found.stats["slabs"] == 2
    assert errors(found)["u"] < 1e-4
    alone = hp.solve(heat(), levels=3, method=hp.GaussNewton(gauss=gauss), field=hp.Field(basis=basis), throw=False)
    assert alone.stats["slabs"] == 1


def test_slabs_reproduce_what_the_grid_contains():
    exact = lambda x, t: (x**3 - x) * (1 + t + t**2 - t**3)
    problem = hp.Problem(
        hp.Box(x=(0, 2), t=(0, 1)),
        "u",
        lambda u, x, t: u.t - u.xx - (x**3 - x) * (1 + 2 * t - 3 * t**2) + 6 * x * (1 + t + t**2 - t**3),
        [hp.Initial(u=lambda x: exact(x, 0.0)), hp.Dirichlet(u=exact)],
        exact={"u": exact},
    )
    solution = hp.solve(problem, levels=[(4, 12)], method=hp.GaussNewton(slabs=3, inner_tol=1e-13))
    assert errors(solution)["u"] < 1e-10


def test_the_number_of_slabs_follows_the_cells_of_time():
    solution = hp.solve(heat(), levels=[(4, 4), (8, 8), (16, 16), (16, 32)])
    assert list(solution.history["slabs"]) == [1, 1, 2, 4]


@pytest.mark.slow
def test_a_pressure_keeps_its_gauge_slab_by_slab():
    solution = hp.solve(stokes(), levels=[(8, 8, 8)], method=hp.GaussNewton(slabs=2), throw=False)
    x = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    for t in (0.2, 0.5, 0.9):
        assert abs(np.mean(solution.p(x[:, None], x[None, :], t))) < 1e-6
    assert max(errors(solution).values()) < 2e-2
    assert errors(solution)["u"] < 5e-3


def test_a_gauge_in_a_steady_problem():
    exact = lambda x, y: cos(pi * x) * cos(pi * y)
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        "p",
        lambda p, x, y: p.laplacian + 2 * pi**2 * exact(x, y),
        [hp.Neumann(p=0.0), hp.Gauge("p")],
        exact={"p": lambda x, y: 5.0 + exact(x, y)},  # another constant than the mean of zero that the gauge picks
    )
    solution = hp.solve(problem, tol=1e-5)
    assert errors(solution)["p"] < 1e-5
    assert abs(solution.p(0.5, 0.5)) < 1e-4


def test_resumed_slabs_end_like_an_uninterrupted_run(tmp_path):
    path = tmp_path / "state.h5"

    class Stop(hp.Callback):
        def on_step(self, state):
            return "third level" if state.level == 4 else None

    hp.solve(heat(), levels=4, checkpoint=path, callbacks=Stop())
    resumed, whole = hp.solve(heat(), levels=4, resume=path, checkpoint=path), hp.solve(heat(), levels=4)
    assert torch.equal(resumed.field.tensors()["encoder/table"], whole.field.tensors()["encoder/table"])
    finished = hp.solve(heat(), levels=4, resume=path)
    assert finished.estimated_error == whole.estimated_error
    assert finished.status is whole.status


REASONS = {
    "no time": (hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.xx - 1, [hp.Dirichlet(u=0.0)]), "no axis called t"),
    "end": (heat().replace(conditions=[*heat().conditions, hp.Dirichlet(u=0.0, on="t+")]), "end of time"),
    "data": (heat().replace(conditions=[*heat().conditions, hp.Data([[0.5, 0.5]], u=1.0)]), "spread over time"),
    "parameter": (
        hp.Problem(
            hp.Box(x=(0, 1), t=(0, 1)),
            "u",
            lambda u, k: u.t - k * u.xx,
            [hp.Initial(u=lambda x: sin(pi * x)), hp.Dirichlet(u=0.0)],
            parameters=[hp.Parameter("k")],
        ),
        "unknown parameters",
    ),
}


@pytest.mark.parametrize("name", REASONS)
def test_what_cannot_be_cut_into_slabs_says_why(name):
    problem, reason = REASONS[name]
    assert reason in (why_at_once(problem, "cubic") or "")
    with pytest.raises(hp.InvalidArgumentError, match=reason):
        hp.solve(problem, levels=2, method=hp.GaussNewton(slabs=2))


@pytest.mark.filterwarnings("ignore::hermite_pinn.HermitePinnWarning")
def test_a_missing_initial_condition_is_named():
    problem = wave().replace(conditions=[hp.Initial(u=lambda x: sin(pi * x)), hp.Dirichlet(u=0.0)])
    assert why_at_once(problem, "cubic") == "u_t is not given at the start of time on the whole face"


def test_fast_signals_shorten_slabs():
    problem = stokes()
    assert cells_per_slab(problem, "cubic", (32, 32, 32), (0.0, 0.0, 0.0)) == 8
    assert cells_per_slab(problem, "cubic", (32, 32, 32), (5.0, 0.0, 0.0)) < 8
    assert cells_per_slab(problem, "cubic", (32, 32, 32), (1e6, 0.0, 0.0)) == 2
    assert cells_per_slab(heat(), "cubic", (64, 64), (1e6, 0.0)) == 8


def test_a_ladder_is_nested():
    for coarse, fine in zip(ladder((48, 20, 3)), ladder((48, 20, 3))[1:], strict=False):
        assert all(f in (c, 2 * c) for c, f in zip(coarse, fine, strict=True))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: hp.Gauge(), "names of fields"),
        (lambda: stokes().replace(conditions=[*stokes().conditions, hp.Gauge("q")]), "no field"),
        (lambda: stokes().replace(conditions=[*stokes().conditions, hp.Gauge("u")]), "needs no gauge"),
    ],
)
def test_bad_gauges(make, message):
    with pytest.raises(hp.InvalidProblemError, match=message):
        make()
