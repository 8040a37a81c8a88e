"""The encoder kernels as differentiable PyTorch operations.

All tensors have the points last.  ``x`` is ``(dim, n)`` in the user's coordinates, a table is flat (see
:class:`GridLayout`), jets are ``(levels, features, channels, n)``.  Operations run where their tensors are: on a GPU
by the CuPy kernels on PyTorch's current stream, on a CPU by the compiled host kernels, or, when no compiler is there,
by the plain PyTorch reference.

The operations are registered with ``torch.library`` under ``hermite_pinn::`` with shapes for tracing and with
gradients: `jets` with respect to table and points, `adjoint` with respect to weights and points.
"""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import Any

import torch

from hermite_pinn.errors import InvalidArgumentError

from . import device, host, reference
from .channels import Channels
from .layout import GridLayout
from .source import Specialization

__all__ = ["adjoint", "diagonal", "input_gradient", "jets", "summed_jets"]

logger = logging.getLogger(__name__)

NAMES = {torch.float32: "float32", torch.float64: "float64"}


@lru_cache(maxsize=1)
def _say_once_no_compiler() -> None:
    logger.warning(
        "no C++ compiler found: encoders run in plain PyTorch, about 30 times slower; run `hermite-pinn doctor`"
    )


def _uses_reference(x: torch.Tensor) -> bool:
    if x.is_cuda or host.available():
        return False
    _say_once_no_compiler()
    return True


def _check(
    layout: GridLayout, channels: Channels, x: torch.Tensor, *others: tuple[str, torch.Tensor, tuple[int, ...]]
) -> None:
    if x.dtype not in NAMES:
        raise InvalidArgumentError(f"points must be float32 or float64, got {x.dtype}")
    if x.ndim != 2 or x.shape[0] != layout.dim or channels.dim != layout.dim:
        raise InvalidArgumentError(
            f"points have shape (dim, n) with dim={layout.dim}, got {tuple(x.shape)} and channels of dimension {channels.dim}"
        )
    for name, tensor, shape in others:
        if tuple(tensor.shape) != shape or tensor.dtype != x.dtype or tensor.device != x.device:
            raise InvalidArgumentError(
                f"{name} must have shape {shape}, dtype {x.dtype} and device {x.device} like the points, "
                f"got {tuple(tensor.shape)}, {tensor.dtype}, {tensor.device}"
            )


def _launch(
    operation: str,
    layout: GridLayout,
    channels: Channels,
    x: torch.Tensor,
    table: torch.Tensor | None,
    weights: torch.Tensor | None,
    out: torch.Tensor,
) -> None:
    if x.shape[1] == 0:
        return
    spec = Specialization.of(operation, layout, channels, NAMES[x.dtype])
    stride = 0
    if weights is not None and weights.shape[0] > 1:
        stride = weights.stride(0)
    backend = device if x.is_cuda else host
    backend.launch(spec, layout, x, table, weights, out, stride)


def _levelwise(weights: torch.Tensor) -> torch.Tensor:
    """Weights with contiguous levels; the level axis itself may be expanded (stride 0)."""
    if weights.shape[0] > 0 and weights.stride(0) == 0:
        return weights[:1].contiguous()
    return weights.contiguous()


@torch.library.custom_op("hermite_pinn::jets", mutates_args=())
def _jets(x: torch.Tensor, table: torch.Tensor, layout_key: str, channels_key: str, summed: bool) -> torch.Tensor:
    layout, channels = GridLayout.from_key(layout_key), Channels.from_key(channels_key)
    if _uses_reference(x):
        out = reference.jets(x, table, layout, channels)
        return out.sum(0, keepdim=True) if summed else out
    out = x.new_empty(1 if summed else layout.levels, layout.features, len(channels), x.shape[1])
    _launch("summed_jets" if summed else "jets", layout, channels, x.contiguous(), table.contiguous(), None, out)
    return out


@_jets.register_fake
def _(x: torch.Tensor, table: torch.Tensor, layout_key: str, channels_key: str, summed: bool) -> torch.Tensor:
    layout, channels = GridLayout.from_key(layout_key), Channels.from_key(channels_key)
    return x.new_empty(1 if summed else layout.levels, layout.features, len(channels), x.shape[1])


