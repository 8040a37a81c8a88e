"""Runs that begin where they are told to."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.starts import guess_of


def bratu(strength: float) -> hp.Problem:
    """Two solutions below a strength of 3.5138, none above."""
    return hp.Problem(hp.Box(x=(0, 1)), ["u"], lambda u: u.xx + strength * hp.exp(u), [hp.Dirichlet(u=0.0)])


def heights(strength: float) -> list[float]:
    """Values of the two solutions in the middle: 2 log cosh(a/4) + ..., from a = sqrt(2 strength) cosh(a/4)."""
    found = []
    for a in (1.0, 20.0):
        for _ in range(100):
            f, slope = (
                a - math.sqrt(2 * strength) * math.cosh(a / 4),
                1 - math.sqrt(2 * strength) / 4 * math.sinh(a / 4),
            )
            a -= f / slope
        found.append(2 * math.log(math.cosh(a / 4)))
    return found


@pytest.fixture(scope="module")
def upper() -> hp.Solution:
    return hp.solve(bratu(1.0), start={"u": lambda x: 16 * x * (1 - x)}, progress=False)


def test_a_function_leads_to_the_branch_that_it_is_close_to(upper: hp.Solution) -> None:
    low, high = heights(1.0)
    assert upper.status.success
    assert abs(upper.u(0.5) - high) < 1e-4 * high
    assert abs(hp.solve(bratu(1.0), progress=False).u(0.5) - low) < 1e-5


@pytest.mark.parametrize(
    "options", [{}, {"levels": 5}, {"field": hp.Field(basis="septic")}, {"levels": [3, 6, 12, 24]}]
)
def test_a_solution_of_another_parameter_keeps_its_branch(upper: hp.Solution, options: dict[str, object]) -> None:
    moved = hp.solve(bratu(1.3), start=upper, progress=False, **options)
    assert moved.status.success
    assert abs(moved.u(0.5) - heights(1.3)[1]) < 1e-4
    assert 0.0 < moved.stats["start"]["moved"] < 0.2


def test_a_start_is_taken_from_a_file(upper: hp.Solution, tmp_path: object) -> None:
    upper.save(f"{tmp_path}/upper.h5")
    again = hp.solve(bratu(1.0), start=f"{tmp_path}/upper.h5", progress=False)
    assert abs(again.u(0.5) - upper.u(0.5)) < 1e-5


def test_a_field_of_a_solution_is_a_function(upper: hp.Solution) -> None:
    again = hp.solve(bratu(1.0), start={"u": upper.u}, progress=False)
    assert abs(again.u(0.5) - upper.u(0.5)) < 1e-5


def test_a_start_may_lie_on_a_larger_domain(upper: hp.Solution) -> None:
    half = hp.Problem(
        hp.Box(x=(0, 0.5)),
        ["u"],
        lambda u: u.xx + hp.exp(u),
        [hp.Dirichlet(u=0.0, on="x-"), hp.Neumann(u=0.0, on="x+")],
    )
    assert abs(hp.solve(half, start=upper, progress=False).u(0.5) - heights(1.0)[1]) < 1e-4


def test_coefficients_of_an_equal_grid_are_taken_over_exactly() -> None:
    from hermite_pinn.methods.gauss_newton.first_state import projected
    from hermite_pinn.methods.gauss_newton.stage import Discretization
    from hermite_pinn.residuals.scales import source_scales

    problem = hp.problems.poisson2d()
    solution = hp.solve(problem, levels=[(4, 6), (8, 12)], progress=False)
    scales = source_scales(problem)
    grid = Discretization(problem, "cubic", None, torch.float64, torch.device("cpu"), scales)
    own = solution.field.collapsed().level_coefficients(0)
    assert torch.allclose(projected(grid, (8, 12), guess_of(problem, solution)), own, atol=1e-12)


def test_numbers_start_unknown_parameters() -> None:
    problem = hp.Problem(
        hp.Box(x=(0, 1)),
        ["u"],
        lambda u, k: u.xx + k * hp.pi**2 * u,
        [hp.Dirichlet(u=0.0), hp.Condition(lambda u: u.x - hp.pi, on="x-")],
        parameters=[hp.Parameter("k", init=1.1)],
    )
    start = {"u": lambda x: hp.sin(3 * hp.pi * x) / 3, "k": 8.5}
    assert abs(hp.solve(problem, start=start, progress=False).parameters["k"] - 9.0) < 1e-4


def test_a_cut_domain_has_starts_too() -> None:
    disk = hp.Box(x=(-1.1, 1.1), y=(-1.1, 1.1)) & hp.Disk((0.0, 0.0), 1.0)
    problem = hp.Problem(disk, ["u"], lambda u: u.laplacian + hp.exp(u), [hp.Dirichlet(u=0.0)])
    start = {"u": lambda x, y: 4 * (1 - x * x - y * y)}
    solution = hp.solve(problem, start=start, tol=1e-4, progress=False)
    high = 2 * math.log(4 + 2 * math.sqrt(2))  # of u = 2 log((1 + a) / (1 + a r^2)) with a = 3 + 2 sqrt 2
    assert abs(solution.u(0.0, 0.0) - high) < 1e-3
    again = hp.solve(problem, start=solution, tol=1e-4, progress=False)
    assert abs(again.u(0.0, 0.0) - high) < 1e-3


def test_marches_from_given_states_say_that_they_need_no_start() -> None:
    decay = hp.Problem(hp.Box(t=(0, 1)), ["u"], lambda u: u.t + u, [hp.Initial(u=1.0)])
    solution = hp.solve(decay, start={"u": 0.5}, progress=False)
    assert "the start was not used" in solution.message
    assert abs(solution.u(1.0) - math.exp(-1.0)) < 1e-6


def test_other_methods_go_on_with_the_field_of_a_solution() -> None:
    problem = hp.problems.poisson2d()
    first = hp.solve(problem, method=hp.LBFGS(steps=20), progress=False)
    on = hp.solve(problem, method=hp.LBFGS(steps=5), start=first, progress=False)
    assert on.field.parameter_count == first.field.parameter_count
    assert on.history[-1]["loss"] < first.history[-1]["loss"] < first.history[0]["loss"]


def test_other_methods_fit_no_functions() -> None:
    with pytest.raises(hp.InvalidArgumentError, match="adam goes on with a field as it is"):
        hp.solve(hp.problems.poisson2d(), method="adam", start={"u": 0.0})
    first = hp.solve(hp.problems.poisson2d(), method=hp.Adam(steps=2, points=64), progress=False)
    with pytest.raises(hp.InvalidArgumentError, match="leave field and levels out"):
        hp.solve(hp.problems.poisson2d(), method="adam", levels=3, start=first)


def test_a_network_starts_gauss_newton_by_its_values() -> None:
    problem = hp.problems.poisson2d()
    network = hp.solve(problem, method=hp.Adam(steps=20, points=64), progress=False)
    solution = hp.solve(problem, start=network, levels=3, progress=False)
    assert solution.field.linear
    assert solution.error()["u"]["relative_l2"] < 1e-2


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (3.0, "start must be a Solution"),
        ({"v": 0.0}, "start names 'v'; the unknowns of the problem are u"),
        ({"u": lambda x: hp.log(x - 0.5)}, "the start of u is nan at x = "),
        ({"u": lambda y: y}, "unknown argument"),
        ({"u": math.inf}, "the start of u is inf"),
    ],
)
def test_bad_starts_are_refused(start: object, message: str) -> None:
    with pytest.raises(hp.HermitePinnError, match=message):
        hp.solve(bratu(1.0), start=start)


def test_a_start_on_another_domain_is_refused(upper: hp.Solution) -> None:
    longer = bratu(1.0).replace(domain=hp.Box(x=(0, 2)))
    with pytest.raises(hp.InvalidArgumentError, match=r"does not hold Box\(x=\(0, 2\)\); give functions"):
        hp.solve(longer, start=upper)
    stretched = hp.solve(longer, start={"u": lambda x: upper.u(0.5 * np.asarray(x))}, progress=False)
    assert stretched.status is not hp.Status.CONVERGED or stretched.u(1.0) > 0


def test_a_start_of_other_fields_is_refused(upper: hp.Solution) -> None:
    other = hp.Problem(hp.Box(x=(0, 1)), ["w"], lambda w: w.xx + 1, [hp.Dirichlet(w=0.0)])
    with pytest.raises(hp.InvalidArgumentError, match=r"give the fields by name: start=\{'w': start.u\}"):
        hp.solve(other, start=upper)


def test_numbers_beyond_bounds_are_refused() -> None:
    problem = hp.Problem(
        hp.Box(x=(0, 1)),
        ["u"],
        lambda u, k: u.xx + k,
        [hp.Dirichlet(u=0.0), hp.Data([[0.5]], u=[0.1])],
        parameters=[hp.Parameter("k", init=1.0, bounds=(0.0, 2.0))],
    )
    with pytest.raises(hp.InvalidArgumentError, match="the start of k is 3, outside its bounds 0 to 2"):
        hp.solve(problem, start={"k": 3.0})


def test_a_checkpoint_is_of_one_start(tmp_path: object) -> None:
    path = f"{tmp_path}/state.h5"
    start = {"u": lambda x: 16 * x * (1 - x)}
    hp.solve(bratu(1.0), start=start, checkpoint=path, progress=False)
    again = hp.solve(bratu(1.0), start=start, resume=path, progress=False)
    assert abs(again.u(0.5) - heights(1.0)[1]) < 1e-4
    with pytest.raises(hp.InvalidArgumentError, match="the start"):
        hp.solve(bratu(1.0), resume=path, progress=False)


def test_local_refinement_has_no_start() -> None:
    with pytest.raises(hp.InvalidArgumentError, match="refine='local' begins on its own coarse cells"):
        hp.solve(bratu(1.0), method=hp.GaussNewton(refine="local"), start={"u": 0.0})


def test_only_the_first_method_of_a_chain_has_the_start() -> None:
    start = {"u": lambda x: 16 * x * (1 - x)}
    chain = hp.GaussNewton() >> hp.LBFGS(steps=2)
    assert abs(hp.solve(bratu(1.0), start=start, method=chain, levels=3, progress=False).u(0.5) - 4.0915) < 1e-3
