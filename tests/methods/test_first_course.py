"""A run begins with the basis and the cells that the statement asks for, and answers as from coarser ones."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.field.field import Field
from hermite_pinn.methods.gauss_newton.constant_coefficients import far_from_resonance
from hermite_pinn.methods.gauss_newton.first_course import begun_with, cells_needed, tails
from hermite_pinn.methods.gauss_newton.watch_points import WatchPoints
from hermite_pinn.run.checkpoint import Checkpoint

ORDERS = ("cubic", "quintic", "septic")


def waves(a=1, b=1, size=(1.0, 1.0), shift=(0.0, 0.0), lower=0.0, source=None, conditions=None):
    """``Laplace u + lower u = f`` with the solution ``sin a pi x sin b pi y`` on a box of some size and place."""

    def exact(x, y):
        return hp.sin(a * hp.pi * (x - shift[0]) / size[0]) * hp.sin(b * hp.pi * (y - shift[1]) / size[1])

    factor = lower - math.pi**2 * ((a / size[0]) ** 2 + (b / size[1]) ** 2)
    right = source or (lambda x, y: factor * exact(x, y))
    return hp.Problem(
        domain=hp.Box(x=(shift[0], shift[0] + size[0]), y=(shift[1], shift[1] + size[1])),
        fields=["u"],
        residual=lambda u, x, y: u.laplacian + lower * u - right(x, y),
        conditions=conditions or [hp.Dirichlet(u=0.0)],
        exact={"u": exact},
    )


def begun(problem, tol, method=None, **words):
    method = method or hp.GaussNewton()
    ranks = SimpleNamespace(size=1)
    known = {"problem": problem, "field": None, "levels": None, "start": None, "saved": None, "ranks": ranks}
    task = SimpleNamespace(**(known | words))
    return begun_with(method, task, Field(), tol, WatchPoints(problem))


@pytest.mark.parametrize("basis", ORDERS)
@pytest.mark.parametrize("waves_per_axis", [3.0, 12.0])
def test_cells_for_a_wave_fall_with_the_tolerance_as_the_order_says(basis, waves_per_axis):
    x = np.polynomial.legendre.leggauss(12)[0]
    at = (np.arange(16)[:, None] + 0.5 * (x + 1)) / 16
    found, known = tails(np.sin(waves_per_axis * math.pi * at + 0.3))
    assert known
    m = ORDERS.index(basis) + 2
    few, many = (cells_needed(basis, 16, found[basis], tol) for tol in (1e-4, 1e-4 / 4.0 ** (2 * m)))
    assert 0.7 < many / (4 * few) <= 1.1


def test_noise_tells_nothing():
    assert not tails(np.random.default_rng(0).standard_normal((5, 8, 12)))[1]
    assert tails(np.zeros((5, 8, 12))) == (dict.fromkeys(ORDERS, 0.0), True)


def test_a_smaller_tolerance_begins_with_a_smoother_basis_and_more_waves_with_more_cells():
    loose, tight, fine = begun(waves(6, 6), 1e-2), begun(waves(6, 6), 1e-9), begun(waves(20, 20), 1e-9)
    assert ORDERS.index(loose.basis) < ORDERS.index(tight.basis)
    assert tight.basis == fine.basis
    assert min(fine.base) > max(tight.base)


def test_the_first_cells_depend_on_neither_units_nor_place():
    problems = [
        waves(4, 7),
        waves(4, 7, size=(1e-3, 1e-3)),
        waves(4, 7, size=(1e4, 1e4)),
        waves(4, 7, shift=(-3.0, 50.0)),
    ]
    assert len({(f.basis, f.base) for f in (begun(p, 1e-7) for p in problems)}) == 1


def test_swapped_axes_have_swapped_cells():
    one, two = begun(waves(2, 16), 1e-8), begun(waves(16, 2), 1e-8)
    assert one.basis == two.basis
    assert one.base == two.base[::-1]
    assert one.base[0] < one.base[1]


@pytest.mark.parametrize(
    "problem",
    [
        waves(source=lambda x, y: 1.0 + 0.0 * x),  # singular at the corners
        waves(source=lambda x, y: hp.sin(hp.pi * x) * hp.sin(hp.pi * y) * hp.abs(x - 0.4)),
        waves(conditions=[hp.Dirichlet(u=lambda x, y: x)]),
        hp.Problem(
            domain=hp.Box(x=(0, 1), y=(0, 1)),
            fields=["u"],
            residual=lambda u, x, y: u.laplacian - u**3 - hp.sin(hp.pi * x) * hp.sin(hp.pi * y),
            conditions=[hp.Dirichlet(u=0.0)],
        ),
        hp.Problem(  # a layer
            domain=hp.Box(x=(0, 1)),
            fields=["u"],
            residual=lambda u, x: -1e-3 * u.xx + u.x - hp.sin(x),
            conditions=[hp.Dirichlet(u=0.0)],
        ),
        hp.Problem(  # not defined at a corner
            domain=hp.Box(x=(0, 1), y=(0, 1)),
            fields=["u"],
            residual=lambda u, x, y: u.laplacian - x * y / (x + y),
            conditions=[hp.Dirichlet(u=0.0)],
        ),
    ],
    ids=["corners", "kink", "values", "nonlinear", "layer", "undefined"],
)
def test_what_may_not_be_smooth_begins_as_ever(problem):
    assert begun(problem, 1e-8) == Field()


@pytest.mark.parametrize(
    "method", [hp.GaussNewton(basis="quintic"), hp.GaussNewton(refine="local"), hp.GaussNewton(gauss=3)]
)
def test_what_is_chosen_stays(method):
    assert begun(waves(8, 8), 1e-9, method) == Field()
    assert begun(waves(8, 8), 1e-9, field=Field()) == Field()


def test_limits_of_unknowns_hold_from_the_first_level_on():
    problem = waves(10, 10)
    for most in (300, 3000, 30_000):
        solution = hp.solve(problem, tol=1e-9, method=hp.GaussNewton(max_unknowns=most), progress=False)
        assert solution.stats["parameters"] <= most


@pytest.mark.parametrize(
    "problem",
    [waves(10, 10), waves(3, 9, lower=-50.0), waves(2, 3, (1e-3, 2e-3)), waves(1, 24), waves(5, 4, lower=400.0)],
    ids=["waves", "reaction", "millimetres", "one axis", "helmholtz"],
)
@pytest.mark.parametrize("tol", [1e-4, 1e-9])
def test_the_answer_meets_the_tolerance_in_few_levels(problem, tol):
    solution = hp.solve(problem, tol=tol, progress=False)
    assert solution.status is hp.Status.CONVERGED
    assert solution.error()["u"]["relative_l2"] < tol
    assert solution.history[-1]["level"] <= 4


def test_a_narrow_source_beside_a_wave_is_found():
    """Lines may miss it, the watch points do not."""
    width = 0.004

    def exact(x, y):
        bump = hp.exp(-((x - 0.37) ** 2 + (y - 0.61) ** 2) / (2 * width**2))
        return hp.sin(hp.pi * x) * hp.sin(hp.pi * y) + 0.5 * bump

    def source(x, y):
        square = ((x - 0.37) ** 2 + (y - 0.61) ** 2) / width**2
        wave = hp.sin(hp.pi * x) * hp.sin(hp.pi * y)
        return -2 * hp.pi**2 * wave + 0.5 * (square - 2) / width**2 * hp.exp(-0.5 * square)

    problem = hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1)),
        fields=["u"],
        residual=lambda u, x, y: u.laplacian - source(x, y),
        conditions=[hp.Dirichlet(u=0.0)],
        exact={"u": exact},
    )
    solution = hp.solve(problem, tol=1e-4, progress=False)
    assert solution.status is hp.Status.CONVERGED
    x, y = 0.37 + width * np.array([0.0, 1.0, -1.0, 0.5]), 0.61 + width * np.array([0.0, 0.5, 1.0, -2.0])
    assert np.abs(np.asarray(solution.u(x, y)) - np.asarray(exact(x, y))).max() < 1e-3


def test_a_run_that_was_stopped_goes_on_as_it_began(tmp_path):
    problem, file = waves(10, 10), tmp_path / "run.h5"
    whole = hp.solve(problem, tol=1e-9, progress=False)

    class Stop(hp.Callback):
        def on_step(self, state):
            return state.step == 2

    part = hp.solve(problem, tol=1e-9, progress=False, callbacks=Stop(), checkpoint=Checkpoint(file, seconds=0.0))
    assert part.status is not hp.Status.CONVERGED
    again = hp.solve(problem, tol=1e-9, progress=False, resume=file)
    assert again.status is hp.Status.CONVERGED
    assert again.stats["parameters"] == whole.stats["parameters"]
    assert again.estimated_error == pytest.approx(whole.estimated_error, rel=1e-3)


@pytest.mark.parametrize(
    ("lower", "far"),
    [(1.0, True), (-1e4, True), (2 * math.pi**2, False), (5 * math.pi**2 * 1.001, False), (1e3, False)],
)
def test_waves_that_an_equation_hardly_sees_are_known_where_its_coefficients_are_constant(lower, far):
    assert far_from_resonance(waves(1, 1, lower=lower)) is far


def test_resonance_is_not_judged_where_waves_are_not_known():
    robin = waves(conditions=[hp.Robin(u=(1.0, 1.0, 0.0))], lower=1.0)
    varying = hp.Problem(
        domain=hp.Box(x=(0, 1)), fields=["u"], residual=lambda u, x: u.xx + x * u, conditions=[hp.Dirichlet(u=0.0)]
    )
    assert not any(map(far_from_resonance, (robin, varying)))
