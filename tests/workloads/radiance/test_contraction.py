"""The contraction of space into a ball."""

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.workloads.radiance import contract, contraction_scale, expand


@pytest.mark.parametrize(("size", "known"), [(3.0, 0.324891), (1.5, 0.705512), (0.5, 1.0)])
def test_the_scale_is_the_cube_root_of_the_determinant(size, known):
    x = torch.tensor([0.48, -0.6, 0.64], dtype=torch.float64) * size
    jacobian = torch.autograd.functional.jacobian(contract, x)
    assert float(contraction_scale(x)) == pytest.approx(float(torch.linalg.det(jacobian).abs()) ** (1 / 3), rel=1e-12)
    assert float(contraction_scale(x)) == pytest.approx(known, abs=5e-7)


def test_expansion_undoes_contraction():
    x = torch.randn(1000, 3, dtype=torch.float64) * torch.logspace(-2, 3, 1000, dtype=torch.float64)[:, None]
    y = contract(x)
    assert (torch.linalg.vector_norm(y, dim=1) < 2).all()
    assert torch.allclose(expand(y), x, rtol=1e-9)


def test_the_gradient_at_the_origin_is_finite():
    x = torch.zeros(1, 3, requires_grad=True)
    contract(x).sum().backward()
    assert x.grad.tolist() == [[1.0, 1.0, 1.0]]


@pytest.mark.parametrize("points", ["all", [1.0, 2.0], torch.zeros(2, 2), [[1j, 0, 0]]])
def test_what_are_no_points_is_refused(points):
    with pytest.raises(hp.InvalidArgumentError, match="points"):
        contract(points)


def test_points_beyond_the_ball_have_no_expansion():
    with pytest.raises(hp.InvalidArgumentError, match="radius 2"):
        expand([[2.1, 0.0, 0.0]])
