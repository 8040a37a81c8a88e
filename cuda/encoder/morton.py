"""Points in the order of a space-filling curve, so that neighbours in memory read the same vertices.

The order is that of Morton (Z-order): the binary digits of the coordinates, interleaved.  Points that follow each other
lie in the same cell of a coarse level and near each other on every level, so that a chunk of points reads few cache
lines on a CPU, and the threads of a warp share records and add to them together on a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hermite_pinn.errors import InvalidArgumentError

__all__ = ["FEW", "PAYS", "morton_codes", "morton_order"]

#: Bytes of tables from which sorting points that are used once is worth its cost (measured on a CPU, docs/kernels.md).
PAYS = 2 * 2**20

#: Points used once that are too few to be worth sorting on a GPU, where it takes dozens of launches (not measured).
FEW = 2**14


def morton_codes(x: torch.Tensor, lower: Sequence[float], upper: Sequence[float]) -> torch.Tensor:
    """Position of every point along the Z-order curve of a box.

    Parameters
    ----------
    x
        Points, (dim, n); those outside the box count as on its boundary.
    lower, upper
        Corners of the box.

    Returns
    -------
    torch.Tensor
        (n,), int64, of 16 binary digits per axis (15 in four dimensions).

    Raises
    ------
    InvalidArgumentError
        If the points and the box have different dimensions.

    Examples
    --------
    >>> corners = torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.0, 0.0, 1.0, 1.0]])
    >>> morton_codes(corners, (0, 0), (1, 1)).argsort()            # the first axis varies slowest
    tensor([0, 2, 1, 3])
    """
    dim = len(lower)
    if x.ndim != 2 or x.shape[0] != dim or len(upper) != dim:
        raise InvalidArgumentError(
            f"points have shape (dim, n) and the box dim bounds, got {tuple(x.shape)}, lower={lower}, upper={upper}"
        )
    digits = min(16, 62 // dim)
    code = torch.zeros(x.shape[1], dtype=torch.int64, device=x.device)
    for axis, (a, b) in enumerate(zip(lower, upper, strict=True)):
        unit = (x[axis] - a) * (2**digits / (b - a))
        cell = unit.nan_to_num(0.0).clamp(0, 2**digits - 1).to(torch.int64)
        code |= _spread(cell, dim) << (dim - 1 - axis)
    return code


def _spread(value: torch.Tensor, step: int) -> torch.Tensor:
    """Integers below 2**16 with their binary digits ``step`` places apart, by shifting halves of halves."""
    if step == 1:
        return value
    for half in (8, 4, 2, 1):
        mask = sum(((1 << half) - 1) << (block * half * step) for block in range(16 // half))
        value = (value | value << (half * (step - 1))) & mask
    return value


def morton_order(x: torch.Tensor, lower: Sequence[float], upper: Sequence[float]) -> torch.Tensor:
    """The permutation (n,) that puts points (dim, n) of a box into Morton order; equal codes keep their order."""
    return torch.argsort(morton_codes(x, lower, upper), stable=True)
