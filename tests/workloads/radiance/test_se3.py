"""The exponential of twists, and the angles of rotations."""

import numpy as np
import pytest
import torch
from scipy.linalg import expm
from scipy.spatial.transform import Rotation

from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.workloads.radiance.se3 import NEAR, compose, exponential, inverse, rotation_angle

ANGLES = [0.0, 1e-12, 1e-5, 0.1, NEAR**0.5 - 1e-9, NEAR**0.5 + 1e-9, 3.0, np.pi, 12.0]


def twists(angle, count=4):
    """Random twists whose rotations have an angle."""
    found = torch.randn(count, 6, dtype=torch.float64)
    found[:, :3] *= angle / found[:, :3].norm(dim=1, keepdim=True)
    return found


@pytest.mark.parametrize("angle", ANGLES)
def test_it_is_the_exponential_of_the_matrix(angle):
    given = twists(angle)
    for twist, found in zip(given.numpy(), exponential(given).numpy(), strict=True):
        x, y, z, *u = twist
        matrix = np.array([[0, -z, y, u[0]], [z, 0, -x, u[1]], [-y, x, 0, u[2]], [0, 0, 0, 0]])
        assert np.abs(found - expm(matrix)[:3]).max() < 1e-13 * max(1.0, angle)


@pytest.mark.parametrize("angle", ANGLES)
def test_its_first_and_second_derivatives_are_those_of_differences(angle):
    given = twists(angle, 2).requires_grad_()
    assert torch.autograd.gradcheck(exponential, given)
    assert torch.autograd.gradgradcheck(exponential, given)


def test_its_derivative_at_zero_is_the_generator():
    jacobian = torch.autograd.functional.jacobian(exponential, torch.zeros(6, dtype=torch.float64))
    w, u, x = (torch.randn(3, dtype=torch.float64) for _ in range(3))
    moved = jacobian @ torch.cat([w, u])
    assert torch.allclose(moved[:, :3] @ x + moved[:, 3], torch.linalg.cross(w, x) + u, rtol=0, atol=1e-15)


def test_single_precision_has_its_rounding():
    given = torch.cat([twists(a) for a in ANGLES[:8]])
    assert (exponential(given.float()).double() - exponential(given)).abs().max() < 2e-6


@pytest.mark.parametrize("angle", ANGLES[:5])
def test_the_opposite_twist_goes_back(angle):
    given = twists(angle)
    eye = torch.eye(3, 4, dtype=torch.float64).expand(len(given), 3, 4)
    assert torch.allclose(compose(exponential(-given), exponential(given)), eye, rtol=0, atol=1e-14)
    assert torch.allclose(inverse(exponential(given)), exponential(-given), rtol=0, atol=1e-14)


@pytest.mark.parametrize("angle", [0.0, 1e-10, 0.3, 3.0, np.pi])
def test_the_angle_is_that_of_the_twist_to_rounding(angle):
    found = torch.deg2rad(rotation_angle(exponential(twists(angle))[:, :, :3]))
    assert torch.allclose(found, torch.full_like(found, angle), rtol=1e-9, atol=1e-15)


def test_composition_is_that_of_motions():
    first, then = exponential(twists(0.7)), exponential(twists(2.0))
    x = torch.randn(4, 3, 1, dtype=torch.float64)
    inner = first[:, :, :3] @ x + first[:, :, 3:]
    both = compose(then, first)
    assert torch.allclose(both[:, :, :3] @ x + both[:, :, 3:], then[:, :, :3] @ inner + then[:, :, 3:], atol=1e-13)
    assert np.allclose(both[0, :, :3], Rotation.from_matrix(both[0, :, :3].numpy()).as_matrix(), atol=1e-13)


@pytest.mark.parametrize("given", [torch.zeros(3), torch.zeros(2, 7), torch.zeros(6, dtype=torch.int64)])
def test_what_are_no_twists_is_refused(given):
    with pytest.raises(InvalidArgumentError, match=r"twists must be float32 or float64 numbers of shape \(\.\.\., 6\)"):
        exponential(given)
