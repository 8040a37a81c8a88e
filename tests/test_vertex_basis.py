"""Vertex bases: a change of variables that leaves the problem and shortens its solution."""

import numpy as np
import pytest
import torch
from hermite_pinn.cuda.layout import BASES

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.methods.system import GridSystem
from hermite_pinn.methods.vertex_basis import vertex_basis


def system(basis, problem):
    found = GridSystem(problem, basis, [(4, 4), (8, 8)])
    found.linearize(torch.zeros(found.size, dtype=torch.float64))
    return found


PROBLEMS = {
    "helmholtz": lambda: problems.helmholtz2d(a=1),
    "periodic": lambda: problems.convection(c=2),
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
    m = BASES[basis]
    assert found.shape == (5 if periodic else 6, m, m)
    assert np.array_equal(found, np.triu(found))
    assert (np.abs(np.diagonal(found, axis1=1, axis2=2)) > 1e-3).all()
    if not periodic:
        assert np.array_equal(found[0, 0, 1:], np.zeros(m - 1))


@pytest.mark.parametrize(("basis", "most"), [("quintic", 80), ("septic", 350)])
def test_steps_of_conjugate_gradients_stop_growing(basis, most):
    """Column scaling alone takes 126 steps on quintics and 1,936 on septics."""
    method = hp.GaussNewton(inner="cg")
    solution = hp.solve(problems.helmholtz2d(a=1), levels=3, field=hp.Field(basis=basis), method=method)
    assert solution.history["inner"].max() <= most
    assert solution.error()["u"]["relative_l2"] < 1e-9
