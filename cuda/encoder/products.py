"""Products of the Jacobian of rows at points with tables, without forming jets.

At every point there are some rows ``sum_lfc weights[t, l, f, c] * jet[l, f, c]``, linear in the table: the derivative
of residual ``t`` along a direction of the table.  The product with a direction reads every vertex record once for all
rows and writes one number per point and row; its transpose reads one number per point and row and adds to the table.
Neither holds an array of points times levels times channels besides the weights.
"""

from __future__ import annotations

import torch

from hermite_pinn.cuda.runtime.failures import allocate

from . import reference, reproducible
from .channels import Channels
from .dispatch import check, count_of, launch, sum_to_table, uses_reference
from .layout import GridLayout

__all__ = ["jacobian_vector", "vector_jacobian"]


def _check_weights(layout: GridLayout, channels: Channels, x: torch.Tensor, weights: torch.Tensor) -> int:
    terms = weights.shape[0] if weights.ndim == 5 else 1
    levels = 1 if weights.ndim == 5 and weights.shape[1] == 1 else layout.levels
    check(layout, channels, x, ("weights", weights, (terms, levels, layout.features, len(channels), count_of(x))))
    return terms


def jacobian_vector(
    x: torch.Tensor, table: torch.Tensor, weights: torch.Tensor, layout: GridLayout, channels: Channels
) -> torch.Tensor:
    """Product of rows at points with a direction of tables.

    Parameters
    ----------
    x
        Points, (dim, n).
    table
        The direction, flat.
    weights
        (terms, levels, features, channels, n); a second axis of length 1 means the same weights for every level.

    Returns
    -------
    torch.Tensor
        (terms, n): ``sum_lfc weights[t, l, f, c] * jets(x, table)[l, f, c]``.  Not differentiable.

    Raises
    ------
    InvalidArgumentError
        For shapes, dtypes or devices that do not fit together.

    Examples
    --------
    >>> grid = GridLayout((0.0,), (1.0,), ((2,),), "linear")
    >>> table = torch.arange(16.0)                     # values 0, 1, 2 at the vertices, then padding
    >>> weights = torch.tensor([1.0, 10.0]).reshape(2, 1, 1, 1, 1)
    >>> jacobian_vector(torch.tensor([[0.75]]), table, weights, grid, Channels.value(1)).ravel()
    tensor([ 1.5000, 15.0000])
    """
    terms = _check_weights(layout, channels, x, weights)
    check(layout, channels, x, ("table", table, (layout.size,)))
    table, weights = table.detach(), weights.detach().contiguous()
    if uses_reference(x):
        return torch.einsum(
            "tlfcn,lfcn->tn", weights.expand(-1, layout.levels, -1, -1, -1), reference.jets(x, table, layout, channels)
        )
    out = allocate(f"products with {terms} rows at {x.shape[1]:,} points", (terms, x.shape[1]), x)
    launch("jacobian_vector", layout, channels, x, table, weights, out)
    return out


def vector_jacobian(
    x: torch.Tensor,
    rows: torch.Tensor,
    weights: torch.Tensor,
    layout: GridLayout,
    channels: Channels,
    *,
    deterministic: bool | None = None,
) -> torch.Tensor:
    """Transpose of :func:`jacobian_vector` in the table.

    Parameters
    ----------
    rows
        A number per row and point, (terms, n).
    weights
        As for :func:`jacobian_vector`.
    deterministic
        As for :func:`hermite_pinn.cuda.encoder.ops.adjoint`.

    Returns
    -------
    torch.Tensor
        Flat table ``t`` with ``<t, table> = <rows, jacobian_vector(x, table, weights)>`` for every table.
    """
    terms = _check_weights(layout, channels, x, weights)
    check(layout, channels, x, ("rows", rows, (terms, x.shape[1])))
    rows, weights = rows.detach().contiguous(), weights.detach().contiguous()
    if uses_reference(x):
        total = torch.einsum("tlfcn,tn->lfcn", weights, rows).expand(layout.levels, -1, -1, -1)
        return reference.adjoint(x, total, layout, channels)

    def largest() -> torch.Tensor:
        return torch.einsum("tlc,t->lc", weights.abs().amax((2, 4)), rows.abs().amax(1))

    return sum_to_table(
        "vector_jacobian", layout, channels, x, weights, largest, reproducible.wanted(deterministic), rows
    )
