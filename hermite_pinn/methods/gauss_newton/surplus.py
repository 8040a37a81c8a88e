"""How much every doubling of the resolution adds to a field: its hierarchical surplus, axis by axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES, basis_values

__all__ = ["AxisSurplus", "surpluses"]

DOUBLINGS = 3  # that are looked at


@dataclass(frozen=True)
class AxisSurplus:
    """What the last doublings along one axis add to a field.

    Attributes
    ----------
    details
        By doubling, the finest first, and by field, the RMS of the difference of the interpolants from the vertices of
        two successive resolutions.  As long as the number of cells is even.
    largest
        By field, the largest local RMS of the first detail.
    smooth
        By field, the RMS error of the interpolant on this level if the field is smooth, from the jumps of the highest
        derivative of its polynomials.

    Notes
    -----
    The first detail is the error of the interpolant from every second vertex, as far as the finest level sees it.  For
    a smooth field the details shrink by ``4**m`` with every doubling, for one that is not resolved they do not shrink.
    """

    details: tuple[tuple[float, ...], ...]
    largest: tuple[float, ...]
    smooth: tuple[float, ...]


@lru_cache(maxsize=8)
def _midpoint(basis: str) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of the basis of a coarse cell at its middle, in fine cell units, and the mass matrix of the fine one.

    Returns
    -------
    values, mass
        (m, 2 m) by order, and by coefficients in fine cell units left and right; (m, m), for one vertex, per fine cell.
    """
    m = BASES[basis].coefficients
    middle = torch.tensor([0.5], dtype=torch.float64)
    to_coarse = np.tile(2.0 ** np.arange(m), 2)
    values = np.array(
        [[2.0**-a * float(v) for v in basis_values(basis, middle, a)] for a in range(m)], dtype=float
    ) * to_coarse  # fmt: skip
    nodes, weights = np.polynomial.legendre.leggauss(2 * m)
    local = np.stack(
        [np.asarray(v, dtype=float) for v in basis_values(basis, torch.as_tensor((nodes + 1) / 2), 0)]
    )  # (2 m, points): left, then right
    mass = sum((part * weights / 2) @ part.T for part in (local[:m], local[m:]))
    return values, np.asarray(mass)


def _across(shape: Sequence[int], mass: torch.Tensor) -> torch.Tensor:
    """Masses of the coefficients along the axes across, (..., 1)."""
    m, weights = len(mass), mass.new_ones(())
    for count in shape:
        weights = weights[..., None] * mass.diagonal().repeat(count // m)
    return weights[..., None]


def _smooth_errors(
    c: torch.Tensor, across: torch.Tensor, basis: str, wraps: bool, known: torch.Tensor | None
) -> tuple[float, ...]:
    """Errors of interpolation ``|x**m (h - x)**m| d^(2m) u / (2m)!`` from coefficients (fields, ..., vertices, m)."""
    m = c.shape[-1]
    highest_of = [float(v) for v in basis_values(basis, torch.tensor(0.5, dtype=torch.float64), 2 * m - 1)]
    right = torch.roll(c, -1, -2) if wraps else c[..., 1:, :]
    highest = torch.cat([c if wraps else c[..., :-1, :], right], -1) @ c.new_tensor(highest_of)
    jump = highest.roll(-1, -1) - highest if wraps else highest.diff(dim=-1)
    if not jump.numel():
        return (0.0,) * len(c)
    weights, part = across, 1.0
    if known is not None:
        three = (
            known[..., :-2] & known[..., 1:-1] & known[..., 2:]
            if not wraps
            else known.roll(1, -1) & known & known.roll(-1, -1)
        )
        weights, part = across * three, _part(three)
    squares = (jump.square() * weights).flatten(1).mean(1) * m ** (across.ndim - 1) * part
    size = math.sqrt(math.gamma(2 * m + 1) ** 2 / math.gamma(4 * m + 2)) / math.factorial(2 * m)
    return tuple((squares.sqrt() * size).tolist())


def _part(known: torch.Tensor) -> float:
    """One over the share of places where something is known."""
    return known.numel() / max(1, int(known.sum()))


def _spread(inner: torch.Tensor, axis: int, m: int) -> torch.Tensor:
    """Vertices along an axis, last, where those across are repeated for their coefficients."""
    moved = inner.movedim(axis, -1)
    for other in range(moved.ndim - 1):
        moved = moved.repeat_interleave(m, other)
    return moved


def surpluses(
    finest: torch.Tensor, basis: str, periodic: Sequence[bool], inner: torch.Tensor | None = None
) -> list[AxisSurplus]:
    """The surplus of every axis, from coefficients (fields, m N_1, ...) of the finest level.

    Along the axis norms are exact; across it they are sums over the coefficients of the vertices, with the masses of
    the basis functions.

    Parameters
    ----------
    inner
        Which vertices (N_1, ...) lie in the domain; None for all.  Only what lies between those counts.
    """
    m = BASES[basis].coefficients
    values, mass = (torch.as_tensor(a).to(finest) for a in _midpoint(basis))
    found = []
    for axis, wraps in enumerate(periodic):
        c = finest.movedim(axis + 1, -1).unflatten(-1, (-1, m))
        across = _across(c.shape[1:-2], mass)
        known = None if inner is None else _spread(inner, axis, m)
        smooth = _smooth_errors(c, across, basis, wraps, known)
        details: list[tuple[float, ...]] = []
        largest: tuple[float, ...] = (math.inf,) * len(finest)
        for _ in range(DOUBLINGS):
            cells = c.shape[-2] - (not wraps)
            if cells < 2 or cells % 2:
                break
            even, odd = c[..., ::2, :], c[..., 1::2, :]
            right = torch.roll(even, -1, -2) if wraps else even[..., 1:, :]
            left = even if wraps else even[..., :-1, :]
            surplus = odd - torch.cat([left, right], -1) @ values.T
            squares = (((surplus @ mass) * surplus).sum(-1).clamp_(min=0.0) * across).flatten(1)
            if known is not None:
                three = (
                    known[..., 1::2]
                    & known[..., ::2].roll(-1, -1)[..., : odd.shape[-2]]
                    & known[..., ::2][..., : odd.shape[-2]]
                )
                squares *= three.flatten() * _part(three)
                known = known[..., ::2]
            # a vertex stands for two fine cells
            each = m ** (finest.ndim - 2)  # coefficients of a vertex across the axis
            details.append(tuple((squares.mean(1) * each / 2).sqrt().tolist()))
            if len(details) == 1:
                share = 1.0 if inner is None else _part(three)
                largest = tuple((squares.amax(1) / (2 * share)).sqrt().tolist())
            c = even * torch.tensor([2.0**a for a in range(m)], dtype=c.dtype, device=c.device)
        found.append(AxisSurplus(tuple(details), largest, smooth))
    return found
