"""A loss that is quadratic for small errors and linear for large ones."""

from __future__ import annotations

from torch import Tensor

__all__ = ["charbonnier"]


def charbonnier(error: Tensor, width: float = 1e-3) -> Tensor:
    """√(e² + width²) of errors, of their shape.

    Examples
    --------
    >>> import torch
    >>> charbonnier(torch.tensor([0.0, 3.0]), 4.0)
    tensor([4., 5.])
    """
    return (error**2 + width**2).sqrt()
