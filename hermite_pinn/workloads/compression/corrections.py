"""What finer levels can take over of what coarser ones lose: the tables of a grid from coarse to fine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.field.hermite_grid import HermiteGrid

from .rows import joined_rows

__all__ = ["at_corners", "corners"]


def corners(layout: GridLayout, level: int) -> Tensor:
    """Coordinates of the vertices of a level in the order of its rows, float64, (dim, m).

    Examples
    --------
    >>> corners(GridLayout((0.0,), (1.0,), ((2,), (4,)), "linear"), 0)
    tensor([[0.0000, 0.5000, 1.0000]], dtype=torch.float64)
    """
    listed = layout.listed[level] if layout.listed else None
    if listed is None:
        axes = [np.arange(n) for n in layout.vertices(level)]
        vertices = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, layout.dim)
    else:
        vertices = listed.vertices
    low, high = np.asarray(layout.lower), np.asarray(layout.upper)
    return torch.from_numpy((low + vertices * ((high - low) / np.asarray(layout.resolutions[level]))).T.copy())


def at_corners(rows: Sequence[Tensor], layout: GridLayout, level: int) -> Tensor:
    """The sum of the coarser levels, given by their rows, at the vertices of a level, (m, features).

    A multilinear function of a coarse cell is one of its parts, too: a level can take over what coarser ones lack.

    Examples
    --------
    >>> layout = GridLayout((0.0,), (1.0,), ((1,), (2,)), "linear")
    >>> at_corners([torch.tensor([[0.0], [3.0]])], layout, 1).ravel()
    tensor([0.0000, 1.5000, 3.0000])
    """
    before = layout.with_levels(layout.resolutions[:level], layout.listed[:level] if layout.listed else ())
    grid = HermiteGrid(before, joined_rows(list(rows), before))
    x = corners(layout, level).to(rows[0].dtype)
    return grid.summed_jets(x, Channels.value(layout.dim))[:, 0].T
