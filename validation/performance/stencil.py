"""Central differences: what analytic jets are compared with."""

from __future__ import annotations

from collections.abc import Callable

import torch

__all__ = ["Neighbours", "laplacian", "neighbours"]

#: Values at x, and to the right and left of x along every axis.
Neighbours = tuple[torch.Tensor, list[tuple[torch.Tensor, torch.Tensor]]]


def neighbours(value: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, h: float) -> Neighbours:
    """A function at points (dim, n) and at distance ``h`` along every axis, by 2 dim + 1 calls.

    Examples
    --------
    >>> x = torch.tensor([[1.0], [2.0]], dtype=torch.float64)
    >>> middle, pairs = neighbours(lambda at: at[0] ** 2 + at[1], x, 0.5)
    >>> [round(float((right - left) / 1.0), 6) for right, left in pairs], float(laplacian(middle, pairs, 0.5))
    ([2.0, 1.0], 2.0)
    """

    def moved(axis: int, step: float) -> torch.Tensor:
        at = x.clone()
        at[axis] += step
        return value(at)

    return value(x), [(moved(axis, h), moved(axis, -h)) for axis in range(len(x))]


def laplacian(middle: torch.Tensor, pairs: list[tuple[torch.Tensor, torch.Tensor]], h: float) -> torch.Tensor:
    """Second differences, summed over the axes."""
    total = -2.0 * len(pairs) * middle
    for right, left in pairs:
        total = total + right + left
    return total / h**2
