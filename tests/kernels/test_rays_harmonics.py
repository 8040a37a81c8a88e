"""Spherical harmonics of directions."""

import math

import numpy as np
import pytest
import torch

from hermite_pinn.cuda.rays.harmonics import MOST_BANDS, _stacked, spherical_harmonics
from hermite_pinn.errors import InvalidArgumentError

F64 = torch.float64


def quadrature(order=20):
    """Points (3, n) and weights on the sphere, exact for polynomials of degree 2 order - 1."""
    z, weights = (torch.as_tensor(a) for a in np.polynomial.legendre.leggauss(order))
    angle = torch.arange(2 * order, dtype=F64) * math.pi / order
    ring = (1 - z**2).sqrt()[:, None]
    points = torch.stack([ring * angle.cos(), ring * angle.sin(), z[:, None].expand(-1, 2 * order)])
    return points.flatten(1), (weights[:, None] * math.pi / order).expand(-1, 2 * order).flatten()


@pytest.mark.parametrize("bands", [1, 4, MOST_BANDS])
def test_they_are_orthonormal(bands):
    points, weights = quadrature()
    values = spherical_harmonics(points, bands)
    assert torch.allclose(values * weights @ values.T, torch.eye(bands**2, dtype=F64), atol=1e-12)


def test_sums_of_squares_of_a_band_are_constant():
    """The addition theorem: (2 l + 1) / (4 pi) in every direction, the poles too."""
    points = torch.cat([quadrature(6)[0], torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, -1.0]], dtype=F64)], 1)
    values = spherical_harmonics(points, 5)
    for band in range(5):
        square = values[band**2 : (band + 1) ** 2].square().sum(0)
        assert torch.allclose(square, torch.full_like(square, (2 * band + 1) / (4 * math.pi)), rtol=1e-12)


def test_the_first_bands_are_a_constant_and_the_direction():
    points = quadrature(4)[0]
    values = spherical_harmonics(points, 2)
    assert torch.allclose(values[0], torch.full_like(values[0], 0.5 / math.sqrt(math.pi)))
    assert torch.allclose(values[1:], math.sqrt(3 / (4 * math.pi)) * points[[1, 2, 0]])


def test_gradients_by_directions_are_differences():
    points = torch.cat([quadrature(2)[0], torch.tensor([[0.0], [0.0], [1.0]], dtype=F64)], 1).requires_grad_()
    assert torch.autograd.gradcheck(spherical_harmonics, (points,))
    assert torch.autograd.gradgradcheck(spherical_harmonics, (points,))


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("count", [0, 1, 37, 1200])
@pytest.mark.parametrize("bands", [1, 4, MOST_BANDS])
def test_the_kernel_computes_what_pytorch_does(bands, count, dtype):
    points = torch.nn.functional.normalize(torch.randn(3, count, generator=torch.Generator().manual_seed(1)), dim=0)
    found = spherical_harmonics(points.to(dtype), bands)
    assert found.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float32 else 1e-13
    assert torch.allclose(found.double(), _stacked(points.to(dtype).double(), bands), rtol=0, atol=tolerance)


def test_what_does_not_fit_is_an_error():
    for given in (
        (torch.zeros(2, 4),),
        (torch.zeros(3),),
        (torch.zeros(3, 1), 0),
        (torch.zeros(3, 1), 9),
        (torch.zeros(3, 1).half(),),
    ):
        with pytest.raises(InvalidArgumentError):
            spherical_harmonics(*given)
