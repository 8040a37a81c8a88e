"""Points in the order of a space-filling curve, so that neighbours in memory read the same vertices.

The order is that of Morton (Z-order): the binary digits of the coordinates, interleaved.  Points that follow each other
lie in the same cell of a coarse level and near each other on every level, so that a chunk of points reads few cache
lines on a CPU, and the threads of a warp share records and add to them together on a GPU.
"""

from __future__ import annotations

import torch

from hermite_pinn.errors import InvalidArgumentError

from .layout import GridLayout

__all__ = ["morton_codes", "morton_order"]


def morton_codes(x: torch.Tensor, layout: GridLayout) -> torch.Tensor:
    """Position of the cell of every point along the Z-order curve of the layout's box.

    Parameters
    ----------
    x
        Points, (dim, n); those outside the box count as on its boundary.
    layout
        For the box.

    Returns
    -------
    torch.Tensor
        (n,), int64, from 62 // dim binary digits per axis (at most 16).

    Raises
    ------
    InvalidArgumentError
        If the points have another dimension.

    Examples
    --------
    >>> box = GridLayout((0.0, 0.0), (1.0, 1.0), ((4, 4),))
    >>> corners = torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    >>> morton_codes(corners, box).argsort()            # the first axis varies slowest
    tensor([0, 2, 1, 3])
    """
    if x.ndim != 2 or x.shape[0] != layout.dim:
        raise InvalidArgumentError(f"points have shape (dim, n) with dim={layout.dim}, got {tuple(x.shape)}")
    digits = min(16, 62 // layout.dim)
    code = torch.zeros(x.shape[1], dtype=torch.int64, device=x.device)
    for axis in range(layout.dim):
        unit = (x[axis] - layout.lower[axis]) * (2**digits / layout.lengths[axis])
        cell = unit.nan_to_num(0.0).clamp(0, 2**digits - 1).to(torch.int64)
        code |= _spread(cell, layout.dim) << (layout.dim - 1 - axis)
    return code


def _spread(value: torch.Tensor, step: int) -> torch.Tensor:
    """Integers below 2**16 with their binary digits ``step`` places apart, by shifting halves of halves."""
    if step == 1:
        return value
    for half in (8, 4, 2, 1):
        mask = sum(((1 << half) - 1) << (block * half * step) for block in range(16 // half))
        value = (value | value << (half * (step - 1))) & mask
    return value


def morton_order(x: torch.Tensor, layout: GridLayout) -> torch.Tensor:
    """The permutation (n,) that puts points (dim, n) into Morton order; equal codes keep their order."""
    return torch.argsort(morton_codes(x, layout), stable=True)
