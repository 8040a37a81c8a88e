"""GridLevels that open one after the other."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["level_windows"]


def level_windows(levels: int, share: float) -> Tensor:
    """How much of each level is there, (levels,), float32: the coarsest always, the last when ``share`` is 1.

    With a = (levels - 1) share the level l has (1 - cos(π clip(a - l + 1, 0, 1)))/2 (BARF's window, a level ahead).

    Examples
    --------
    >>> level_windows(3, 0.0), level_windows(3, 0.25), level_windows(3, 1.0)
    (tensor([1., 0., 0.]), tensor([1.0000, 0.5000, 0.0000]), tensor([1., 1., 1.]))
    """
    reached = (levels - 1) * min(1.0, max(0.0, share)) + 1
    inside = (reached - torch.arange(levels)).clamp(0, 1)
    return (1 - torch.cos(math.pi * inside)) / 2
