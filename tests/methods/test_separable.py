"""Sums and products over the axes."""

import math

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.axis_functions import AxisFunctions
from hermite_pinn.methods.gauss_newton.separable_rows import Counts, SeparableRows


def box(dim):
    return hp.Box(**{f"x{i + 1}": (0, 1) for i in range(dim)})


def built(dim, periodic=None):
    return hp.Field(encoder="products", rank=2).build(box(dim), ["u"], periodic or [False] * dim, 1, seed=1)


def shaken(field):
    random = torch.Generator().manual_seed(0)
    return field.with_tensors(
        {k: torch.randn(v.shape, generator=random, dtype=torch.float64) for k, v in field.tensors().items()}
    )


@pytest.mark.parametrize("dim", [5, 10])
def test_poisson_in_many_axes_is_solved_to_its_estimate(dim):
    solution = hp.solve(hp.problems.poisson_sines(dim=dim))
    points = np.random.default_rng(0).random((2000, dim))
    error = solution.error(points)["u"]["relative_l2"]
    assert solution.status.label == "converged"
    assert error <= solution.estimated_error <= 1e-6


def heat_in_four_axes():
    """A product of five functions, time's among them."""

    def start(x, y, z, w):
        return math.prod(hp.sin(math.pi * s) for s in (x, y, z, w))

    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), z=(0, 1), w=(0, 1), t=(0, 1)),
        "u",
        lambda u: u.t - 0.05 * u.laplacian,
        [hp.Dirichlet(u=0.0), hp.Initial(u=start)],
        exact={"u": lambda x, y, z, w, t: start(x, y, z, w) * hp.exp(-0.2 * math.pi**2 * t)},
    )


def test_a_product_is_found_with_time_among_the_axes():
    solution = hp.solve(heat_in_four_axes(), tol=1e-4)
    error = solution.error(np.random.default_rng(0).random((2000, 5)))["u"]["relative_l2"]
    assert solution.status.label == "converged"
    assert error <= solution.estimated_error <= 1e-4


def test_a_missing_constant_leaves_the_solution_undetermined():
    problem = hp.Problem(
        box(5),
        "u",
        lambda u, x1: u.laplacian + math.pi**2 * hp.cos(math.pi * x1),
        [hp.Neumann(u=0.0)],
    )
    assert hp.solve(problem, throw=False).status.label == "undetermined"


def test_a_solution_that_is_no_short_sum_is_not_said_to_be_found():
    problem = hp.Problem(
        box(5),
        "u",
        lambda u, x1, x2, x3, x4, x5: u.laplacian + hp.where(x1 + x2 + x3 + x4 + x5 > 2.5, 1.0, 0.0),
        [hp.Dirichlet(u=0.0)],
    )
    solution = hp.solve(problem, field=hp.Field(encoder="products", rank=1), throw=False)
    assert not solution.status.success
    assert solution.estimated_error > 1e-2


def test_rows_are_linearised_exactly():
    problem = hp.Problem(box(3), "u", lambda u, x1: u.laplacian + x1 * u.x2 * u + u**3, [hp.Dirichlet(u=1.0)])
    encoder = shaken(built(3)).encoder
    rows = SeparableRows(problem, encoder.along, Counts(40, 10), 0)
    rest, matrix = rows.system(encoder, True, range(2))
    step = 1e-6 * np.random.default_rng(0).standard_normal(matrix.shape[1])
    sides = [np.concatenate([part.linearised(part.jets(rows.moved(encoder, s * step, True, range(2)))[0])[0] for part in rows.parts]) for s in (1, -1)]  # fmt: skip
    own = np.concatenate([part.linearised(part.jets(encoder)[0])[0] for part in rows.parts])
    weights = rest / own
    change = weights * (sides[0] - sides[1]) / 2
    assert np.abs(change - matrix @ step).max() < 1e-6 * np.abs(change).max()


