"""How much a coefficient counts: the L2 norm of its function."""

from __future__ import annotations

from functools import lru_cache, reduce

import numpy as np

from hermite_pinn.cuda.encoder.basis import BASES, KERNEL_BASES, basis_values

__all__ = ["basis_norms", "record_norms"]


@lru_cache(maxsize=16)
def basis_norms(basis: str) -> tuple[float, ...]:
    """L2 norms of the functions of an inner vertex along one axis, in lengths of a cell, by order.

    Those of a basis that is no product over the axes count the same: there is one function for every vertex.

    Examples
    --------
    >>> [round(n, 4) for n in basis_norms("cubic")]
    [0.8619, 0.138]
    """
    if basis not in BASES:
        return (1.0,) * KERNEL_BASES[basis].coefficients
    m = BASES[basis].coefficients
    nodes, weights = np.polynomial.legendre.leggauss(12)
    values = np.array(basis_values(basis, (nodes + 1.0) / 2.0, 0)).reshape(2, m, -1)
    return tuple(float(n) for n in np.sqrt((values**2 @ (weights / 2.0)).sum(0)))


def record_norms(basis: str, dim: int) -> np.ndarray:
    """Products of :func:`basis_norms` over the axes, one axis of the array for each: of all coefficients of a vertex.

    Examples
    --------
    >>> record_norms("cubic", 2).shape
    (2, 2)
    """
    return reduce(np.multiply.outer, [np.array(basis_norms(basis))] * dim)
