"""The fractional Laplacian on an interval as a sum of resolvents of a differential operator of order two.

With ``s = alpha / 2`` and the Jacobi polynomials ``P_n`` of weight ``(1 - x^2)^s``, the fractional Laplacian takes
``(1 - x^2)^s P_n`` to ``mu_n P_n``, ``mu_n = Gamma(n + alpha + 1) / n!``.  The same polynomials are the eigenfunctions
of ``J v = -(1 - x^2) v'' + 2 (s + 1) x v'``, with ``lambda_n = n (n + alpha + 1)``.  Thus the operator is a function of
J.  As a function of lambda it is a complete Bernstein function, to which sums of positive terms,
``a + c lambda + sum w_k lambda / (lambda + p_k)``, converge exponentially fast.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

__all__ = ["DEGREE", "ERROR", "Resolvents", "resolvents"]

DEGREE = 1000  # of the polynomials for which the sum holds
ERROR = 1e-11  # of any of their eigenvalues, at most
CANDIDATES = 34  # poles of which those with a positive weight remain
NEAREST, FARTHEST = 0.3, 40.0 * DEGREE  # roots of these, from that of the branch point on
SAMPLES = 60, 500  # degrees that are fitted: all of the first, then so many by a factor


@dataclass(frozen=True)
class Resolvents:
    """The numbers of a sum ``a + c lambda + sum w_k lambda / (lambda + p_k)``.

    Attributes
    ----------
    constant, slope
        The numbers a and c.
    weights, poles
        The numbers w_k and p_k, positive.
    """

    constant: float
    slope: float
    weights: tuple[float, ...]
    poles: tuple[float, ...]

    def at(self, values: np.ndarray) -> np.ndarray:
        """The sum at eigenvalues of J, (n,)."""
        p = np.array(self.poles)
        shares = values[:, None] / (values[:, None] + p)
        return np.asarray(self.constant + self.slope * values + shares @ np.array(self.weights))


@functools.lru_cache(maxsize=64)
def resolvents(alpha: float) -> Resolvents:
    """The sum for an order, by least squares with positive numbers, of relative errors.

    Parameters
    ----------
    alpha
        Between 0 and 2.

    Examples
    --------
    >>> found, n = resolvents(1.0), np.array([0.0, 1.0, 10.0])
    >>> bool(np.allclose(found.at(n * (n + 2)), n + 1))  # the eigenvalues for alpha = 1
    True
    """
    from scipy.optimize import nnls
    from scipy.special import poch

    degrees = np.unique(np.concatenate([np.arange(SAMPLES[0]), np.geomspace(1.0, DEGREE, SAMPLES[1])]))
    values, wanted = degrees * (degrees + alpha + 1.0), poch(degrees + 1.0, alpha)
    poles = np.geomspace(NEAREST, FARTHEST, CANDIDATES) ** 2 + (0.5 * (alpha + 1.0)) ** 2
    shares = values[:, None] / (values[:, None] + poles)
    columns = np.column_stack([np.ones_like(values), values, shares]) / wanted[:, None]
    sizes = np.abs(columns).max(0)
    found, _ = nnls(columns / sizes, np.ones_like(values), maxiter=100 * CANDIDATES)
    constant, slope, *weights = (found / sizes).tolist()
    kept = [(w, p) for w, p in zip(weights, poles.tolist(), strict=True) if w > 0.0]
    return Resolvents(constant, slope, tuple(w for w, _ in kept), tuple(p for _, p in kept))
