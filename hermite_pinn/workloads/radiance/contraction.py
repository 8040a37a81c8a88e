"""Unbounded space in a ball, as in mip-NeRF 360 (Barron et al. 2022, equation 10)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from hermite_pinn.errors import InvalidArgumentError

__all__ = ["contract", "contraction_scale", "expand"]


def contract(points: Any) -> Tensor:
    """Map space to the ball of radius 2: the unit ball stays, other points x go to ``(2 - 1/|x|) x/|x|``.

    Parameters
    ----------
    points
        Points (..., 3); differentiable.

    Raises
    ------
    InvalidArgumentError
        If the last axis has another length.

    Examples
    --------
    >>> contract([[0.5, 0.0, 0.0], [4.0, 0.0, 0.0]]).tolist()
    [[0.5, 0.0, 0.0], [1.75, 0.0, 0.0]]
    """
    x = _points(points)
    size = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    outside = size.clamp(min=1)
    return torch.where(size > 1, (2 - 1 / outside) * (x / outside), x)


def expand(points: Any) -> Tensor:
    """Invert :func:`contract` for points (..., 3) in the ball of radius 2; infinite on its surface.

    Raises
    ------
    InvalidArgumentError
        If the last axis has another length, or a point lies beyond the ball.

    Examples
    --------
    >>> expand(contract([[0.0, 4.0, 0.0]])).tolist()
    [[0.0, 4.0, 0.0]]
    """
    y = _points(points)
    size = torch.linalg.vector_norm(y, dim=-1, keepdim=True)
    if bool((size > 2).any()):
        raise InvalidArgumentError(
            f"points must be in the ball of radius 2, into which space is contracted, got one at {float(size.max()):.6g}"
        )
    outside = size.clamp(min=1)
    return torch.where(size > 1, y / (outside * (2 - outside)), y)


def contraction_scale(points: Any) -> Tensor:
    """Return the factor (...) by which :func:`contract` shrinks lengths at points (..., 3).

    It is the cube root of the determinant of the Jacobian, ``(2|x| - 1)^(2/3) / |x|^2`` beyond the unit ball and 1 in
    it.

    Raises
    ------
    InvalidArgumentError
        If the last axis has another length.

    Examples
    --------
    >>> round(float(contraction_scale([3.0, 0.0, 0.0])), 6)
    0.324891
    """
    outside = torch.linalg.vector_norm(_points(points), dim=-1).clamp(min=1)
    return (2 * outside - 1) ** (2 / 3) / outside**2


def _points(points: Any) -> Tensor:
    try:
        x = torch.as_tensor(points)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidArgumentError(f"points must be numbers of shape (..., 3), got {type(points).__name__}") from error
    if not x.ndim or x.shape[-1] != 3 or x.dtype.is_complex:
        raise InvalidArgumentError(f"points must be real numbers of shape (..., 3), got the shape {tuple(x.shape)}")
    return x if x.dtype.is_floating_point else x.to(torch.get_default_dtype())
