"""The encoder kernels as differentiable PyTorch operations.

All tensors have the points last.  ``x`` is ``(dim, n)`` in the user's coordinates, a table is flat (see
:class:`GridLayout`), jets are ``(levels, features, channels, n)``.  Operations run where their tensors are: on a GPU
by the CuPy kernels on PyTorch's current stream, on a CPU by the compiled host kernels, or, when no compiler is there,
by the plain PyTorch reference.

Sums into tables (`adjoint`, `diagonal`, `vector_jacobian`) take ``deterministic``: ``True`` makes them independent of
the order of points, threads and atomic additions, bit for bit; ``None`` follows
``torch.use_deterministic_algorithms``.

The operations are registered with ``torch.library`` under ``hermite_pinn::`` with shapes for tracing and with
gradients: `jets` with respect to table and points, `adjoint` with respect to weights and points.
"""

from __future__ import annotations

from typing import Any

import torch

from hermite_pinn.cuda.runtime.failures import allocate
from hermite_pinn.cuda.runtime.operands import require
from hermite_pinn.cuda.runtime.registration import operation
from hermite_pinn.errors import InvalidArgumentError

from . import reference, reproducible
from .channels import Channels
from .dispatch import check, check_order, check_table, count_of, launch, sum_to_table, uses_reference
from .half import check_half
from .layout import GridLayout

__all__ = ["adjoint", "diagonal", "input_gradient", "jets", "recalled_jets", "summed_jets"]


def _largest(weights: torch.Tensor) -> torch.Tensor:
    return weights.detach().abs().amax((1, 3))


def _levelwise(weights: torch.Tensor) -> torch.Tensor:
    """Weights with contiguous levels; the level axis itself may be expanded (stride 0)."""
    if weights.shape[0] > 0 and weights.stride(0) == 0:
        return weights[:1].contiguous()
    return weights.contiguous()


@operation("jets")
def _jets(
    x: torch.Tensor,
    table: torch.Tensor,
    handle: str,
    channels_key: str,
    summed: bool,
    copy: torch.Tensor | None = None,
) -> torch.Tensor:
    layout, channels = GridLayout.from_handle(handle), Channels.from_key(channels_key)
    read = table if copy is None else copy
    if uses_reference(x):
        out = reference.jets(x, read.to(x.dtype), layout, channels)
        return out.sum(0, keepdim=True) if summed else out
    shape = (1 if summed else layout.levels, layout.features, len(channels), x.shape[1])
    out = allocate(f"an encoder with {len(channels)} channels at {x.shape[1]:,} points", shape, x)
    launch("summed_jets" if summed else "jets", layout, channels, x, read, None, out)
    return out


@_jets.register_fake
def _(
    x: torch.Tensor,
    table: torch.Tensor,
    handle: str,
    channels_key: str,
    summed: bool,
    copy: torch.Tensor | None = None,
) -> torch.Tensor:
    layout, channels = GridLayout.from_handle(handle), Channels.from_key(channels_key)
    return x.new_empty(1 if summed else layout.levels, layout.features, len(channels), x.shape[1])


@operation("adjoint")
def _adjoint(
    x: torch.Tensor, weights: torch.Tensor, handle: str, channels_key: str, deterministic: bool = False
) -> torch.Tensor:
    layout, channels = GridLayout.from_handle(handle), Channels.from_key(channels_key)
    if uses_reference(x):
        return reference.adjoint(x, weights.expand(layout.levels, -1, -1, -1), layout, channels)
    lean = _levelwise(weights)
    return sum_to_table("adjoint", layout, channels, x, lean, lambda: _largest(lean), deterministic)


@_adjoint.register_fake
def _(
    x: torch.Tensor, weights: torch.Tensor, handle: str, channels_key: str, deterministic: bool = False
) -> torch.Tensor:
    return x.new_empty(GridLayout.from_handle(handle).size)


@operation("input_gradient")
def _input_gradient(
    x: torch.Tensor, table: torch.Tensor, weights: torch.Tensor, handle: str, channels_key: str
) -> torch.Tensor:
    layout, channels = GridLayout.from_handle(handle), Channels.from_key(channels_key)
    check_order(layout, channels.raised[0])
    if uses_reference(x):
        return _input_gradient_by_jets(x, table, weights, layout, channels)
    out = torch.zeros_like(x)
    launch("input_gradient", layout, channels, x, table, _levelwise(weights), out)
    return out


@_input_gradient.register_fake
def _(x: torch.Tensor, table: torch.Tensor, weights: torch.Tensor, handle: str, channels_key: str) -> torch.Tensor:
    return torch.empty_like(x)


def _input_gradient_by_jets(
    x: torch.Tensor, table: torch.Tensor, weights: torch.Tensor, layout: GridLayout, channels: Channels
) -> torch.Tensor:
    raised, nodes = channels.raised
    derivatives = _jets(x, table, layout.handle, raised.key, False)
    rows = [
        sum((weights[:, :, c] * derivatives[:, :, node[i]]).sum((0, 1)) for c, node in enumerate(nodes))
        for i in range(layout.dim)
    ]
    return torch.stack(rows)  # type: ignore[arg-type]


