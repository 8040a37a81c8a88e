"""Solutions other than the known ones."""

from __future__ import annotations

import math

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.methods.gauss_newton.deflated import Deflated
from hermite_pinn.methods.gauss_newton.method import GaussNewton
from hermite_pinn.methods.gauss_newton.stage import Discretization
from hermite_pinn.methods.least_squares.deflation import stretch
from hermite_pinn.residuals.scales import source_scales
from hermite_pinn.starts import guess_of


def heated(strength: float) -> hp.Problem:
    """Two solutions, with middles of 2 log cosh(a/4), a = sqrt(2 strength) cosh(a/4)."""
    return hp.Problem(hp.Box(x=(0, 1)), ["u"], lambda u: u.xx + strength * hp.exp(u), [hp.Dirichlet(u=0.0)])


def upper_height(strength: float) -> float:
    a = 25.0
    for _ in range(100):
        f = a - math.sqrt(2 * strength) * math.cosh(a / 4)
        a -= f / (1 - math.sqrt(2 * strength) / 4 * math.sinh(a / 4))
    return 2 * math.log(math.cosh(a / 4))


@pytest.mark.parametrize("strength", [0.1, 1.0, 3.4])
def test_both_branches_are_found_from_zero(strength: float) -> None:
    one = hp.solve(heated(strength), progress=False)
    other = hp.solve(heated(strength), deflate=one, progress=False)
    assert other.status is hp.Status.CONVERGED
    assert abs(other.u(0.5) - upper_height(strength)) < 1e-4
    assert other.stats["deflated"][0] > 0.5


def test_a_start_close_to_another_solution_is_gone_on_from() -> None:
    one = hp.solve(heated(1.0), progress=False)
    start = {"u": lambda x: 12 * x * (1 - x)}
    other = hp.solve(heated(1.0), deflate=[one], start=start, progress=False)
    assert abs(other.u(0.5) - upper_height(1.0)) < 1e-4


def test_the_two_transcendents_of_painleve_are_found() -> None:
    problem = hp.Problem(
        hp.Box(x=(0, 10)),
        ["u"],
        lambda u, x: u.xx - u**2 + x,
        [hp.Dirichlet(u=0.0, on="x-"), hp.Dirichlet(u=math.sqrt(10.0), on="x+")],
    )
    one = hp.solve(problem, progress=False)
    other = hp.solve(problem, deflate=one, progress=False)
    assert (
        abs(one.u.x(0.0) - 0.92438) < 1e-4
    )  # Farrell, Birkisson, Funke 2015, section 5.1: positive and negative slope
    assert abs(other.u.x(0.0) + 3.79199) < 1e-4


@pytest.mark.slow
def test_all_five_states_of_a_pitchfork_are_found_one_after_the_other() -> None:
    problem = hp.Problem(hp.Box(x=(0, 1)), ["u"], lambda u: 0.02 * u.xx + u - u**3, [hp.Dirichlet(u=0.0)])
    known: list[object] = [{"u": 0.0}]
    for _ in range(4):
        known.append(hp.solve(problem, deflate=known, tol=1e-4, progress=False))
    states = sorted((round(s.u(0.25), 3), round(s.u(0.75), 3)) for s in known[1:])  # type: ignore[attr-defined]
    assert len(set(states)) == 4
    assert all(s.status.success for s in known[1:])  # type: ignore[attr-defined]
    assert [abs(a - b) < 2e-3 for a, b in states] == [True, False, False, True]


def test_a_run_that_finds_no_other_solution_says_so() -> None:
    problem = hp.Problem(hp.Box(x=(0, 1)), ["u"], lambda u: u.xx - u**3 + 1, [hp.Dirichlet(u=0.0)])  # monotone
    one = hp.solve(problem, progress=False)
    other = hp.solve(problem, deflate=one, progress=False)
    assert other.status is hp.Status.STALLED
    assert "no other solution was found from" in other.message


def test_linear_problems_have_nothing_to_deflate() -> None:
    problem = hp.problems.poisson2d()
    one = hp.solve(problem, levels=2, progress=False)
    with pytest.raises(hp.InvalidArgumentError, match="deflate is for nonlinear problems"):
        hp.solve(problem, deflate=one)


def test_other_methods_know_no_deflation() -> None:
    one = hp.solve(heated(1.0), levels=2, progress=False)
    with pytest.raises(hp.InvalidArgumentError, match="adam knows no deflation"):
        hp.solve(heated(1.0), deflate=one, method="adam")


def test_a_start_at_the_known_solution_is_refused() -> None:
    problem = hp.Problem(hp.Box(x=(0, 1)), ["u"], lambda u: 0.02 * u.xx + u - u**3, [hp.Dirichlet(u=0.0)])
    with pytest.raises(hp.InvalidArgumentError, match="begin at a solution that it is to leave out"):
        hp.solve(problem, deflate={"u": 0.0}, start={"u": 0.0}, progress=False)


def test_a_deflated_step_of_newton_is_the_known_multiple() -> None:
    slope = 3.0  # M r changes along p by M (J p + slope r) = M (slope - 1) r where J p = -r
    assert stretch(slope - 1.0, (slope - 1.0) ** 2) == pytest.approx(1.0 / (1.0 - slope))


def test_the_slope_of_the_factor_is_its_derivative() -> None:
    problem = heated(1.0)
    one = hp.solve(problem, progress=False)
    grid = Discretization(problem, "cubic", None, torch.float64, torch.device("cpu"), source_scales(problem))
    system = grid.system([(4,), (8,)])
    from hermite_pinn.methods.gauss_newton.nested_iteration import NestedIteration  # for its plain iteration

    task = _task(problem)
    solver = NestedIteration(GaussNewton(), task, GaussNewton().default_field(problem)).solver
    deflated = Deflated(lambda: grid, [guess_of(problem, one)], solver)
    deflated.prepare(system)
    torch.manual_seed(0)
    vector, step = torch.randn(2, system.size, dtype=torch.float64)
    h = 1e-5
    up, down = (deflated.factor(system, vector + s * h * step) for s in (1, -1))
    slope = (up - down) / (2 * h) / deflated.factor(system, vector)
    assert deflated.slope(system, vector, step) == pytest.approx(slope, rel=1e-6)


def _task(problem: hp.Problem) -> object:
    from hermite_pinn.methods.base import Task
    from hermite_pinn.run.workload import Frame

    monitor = Frame(progress=False).monitor
    return Task(problem, None, None, None, 0, torch.device("cpu"), None, monitor)
