"""Estimated errors: what they are made of, and that they are right."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import cos, exp, pi, sin
from hermite_pinn.methods.gauss_newton.convergence import Convergence, unsolved
from hermite_pinn.methods.gauss_newton.indicators import Indicators, growth
from hermite_pinn.methods.gauss_newton.surplus import surpluses
from hermite_pinn.methods.gauss_newton.term_sizes import floored
from hermite_pinn.methods.gauss_newton.watch_points import WatchPoints
from hermite_pinn.residuals.sizes import prescribed_sizes
from hermite_pinn.validation.accuracy.cut_manufactured import CUT_KINDS, cut_manufactured
from hermite_pinn.validation.accuracy.estimates import rows_of, summary
from hermite_pinn.validation.accuracy.manufactured import KINDS, manufactured

UNIFORM = hp.GaussNewton(refine="uniform", basis="cubic")


def measured(kinds, seeds, tol, **options):
    """All levels of runs that end by their tolerance, not by the clock."""
    problems = [(kind, manufactured(kind, seed)) for kind in kinds for seed in seeds]
    return [row for kind, problem in problems for row in rows_of(kind, problem, 1e4, tol=tol, **options)]


def test_estimates_are_close_to_the_errors_of_random_problems():
    kinds = ["waves on a line", "layer", "front", "corner", "peak", "heat"]
    found = summary(measured(kinds, [11], 1e-5, method=UNIFORM))
    assert found.count > 20
    assert found.low == 0
    assert found.close > 0.8
    of_default_runs = summary(measured(["layer", "peak"], [11], 1e-5))
    assert of_default_runs.count > 10
    assert of_default_runs.under == 0


@pytest.mark.slow
def test_estimates_are_close_to_the_errors_on_cut_domains():
    kinds = ["in a polygon", "around discs", "a corner", "in a curve", "carried"]
    rows = [row for kind in kinds for row in rows_of(kind, cut_manufactured(kind, 0), 1e4, tol=1e-4)]
    found = summary(rows)
    assert found.count > 10
    assert found.low == 0
    assert found.close >= 0.9


@pytest.mark.slow
def test_estimates_are_close_to_the_errors_on_many_cut_domains():
    rows = [
        row for kind in CUT_KINDS for k in (20, 21) for row in rows_of(kind, cut_manufactured(kind, k), 1e4, tol=1e-3)
    ]
    found = summary(rows)  # of thin stars and tori on few cells, the changes between levels tell little
    assert found.low <= 0.05 * found.count
    assert found.close > 0.8


@pytest.mark.slow
def test_estimates_are_close_to_the_errors_of_many_random_problems():
    found = summary(measured(KINDS, range(20, 23), 1e-6, method=hp.GaussNewton(refine="uniform")))
    assert found.low <= 0.01 * found.count
    assert found.close > 0.88


@pytest.mark.slow
def test_estimates_of_default_runs_promise_no_more_than_the_errors_of_many_random_problems():
    """Layers that local refinement has not resolved yet, and smooth bases, are estimated far on the safe side."""
    found = summary(measured(KINDS, range(20, 23), 1e-6))
    assert found.low == 0
    assert found.under <= 0.05 * found.count


# -- the surplus ---
def coefficients(functions, n, m, lower=0.0):
    """Hermite coefficients of a function of one variable, from its derivatives."""
    x = lower + np.linspace(0, 1, n + 1)
    return np.stack([functions(x, a) / n**a for a in range(m)], 1).ravel()


@pytest.mark.parametrize(("basis", "m"), [("cubic", 2), ("quintic", 3), ("septic", 4)])
def test_the_surplus_is_the_error_of_the_coarser_interpolant(basis, m):
    wave = lambda x, a: 5.0**a * np.sin(5 * x + 0.4 + a * np.pi / 2)
    along, across = coefficients(wave, 16, m), coefficients(lambda x, a: 1.0 * (a == 0) + 0 * x, 8, m)
    finest = torch.as_tensor(np.outer(along, across))[None].contiguous()
    first, second = surpluses(finest, basis, (False, False))
    assert max(second.details[0]) < 1e-13
    # the constant of interpolation: h**2m ||f^(2m)|| B(2m + 1, 2m + 1)**(1/2) / (2m)!
    size = math.sqrt(math.gamma(2 * m + 1) ** 2 / math.gamma(4 * m + 2)) / math.factorial(2 * m)
    x = (np.arange(4000) + 0.5) / 4000
    expected = size * (1 / 8) ** (2 * m) * np.sqrt(np.mean(wave(x, 2 * m) ** 2))
    assert first.details[0][0] == pytest.approx(expected, rel=0.25)
    assert first.smooth[0] == pytest.approx(expected / 4**m, rel=0.2)
    assert growth([d[0] for d in first.details], 4.0**m) > 0.7 * 4**m


def test_the_surplus_of_periodic_axes_wraps():
    wave = lambda x, a: (2 * np.pi) ** a * np.sin(2 * np.pi * x + a * np.pi / 2)
    whole = coefficients(wave, 16, 2)
    open_, wrapped = (torch.as_tensor(c)[None].contiguous() for c in (whole, whole[:-2]))
    assert surpluses(wrapped, "cubic", (True,))[0].details[0][0] == pytest.approx(
        surpluses(open_, "cubic", (False,))[0].details[0][0], rel=1e-10
    )


@pytest.mark.parametrize("rate", [1.0, 2.5, 8.0])
def test_a_singular_field_keeps_its_rate(rate):
    assert growth([1.0, rate, rate**2], 16.0) == pytest.approx(rate)


# -- the estimate ---
def test_a_lucky_change_is_not_believed_beyond_the_surplus():
    slow, fast = Convergence("cubic", 1e-4), Convergence("cubic", 1e-4)
    for c, rate in ((slow, 2.0), (fast, 16.0)):
        for change in (None, 1e-1, 1e-3):
            error = c.add(change, 1.0, Indicators(rate=rate))
        assert error > 1e-3 / 15.1
    assert slow.estimates[-1] > 2.0 * fast.estimates[-1]


def estimated(changes, falls, surplus=16.0):
    """The estimate after changes, where the residual and its indicator fall by factors."""
    c, residual = Convergence("cubic", 1e-6), 1.0
    for change, fall in zip((None, *changes), (1.0, *falls), strict=True):
        residual /= fall
        c.add(change, residual, Indicators(rate=surplus, residual=1e-3 * residual))
    return c.estimates[-1]


def test_the_residual_tells_how_fast_the_second_level_converges():
    slow, fast = estimated([1e-2], [2.0]), estimated([1e-2], [16.0])
    assert fast == pytest.approx(1e-2 / 15)
    assert slow == pytest.approx(1e-2 / 7)
    # not where the level before knew nothing, nor where the surplus does not agree
    assert estimated([0.6], [16.0]) == pytest.approx(0.6 / 7)
    assert estimated([1e-2], [16.0], surplus=2.0) > 3 * fast


def test_a_fall_of_the_changes_is_not_believed_where_the_residual_stays():
    assert estimated([1e-1, 1e-2], [16.0, 16.0]) == pytest.approx(estimated([1e-1, 1e-2], [16.0, 4.0]))
    assert estimated([1e-1, 1e-2], [16.0, 0.9]) > 2 * estimated([1e-1, 1e-2], [16.0, 16.0])
    assert estimated([0.6, 6e-2], [16.0, 2.0]) > 2 * estimated([0.6, 6e-2], [16.0, 4.0])  # 0.6: it knew nothing
    assert estimated([1.0, 1e-3], [16.0, 0.9]) == pytest.approx(2e-3)  # faster than any order: no rate at all


@pytest.mark.parametrize(
    "indicators",
    [
        Indicators(interpolation=1.0),
        Indicators(jumps=1.0),
        Indicators(misfit=1.0),
        Indicators(watched=30.0),
        Indicators(rounding=1.0),
    ],
)
def test_every_indicator_raises_the_estimate(indicators):
    found = []
    for own in (Indicators(), indicators):
        c = Convergence("cubic", 1e-4)
        for change in (None, 1e-3, 1e-4):
            error = c.add(change, 1.0, own)
        found.append(error)
    assert found[1] > 100.0 * found[0]


def test_parameters_that_converge_later_hold_the_estimate_up():
    """Each change is a tenth of the one before; those of the fields are much smaller."""
    c = Convergence("cubic", 1e-6)
    for k in range(5):
        error = c.add(None if k == 0 else 1e-4 * 16.0**-k, 1.0, Indicators(rate=16.0), moved=10.0**-k)
    assert error == pytest.approx(1e-4 / 9)
    assert not c.met


def test_a_linear_problem_that_was_not_solved_cannot_converge():
    for solved in (True, False):
        c = Convergence("septic", 1e-6)
        for change in (None, 1e-3, 1e-6, 1e-9):
            c.add(change, 1.0, solved=solved)
        assert c.met is solved
    assert c.estimates[-1] > 1e-3 * c.estimates[-2]
    assert unsolved(10, 1e-10) < 1e-8 < 0.1 < unsolved(3000, 1e-3)


@pytest.mark.parametrize("indicators", [Indicators(leaf=(0.2,)), Indicators(residual=0.2), Indicators(watched=0.2)])
def test_nothing_stalls_before_it_is_resolved(indicators):
    for own, stagnant in ((indicators, False), (Indicators(), True)):
        c = Convergence("cubic", 1e-6)
        for change in (None, 1e-2, 1e-2, 1e-2, 1e-2):
            c.add(change, 1.0, own)
        assert c.stagnant is stagnant


def test_the_state_of_a_convergence_is_restored():
    c, d = Convergence("cubic", 1e-6), Convergence("cubic", 1e-6)
    for change in (None, 1e-2, 1e-3):
        c.add(change, 1.0, Indicators(leaf=(0.2, 0.1), place="x=1"), solved=False, moved=0.1)
    d.restore(c.state())
    assert c == d


# -- whole runs ---
def layer(e):
    exact = lambda x: x - exp((x - 1) / e)
    return hp.Problem(
        hp.Box(x=(0, 1)),
        "u",
        lambda u: -e * u.xx + u.x - 1,
        [hp.Dirichlet(u=exact)],
        exact={"u": exact},
    )


def test_a_layer_that_is_not_resolved_ends_at_the_limit_and_says_so():
    solution = hp.solve(layer(1e-3), method=replace(UNIFORM, max_unknowns=250), progress=False)
    assert solution.status is hp.Status.MAX_SIZE
    assert "not resolved along x" in solution.message
    error = solution.error()["u"]["relative_l2"]
    assert solution.estimated_error > 0.3 * min(error, 1.0)
    assert hp.solve(layer(1e-3), progress=False).status is hp.Status.CONVERGED


def bump(width, amplitude=1.0):
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        "u",
        lambda u, x, y: u.laplacian + amplitude * exp(-((x - 0.37) ** 2 + (y - 0.61) ** 2) / (2 * width**2)),
        [hp.Dirichlet(u=0.0)],
    )


@pytest.mark.parametrize("amplitude", [1.0, 1e-9])
def test_a_source_between_the_points_is_seen(amplitude):
    solution = hp.solve(bump(2e-3, amplitude), method=replace(UNIFORM, max_unknowns=10_000), progress=False)
    assert solution.status is hp.Status.MAX_SIZE
    assert "a peak of what is prescribed, at x=0.3" in solution.message
    assert solution.estimated_error > 0.1


def test_a_pulse_on_a_face_is_seen():
    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        "u",
        lambda u: u.t - 0.01 * u.xx,
        [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: exp(-(((x - 0.37) / 2e-3) ** 2)))],
    )
    solution = hp.solve(problem, method=hp.GaussNewton(max_unknowns=1500), progress=False)
    assert not solution.status.success
    assert solution.status is not hp.Status.STALLED


def test_smooth_sources_need_no_watch():
    exact = lambda x, y: sin(pi * x) * cos(pi * y)
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)), "u", lambda u, x, y: u.laplacian - exact(x, y), [hp.Dirichlet(u=exact)]
    )
    watch = WatchPoints(problem)
    assert not watch.peaks
    assert not watch.jumps


def elasticity(modulus, amplitude):
    exact = lambda x, y: amplitude * sin(pi * x) * sin(pi * y) / 2
    along = lambda x, y: modulus * 4 * pi**2 * exact(x, y)
    across = lambda x, y: -modulus * amplitude * pi**2 * cos(pi * x) * cos(pi * y)
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u", "v"],
        lambda u, v, x, y: {
            "x": modulus * (3 * u.xx + u.yy + 2 * v.xy) + along(x, y),
            "y": modulus * (3 * v.yy + v.xx + 2 * u.xy) + across(x, y),
        },
        [hp.Dirichlet(u=0.0, v=0.0)],
        exact={"u": exact},
    )


def test_a_field_that_is_zero_does_not_keep_a_run_from_converging_in_any_units():
    found = [hp.solve(elasticity(*units), progress=False) for units in ((1.0, 1.0), (7e10, 1e-5))]
    for solution in found:
        assert solution.status is hp.Status.CONVERGED
        assert 0.3 < solution.estimated_error / solution.error()["u"]["relative_l2"] < 10
    assert found[0].estimated_error == pytest.approx(found[1].estimated_error, rel=1e-3)


def line(power):
    exact = lambda x: sin(3 * pi * x)
    residual = lambda u, x: u.xx + u**power + 9 * pi**2 * exact(x) - exact(x) ** power
    return hp.Problem(hp.Box(x=(0, 1)), "u", residual, [hp.Dirichlet(u=0.0)], exact={"u": exact})


def decay():
    exact = lambda t: exp(-2 * t) + sin(t)
    residual = lambda u, t: u.t + 2 * u - cos(t) - 2 * sin(t)
    return hp.Problem(hp.Box(t=(0, 0.5)), "u", residual, [hp.Initial(u=1.0)], exact={"u": exact})


@pytest.mark.parametrize("problem", [lambda: line(1), lambda: line(3), decay], ids=["linear", "nonlinear", "slabs"])
def test_a_tolerance_below_rounding_ends_the_run_there(problem):
    solution = hp.solve(problem(), tol=1e-20, progress=False)
    assert solution.status is hp.Status.STALLED
    assert "rounding" in solution.message
    error = solution.error()["u"]["relative_l2"]
    assert error < 1e-9
    assert solution.estimated_error > 0.1 * error


def test_an_infinite_estimate_says_nothing_of_the_stages_left():
    c = Convergence("cubic", 1e-4)
    for change in (None, math.inf):
        c.add(change, 1.0)
    assert c.estimates[-1] == math.inf
    assert c.stages_left() is None


def test_a_run_of_one_level_says_that_nothing_is_known_of_its_error():
    waves = lambda k: hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u.xx + k**2 * sin(k * x), [hp.Dirichlet(u=0.0)])
    fine, coarse = (hp.solve(waves(k * pi), levels=1, progress=False) for k in (0.5, 20.0))
    for solution in (fine, coarse):
        assert solution.estimated_error is None
        assert "nothing is known of the error" in solution.message
    assert "not resolved" in coarse.message
    assert "not resolved" not in fine.message


# -- residuals that stay ---
def test_a_residual_that_does_not_fall_holds_the_estimate_up():
    def estimate(losses):
        convergence = Convergence("cubic", 1e-9)
        smooth = [
            Indicators(rate=16.0, residual=16.0 ** (-1 - k), cells=4 ** (k + 1), leaf=(0.01, 0.01)) for k in range(4)
        ]
        error = None
        for k, loss in enumerate(losses):
            error = convergence.add(16.0**-k if k else None, 1.0, smooth[k], loss=loss)
        return error

    change = 16.0**-3
    assert estimate([1e-2, 1e-4, 1e-6, 1e-8]) == pytest.approx(change / 15)
    assert estimate([1e-4, 1e-6, 1e-8, 1e-6]) == pytest.approx(2 * change)  # it rose
    assert estimate([1e-4, 1e-4, 1e-4, 1e-4]) == pytest.approx(5 * change)  # it never fell
    assert estimate([1e-4, 1e-4, 1e-4, 0.0]) == pytest.approx(change / 15)  # not known
    assert estimate([1e-20, 1e-21, 1e-21, 1e-21]) == pytest.approx(change / 15)  # solved for, but for rounding
    assert estimate([1e-4, 1e-6, 1e-10, 1e-10]) == pytest.approx(change / 15)  # less than the error


def test_a_field_with_prescribed_values_is_not_measured_by_its_neighbours():
    sizes, moved, implied = [9.0, 0.7], [0.1, 0.5], [0.0, 8.0]
    assert floored(sizes, moved, implied, 1e-6) == [9.0, 8.0]
    assert floored(sizes, moved, implied, 1e-6, [8.0, 0.5]) == sizes
    problem = hp.problems.gray_scott()
    told = prescribed_sizes(problem)
    assert set(told) == {"u", "v"}
    assert told["v"] < 0.2 * told["u"]
    assert prescribed_sizes(hp.problems.cavity()).keys() == {"u"}


@pytest.mark.parametrize(("until", "worst", "room"), [(3, 1e-5, 3.0), (6, 1e-3, 1.0)])
def test_a_march_that_loses_accuracy_is_not_taken_for_a_converged_one(until, worst, room):
    """Twice as long it loses two digits, and says so; the first one is right to the factor that estimates have."""
    beam = hp.Problem(
        hp.Box(x=(0, 1), t=(0, until)),
        "u",
        lambda u: u.tt + u.xxxx,
        [
            hp.Dirichlet(u=0.0),
            hp.Condition(lambda u: u.xx, on=["x-", "x+"], name="moment"),
            hp.Initial(u=lambda x: sin(pi * x), u_t=0.0),
        ],
        exact={"u": lambda x, t: sin(pi * x) * cos(pi**2 * t)},
        max_order=4,
    )
    solution = hp.solve(beam, levels=3, progress=False)
    error = solution.error()["u"]["relative_l2"]
    assert error < worst
    assert error < room * solution.estimated_error < 0.1
