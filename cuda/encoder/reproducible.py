"""Sums into tables that do not depend on the order of their terms: integers with a scale per level.

A term ``a`` is cut off to the integer part of ``a * scale``, 64 bits, and for float64 the rest to a second integer.
Integer addition is associative, so the sum is the same bit for bit whatever the order of points, threads or atomic
additions.  The scale of a level is the largest power of two for which no sum can overflow: with ``T`` terms of size at
most ``b`` it leaves ``62 - log2(T) - log2(b)`` bits after the point.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import torch

from .basis import KERNEL_BASES, basis_values
from .channels import Channels
from .layout import GridLayout

__all__ = ["Scales", "limbs", "scales", "wanted"]

PIECE = 1 << 15  # elements converted at a time on a CPU: they stay in the cache
CORNER = (1.0, 3.0, 7.0)  # bounds of derivatives of functions of a corner's weight, per axis, in cell units
FACE = 7.0  # next to a face weights of four vertices take up to three times that of others
BITS = 62  # of a sum, without the sign and one bit for the rounding of the bounds


def wanted(deterministic: bool | None) -> bool:
    """The choice of a caller; ``None`` follows ``torch.use_deterministic_algorithms``."""
    return torch.are_deterministic_algorithms_enabled() if deterministic is None else deterministic


def limbs(dtype: torch.dtype) -> int:
    """64-bit integers per sum: one holds more bits than float32, two more than float64."""
    return 1 if dtype == torch.float32 else 2


@dataclass(frozen=True)
class Scales:
    """What turns terms into integers and sums back into numbers.

    Attributes
    ----------
    forward
        (levels, 2), float64: factor of the terms, factor of what they leave over.
    backward
        (levels, 2), float64: value of a unit of either integer; NaN where a term may be infinite or NaN.
    """

    forward: torch.Tensor
    backward: torch.Tensor

    def numbers(self, words: torch.Tensor, layout: GridLayout, dtype: torch.dtype) -> torch.Tensor:
        """The flat table of sums from their integers (layout.size, limbs)."""
        out = torch.empty(layout.size, dtype=dtype, device=words.device)
        for level, part in enumerate(layout.level_slices):
            step = PIECE if words.device.type == "cpu" else max(1, part.stop - part.start)
            for start in range(part.start, part.stop, step):
                piece = slice(start, min(start + step, part.stop))
                value = words[piece, 0].double().mul_(self.backward[level, 0])
                if words.shape[1] == 2:
                    value += words[piece, 1].double().mul_(self.backward[level, 1])
                out[piece] = value
        return out


@lru_cache(maxsize=64)
def _largest(basis: str, order: int) -> float:
    """Largest absolute value of a derivative of the 1-D basis on a cell."""
    if KERNEL_BASES[basis].weights == "corner":
        return CORNER[order]
    t = np.linspace(0.0, 1.0, 513)
    shared = FACE if KERNEL_BASES[basis].weights == "window" else 1.0
    return 1.01 * shared * max(float(np.max(np.abs(v))) for v in basis_values(basis, t, order))


@cache  # recorded graphs hold the addresses
def _axes(layout: GridLayout, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Lower corner and one over the size of the box (dim,), cells (levels, dim), and which axes are periodic (dim,)."""
    frame, d = torch.as_tensor(layout.frame).to(device), layout.dim
    cells = torch.tensor(layout.resolutions, dtype=torch.float64, device=device)
    return frame[:d], frame[d:], cells, torch.tensor(layout.periodic, device=device)


def _axis_bounds(layout: GridLayout, x: torch.Tensor, order: int) -> torch.Tensor:
    """Bound of the 1-D basis derivatives in cell units, (levels, dim): larger where points lie outside the box."""
    inside = _largest(layout.basis, order)
    basis = KERNEL_BASES[layout.basis]
    polynomials, shared = basis.polynomials, FACE if basis.weights == "window" else 1.0
    if polynomials is None and basis.weights != "corner":
        return torch.full((layout.levels, layout.dim), inside, dtype=torch.float64, device=x.device)
    lower, inverse, cells, periodic = _axes(layout, x.device)
    low, high = ((f(1).double() - lower) * inverse for f in (x.amin, x.amax))
    reach = torch.maximum(cells * (high - 1.0) + 1.0, -cells * low)  # largest |t|
    reach = torch.where(periodic, 1.0, reach)
    outside = inside * reach.clamp(min=1.0) ** 2 if polynomials is None else torch.zeros_like(reach)
    for row in polynomials or ():
        size = torch.zeros_like(reach)
        for k, c in enumerate(row[order:], order):
            size += shared * abs(c) * math.perm(k, order) * reach.clamp(min=1.0) ** (k - order)
        outside = torch.maximum(outside, size)
    return torch.where(reach > 1.0 + 1e-6, outside, torch.full_like(outside, inside))


def _channel_bounds(layout: GridLayout, channels: Channels, x: torch.Tensor) -> torch.Tensor:
    """Bound of the coefficients of every channel, (levels, channels)."""
    _, inverse, cells, _ = _axes(layout, x.device)
    scale = cells * inverse
    known: dict[int, torch.Tensor] = {}
    totals = []
    for channel in channels.channels:
        total = torch.zeros(layout.levels, dtype=torch.float64, device=x.device)
        for weight, orders in channel:
            product = torch.full_like(total, abs(weight))
            for axis, m in enumerate(orders):
                if m not in known:
                    known[m] = _axis_bounds(layout, x, m) * scale**m
                product = product * known[m][:, axis]
            total = total + product
        totals.append(total)
    return torch.stack(totals, 1)


def scales(
    layout: GridLayout, channels: Channels, x: torch.Tensor, largest: torch.Tensor, squared: bool = False
) -> Scales:
    """Scales for sums over the points ``x`` of weights times coefficients.

    Parameters
    ----------
    largest
        Bound of the weights of every channel, (levels or 1, channels).
    squared
        Whether the terms are squares of sums over the vertices of a cell.
    """
    corners = KERNEL_BASES[layout.basis].taps ** layout.dim
    bound = (largest.double() * _channel_bounds(layout, channels, x)).sum(1)
    if squared:
        bound = (bound * corners).square()
    terms = math.ceil(math.log2(max(1, x.shape[1]) * corners))
    finite = torch.isfinite(bound)
    size = torch.where(finite, bound, 1.0).clamp(1e-250, 1e250).log2().ceil().long()
    first = BITS - terms - size
    rest = torch.full_like(first, BITS - terms)
    forward = torch.stack([_power_of_two(first), _power_of_two(rest)], 1)
    backward = torch.stack([_power_of_two(-first), _power_of_two(-first - rest)], 1)
    return Scales(forward, torch.where(finite[:, None], backward, torch.nan))


def _power_of_two(exponent: torch.Tensor) -> torch.Tensor:
    """Two to an integer power, exactly."""
    return ((exponent.clamp(-1022, 1023) + 1023) << 52).view(torch.float64)
