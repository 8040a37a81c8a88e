"""Factors of modes in time solve what conjugate gradients solve, and are kept from slab to slab."""

import math

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.methods.gauss_newton.stage import Discretization
from hermite_pinn.methods.gauss_newton.time_modes import TimeModes
from hermite_pinn.methods.gauss_newton.time_slabs import part_in_time
from hermite_pinn.methods.least_squares.linear_solver import BlockConjugateGradients, Limits
from hermite_pinn.residuals.scales import source_scales
from hermite_pinn.schema import Entry

LIMITS = Limits(1e-12, 5000, lambda steps, reduction: False)


def domain(time=1.0):
    return hp.Box(x=(0, 2), y=(0, 1), t=(0, time)) - hp.Disk((0.7, 0.45), 0.2)


def heat(time=1.0, speed=lambda x, t: 1 + x):
    return hp.Problem(
        domain(time),
        "u",
        lambda u, x, y, t: u.t - speed(x, t) * u.laplacian - hp.sin(3 * y) * x,
        [
            hp.Robin(u=(1.0, 1.0, 2.0), on="disk"),
            hp.Dirichlet(u=0.0, on=["x-", "y+"]),
            hp.Neumann(u=0.0, on=["x+", "y-"]),
            hp.Initial(u=lambda x, y: x * (1 - y)),
        ],
    )


def reactions():
    return hp.Problem(
        domain(),
        ["u", "v"],
        lambda u, v: (u.t - u.laplacian - 2 * v + u, v.t - 0.3 * v.laplacian + u * v - u),
        [hp.Neumann(u=0.0, v=1.0), hp.Initial(u=lambda x: x, v=1.0)],
    )


def grid(problem):
    return Discretization(problem, "cubic", None, torch.float64, torch.device("cpu"), source_scales(problem))


def prepared(problem, levels=((4, 4, 2), (8, 8, 2)), part=None):
    system = grid(problem).system(levels, part)
    vector = system.impose(torch.zeros(system.size, dtype=torch.float64))
    rows = system.linearize(vector)
    return system, vector, rows


@pytest.mark.parametrize("statement", [heat, reactions])
def test_they_agree_with_conjugate_gradients(statement):
    system, vector, rows = prepared(statement())
    system.settling = lambda: None
    solver = TimeModes(enough=1e-10)
    assert math.isfinite(solver.seconds(system, None))
    found = []
    for own in (solver, BlockConjugateGradients()):
        step, result = own.solve(system, rows, 0.0, LIMITS)
        assert result.converged
        found.append([*system.norms(system.finest(vector + step)), result.decrease])
    assert found[0] == pytest.approx(found[1], rel=1e-7)


def test_damped_steps_are_those_of_the_damped_problem():
    system, _, rows = prepared(reactions())
    rough, fine = (TimeModes(enough, 500).solve(system, rows, 1e-2, LIMITS)[1] for enough in (1e-4, 1e-9))
    undamped = TimeModes().solve(system, rows, 0.0, LIMITS)[1]
    assert rough.converged
    assert fine.converged
    assert rough.decrease == pytest.approx(fine.decrease, rel=1e-6)
    assert rough.decrease < 0.999 * undamped.decrease


@pytest.mark.parametrize("time", [1e-4, 1e-2, 1.0, 100.0])
def test_few_steps_suffice_whatever_the_length_of_a_slab(time):
    system, _, rows = prepared(heat(time))
    _, result = TimeModes().solve(system, rows, 0.0, LIMITS)
    assert result.converged
    assert result.steps < 20


def slabs(problem, count, cells=8):
    own = grid(problem)
    for k in range(count):
        yield prepared(problem, ((8, 8, 2),), part_in_time(problem, 2, 2 * k, 2 * k + 2, cells))
    assert own.cut


def test_equal_slabs_share_their_factors():
    solver, kept = TimeModes(), set()
    for system, _, rows in slabs(heat(0.3), 3):
        solver.solve(system, rows, 0.0, LIMITS)
        kept.add(id(solver.kept))
    assert len(kept) == 1


def test_coefficients_that_change_in_time_have_factors_of_their_own():
    solver, kept = TimeModes(), []
    for system, _, rows in slabs(heat(speed=lambda x, t: 1 + x * t), 2):
        solver.solve(system, rows, 0.0, LIMITS)
        kept.append(solver.kept)
    assert kept[0] is not kept[1]


def wave():
    return hp.Problem(
        domain(),
        "u",
        lambda u: u.tt - u.laplacian,
        [hp.Neumann(u=0.0), hp.Initial(u=lambda x: x, u_t=0.0)],
    )


def transport():
    return hp.Problem(domain(), "u", lambda u: u.t + u.x - 0.5 * u.y, [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: x)])


def steady():
    return hp.Problem(
        hp.Box(x=(0, 2), y=(0, 1)) - hp.Disk((0.7, 0.45), 0.2), "u", lambda u: u.laplacian - 1, [hp.Dirichlet(u=0.0)]
    )


@pytest.mark.parametrize("statement", [wave, transport, steady])
def test_other_problems_are_left_to_others(statement):
    problem = statement()
    dim = problem.domain.dim
    system, _, _ = prepared(problem, ((4, 4, 2)[:dim], (8, 8, 4)[:dim]))
    assert TimeModes().seconds(system, None) == math.inf


def test_what_they_cannot_solve_conjugate_gradients_solve_from_then_on():
    system, _, rows = prepared(heat())
    solver = TimeModes(most=1)
    step, result = solver.solve(system, rows, 0.0, LIMITS)
    assert result.converged
    assert solver.seconds(system, None) == math.inf
    wanted, _ = BlockConjugateGradients().solve(system, rows, 0.0, LIMITS)
    assert torch.equal(step, wanted)
    other = TimeModes()
    other.restore(Entry.of(solver.state(), "the checkpoint"))
    assert other.failed
