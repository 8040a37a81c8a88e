"""Coordinates that a user gives to a solution: numbers, points and axes, inside its domain and not too many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from hermite_pinn.checks import items, number, real_array, refuse
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry import Domain
from hermite_pinn.memory import check_fits

from .inside import SLACK, check_cut

__all__ = ["broadcast_coordinates", "check_inside", "coordinate_tensor", "grid_axes", "point_array"]


def coordinate_tensor(name: str, value: Any) -> torch.Tensor:
    """Numbers, an array or a tensor as a float64 tensor.

    Raises
    ------
    InvalidArgumentError
        If they are complex or no numbers; the message calls them the coordinate ``name``.
    """
    if type(value) is float:
        return torch.tensor(value, dtype=torch.float64)
    if isinstance(value, torch.Tensor):
        if torch._C._functorch.is_functorch_wrapped_tensor(value):
            raise InvalidArgumentError(
                f"the coordinate {name} is inside a transform of torch.func, which the kernels do not know; call fields with whole "
                "tensors instead of vmap, and take derivatives as u.x or by torch.autograd.grad or torch.autograd.functional"
            )
        if value.is_complex():
            raise InvalidArgumentError(f"the coordinate {name} is complex; coordinates are real")
        if value.layout is not torch.strided or value.is_meta or value.is_quantized:
            refuse(f"the coordinate {name}", value, "a tensor with numbers", hint="make it dense")
        return value.to(torch.float64)
    if isinstance(value, complex) or getattr(getattr(value, "dtype", None), "kind", "") == "c":
        raise InvalidArgumentError(f"the coordinate {name} is complex; coordinates are real")
    accepted = "a real number, an array or a tensor of real numbers"
    array = real_array(f"the coordinate {name}", value, shape=accepted, finite=False)
    check_fits(8.0 * array.size, f"the coordinate {name} of {array.size:,} points", "evaluate fewer at a time")
    return torch.tensor(array)


def broadcast_coordinates(
    domain: Domain, values: Sequence[Any], periodic: Sequence[bool] | None = None
) -> list[torch.Tensor]:
    """One tensor per axis, all of one shape.

    Parameters
    ----------
    domain
        Whose coordinates they are.
    values
        Numbers, arrays or tensors, one per axis.
    periodic
        If given, the points must lie inside the domain, see :func:`check_inside` and :func:`.check_cut`.

    Raises
    ------
    InvalidArgumentError
        If they are no coordinates, lie outside, or their shapes do not fit together.
    """
    names = domain.names
    tensors = [coordinate_tensor(name, value) for name, value in zip(names, values, strict=True)]
    if periodic is not None:
        check_inside(domain, periodic, tensors)
    try:
        spread = list(torch.broadcast_tensors(*tensors))
    except RuntimeError as error:
        shapes = ", ".join(f"{name}: {tuple(t.shape)}" for name, t in zip(names, tensors, strict=True))
        raise InvalidArgumentError(
            f"the coordinates cannot be broadcast to one shape or are on several devices ({shapes}); give each one number or "
            "arrays of equal shape"
        ) from error
    if periodic is not None and domain.is_cut:
        check_cut(domain, torch.stack([t.detach().reshape(-1).to("cpu") for t in spread]), periodic)
    return spread


def check_inside(domain: Domain, periodic: Sequence[bool], coordinates: Sequence[torch.Tensor]) -> None:
    """Refuse coordinates, one tensor per axis, outside the bounding box of a domain; periodic axes have no outside.

    Raises
    ------
    InvalidArgumentError
        If a coordinate lies outside or is no finite number.
    """
    for name, a, b, wraps, t in zip(domain.names, domain.lower, domain.upper, periodic, coordinates, strict=True):
        if t.numel() == 0:
            continue
        low, high = float(t.detach().min()), float(t.detach().max())
        if not (abs(low) < np.inf and abs(high) < np.inf):
            raise InvalidArgumentError(f"the coordinate {name} must be finite, and a number of it is NaN or infinite")
        slack = SLACK * (b - a)
        if not wraps and not (low >= a - slack and high <= b + slack):
            outside = low if not low >= a - slack else high
            raise InvalidArgumentError(f"{name} = {outside:g} lies outside the domain {domain}; evaluate inside it")


def point_array(domain: Domain, periodic: Sequence[bool], points: Any, slack: float = SLACK) -> np.ndarray:
    """Points inside a domain as an array (n, dim).

    Parameters
    ----------
    domain, periodic
        The domain, and which of its axes are periodic.
    points
        What was given.
    slack
        How far outside shapes they may lie, relative to the edge lengths; infinity where they are known to be inside.

    Raises
    ------
    InvalidArgumentError
        If they are no numbers, have another shape, or lie outside.
    """
    shape = f"an array of shape (n, {domain.dim}), the coordinates {', '.join(domain.names)} in this order"
    array = real_array("points", points, shape=shape, columns=domain.dim)
    allowed = number("slack", slack, least=0.0, infinite=True)
    check_inside(domain, periodic, [torch.as_tensor(array[:, i].copy()) for i in range(domain.dim)])
    check_cut(domain, torch.as_tensor(np.ascontiguousarray(array.T)), periodic, allowed)
    return array


def grid_axes(domain: Domain, periodic: Sequence[bool], axes: Any) -> list[np.ndarray]:
    """Positions along each axis of a domain, as one array (n_i,) each.

    Raises
    ------
    InvalidArgumentError
        If there are more or fewer axes, or positions that are no numbers or lie outside.
    """
    dim = domain.dim
    accepted = f"one array of positions per axis ({', '.join(domain.names)})"
    given = items("axes", axes, accepted, least=dim, most=dim)
    arrays = [
        real_array(f"the positions along {n}", a, shape="an array of numbers")
        for n, a in zip(domain.names, given, strict=True)
    ]
    for name, array in zip(domain.names, arrays, strict=True):
        if array.ndim != 1:
            refuse(f"the positions along {name}", array, "an array with one axis")
    check_inside(domain, periodic, [torch.as_tensor(a.copy()) for a in arrays])
    return arrays
