"""Rigid motions of space: the exponential of twists, with derivatives at zero."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from hermite_pinn.checks import instance
from hermite_pinn.errors import InvalidArgumentError

__all__ = ["SIDES", "compose", "corrected", "exponential", "inverse", "rotation_angle"]

#: What a twist moves first: points of the world, or of the camera.
SIDES = ("world", "camera")
#: Terms of the series, and the square of the angle below which they are taken: the next is below 1e-19 there.
TERMS, NEAR = 10, 1.0


def _series(first: int, s: Tensor) -> Tensor:
    """Sum of (-s)^k / (2 k + first)! by Horner's rule."""
    total = torch.full_like(s, 1 / math.factorial(2 * (TERMS - 1) + first))
    for k in range(TERMS - 2, -1, -1):
        total = 1 / math.factorial(2 * k + first) - s * total
    return total


def _factors(s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Factors sin a / a, (1 - cos a) / a^2 and (a - sin a) / a^3 by the square s of the angle a; smooth at zero."""
    near = s < NEAR
    small, large = torch.where(near, s, torch.zeros_like(s)), torch.where(near, torch.ones_like(s), s)
    angle = large.sqrt()
    far = (angle.sin() / angle, 2 * (angle / 2).sin() ** 2 / large, (angle - angle.sin()) / (large * angle))
    one, two, three = (torch.where(near, _series(k + 1, small), f) for k, f in enumerate(far))
    return one, two, three


def exponential(twists: Tensor) -> Tensor:
    """Return the rigid motions of twists: with the axis times angle w and the velocity u, x to ``exp([w]) x + V u``.

    With K the matrix of the cross product with w and ``a = |w|``, the rotation is
    ``R = I + sin a / a K + (1 - cos a) / a^2 K^2`` and ``V = I + (1 - cos a) / a^2 K + (a - sin a) / a^3 K^2``.
    Derivatives of any order exist, also at zero, where the factors are power series.

    Parameters
    ----------
    twists
        Vectors (..., 6), float32 or float64: w, then u, as in BARF (Lin et al., 2021).

    Returns
    -------
    Tensor
        Matrices (..., 3, 4).

    Raises
    ------
    InvalidArgumentError
        If the shape or the type differs.

    Examples
    --------
    >>> turn = exponential(torch.tensor([0.0, 0.0, math.pi / 2, 1.0, 0.0, 0.0], dtype=torch.float64))
    >>> turn.numpy().round(4)
    array([[ 0.    , -1.    ,  0.    ,  0.6366],
           [ 1.    ,  0.    ,  0.    ,  0.6366],
           [ 0.    ,  0.    ,  1.    ,  0.    ]])
    """
    instance("twists", twists, Tensor, "a tensor (..., 6)")
    if twists.ndim < 1 or twists.shape[-1] != 6 or twists.dtype not in (torch.float32, torch.float64):
        raise InvalidArgumentError(
            f"twists must be float32 or float64 numbers of shape (..., 6), got {twists.dtype} of shape {tuple(twists.shape)}"
        )
    axis, velocity = twists[..., :3], twists[..., 3:]
    x, y, z = axis.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    square = cross @ cross
    one, two, three = (f[..., None, None] for f in _factors((axis * axis).sum(-1)))
    eye = torch.eye(3, dtype=twists.dtype, device=twists.device)
    rotation = eye + one * cross + two * square
    shift = (eye + two * cross + three * square) @ velocity[..., None]
    return torch.cat([rotation, shift], -1)


def compose(outer: Tensor, inner: Tensor) -> Tensor:
    """The motions that do ``inner`` first, then ``outer``, both (..., 3, 4).

    Examples
    --------
    >>> shift = torch.cat([torch.eye(3), torch.tensor([[1.0], [0.0], [0.0]])], 1)
    >>> compose(shift, shift)[:, 3]
    tensor([2., 0., 0.])
    """
    rotation = outer[..., :3] @ inner[..., :3]
    return torch.cat([rotation, outer[..., :3] @ inner[..., 3:] + outer[..., 3:]], -1)


def inverse(motions: Tensor) -> Tensor:
    """The motions back, (..., 3, 4): of a camera's pose, its extrinsic matrix from the world to the camera.

    Examples
    --------
    >>> there = exponential(torch.tensor([0.1, -0.2, 0.3, 1.0, 2.0, 3.0], dtype=torch.float64))
    >>> bool(torch.allclose(compose(inverse(there), there), torch.eye(3, 4, dtype=torch.float64)))
    True
    """
    turned = motions[..., :3].transpose(-1, -2)
    return torch.cat([turned, -turned @ motions[..., 3:]], -1)


def rotation_angle(rotations: Tensor) -> Tensor:
    """Angles (...) of rotations (..., 3, 3) in degrees, 0 to 180, to rounding also near 0, where a cosine tells none.

    Examples
    --------
    >>> small = exponential(torch.tensor([0.0, 1e-9, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64))[:, :3]
    >>> float(torch.deg2rad(rotation_angle(small)))
    1e-09
    """
    r = rotations
    twice = torch.stack([r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]], -1)
    cosine = r.diagonal(dim1=-2, dim2=-1).sum(-1) - 1
    return torch.rad2deg(torch.atan2(torch.linalg.vector_norm(twice, dim=-1), cosine))


def corrected(poses: Tensor, twists: Tensor, side: str = "world") -> Tensor:
    """Poses moved by twists; P(x) being the extrinsic map of one, it becomes P(exp(twist) x) or exp(twist) P(x).

    Parameters
    ----------
    poses
        (n, 3, 4), from the camera to the world.
    twists
        (n, 6), see :func:`hermite_pinn.radiance.exponential`.
    side
        ``"world"``: the twist moves points of the world first, as in BARF, so poses are multiplied from the left by its
        inverse; ``"camera"``: it moves those of the camera, after the extrinsic map.

    Returns
    -------
    Tensor
        (n, 3, 4), differentiable by both.
    """
    back = exponential(-twists)
    return compose(back, poses) if side == "world" else compose(poses, back)
