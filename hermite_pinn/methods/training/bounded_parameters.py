"""Bounded numbers as smooth functions of free ones, so that an unconstrained optimiser stays within the bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

__all__ = ["BoundedMap"]

MARGIN = 1e-3


@dataclass(frozen=True)
class BoundedMap:
    """The transformation of MINUIT: a sine between two bounds, a hyperbola beyond one, the identity without.

    Bounds are attained at finite free values, so an optimum on a bound is found; since the slope vanishes there, a
    start closer than a thousandth of the range is moved inwards.

    Parameters
    ----------
    lower, upper
        Bounds, infinite for none.
    unit
        Length in which a single bound is left.

    References
    ----------
    F. James and M. Roos, "MINUIT: a system for function minimization and analysis of the parameter errors and
    correlations", Computer Physics Communications 10 (1975).

    Examples
    --------
    >>> m = BoundedMap(0.0, 2.0)
    >>> free = m.free(1.5)
    >>> round(float(m.bounded(torch.tensor(free))), 12), float(m.bounded(torch.tensor(1e3))) <= 2.0
    (1.5, True)
    """

    lower: float = -math.inf
    upper: float = math.inf
    unit: float = 1.0

    def free(self, value: float) -> float:
        """The free number that is mapped to ``value`` or, next to a bound, to the nearest value that can move."""
        if math.isfinite(self.lower) and math.isfinite(self.upper):
            half = 0.5 * (self.upper - self.lower)
            share = (value - self.lower) / half - 1.0
            limit = 1.0 - 2.0 * MARGIN
            return math.asin(min(max(share, -limit), limit))
        if math.isfinite(self.lower):
            return self._root(value - self.lower)
        if math.isfinite(self.upper):
            return self._root(self.upper - value)
        return value

    def _root(self, distance: float) -> float:
        return math.sqrt((max(distance / self.unit, MARGIN) + 1.0) ** 2 - 1.0)

    def bounded(self, free: torch.Tensor) -> torch.Tensor:
        """The number within the bounds, differentiable."""
        if math.isfinite(self.lower) and math.isfinite(self.upper):
            half = 0.5 * (self.upper - self.lower)
            return (self.lower + half * (1.0 + torch.sin(free))).clamp(self.lower, self.upper)
        distance = self.unit * ((free * free + 1.0).sqrt() - 1.0)
        if math.isfinite(self.lower):
            return self.lower + distance
        if math.isfinite(self.upper):
            return self.upper - distance
        return free
