"""The 1-D bases in NumPy: for matrices along one axis, and for the reference encoder."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["POLYNOMIALS", "basis_values"]

#: Coefficients in powers of t: row ``end * orders + order``.
POLYNOMIALS: dict[str, tuple[tuple[float, ...], ...]] = {
    "linear": ((1, -1), (0, 1)),
    "smoothstep": ((1, 0, -3, 2), (0, 0, 3, -2)),
    "cubic": ((1, 0, -3, 2), (0, 1, -2, 1), (0, 0, 3, -2), (0, 0, -1, 1)),
    "quintic": (
        (1, 0, 0, -10, 15, -6),
        (0, 1, 0, -6, 8, -3),
        (0, 0, 0.5, -1.5, 1.5, -0.5),
        (0, 0, 0, 10, -15, 6),
        (0, 0, 0, -4, 7, -3),
        (0, 0, 0, 0.5, -1, 0.5),
    ),
    "septic": (
        (1, 0, 0, 0, -35, 84, -70, 20),
        (0, 1, 0, 0, -20, 45, -36, 10),
        (0, 0, 1 / 2, 0, -5, 10, -15 / 2, 2),
        (0, 0, 0, 1 / 6, -2 / 3, 1, -2 / 3, 1 / 6),
        (0, 0, 0, 0, 35, -84, 70, -20),
        (0, 0, 0, 0, -15, 39, -34, 10),
        (0, 0, 0, 0, 5 / 2, -7, 13 / 2, -2),
        (0, 0, 0, 0, -1 / 6, 1 / 2, -1 / 2, 1 / 6),
    ),
}


def basis_values(basis: str, t: Any, order: int) -> list[Any]:
    """Derivative of order ``order`` of every function of a 1-D basis at ``t``, in cell units.

    Parameters
    ----------
    basis
        A key of :data:`hermite_pinn.cuda.encoder.layout.BASES`.
    t
        Positions in the cell, a NumPy array or a tensor.

    Returns
    -------
    list
        Entry ``end * orders + a`` for the left (end 0) or right vertex; Hermite functions satisfy
        ``h[e, a]^(b)(e') = delta(e, e') delta(a, b)``.

    Examples
    --------
    >>> [float(v) for v in basis_values("cubic", np.array(0.5), 0)]
    [0.5, 0.125, 0.5, -0.125]
    """
    if basis == "cosine":
        shifted = math.pi * t + order * math.pi / 2
        wave = (np.cos(shifted) if isinstance(shifted, (float, np.ndarray, np.generic)) else shifted.cos()) * (
            math.pi**order / 2
        )
        constant = 0.5 if order == 0 else 0.0
        return [constant + wave, constant - wave]
    found = []
    for row in POLYNOMIALS[basis]:
        value = 0 * t
        for k in range(len(row) - 1, order - 1, -1):
            value = value * t + row[k] * math.perm(k, order)
        found.append(value)
    return found
