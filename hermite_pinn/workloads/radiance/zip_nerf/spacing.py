"""Distances along rays as numbers from 0 to 1, nearby ones further apart."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hermite_pinn.checks import number

__all__ = ["Spacing", "ladder", "ladder_inverse"]


def ladder(x: Tensor, power: float) -> Tensor:
    """The power ladder |λ - 1|/λ ((x/|λ - 1| + 1)^λ - 1) of Zip-NeRF for λ = ``power`` and x >= 0.

    It is x for λ = 1, log(1 + x) for 0, and in the limits 1 - exp(-x) for -∞ and exp(x) - 1 for ∞; its slope at 0 is 1
    for every λ.

    Parameters
    ----------
    x
        Of any shape.
    power
        Any number, also infinite.

    Examples
    --------
    >>> [round(float(ladder(torch.tensor(3.0), p)), 4) for p in (1.0, 0.0, -1.5, -torch.inf)]
    [3.0, 1.3863, 1.1559, 0.9502]
    """
    if power == 1:
        return x
    if power == 0:
        return torch.log1p(x)
    if math.isinf(power):
        return torch.expm1(x) if power > 0 else -torch.expm1(-x)
    scale = abs(power - 1)
    return scale / power * torch.expm1(power * torch.log1p(x / scale))


def ladder_inverse(y: Tensor, power: float) -> Tensor:
    """The inverse of :func:`ladder`.

    Examples
    --------
    >>> round(float(ladder_inverse(ladder(torch.tensor(3.0), -1.5), -1.5)), 5)
    3.0
    """
    if power == 1:
        return y
    if power == 0:
        return torch.expm1(y)
    if math.isinf(power):
        return torch.log1p(y) if power > 0 else -torch.log1p(-y)
    scale = abs(power - 1)
    return scale * torch.expm1(torch.log1p(y * (power / scale)) / power)


@dataclass(frozen=True)
class Spacing:
    """How distances between the ends of a ray become numbers from 0 to 1: by a power ladder of the distance in a unit.

    Attributes
    ----------
    power
        Of the ladder: 1 leaves distances equally spaced, smaller ones bring the far ones together.
    factor
        What distances are multiplied with before; 2 in Zip-NeRF, where the unit ball is not contracted.

    Raises
    ------
    InvalidArgumentError
        If the power is no number or the factor not positive.

    Examples
    --------
    >>> spacing, near, far = Spacing(-1.5, 2.0), torch.tensor([0.2]), torch.tensor([1e3])
    >>> t = spacing.distance(torch.tensor([[0.0, 0.5, 1.0]]), near, far)
    >>> [round(float(a), 2) for a in t[0]]
    [0.2, 1.05, 1000.0]
    """

    power: float = 1.0
    factor: float = 1.0

    def __post_init__(self) -> None:
        infinite = isinstance(self.power, float) and math.isinf(self.power)
        object.__setattr__(self, "power", self.power if infinite else number("power", self.power))
        object.__setattr__(self, "factor", number("factor", self.factor, above=0))

    def share(self, t: Tensor, near: Tensor, far: Tensor) -> Tensor:
        """Numbers (n, k) of distances (n, k) between the ends (n,) of the rays."""
        low, high = self._ends(near, far)
        return (ladder(self.factor * t, self.power) - low) / (high - low)

    def distance(self, s: Tensor, near: Tensor, far: Tensor) -> Tensor:
        """Distances (n, k) of numbers (n, k) from 0 to 1: the inverse of :meth:`share`."""
        low, high = self._ends(near, far)
        t = ladder_inverse(low + s * (high - low), self.power) / self.factor
        return torch.minimum(torch.maximum(t, near[:, None]), far[:, None])

    def _ends(self, near: Tensor, far: Tensor) -> tuple[Tensor, Tensor]:
        return ladder(self.factor * near, self.power)[:, None], ladder(self.factor * far, self.power)[:, None]
