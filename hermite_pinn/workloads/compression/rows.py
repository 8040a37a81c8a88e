"""The tables of a grid as rows: what a corner has, level by level."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.errors import InvalidArgumentError

__all__ = ["joined_rows", "row_counts", "row_width", "rows_of"]


def row_width(layout: GridLayout) -> int:
    """Numbers of a row: the features of a corner, with their derivatives if the basis has some.

    Raises
    ------
    InvalidArgumentError
        If the derivatives lie in tables of their own.
    """
    if layout.split:
        raise InvalidArgumentError(
            f"tables of {layout.table_sizes} slots by order of the derivatives have no rows to code; use one size for all orders"
        )
    return layout.record * layout.features


def row_counts(layout: GridLayout) -> tuple[int, ...]:
    """Rows of every level."""
    return tuple(level[0].slots for level in layout.groups)


def rows_of(table: torch.Tensor, layout: GridLayout) -> list[torch.Tensor]:
    """The rows of every level, views (m, width) of a flat table.

    Examples
    --------
    >>> layout = GridLayout((0.0,), (1.0,), ((2,), (4,)), "linear", features=2)
    >>> [tuple(rows.shape) for rows in rows_of(torch.zeros(layout.size), layout)]
    [(3, 2), (5, 2)]
    """
    width = row_width(layout)
    groups = [level[0] for level in layout.groups]
    return [table[g.offset : g.offset + g.slots * width].view(g.slots, width) for g in groups]


def joined_rows(rows: Sequence[torch.Tensor], layout: GridLayout) -> torch.Tensor:
    """Inverse of :func:`rows_of`: a flat table, zero between levels."""
    table = rows[0].new_zeros(layout.size)
    for place, level in zip(rows_of(table, layout), rows, strict=True):
        place.copy_(level)
    return table
