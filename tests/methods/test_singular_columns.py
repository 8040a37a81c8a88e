"""Coefficients of singular functions as unknowns: products, columns, conditioning, and whole solves."""

import math

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.field.singular import Wedge, wedge_functions
from hermite_pinn.field.singular_part import SingularBasis
from hermite_pinn.methods.least_squares.cgls import cgls
from hermite_pinn.methods.least_squares.tail_scaling import tail_scaling
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.methods.systems.singular_columns import SingularColumns

HALF = Wedge((0.0, 0.0), ((1.0, 0.0), (-1.0, 0.0)), math.pi, ((1.0, 0.0), (0.0, 1.0)), (0.0, -1.0))
ROOTS = wedge_functions(HALF, ((1.0, 0.0), (0.0, 1.0)))  # values to the right of 0, normal derivatives to the left
BASIS = SingularBasis(ROOTS, ("u", "v"))


def linear(u, v, x, y):
    return u.xx + u.yy + v.x, v.xx + v.yy - x * v


def nonlinear(u, v, x, y, a):
    return u.xx * (1 + u * u + x) + u.yy + u.x * v - a * u - 1, v.xx + v.yy + a * u * v


def system(residual):
    """A system with tensor blocks and point blocks; all conditions are soft."""
    parameters = [hp.Parameter("a", init=0.3)] if residual is nonlinear else []
    everywhere = {"where": lambda x, y: x > -2}
    problem = hp.Problem(
        hp.Box(x=(-1, 1), y=(0, 1)),
        ["u", "v"],
        residual,
        [
            hp.Dirichlet(u=lambda x, y: x * y + 1, v=0.0, on=["x-", "x+", "y+"], **everywhere),
            hp.Dirichlet(u=0.0, v=0.0, on="y-", where=lambda x, y: x > 0),
            hp.Neumann(u=0.0, v=1.0, on="y-", where=lambda x, y: x < 0),
        ],
        parameters=parameters,
    )
    made = GridSystem(problem, "cubic", [(4, 2), (8, 4)])
    made.corners = BASIS
    made.blocks = [made.enriched(b) for b in made.blocks]
    made.parameter_names = (*made.parameter_names, *BASIS.unknowns)
    return made


def random(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def copied(rows):
    return [r.clone() for r in rows]


@pytest.mark.parametrize("residual", [linear, nonlinear])
def test_products_are_the_derivative_of_the_rows_and_its_transpose(residual):
    made = system(residual)
    vector, direction = 0.3 * random(made.size, 0), random(made.size, 1)
    rows = copied(made.linearize(vector))
    forward = copied(made.forward(direction.clone()))
    left = [random(r.shape, k) for k, r in enumerate(rows)]
    ahead = float(made.inner(forward, left))
    assert float(made.adjoint(left) @ direction) == pytest.approx(ahead, rel=1e-11)
    step = 1e-6
    plus, minus = (copied(made.linearize(vector + s * step * direction)) for s in (1.0, -1.0))
    size = max(float(f.abs().max()) for f in forward)
    for p, m, f in zip(plus, minus, forward, strict=True):
        assert float(((p - m) / (2 * step) - f).abs().max()) < 1e-6 * size


@pytest.mark.parametrize("residual", [linear, nonlinear])
def test_the_column_scale_is_one_over_the_norms_of_the_columns(residual):
    made = system(residual)
    made.linearize(0.3 * random(made.size, 0))
    scale = made.column_scale()
    for k in range(made.size - len(BASIS), made.size):
        unit = torch.zeros(made.size, dtype=torch.float64)
        unit[k] = 1.0
        column = copied(made.forward(unit))
        assert float(scale[k]) == pytest.approx(float(made.inner(column, column)) ** -0.5)


@pytest.mark.parametrize("residual", [linear, nonlinear])
def test_rows_are_the_residuals_of_the_field_that_a_vector_stands_for(residual, monkeypatch):
    from hermite_pinn.methods.systems import grid_system
    from hermite_pinn.residuals import corner_functions
    from hermite_pinn.residuals.evaluation import TermEvaluator

    made = system(residual)
    known = corner_functions.CornerFunctions(BASIS)
    monkeypatch.setattr(corner_functions, "corner_functions", lambda problem: known)
    monkeypatch.setattr(grid_system, "singular_part", corner_functions.singular_part)
    vector = 0.3 * random(made.size, 0)
    rows, field, parameters = made.linearize(vector), made.at(vector), made.parameters(vector)
    for block, own in made.parts(rows):
        terms = [t.term for t in block.terms]
        normals = None if terms[0].region.is_interior else terms[0].region.normal
        expected = TermEvaluator(terms, made.problem).residuals(field, block.positions(), parameters, normals=normals)
        for row, scale, e in zip(own, block.scales, expected, strict=True):
            e = e.expand(row.numel()).reshape(row.shape)
            assert torch.allclose(row, e * block.root / scale, rtol=1e-9, atol=1e-9 * float(row.abs().max()))


class Scaled:
    """The column scaling as a change of variables."""

    damping = 0.0

    def __init__(self, columns):
        self.columns = columns

    def apply(self, y):
        return y * self.columns

    def transposed(self, gradient):
        return gradient * self.columns


def test_a_tail_scaling_is_a_change_of_variables_with_its_transpose():
    made = system(linear)
    made.linearize(torch.zeros(made.size, dtype=torch.float64))
    scaling = tail_scaling(made, Scaled(made.column_scale()), len(BASIS), 20)
    y, g = random(made.size, 0), random(made.size, 1)
    assert float(scaling.apply(y) @ g) == pytest.approx(float(scaling.transposed(g) @ y), rel=1e-11)
    tail = []
    for k in range(len(BASIS)):
        unit = torch.zeros(made.size, dtype=torch.float64)
        unit[made.size - len(BASIS) + k] = 1.0
        tail.append(copied(made.forward(scaling.apply(unit))))
    products = [[float(made.inner(a, b)) for b in tail] for a in tail]
    np.testing.assert_allclose(products, np.eye(len(BASIS)), atol=1e-8)


def test_a_tail_scaling_saves_steps_and_leads_to_the_same_solution():
    made = system(linear)
    rows = copied(made.linearize(torch.zeros(made.size, dtype=torch.float64)))
    inner = Scaled(made.column_scale())

    def solved(change):
        result = cgls(
            lambda y: made.forward(change.apply(y)),
            lambda r: change.transposed(made.adjoint(r)),
            [-r for r in rows],
            tol=1e-11,
            max_steps=5000,
        )
        return change.apply(result.y), result.steps

    plain, many = solved(inner)
    first = tail_scaling(made, inner, len(BASIS), 60)
    better, few = solved(first)
    assert few < many
    assert float((plain - better)[-len(BASIS) :].abs().max()) < 1e-5 * float(better[-len(BASIS) :].abs().max())
    again = tail_scaling(made, inner, len(BASIS), 5, first.others)
    assert solved(again)[1] <= few + 5


def test_columns_that_depend_on_each_other_count_once():
    made = system(linear)
    made.corners = SingularBasis((*ROOTS, ROOTS[0]), ("u", "v", "u"))
    for block in made.blocks:
        block.singular = SingularColumns.of(made.corners, block)
    made.parameter_names = made.corners.unknowns
    made.linearize(torch.zeros(made.size, dtype=torch.float64))
    scaling = tail_scaling(made, Scaled(made.column_scale()), 3, 40)
    assert bool(torch.isfinite(scaling.factor).all())
    values = torch.linalg.svdvals(scaling.factor)
    assert int((values > 1e-12 * values[0]).sum()) == 2
