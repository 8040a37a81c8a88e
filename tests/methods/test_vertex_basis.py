"""Vertex bases: a change of variables that leaves the problem and shortens its solution."""

import logging

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.methods.systems.vertex_basis import vertex_basis

logger = logging.getLogger(__name__)


def system(basis, problem):
    found = GridSystem(problem, basis, [(n,) * problem.domain.dim for n in (4, 8)])
    found.linearize(torch.zeros(found.size, dtype=torch.float64))
    return found


PROBLEMS = {
    "helmholtz": lambda: problems.helmholtz2d(a=1),
    "periodic": lambda: problems.convection(c=2),
    "one axis": lambda: hp.Problem(hp.Box(t=(0, 1)), "u", lambda u, t: u.t + u, [hp.Initial(u=1.0)]),
    "variable coefficients": lambda: hp.Problem(
        hp.Box(x=(0, 1), y=(0, 2)),
        "u",
        lambda u, x, y: (1 + x * y) * u.xx + 0.3 * y * u.xy + (2 + hp.sin(x)) * u.yy + x * u.x - y * u - 1,
        [hp.Dirichlet(u=0.0)],
    ),
    "two fields, clamped": lambda: problems.plate(support="clamped", form="auxiliary"),
}


@pytest.fixture(params=PROBLEMS)
def problem(request):
    return PROBLEMS[request.param]()


@pytest.mark.parametrize("basis", ["quintic", "septic"])
def test_transposed_is_the_transpose_and_fixed_coefficients_stay(basis, problem):
    s = system(basis, problem)
    scaling = s.preconditioner(s.column_scale(), 0.0)
    x, y = torch.randn(2, s.size, dtype=torch.float64)
    image = scaling.apply(y)
    assert float(image @ x) == pytest.approx(float(y @ scaling.transposed(x)), rel=1e-10)
    assert not image[s.column_scale() == 0].abs().max() > 0


@pytest.mark.parametrize("basis", ["quintic", "septic"])
def test_columns_have_unit_norm(basis, problem):
    s = system(basis, problem)
    scaling = s.preconditioner(s.column_scale(), 0.0)
    free = torch.nonzero(scaling.columns)[:, 0]
    for k in free[torch.randperm(len(free))[:20]].tolist():
        unit = torch.zeros(s.size, dtype=torch.float64)
        unit[k] = 1.0
        rows = s.forward(scaling.apply(unit))
        assert sum(float((r * r).sum()) for r in rows) == pytest.approx(1.0, rel=1e-8)


@pytest.mark.parametrize("basis", ["cubic", "quintic", "septic"])
@pytest.mark.parametrize("periodic", [False, True])
def test_the_change_of_basis_is_upper_triangular_and_regular(basis, periodic):
    found = vertex_basis(basis, 5, periodic, (0, 1, 2), ((0,), ()))
    m = BASES[basis].coefficients
    assert found.shape == (5 if periodic else 6, m, m)
    assert np.array_equal(found, np.triu(found))
    assert (np.abs(np.diagonal(found, axis1=1, axis2=2)) > 1e-3).all()
    if not periodic:
        assert np.array_equal(found[0, 0, 1:], np.zeros(m - 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "basis", "levels", "gain"),
    [("helmholtz2d", "quintic", 3, 1.5), ("helmholtz2d", "septic", 3, 4.0), ("helmholtz3d", "quintic", 2, 4.0)],
)
def test_steps_of_conjugate_gradients_become_fewer(name, basis, levels, gain, monkeypatch):
    def run():
        problem, method = problems.make(name, a=1), hp.GaussNewton(inner="cg")
        return hp.solve(problem, levels=levels, field=hp.Field(basis=basis), method=method)

    bases = run()
    monkeypatch.setattr(GridSystem, "preconditioned", False)
    columns = run()
    with_bases, without = (max(s.history["inner"]) for s in (bases, columns))
    logger.info("%s %s: %d steps by columns, %d by vertex bases", name, basis, without, with_bases)
    assert gain * with_bases <= without
    rounding = 1e-13  # of both
    assert bases.error()["u"]["relative_l2"] < 1.001 * columns.error()["u"]["relative_l2"] + rounding