def test_halved_cells_hold_the_same_functions():
    field = shaken(built(5, [True, False, False, False, False]))
    x = torch.rand(5, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    channels = Channels.of(5, [(0,) * 5, (1, 0, 0, 2, 0)])
    before, after = field.encoder.jets(x, channels), field.encoder.refined().jets(x, channels)
    assert torch.allclose(before, after, rtol=1e-9, atol=1e-9 * float(before.abs().max()))


def test_derivatives_of_functions_of_an_axis_are_those_of_differences():
    functions, h = AxisFunctions(0.0, 2.0, 3, True), 1e-5
    x = np.linspace(0.1, 1.9, 7)
    for order in range(4):
        slope = (functions.matrix(x + h, order) - functions.matrix(x - h, order)) / (2 * h)
        exact = functions.matrix(x, order + 1)
        assert np.abs(slope - exact).max() < 1e-6 * np.abs(exact).max()


def test_rows_of_the_field_agree_with_their_transpose():
    field = shaken(built(5))
    x = torch.rand(5, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    channels = Channels.of(5, [(0,) * 5, (1, 0, 0, 0, 0)])
    rows = field.linearized(x, channels).rows([torch.ones(1, 2, 6, dtype=torch.float64)])
    direction = {k: torch.ones_like(v) for k, v in field.tensors().items()}
    forward = rows.forward(direction)
    out = {k: torch.zeros_like(v) for k, v in field.tensors().items()}
    rows.adjoint(torch.ones_like(forward), out)
    assert float(sum(v.sum() for v in out.values())) == pytest.approx(float(forward.sum()))


def test_a_saved_solution_in_many_axes_is_the_same(tmp_path):
    solution = hp.solve(hp.problems.poisson_sines(dim=5))
    solution.save(tmp_path / "field.h5")
    again = hp.Solution.load(tmp_path / "field.h5")
    assert again.u(0.1, 0.2, 0.3, 0.4, 0.5) == solution.u(0.1, 0.2, 0.3, 0.4, 0.5)


@pytest.mark.slow
def test_a_run_in_many_axes_goes_on_from_its_checkpoint(tmp_path):
    """Stopped after its second fit, it continues with that one and is as accurate as the whole run."""
    problem, path = heat_in_four_axes(), tmp_path / "state.h5"

    class Stop(hp.Callback):
        def on_step(self, state):
            return state.level == 2 and "half way"

    half = hp.solve(problem, tol=1e-2, checkpoint=path, callbacks=Stop())
    assert half.status is hp.Status.STOPPED
    resumed = hp.solve(problem, tol=1e-2, resume=path)
    assert resumed.status.label == "converged"
    first, *later = resumed.stats["fits"]
    assert first == half.stats["fits"][-1]
    assert later
    error = resumed.error(np.random.default_rng(0).random((2000, 5)))["u"]["relative_l2"]
    assert error <= resumed.estimated_error <= 1e-2


@pytest.mark.slow
def test_errors_and_integrals_of_many_axes_stay_within_memory():
    solution = hp.solve(hp.problems.poisson_sines(dim=10))
    assert solution.error()["u"]["relative_l2"] < 1e-9
    with pytest.raises(hp.InvalidArgumentError, match="random points"):
        solution.integrate("u")
    part = solution.integrate("u", over=["x1", "x2"])
    assert part(*[0.0] * 8) == pytest.approx(4 / math.pi)


def test_what_many_axes_cannot_do_is_refused_with_the_way_out():
    problem = hp.Problem(
        box(5), "u", lambda u, a: u.laplacian - a, [hp.Dirichlet(u=0.0)], parameters=[hp.Parameter("a")]
    )
    with pytest.raises(hp.InvalidProblemError, match="encoder='coordinates'"):
        hp.solve(problem)
    with pytest.raises(hp.InvalidArgumentError, match="encoder='products'"):
        hp.solve(hp.problems.poisson_sines(dim=5), method="adam")


def test_pictures_of_many_axes_are_slices_through_the_middle():
    solution = hp.solve(hp.problems.poisson_sines(dim=5), progress=False)
    figure = solution.plot(residual=False, resolution=8)
    drawn = [axes for axes in figure.axes if axes.get_xlabel() and axes.get_ylabel()]
    assert {(axes.get_xlabel(), axes.get_ylabel()) for axes in drawn} == {("x1", "x2"), ("x4", "x5")}
