"""Tables in half precision, for workloads that need values only.

The kernels read 16-bit numbers and compute in float32.  Training keeps the table in float32 and reads a rounded copy:
gradients never exist in half precision, so nothing underflows and no loss scaling is needed.
"""

from __future__ import annotations

import torch

from hermite_pinn.errors import InvalidArgumentError

from .channels import Channels
from .layout import GridLayout

__all__ = ["check_half", "half_copy"]


def half_copy(table: torch.Tensor) -> torch.Tensor:
    """A table rounded to float16, outside the graph; what exceeds 65504 becomes infinite, as it would when stored.

    Raises
    ------
    InvalidArgumentError
        If the table is not float32.

    Examples
    --------
    >>> half_copy(torch.tensor([0.1])).float()
    tensor([0.1000])
    """
    if table.dtype != torch.float32:
        raise InvalidArgumentError(
            f"float16 copies are made of float32 tables, got {table.dtype}; use dtype='float32' or storage='float32'"
        )
    return table.detach().to(torch.float16)


def check_half(name: str, table: torch.Tensor, layout: GridLayout, channels: Channels, x: torch.Tensor) -> None:
    """Refuse a table that is no float16 table of the layout, or channels and points it cannot serve.

    Raises
    ------
    InvalidArgumentError
        For another shape, dtype or device, points that are not float32, or channels with derivatives.
    """
    if tuple(table.shape) != (layout.size,) or table.dtype != torch.float16 or table.device != x.device:
        raise InvalidArgumentError(
            f"{name} must have shape {(layout.size,)}, dtype torch.float16 and device {x.device}, "
            f"got {tuple(table.shape)}, {table.dtype}, {table.device}"
        )
    if x.dtype != torch.float32:
        raise InvalidArgumentError(f"float16 tables are read with float32 points and arithmetic, got {x.dtype}")
    if channels.order > 0:
        raise InvalidArgumentError(
            f"float16 tables give values only, {channels} asks for derivatives: a rounding of 2**-11 is multiplied by "
            "the number of cells per derivative; use float32 tables"
        )
    if table.requires_grad:
        raise InvalidArgumentError(
            "a float16 table is not trained: keep it in float32 and pass its half_copy as copy=..."
        )
