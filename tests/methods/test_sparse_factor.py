"""A sparse factor of small systems on cut domains solves what conjugate gradients solve."""

import warnings

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.methods.gauss_newton.sparse_factor import SparseFactor
from hermite_pinn.methods.gauss_newton.stage import Discretization
from hermite_pinn.methods.least_squares.linear_solver import BlockConjugateGradients, Limits
from hermite_pinn.residuals.scales import source_scales

LIMITS = Limits(1e-12, 5000, lambda steps, reduction: False)


def one_field():
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)) - hp.Disk((0.5, 0.45), 0.2),
        ["u"],
        lambda u, x, y: u.xx + (1 + x) * u.yy - u + hp.sin(3 * y),
        [hp.Dirichlet(u=lambda x: x, on=["x-", "x+", "y-", "y+"]), hp.Dirichlet(u=0.0, on="disk")],
    )


def measured():
    problem = one_field()
    points = [[0.1, 0.1], [0.8, 0.9], [0.2, 0.7]]
    return problem.replace(conditions=(*problem.conditions, hp.Data(points, u=[0.0, 1.0, 0.5])))


def two_fields():
    return hp.Problem(
        hp.Box(x=(0, 2), y=(0, 1)) & hp.Disk((1.0, 0.5), 0.4),
        ["u", "v"],
        lambda u, v, x: (u.xx + 0.5 * u.yy + 0.3 * v.xy + x, v.yy + 0.5 * v.xx + 0.3 * u.xy - 1),
        [hp.Dirichlet(u=0.0, v=0.0, on="disk")],
    )


def corner():
    return hp.Problem(
        hp.Box(x=(-1, 1), y=(-1, 1)) - hp.Rectangle((0, -2), (2, 0.1)),
        ["u"],
        lambda u: u.xx + u.yy + 1,
        [hp.Dirichlet(u=0.0)],
    )


def prepared(problem):
    grid = Discretization(problem, "cubic", None, torch.float64, torch.device("cpu"), source_scales(problem))
    system = grid.system([(4, 4), (8, 8)])
    vector = torch.zeros(system.size, dtype=torch.float64)
    rows = system.linearize(system.impose(vector))
    return system, vector, rows


@pytest.mark.parametrize("statement", [one_field, measured, two_fields, corner])
def test_it_agrees_with_conjugate_gradients(statement):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hp.HermitePinnWarning)
        system, vector, rows = prepared(statement())
    system.settling = lambda: None
    fields = []
    for solver in (SparseFactor(), BlockConjugateGradients()):
        step, result = solver.solve(system, rows, 0.0, LIMITS)
        assert result.converged
        fields.append(
            system.at(vector + step).jets(torch.tensor([[0.9, 1.0], [0.2, 0.85]], dtype=torch.float64), hp_value())
        )
    assert torch.allclose(fields[0], fields[1], rtol=1e-6, atol=1e-8)


def hp_value():
    from hermite_pinn.cuda.encoder.channels import Channels

    return Channels.value(2)


def test_damped_steps_are_those_of_the_damped_problem():
    system, _, rows = prepared(one_field())
    system.settling = lambda: None
    columns = system.column_scale()
    step, result = SparseFactor().solve(system, rows, 0.1, LIMITS)
    weight = torch.where(columns > 0, columns, torch.inf).square().reciprocal() * 0.1
    left = [r + d for r, d in zip(rows, system.forward(step.clone()), strict=True)]
    gradient = system.adjoint(left) + weight * step
    start = system.adjoint([r.clone() for r in rows])
    own = system.pyramid.slices[-1]
    assert float((gradient[own] * columns[own]).norm()) < 1e-9 * float((start[own] * columns[own]).norm())
    fallen = float(system.inner(rows, rows) - system.inner(left, left) - (weight * step * step).sum())
    assert result.decrease == pytest.approx(fallen, rel=1e-6)


def test_it_is_taken_where_it_costs_less_and_fits():
    system, _, _ = prepared(one_field())
    factor = SparseFactor()
    assert factor.seconds(system, None) < BlockConjugateGradients().seconds(system, None)
    box = hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), ["u"], lambda u: u.xx + u.yy + 1, [hp.Dirichlet(u=0.0)])
    assert factor.seconds(prepared(box)[0], None) == float("inf")
