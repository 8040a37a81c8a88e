"""What all operations of the encoder share: checks of their tensors, and the way to the kernel that serves them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache

import torch

from hermite_pinn.cuda.runtime import device, host
from hermite_pinn.cuda.runtime.failures import allocate
from hermite_pinn.cuda.runtime.operands import require
from hermite_pinn.errors import InvalidArgumentError

from . import reproducible
from .basis import KERNEL_BASES
from .channels import Channels
from .half import check_half
from .launch import on_device, on_host
from .layout import GridLayout
from .specialization import TO_TABLE, Specialization

__all__ = ["check", "check_order", "check_table", "count_of", "launch", "sum_to_table", "uses_reference"]

logger = logging.getLogger(__name__)

NAMES = {torch.float32: "float32", torch.float64: "float64"}


@lru_cache(maxsize=1)
def _say_once_no_compiler() -> None:
    logger.warning(
        "no C++ compiler found: encoders run in plain PyTorch, about 30 times slower; run `hermite-pinn doctor`"
    )


def uses_reference(x: torch.Tensor) -> bool:
    """Whether there is no compiled kernel for the device of ``x``; says so once."""
    if x.is_cuda or host.available():
        return False
    _say_once_no_compiler()
    return True


def count_of(x: torch.Tensor) -> int:
    """Number of points (dim, n); 0 where that is not the shape, which :func:`check` refuses."""
    return x.shape[1] if x.ndim == 2 else 0


def check_order(layout: GridLayout, channels: Channels) -> None:
    """Refuse derivatives that a basis does not have."""
    most = KERNEL_BASES[layout.basis].most_order
    if channels.order > most and KERNEL_BASES[layout.basis].weights == "corner":
        have = [name for name, basis in KERNEL_BASES.items() if basis.most_order > most]
        raise InvalidArgumentError(
            f"the basis {layout.basis!r} has derivatives up to order {most}, {channels} asks for order {channels.order}; bases "
            f"with more are {', '.join(have)}"
        )


def check(
    layout: GridLayout, channels: Channels, x: torch.Tensor, *others: tuple[str, torch.Tensor, tuple[int, ...]]
) -> None:
    """Refuse points and other tensors, given as (name, tensor, shape), that do not fit together."""
    if x.dtype not in NAMES:
        raise InvalidArgumentError(f"points must be float32 or float64, got {x.dtype}")
    if x.ndim != 2 or x.shape[0] != layout.dim or channels.dim != layout.dim:
        raise InvalidArgumentError(
            f"points have shape (dim, n) with dim={layout.dim}, got {tuple(x.shape)} and channels of dimension {channels.dim}"
        )
    check_order(layout, channels)
    for name, tensor, shape in others:
        if tuple(tensor.shape) != shape or tensor.dtype != x.dtype or tensor.device != x.device:
            raise InvalidArgumentError(
                f"{name} must have shape {shape}, dtype {x.dtype} and device {x.device} like the points, "
                f"got {tuple(tensor.shape)}, {tensor.dtype}, {tensor.device}"
            )


def check_table(layout: GridLayout, channels: Channels, x: torch.Tensor, table: torch.Tensor) -> None:
    """Refuse a table that does not fit layout and points, or a float16 one for channels it cannot serve."""
    if table.dtype == torch.float16:
        check(layout, channels, x)
        check_half("table", table, layout, channels, x)
    else:
        check(layout, channels, x, ("table", table, (layout.size,)))


def launch(
    operation: str,
    layout: GridLayout,
    channels: Channels,
    x: torch.Tensor,
    table: torch.Tensor | None,
    weights: torch.Tensor | None,
    out: torch.Tensor,
    rows: torch.Tensor | None = None,
    scales: torch.Tensor | None = None,
) -> None:
    """Run an operation on checked tensors; weights are (levels or 1, ...), for products (terms, levels or 1, ...)."""
    if x.shape[1] == 0:
        return
    x = x.contiguous()
    _check_operands(layout, channels, x, table, weights, rows)
    terms, level_axis = 1, 0
    if weights is not None and weights.ndim == 5:
        terms, level_axis = weights.shape[0], 1
    stride = 0
    if weights is not None and weights.shape[level_axis] > 1:
        stride = weights.stride(level_axis)
    stored = "float16" if table is not None and table.dtype == torch.float16 else ""
    limbs = 0 if scales is None else reproducible.limbs(x.dtype)
    spec = Specialization.of(operation, layout, channels, NAMES[x.dtype], terms, stored, limbs)
    run = on_device if x.is_cuda else on_host
    run(
        spec,
        layout,
        x,
        None if table is None else device.readable(table),
        weights,
        out,
        stride,
        rows,
        scales,
    )


def _check_operands(
    layout: GridLayout,
    channels: Channels,
    x: torch.Tensor,
    table: torch.Tensor | None,
    weights: torch.Tensor | None,
    rows: torch.Tensor | None,
) -> None:
    """Refuse what a kernel would read beyond its end, in a microsecond; callers make outputs from the same layout."""
    (dim, n), dtype, place = x.shape, x.dtype, x.device
    if dim != len(layout.lower) or channels.dim != dim or dtype not in NAMES:
        check(layout, channels, x)
    if table is not None:
        half = table.dtype is torch.float16 and dtype is torch.float32
        if table.numel() != layout.size or table.device != place or not (half or table.dtype is dtype):
            check(layout, channels, x, ("table", table, (layout.size,)))
    if weights is not None:
        *leading, features, count, points = weights.shape
        levels = leading[-1] if leading else 0
        same = weights.dtype is dtype and weights.device == place and weights.is_contiguous()
        sizes = features == layout.features and count == len(channels.channels) and points == n
        if not (same and sizes and len(leading) <= 2 and levels in (1, len(layout.resolutions))):
            raise InvalidArgumentError(
                f"weights must be contiguous, of shape (levels or 1, {layout.features}, {len(channels)}, {n}), {dtype} and on {place}; "
                f"got {tuple(weights.shape)}, {weights.dtype} on {weights.device}"
            )
        if rows is not None:
            require("rows", rows, (leading[0] if len(leading) == 2 else 1, n), dtype, place)


def sum_to_table(
    operation: str,
    layout: GridLayout,
    channels: Channels,
    x: torch.Tensor,
    weights: torch.Tensor,
    largest: Callable[[], torch.Tensor],
    deterministic: bool,
    rows: torch.Tensor | None = None,
) -> torch.Tensor:
    """Run an operation that adds to a table; ``largest()`` bounds every channel's weights, (levels or 1, channels)."""
    assert operation in TO_TABLE
    if not deterministic or x.shape[1] == 0:
        out = allocate(f"the {operation} of an encoder", (layout.size,), x, zero=True)
        launch(operation, layout, channels, x, None, weights, out, rows)
        return out
    scales = reproducible.scales(layout, channels, x, largest(), squared=operation == "diagonal")
    shape = (layout.size, reproducible.limbs(x.dtype))
    words = allocate(f"the deterministic {operation} of an encoder", shape, x, torch.int64, zero=True)
    launch(operation, layout, channels, x, None, weights, words, rows, scales.forward)
    return scales.numbers(words, layout, x.dtype)
