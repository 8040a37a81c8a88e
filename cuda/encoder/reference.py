"""The encoder in plain PyTorch: slow, independent of the kernels, and the truth they are compared with."""

from __future__ import annotations

import itertools

import torch

from .basis import basis_values
from .channels import Channels
from .layout import GridLayout

__all__ = ["adjoint", "contributions", "diagonal", "jets"]


def contributions(
    x: torch.Tensor, layout: GridLayout, channels: Channels, level: int
) -> list[tuple[torch.Tensor, list[torch.Tensor]]]:
    """For every coefficient of a cell: its table position (n,) and its factor (n,) in each channel."""
    cells = layout.resolutions[level]
    counts = layout.vertices(level)
    left, values = [], []
    for i in range(layout.dim):
        p = (x[i] - layout.lower[i]) / layout.lengths[i]
        if layout.periodic[i]:
            p = p - torch.floor(p)
        p = p * cells[i]
        c = torch.clamp(torch.floor(p), 0, cells[i] - 1)
        left.append(c.long())
        scale = cells[i] / layout.lengths[i]
        orders = channels.axis_orders(i)
        values.append({m: [b * scale**m for b in basis_values(layout.basis, p - c, m)] for m in orders})
    contributions = []
    for ends in itertools.product((0, 1), repeat=layout.dim):
        vertex = [(v + e) % count for v, e, count in zip(left, ends, counts, strict=True)]
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
                        product = torch.full_like(x[0], weight)
                        for i in range(layout.dim):
                            product = product * values[i][orders[i]][ends[i] * layout.orders + alpha[i]]
                        total = total + product
                    factors.append(torch.where(stored, total, 0))
                contributions.append((where, factors))
    return contributions


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
