"""The encoder in plain PyTorch: slow, independent of the kernels, and the truth they are compared with."""

from __future__ import annotations

import itertools
import math
from functools import partial

import torch

from hermite_pinn.errors import InvalidArgumentError

from .basis import KERNEL_BASES, basis_values
from .channels import Channels
from .layout import GridLayout

__all__ = ["adjoint", "contributions", "diagonal", "jets"]


def contributions(
    x: torch.Tensor, layout: GridLayout, channels: Channels, level: int
) -> list[tuple[torch.Tensor, list[torch.Tensor]]]:
    """For every coefficient that a point reads: its table position (n,) and its factor (n,) in each channel."""
    basis = KERNEL_BASES[layout.basis]
    if channels.order > basis.most_order and basis.weights == "corner":
        raise InvalidArgumentError(f"the basis {basis.name!r} has derivatives up to order {basis.most_order}")
    cells = layout.resolutions[level]
    counts = layout.vertices(level)
    left, inside, scales = [], [], []
    for i in range(layout.dim):
        p = (x[i] - layout.lower[i]) / layout.lengths[i]
        if layout.periodic[i]:
            p = p - torch.floor(p)
        p = p * cells[i]
        c = torch.clamp(torch.floor(p), 0, cells[i] - 1)
        left.append(c.long())
        inside.append(p - c)
        scales.append(cells[i] / layout.lengths[i])
    if basis.weights == "corner":
        weigh = partial(_corner_factor, layout, inside, scales)
    else:
        weigh = partial(_product_factor, layout, _axis_values(layout, channels, level, left, inside, scales))
    found = []
    for ends in itertools.product(range(basis.taps), repeat=layout.dim):
        first = -1 if basis.weights == "window" else 0
        vertex = [
            (v + e + first) % count if wraps else (v + e + first).clamp(0, count - 1)
            for v, e, count, wraps in zip(left, ends, counts, layout.periodic, strict=True)
        ]
        for group in layout.groups[level]:
            slot = group.storage.slot(vertex)
            stored = slot >= 0
            for position, alpha_index in enumerate(group.alphas):
                alpha = layout.alphas[alpha_index]
                where = group.offset + (slot.clamp(min=0) * len(group.alphas) + position) * layout.features
                factors = []
                for channel in channels.channels:
                    total = torch.zeros_like(x[0])
                    for weight, orders in channel:
                        total = total + weight * weigh(ends, alpha, orders)
                    factors.append(torch.where(stored, total, 0))
                found.append((where, factors))
    return found


def _axis_values(
    layout: GridLayout,
    channels: Channels,
    level: int,
    left: list[torch.Tensor],
    inside: list[torch.Tensor],
    scales: list[float],
) -> list[dict[int, list[torch.Tensor]]]:
    """By axis and order the functions of the vertices that a point reads, in physical units."""
    values = []
    for i in range(layout.dim):
        own = {}
        for m in channels.axis_orders(i):
            row = [b * scales[i] ** m for b in basis_values(layout.basis, inside[i], m)]
            if KERNEL_BASES[layout.basis].weights == "window" and not layout.periodic[i]:
                row = _within(row, left[i] == 0, left[i] == layout.resolutions[level][i] - 1)
            own[m] = row
        values.append(own)
    return values


def _within(row: list[torch.Tensor], first: torch.Tensor, last: torch.Tensor) -> list[torch.Tensor]:
    """Weights of four vertices where the outermost lies beyond a face: it is extrapolated by a quadratic."""
    before, after = torch.where(first, row[0], 0.0), torch.where(last, row[3], 0.0)
    return [
        row[0] - before + after,
        row[1] + 3 * before - 3 * after,
        row[2] - 3 * before + 3 * after,
        row[3] - after + before,
    ]


def _product_factor(
    layout: GridLayout,
    values: list[dict[int, list[torch.Tensor]]],
    ends: tuple[int, ...],
    alpha: tuple[int, ...],
    orders: tuple[int, ...],
) -> torch.Tensor:
    """A mixed derivative of a product of functions of the axes."""
    parts = [values[i][m][ends[i] * layout.orders + alpha[i]] for i, m in enumerate(orders)]
    return torch.stack(parts).prod(0)


def _corner_factor(
    layout: GridLayout,
    inside: list[torch.Tensor],
    scales: list[float],
    ends: tuple[int, ...],
    alpha: tuple[int, ...],
    orders: tuple[int, ...],
) -> torch.Tensor:
    """A derivative up to the second of a function of the multilinear weight, by the chain rule."""
    weights = [t if e else 1 - t for t, e in zip(inside, ends, strict=True)]
    slopes = [(s if e else -s) * torch.ones_like(t) for t, s, e in zip(inside, scales, ends, strict=True)]
    axes = [i for i, m in enumerate(orders) for _ in range(m)]

    def derived(*along: int) -> torch.Tensor:
        parts = [slopes[i] if i in along else weights[i] for i in range(layout.dim)]
        return torch.stack(parts).prod(0)

    w = derived()
    smooth = layout.basis == "cosine_product"
    if not axes:
        return (1 - torch.cos(math.pi * w)) / 2 if smooth else w
    first = math.pi / 2 * torch.sin(math.pi * w)
    first = first if smooth else 1 + layout.blend * first
    if len(axes) == 1:
        return first * derived(axes[0])
    total = math.pi**2 / 2 * torch.cos(math.pi * w) * derived(axes[0]) * derived(axes[1])
    return total if axes[0] == axes[1] else total + first * derived(*axes)


def jets(x: torch.Tensor, table: torch.Tensor, layout: GridLayout, channels: Channels) -> torch.Tensor:
    """Channels of all features and levels at the points ``x`` (dim, n): shape (levels, features, channels, n)."""
    rows = []
    for level in range(layout.levels):
        total = x.new_zeros(layout.features, len(channels), x.shape[1])
        for where, factors in contributions(x, layout, channels, level):
            for f in range(layout.features):
                total[f] = total[f] + torch.stack(factors) * table[where + f]
        rows.append(total)
    return torch.stack(rows)


def adjoint(x: torch.Tensor, weights: torch.Tensor, layout: GridLayout, channels: Channels) -> torch.Tensor:
    """Transpose of :func:`jets` in the table: ``weights`` (levels, features, channels, n) to a flat table."""
    table = x.new_zeros(layout.size)
    for level in range(layout.levels):
        for where, factors in contributions(x, layout, channels, level):
            for f in range(layout.features):
                table.index_add_(0, where + f, (torch.stack(factors) * weights[level, f]).sum(0))
    return table


def diagonal(x: torch.Tensor, weights: torch.Tensor, layout: GridLayout, channels: Channels) -> torch.Tensor:
    """Sum over the points of the squared entries of the rows ``sum_c weights[l, f, c] * channel_c``: a flat table."""
    n = x.shape[1]
    table = x.new_zeros(layout.size)
    for level in range(layout.levels):
        products = contributions(x, layout, channels, level)
        for f in range(layout.features):
            where = torch.stack([w + f for w, _ in products], 1)
            entry = torch.stack([(torch.stack(factors) * weights[level, f]).sum(0) for _, factors in products], 1)
            for point in range(n):
                row = x.new_zeros(layout.size)
                row.index_add_(0, where[point], entry[point])
                table += row**2
    return table
