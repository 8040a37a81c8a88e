"""How large fields and residuals are, as far as the coefficients of the equations say: in nobody's units."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hermite_pinn.methods.systems.tensor_block import TensorBlock
from hermite_pinn.residuals.compiled import Jet
from hermite_pinn.residuals.scales import rms
from hermite_pinn.run.distributed import Ranks

__all__ = ["Sensitivities", "floored", "implied_sizes", "relative_residual", "sensitivity_norms", "strengths"]

#: By equation, root mean squares of the derivatives of its residual by jets.
Sensitivities = list[dict[Jet, float]]

OWN = 0.1  # share of a field's strength in the rows where it is strongest, from which on a row says how large it is
SMALL = 0.1  # of its implied size: what a field without a certain digit must be below to count as zero


def sensitivity_norms(interior: TensorBlock, ranks: Ranks) -> Sensitivities:
    """Root mean squares of the derivatives of the equations by jets, at the last linearisation."""
    return [
        {jet: ranks.largest(rms(s)) for jet, s in (t.constant | interior.sensitivity(k)).items()}
        for k, t in enumerate(interior.terms)
    ]


def strengths(sensitivities: Sensitivities, fields: Sequence[str], lengths: Sequence[float]) -> list[list[float]]:
    """By equation and field, the largest term of a field of unit size that varies over some lengths.

    Examples
    --------
    >>> strengths([{("u", (2, 0)): 3.0, ("u", (0, 0)): 5.0}], ["u", "v"], (0.5, 1.0))
    [[12.0, 0.0]]
    """
    found = []
    for row in sensitivities:
        one = dict.fromkeys(fields, 0.0)
        for (field, orders), size in row.items():
            one[field] = max(one[field], size / math.prod(a**m for a, m in zip(lengths, orders, strict=True)))
        found.append([one[f] for f in fields])
    return found


def implied_sizes(strong: Sequence[Sequence[float]], scales: Sequence[float], sizes: Sequence[float]) -> list[float]:
    """How large every field would be if its terms balanced those of the other fields, in the equations it rules.

    Parameters
    ----------
    strong
        :func:`strengths` over the whole domain.
    scales
        Divisors of the rows, which make equations comparable.
    sizes
        Of the fields.

    Examples
    --------
    >>> implied_sizes([[2.0, 4.0]], [1.0], [1.0, 0.0])   # 2 u + 4 v = ...
    [0.0, 0.5]
    """
    implied = []
    for f in range(len(sizes)):
        shares = [row[f] / scale for row, scale in zip(strong, scales, strict=True)]
        most = max(shares, default=0.0)
        balanced = [
            max((row[g] * sizes[g] for g in range(len(sizes)) if g != f), default=0.0) / row[f]
            for row, share in zip(strong, shares, strict=True)
            if share > 0 and share >= OWN * most
        ]
        implied.append(max(balanced, default=0.0))
    return implied


def floored(
    sizes: Sequence[float],
    moved: Sequence[float],
    implied: Sequence[float],
    zero: float,
    prescribed: Sequence[float] = (),
) -> list[float]:
    """What changes of the fields are relative to: their sizes, or those implied where a field may well be zero.

    That is where it is smaller than ``zero`` times its implied size, and where it is small beside that and has changed
    by so much of itself that none of its digits is certain.  A field with ``prescribed`` values, which are not zero, is
    as large as these at most, however large its neighbours are.

    Examples
    --------
    >>> floored([1.0, 1e-5], [1e-3, 2e-5], [0.0, 0.5], 1e-6), floored([1.0, 1e-5], [1e-3, 1e-7], [0.0, 0.5], 1e-6)
    ([1.0, 0.5], [1.0, 1e-05])
    >>> floored([9.0, 0.7], [0.1, 0.5], [0.0, 7.0], 1e-6, [8.0, 0.5])
    [9.0, 0.7]
    """
    told = prescribed or [0.0] * len(implied)
    implied = [min(whole, own) if own > 0 else whole for whole, own in zip(implied, told, strict=True)]
    return [
        whole if size <= zero * whole or (size <= SMALL * whole and change >= 0.5 * size) else size
        for size, change, whole in zip(sizes, moved, implied, strict=True)
    ]


def relative_residual(residuals: Sequence[float], strong: Sequence[Sequence[float]], sizes: Sequence[float]) -> float:
    """The largest change of the fields, relative to their sizes, that residuals ask for.

    Parameters
    ----------
    residuals
        Of the equations.
    strong
        :func:`strengths` over the size of a cell: a change that varies over a cell.
    sizes
        Of the fields.
    """
    ratios = [0.0]
    for residual, row in zip(residuals, strong, strict=True):
        size = max((s * n for s, n in zip(row, sizes, strict=True)), default=0.0)
        if residual > 0:
            ratios.append(residual / size if size > 0 else math.inf)
    return max(ratios)
