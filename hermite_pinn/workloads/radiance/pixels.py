"""Some pixels of a picture, evenly spread."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .views import View

__all__ = ["lattice"]


def lattice(view: View, count: int) -> tuple[Tensor, Tensor]:
    """Numbers (n,) of about so many pixels of a view, evenly spread, and their colours (3, n), alpha before white."""
    height, width = view.image.shape[:2]
    every = max(1, math.isqrt(height * width // count))
    rows = torch.arange(height * width).view(height, width)[::every, ::every].reshape(-1)
    colors = view.image.reshape(height * width, -1)[rows].T
    return rows, colors[:3] * colors[3] + 1 - colors[3] if len(colors) == 4 else colors