@torch.library.custom_op("hermite_pinn::adjoint", mutates_args=())
def _adjoint(x: torch.Tensor, weights: torch.Tensor, layout_key: str, channels_key: str) -> torch.Tensor:
    layout, channels = GridLayout.from_key(layout_key), Channels.from_key(channels_key)
    if _uses_reference(x):
        return reference.adjoint(x, weights.expand(layout.levels, -1, -1, -1), layout, channels)
    out = x.new_zeros(layout.size)
    _launch("adjoint", layout, channels, x.contiguous(), None, _levelwise(weights), out)
    return out


@_adjoint.register_fake
def _(x: torch.Tensor, weights: torch.Tensor, layout_key: str, channels_key: str) -> torch.Tensor:
    return x.new_empty(GridLayout.from_key(layout_key).size)


@torch.library.custom_op("hermite_pinn::input_gradient", mutates_args=())
def _input_gradient(
    x: torch.Tensor, table: torch.Tensor, weights: torch.Tensor, layout_key: str, channels_key: str
) -> torch.Tensor:
    layout, channels = GridLayout.from_key(layout_key), Channels.from_key(channels_key)
    if _uses_reference(x):
        return _input_gradient_by_jets(x, table, weights, layout, channels)
    out = torch.zeros_like(x)
    _launch("input_gradient", layout, channels, x.contiguous(), table.contiguous(), _levelwise(weights), out)
    return out


@_input_gradient.register_fake
def _(x: torch.Tensor, table: torch.Tensor, weights: torch.Tensor, layout_key: str, channels_key: str) -> torch.Tensor:
    return torch.empty_like(x)


def _input_gradient_by_jets(
    x: torch.Tensor, table: torch.Tensor, weights: torch.Tensor, layout: GridLayout, channels: Channels
) -> torch.Tensor:
    raised, nodes = channels.raised
    found = _jets(x, table, layout.key, raised.key, False)
    rows = [
        sum((weights[:, :, c] * found[:, :, node[i]]).sum((0, 1)) for c, node in enumerate(nodes))
        for i in range(layout.dim)
    ]
    return torch.stack(rows)  # type: ignore[arg-type]