def _save_jets(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    x, table, handle, ctx.channels_key, ctx.summed, copy = inputs
    ctx.layout = GridLayout.from_handle(handle)
    ctx.values_only = copy is not None or table.dtype == torch.float16
    ctx.save_for_backward(x, table)


def _jets_backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    x, table = ctx.saved_tensors
    weights = grad.expand(ctx.layout.levels, -1, -1, -1) if ctx.summed else grad
    by_x = by_table = None
    if ctx.needs_input_grad[0]:
        if ctx.values_only:
            raise InvalidArgumentError(
                "float16 tables give values only, so there is no gradient by the points; use the float32 table"
            )
        by_x = _input_gradient(x, table, weights, ctx.layout.handle, ctx.channels_key)
    if ctx.needs_input_grad[1]:
        by_table = _adjoint(x, weights, ctx.layout.handle, ctx.channels_key, reproducible.wanted(None))
    return by_x, by_table, None, None, None, None


_jets.register_autograd(_jets_backward, setup_context=_save_jets)


@operation("recalled_jets")
def _recalled(
    x: torch.Tensor, table: torch.Tensor, known: torch.Tensor, index: torch.Tensor, handle: str, channels_key: str
) -> torch.Tensor:
    flat = known.reshape(-1, known.shape[3])  # in which rows are copied several times as fast
    return flat.index_select(1, index).view(*known.shape[:3], -1)


def _save_recalled(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    x, table, _, _, handle, channels_key = inputs
    _save_jets(ctx, (x, table, handle, channels_key, False, None), output)


_recalled.register_autograd(
    lambda ctx, grad: (*_jets_backward(ctx, grad)[:2], None, None, None, None), setup_context=_save_recalled
)


def _save_adjoint(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    x, weights, handle, ctx.channels_key, _ = inputs
    ctx.layout = GridLayout.from_handle(handle)
    ctx.save_for_backward(x, weights)


def _adjoint_backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    # <grad, adjoint(x, w)> = <jets(x, grad), w>: linear in w, and in x a function like any other
    x, weights = ctx.saved_tensors
    by_x = _input_gradient(x, grad, weights, ctx.layout.handle, ctx.channels_key) if ctx.needs_input_grad[0] else None
    by_weights = None
    if ctx.needs_input_grad[1]:
        by_weights = _jets(x, grad, ctx.layout.handle, ctx.channels_key, False)
        if weights.shape[0] == 1:
            by_weights = by_weights.sum(0, keepdim=True)
    return by_x, by_weights, None, None, None


_adjoint.register_autograd(_adjoint_backward, setup_context=_save_adjoint)


def _save_input_gradient(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    x, table, weights, handle, ctx.channels_key = inputs
    ctx.layout = GridLayout.from_handle(handle)
    ctx.save_for_backward(x, table, weights)


def _input_gradient_backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    # out_i = sum w_lfc D_i jet_lfc(table) is bilinear in table and weights; its derivatives follow from raised channels
    x, table, weights = ctx.saved_tensors
    layout, channels = ctx.layout, Channels.from_key(ctx.channels_key)
    raised, nodes = channels.raised
    pushed = weights.new_zeros(weights.shape[0], layout.features, len(raised), x.shape[1])
    for c, row in enumerate(nodes):
        for i, node in enumerate(row):
            pushed[:, :, node] += weights[:, :, c] * grad[i]
    by_x = by_table = by_weights = None
    if ctx.needs_input_grad[0]:
        by_x = _input_gradient(x, table, pushed, ctx.layout.handle, raised.key)
    if ctx.needs_input_grad[1]:
        by_table = _adjoint(x, pushed, ctx.layout.handle, raised.key, reproducible.wanted(None))
    if ctx.needs_input_grad[2]:
        derivatives = _jets(x, table, ctx.layout.handle, raised.key, False)
        by_weights = torch.stack([(derivatives[:, :, list(row)] * grad).sum(2) for row in nodes], 2)
        if weights.shape[0] == 1:
            by_weights = by_weights.sum(0, keepdim=True)
    return by_x, by_table, by_weights, None, None


_input_gradient.register_autograd(_input_gradient_backward, setup_context=_save_input_gradient)


def jets(
    x: torch.Tensor,
    table: torch.Tensor,
    layout: GridLayout,
    channels: Channels,
    *,
    copy: torch.Tensor | None = None,
) -> torch.Tensor:
    """Channels of every level and feature, in one pass.

    Parameters
    ----------
    x
        Points, (dim, n), float32 or float64, in the coordinates of the layout's box.  Points outside are extrapolated
        from the nearest cell; periodic axes wrap.
    table
        Coefficients, flat, of ``layout.size`` elements, same dtype and device; float16 with float32 points for values
        that are not differentiated.
    copy
        The same coefficients rounded by :func:`~hermite_pinn.cuda.encoder.half.half_copy`: this is read, and gradients
        go to
        ``table`` as if it had been.  Values only.

    Returns
    -------
    torch.Tensor
        (levels, features, channels, n).  Differentiable in ``table`` (exact adjoint) and in ``x`` (by channels of one
        order more).

    Examples
    --------
    >>> grid = GridLayout((0.0,), (2.0,), ((2,),), "cubic")
    >>> table = torch.zeros(grid.size, dtype=torch.float64)
    >>> table[1] = 1.0                              # slope 1 per cell at x = 0; cells have length 1
    >>> jets(torch.zeros(1, 1, dtype=torch.float64), table, grid, Channels.of(1, [(0,), (1,)])).ravel()
    tensor([0., 1.], dtype=torch.float64)
    """
    check_table(layout, channels, x, table)
    if copy is not None:
        check_half("copy", copy, layout, channels, x)
    return _jets(x, table, layout.handle, channels.key, False, copy)


def recalled_jets(
    x: torch.Tensor,
    table: torch.Tensor,
    known: torch.Tensor,
    index: torch.Tensor,
    layout: GridLayout,
    channels: Channels,
) -> torch.Tensor:
    """:func:`jets` at points where they are known, differentiable as if they were computed.

    Parameters
    ----------
    x
        Points (dim, n).
    known
        Jets (levels, features, channels, m) of other points with the same table.
    index
        Which of them are those of the points, (n,), int64.
    """
    shape = (layout.levels, layout.features, len(channels), *known.shape[-1:])
    check(layout, channels, x, ("table", table, (layout.size,)), ("known", known, shape))
    require("index", index, (count_of(x),), torch.int64, x.device)
    return _recalled(x, table, known, index, layout.handle, channels.key)


def summed_jets(
    x: torch.Tensor,
    table: torch.Tensor,
    layout: GridLayout,
    channels: Channels,
    *,
    copy: torch.Tensor | None = None,
) -> torch.Tensor:
    """:func:`jets` summed over the levels, (features, channels, n), without forming the levels separately."""
    check_table(layout, channels, x, table)
    if copy is not None:
        check_half("copy", copy, layout, channels, x)
    return _jets(x, table, layout.handle, channels.key, True, copy)[0]


def adjoint(
    x: torch.Tensor, weights: torch.Tensor, layout: GridLayout, channels: Channels, *, deterministic: bool | None = None
) -> torch.Tensor:
    """Transpose of :func:`jets` in the table.

    Parameters
    ----------
    weights
        (levels, features, channels, n); a first axis of length 1 or of stride 0 means the same weights for every level.

    Returns
    -------
    torch.Tensor
        Flat table ``t`` with ``<t, table> = <weights, jets(x, table)>`` for every table.  Unless ``deterministic``, on
        a CPU the sum has an order that depends on the number of threads; on a GPU it is accumulated by atomic
        additions and differs between runs in the last bits.
    """
    levels = 1 if weights.ndim == 4 and weights.shape[0] == 1 else layout.levels
    check(layout, channels, x, ("weights", weights, (levels, layout.features, len(channels), count_of(x))))
    return _adjoint(x, weights, layout.handle, channels.key, reproducible.wanted(deterministic))


def input_gradient(
    x: torch.Tensor, table: torch.Tensor, weights: torch.Tensor, layout: GridLayout, channels: Channels
) -> torch.Tensor:
    """Gradient of ``sum(weights * jets(x, table))`` with respect to every point, (dim, n)."""
    shape = (layout.levels, layout.features, len(channels), count_of(x))
    check(layout, channels, x, ("table", table, (layout.size,)), ("weights", weights, shape))
    return _input_gradient(x, table, weights, layout.handle, channels.key)


def diagonal(
    x: torch.Tensor, weights: torch.Tensor, layout: GridLayout, channels: Channels, *, deterministic: bool | None = None
) -> torch.Tensor:
    """Squared column norms of the matrix whose row ``q`` is ``sum_c weights[l, f, c, q] * channel_c(x_q)``.

    Contributions of one point to one table element are summed before they are squared, also where hashing sends two
    vertices of a cell to the same slot.  Not differentiable.

    Returns
    -------
    torch.Tensor
        Flat table of non-negative numbers.
    """
    levels = 1 if weights.ndim == 4 and weights.shape[0] == 1 else layout.levels
    check(layout, channels, x, ("weights", weights, (levels, layout.features, len(channels), count_of(x))))
    if uses_reference(x):
        return reference.diagonal(x, weights.expand(layout.levels, -1, -1, -1), layout, channels)
    lean = _levelwise(weights.detach())
    return sum_to_table(
        "diagonal", layout, channels, x, lean, lambda: _largest(lean), reproducible.wanted(deterministic)
    )
