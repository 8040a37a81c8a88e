"""Which axes to refine."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from hermite_pinn.cuda.encoder.basis import BASES, basis_values

__all__ = ["refined", "roughness"]

Resolution = tuple[int, ...]


def refined(
    basis: str,
    periodic: Sequence[bool],
    resolutions: Sequence[Resolution],
    finest: torch.Tensor,
    inner: torch.Tensor | None = None,
    together: Sequence[int] = (),
    measured: Sequence[float] | None = None,
) -> Resolution:
    """The resolution of the next level: twice as many cells along the axes that are not resolved.

    The first refinement doubles all axes.  Later those are doubled whose :func:`roughness` is within ``4**-m`` of the
    largest, since one doubling lowers the error of a field with m coefficients per vertex and axis by ``4**m``.

    Axes that go ``together`` are all doubled where one of them is: conditions on a boundary that cuts flat cells hold
    them less well, whatever the field is like.

    The roughness may have been ``measured``, on an axis with breaks piece by piece.
    """
    n = resolutions[-1]
    if len(resolutions) < 2:
        return tuple(2 * k for k in n)
    indicators = roughness(finest, basis, periodic, inner) if measured is None else measured
    worst = max(indicators)
    chosen = {axis for axis, i in enumerate(indicators) if i >= worst / 4 ** BASES[basis].coefficients}
    if chosen & {*together}:
        chosen |= {*together}
    return tuple(2 * k if axis in chosen else k for axis, k in enumerate(n))


def roughness(
    finest: torch.Tensor, basis: str, periodic: Sequence[bool], inner: torch.Tensor | None = None
) -> list[float]:
    """Per axis the RMS of ``h**(2m) d^(2m) u`` relative to the field, the largest of all fields.

    With ``inner``, of the vertices (N_1, ...) that lie in the domain.
    """
    m = BASES[basis].coefficients
    weights = [float(w) for w in basis_values(basis, torch.tensor(0.5, dtype=torch.float64), 2 * m - 1)]
    ratios = []
    for axis, wraps in enumerate(periodic):
        lines = finest.movedim(axis + 1, -1)
        for other in range(1, lines.ndim - 1):
            lines = lines.index_select(other, torch.arange(0, lines.shape[other], m, device=finest.device))
        c = lines.unflatten(-1, (-1, m))
        right = torch.roll(c, -1, -2) if wraps else c[..., 1:, :]
        left = c if wraps else c[..., :-1, :]
        both = torch.cat([left, right], -1)
        highest = (both * torch.tensor(weights, dtype=finest.dtype, device=finest.device)).sum(-1)
        jump = highest.roll(-1, -1) - highest if wraps else highest.diff(dim=-1)
        if inner is not None:
            known = inner.movedim(axis, -1)
            three = known[..., :-2] & known[..., 1:-1] & known[..., 2:] if not wraps else known & known.roll(-1, -1)
            jump = jump * three
        values = c[..., 0].flatten(1)
        size = values.norm(dim=1) / math.sqrt(max(1, values.shape[1]))
        rms = jump.flatten(1).norm(dim=1) / math.sqrt(max(1, jump[0].numel()))
        ratio = torch.where(size > 0, rms / size, 0.0)
        ratios.append(float(ratio.max()))
    return ratios