def _save_jets(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    x, table, ctx.layout_key, ctx.channels_key, ctx.summed = inputs
    ctx.save_for_backward(x, table)


def _jets_backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    x, table = ctx.saved_tensors
    levels = GridLayout.from_key(ctx.layout_key).levels
    weights = grad.expand(levels, -1, -1, -1) if ctx.summed else grad
    by_x = _input_gradient(x, table, weights, ctx.layout_key, ctx.channels_key) if ctx.needs_input_grad[0] else None
    by_table = _adjoint(x, weights, ctx.layout_key, ctx.channels_key) if ctx.needs_input_grad[1] else None
    return by_x, by_table, None, None, None


_jets.register_autograd(_jets_backward, setup_context=_save_jets)


def _save_adjoint(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    x, weights, ctx.layout_key, ctx.channels_key = inputs
    ctx.save_for_backward(x, weights)


def _adjoint_backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    # <grad, adjoint(x, w)> = <jets(x, grad), w>: linear in w, and in x a function like any other
    x, weights = ctx.saved_tensors
    by_x = _input_gradient(x, grad, weights, ctx.layout_key, ctx.channels_key) if ctx.needs_input_grad[0] else None
    by_weights = None
    if ctx.needs_input_grad[1]:
        by_weights = _jets(x, grad, ctx.layout_key, ctx.channels_key, False)
        if weights.shape[0] == 1:
            by_weights = by_weights.sum(0, keepdim=True)
    return by_x, by_weights, None, None


_adjoint.register_autograd(_adjoint_backward, setup_context=_save_adjoint)


def _save_input_gradient(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    x, table, weights, ctx.layout_key, ctx.channels_key = inputs
    ctx.save_for_backward(x, table, weights)


def _input_gradient_backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    # out_i = sum w_lfc D_i jet_lfc(table) is bilinear in table and weights; its derivatives follow from raised channels
    x, table, weights = ctx.saved_tensors
    layout, channels = GridLayout.from_key(ctx.layout_key), Channels.from_key(ctx.channels_key)
    raised, nodes = channels.raised
    pushed = weights.new_zeros(weights.shape[0], layout.features, len(raised), x.shape[1])
    for c, row in enumerate(nodes):
        for i, node in enumerate(row):
            pushed[:, :, node] += weights[:, :, c] * grad[i]
    by_x = by_table = by_weights = None
    if ctx.needs_input_grad[0]:
        by_x = _input_gradient(x, table, pushed, ctx.layout_key, raised.key)
    if ctx.needs_input_grad[1]:
        by_table = _adjoint(x, pushed, ctx.layout_key, raised.key)
    if ctx.needs_input_grad[2]:
        found = _jets(x, table, ctx.layout_key, raised.key, False)
        by_weights = torch.stack([sum(found[:, :, node] * grad[i] for i, node in enumerate(row)) for row in nodes], 2)
        if weights.shape[0] == 1:
            by_weights = by_weights.sum(0, keepdim=True)
    return by_x, by_table, by_weights, None, None


_input_gradient.register_autograd(_input_gradient_backward, setup_context=_save_input_gradient)


def jets(x: torch.Tensor, table: torch.Tensor, layout: GridLayout, channels: Channels) -> torch.Tensor:
    """Channels of every level and feature, in one pass.

    Parameters
    ----------
    x
        Points, (dim, n), float32 or float64, in the coordinates of the layout's box.  Points outside are extrapolated
        from the nearest cell; periodic axes wrap.
    table
        Coefficients, flat, of ``layout.size`` elements, same dtype and device.

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
    _check(layout, channels, x, ("table", table, (layout.size,)))
    return _jets(x, table, layout.key, channels.key, False)


def summed_jets(x: torch.Tensor, table: torch.Tensor, layout: GridLayout, channels: Channels) -> torch.Tensor:
    """:func:`jets` summed over the levels, (features, channels, n), without forming the levels separately."""
    _check(layout, channels, x, ("table", table, (layout.size,)))
    return _jets(x, table, layout.key, channels.key, True)[0]


def adjoint(x: torch.Tensor, weights: torch.Tensor, layout: GridLayout, channels: Channels) -> torch.Tensor:
    """Transpose of :func:`jets` in the table.

    Parameters
    ----------
    weights
        (levels, features, channels, n); a first axis of length 1 or of stride 0 means the same weights for every level.

    Returns
    -------
    torch.Tensor
        Flat table ``t`` with ``<t, table> = <weights, jets(x, table)>`` for every table.  On a CPU the sum has a
        fixed order; on a GPU it is accumulated by atomic additions and differs between runs in the last bits.
    """
    levels = weights.shape[0] if weights.shape[0] == 1 else layout.levels
    _check(layout, channels, x, ("weights", weights, (levels, layout.features, len(channels), x.shape[1])))
    return _adjoint(x, weights, layout.key, channels.key)


def input_gradient(
    x: torch.Tensor, table: torch.Tensor, weights: torch.Tensor, layout: GridLayout, channels: Channels
) -> torch.Tensor:
    """Gradient of ``sum(weights * jets(x, table))`` with respect to every point, (dim, n)."""
    shape = (layout.levels, layout.features, len(channels), x.shape[1])
    _check(layout, channels, x, ("table", table, (layout.size,)), ("weights", weights, shape))
    return _input_gradient(x, table, weights, layout.key, channels.key)


def diagonal(x: torch.Tensor, weights: torch.Tensor, layout: GridLayout, channels: Channels) -> torch.Tensor:
    """Squared column norms of the matrix whose row ``q`` is ``sum_c weights[l, f, c, q] * channel_c(x_q)``.

    Contributions of one point to one table element are summed before they are squared, also where hashing sends two
    vertices of a cell to the same slot.  Not differentiable.

    Returns
    -------
    torch.Tensor
        Flat table of non-negative numbers.
    """
    levels = weights.shape[0] if weights.shape[0] == 1 else layout.levels
    _check(layout, channels, x, ("weights", weights, (levels, layout.features, len(channels), x.shape[1])))
    if _uses_reference(x):
        return reference.diagonal(x, weights.expand(layout.levels, -1, -1, -1), layout, channels)
    out = x.new_zeros(layout.size)
    _launch("diagonal", layout, channels, x.contiguous(), None, _levelwise(weights.detach()), out)
    return out
