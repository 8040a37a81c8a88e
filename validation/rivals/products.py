"""Exact solutions of the stationary contests: sums of products of damped sines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import hermite_pinn as hp

__all__ = ["Products"]


@dataclass(frozen=True)
class Products:
    """A sum of products ``exp(b s) sin(n pi s)``, one factor per axis of the unit box, zero on its boundary.

    Attributes
    ----------
    terms
        ``(factor, ((n, b), ...))`` each, with integers n.

    Examples
    --------
    >>> u = Products(((2.0, ((1, 0.0), (2, 0.0))),))
    >>> round(u(0.5, 0.25), 12), round(u.laplacian(0.5, 0.25) / math.pi**2, 12)
    (2.0, -10.0)
    """

    terms: Sequence[tuple[float, Sequence[tuple[int, float]]]]

    def __call__(self, *coordinates: Any) -> Any:
        """Values; numbers, arrays, tensors and expressions are taken alike."""
        return self._sum(coordinates, [0] * len(coordinates))

    def slope(self, axis: int, *coordinates: Any) -> Any:
        """The first derivative along an axis."""
        return self._sum(coordinates, [int(i == axis) for i in range(len(coordinates))])

    def laplacian(self, *coordinates: Any) -> Any:
        """The sum of the second derivatives along all axes."""
        count = len(coordinates)
        return sum(self._sum(coordinates, [2 * int(i == axis) for i in range(count)]) for axis in range(count))

    def _sum(self, coordinates: Sequence[Any], orders: Sequence[int]) -> Any:
        total: Any = 0.0
        for factor, along in self.terms:
            product: Any = factor
            for (n, b), s, order in zip(along, coordinates, orders, strict=True):
                product = product * _factor(n * math.pi, b, s, order)
            total = total + product
        return total


def _factor(q: float, b: float, s: Any, order: int) -> Any:
    """A derivative of ``exp(b s) sin(q s)``."""
    sine, cosine = ((1.0, 0.0), (b, q), (b * b - q * q, 2 * b * q))[order]
    value = sine * hp.sin(q * s)
    if cosine:
        value = value + cosine * hp.cos(q * s)
    return hp.exp(b * s) * value if b else value
