"""The linear algebra of the default method: Jacobians, adjoints, columns, conjugate gradients, needed points."""

import itertools

import pytest
import torch
from manufactured import CONDITIONS, manufactured

import hermite_pinn as hp
from hermite_pinn import pi, problems, sin
from hermite_pinn.methods.least_squares.cgls import cgls
from hermite_pinn.methods.systems.grid_system import GridSystem


def dense(system):
    """Jacobian of a linearised system as a matrix."""
    columns = []
    for j in range(system.size):
        unit = torch.zeros(system.size, dtype=torch.float64)
        unit[j] = 1.0
        columns.append(torch.cat([r.reshape(-1) for r in system.forward(unit)]))
    return torch.stack(columns, 1)


SYSTEMS = {
    "variable coefficients": lambda: manufactured(CONDITIONS["robin"]),
    "nonlinear with a parameter": lambda: hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        ["u", "v"],
        lambda u, v, x, c: {"a": u.t + u * v.x - c * u.xx, "b": v - x * u.x},
        [hp.Periodic("x"), hp.Initial(u=lambda x: sin(2 * pi * x)), hp.Data([[0.2, 0.3], [0.7, 0.9]], v=[1.0, 2.0])],
        parameters=[hp.Parameter("c", init=0.3)],
    ),
    "a derivative with a factor here and without one there": lambda: hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u", "v"],
        lambda u, v: {"a": u * u.x + v * u.y - u.laplacian, "div": u.x + v.y},
        [hp.Dirichlet(u=1.0, v=0.0)],
    ),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_jacobian_adjoint_and_diagonal_of_a_system(name):
    """The products agree with differences of the residual, with each other, and with the column norms."""
    problem = SYSTEMS[name]()
    system = GridSystem(problem, "cubic", [(2, 2), (4, 2)])
    vector = 0.3 * torch.randn(system.size, dtype=torch.float64)
    if system.parameter_names:
        vector[-1] = 0.7
    residual = lambda v: torch.cat([r.reshape(-1) for r in system.linearize(v)])
    direction = torch.randn(system.size, dtype=torch.float64)
    h = 1e-5
    expected = (residual(vector + h * direction) - residual(vector - h * direction)) / (2 * h)
    base = residual(vector)
    found = torch.cat([r.reshape(-1).clone() for r in system.forward(direction.clone())])
    assert torch.allclose(found, expected, rtol=1e-6, atol=1e-7 * float(base.norm()))
    matrix = dense(system)
    shapes = [r.shape for r in system.forward(direction.clone())]
    rows = [torch.randn(s, dtype=torch.float64) for s in shapes]
    flat = torch.cat([r.reshape(-1) for r in rows])
    assert torch.allclose(system.adjoint(rows), matrix.T @ flat, rtol=1e-10, atol=1e-10)
    scale = system.column_scale()
    free = scale > 0
    assert torch.allclose(1 / scale[free] ** 2, matrix.square().sum(0)[free], rtol=1e-9)


def test_fixed_coefficients_have_no_scale():
    system = GridSystem(problems.helmholtz2d(a=1), "cubic", [(2, 2)])
    system.linearize(torch.zeros(system.size, dtype=torch.float64))
    scale = system.column_scale().view(6, 6)
    fixed = torch.zeros(6, 6, dtype=torch.bool)
    fixed[[0, 4], :] = True
    fixed[:, [0, 4]] = True
    assert torch.equal(scale == 0, fixed)


def test_cgls_solves_and_survives_rounding():
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(60, 20, generator=generator, dtype=torch.float64)
    a[:, :10] *= 1e-4
    b = torch.randn(60, generator=generator, dtype=torch.float64)
    exact = torch.linalg.lstsq(a, b[:, None]).solution[:, 0]
    result = cgls(lambda y: [a @ y], lambda r: a.T @ r[0], [b], tol=1e-30, max_steps=5000)
    assert result.reason in ("rounding", "tolerance")
    assert result.steps < 5000
    assert torch.allclose(result.y, exact, rtol=1e-5)
    damped = cgls(lambda y: [a @ y], lambda r: a.T @ r[0], [b], tol=1e-12, max_steps=500, damping=0.5)
    normal = a.T @ a + 0.5 * torch.eye(20, dtype=torch.float64)
    assert torch.allclose(damped.y, torch.linalg.solve(normal, a.T @ b), rtol=1e-8, atol=1e-12)


def test_cgls_with_nothing_to_do():
    result = cgls(lambda y: [y], lambda r: r[0], [torch.zeros(3, dtype=torch.float64)], tol=1e-8, max_steps=5)
    assert result.reason == "zero"
    assert result.steps == 0


@pytest.mark.parametrize(("periodic", "soft"), list(itertools.product([False, True], [False, True])))
def test_gauss_points_determine_the_coefficients(periodic, soft):
    """Collocation is square for elliptic problems with exact conditions; everything else is over-determined."""
    conditions = [hp.Periodic("x")] if periodic else []
    where = (lambda x, y: x >= 0) if soft else None
    conditions.append(hp.Dirichlet(u=0.0, where=where))
    problem = hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), "u", lambda u: u.laplacian - 1, conditions)
    system = GridSystem(problem, "cubic", [(4, 4)])
    free = int((~system.constraints.mask(system.pyramid.shapes[-1])).sum())
    assert system.gauss == ((3, 3) if soft else (2, 2))
    assert (system.rows > free) if soft else (system.rows == free)
