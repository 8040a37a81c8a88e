"""Fields that vanish on faces of the box exactly: a factor that is zero there, with its derivatives.

Coefficients that a condition would fix can share a hash slot with coefficients in the interior, and a network does
not vanish where its inputs do.  Multiplied by a polynomial that vanishes on the faces, any field satisfies
homogeneous Dirichlet conditions, and all its coefficients stay free.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.network.activation import JetPlan
from hermite_pinn.schema import Entry

from .product_rule import combine

__all__ = ["BoundaryFactor"]

Sides = tuple[tuple[bool, bool], ...]


@dataclass(frozen=True)
class BoundaryFactor:
    """A factor ``prod_i p_i`` per field: 1, ``s``, ``1 - s`` or ``4 s (1 - s)``, with s in [0, 1] along axis i.

    Parameters
    ----------
    lower, upper
        Corners of the box.
    sides
        Per field and axis whether the field vanishes on the lower and on the upper face.

    Examples
    --------
    >>> factor = BoundaryFactor((0.0,), (2.0,), (((True, True),),))
    >>> from hermite_pinn.cuda.encoder.channels import Channels
    >>> x = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    >>> factor.matrix(x, JetPlan.of(Channels.value(1)))[0, 0, 0].tolist()
    [0.0, 1.0]
    """

    lower: tuple[float, ...]
    upper: tuple[float, ...]
    sides: tuple[Sides, ...]

    def _factors(self, x: torch.Tensor, axis: int, low: bool, high: bool) -> tuple[torch.Tensor, ...]:
        """``p_i`` and its first two derivatives at the points."""
        length = self.upper[axis] - self.lower[axis]
        s, one = (x[axis] - self.lower[axis]) / length, torch.ones_like(x[axis])
        if low and high:
            return 4 * s * (1 - s), 4 * (1 - 2 * s) / length, -8 * one / length**2
        if low or high:
            return (s if low else 1 - s), (one if low else -one) / length, 0 * one
        return one, 0 * one, 0 * one

    def matrix(self, x: torch.Tensor, plan: JetPlan) -> torch.Tensor:
        """The product rule: derivatives of the product as combinations of those of the other factor.

        Parameters
        ----------
        x
            Points (dim, n).
        plan
            What is asked for, and the channels of the other factor that are there.

        Returns
        -------
        torch.Tensor
            (fields, requested, carried, n).
        """
        factors = [[self._factors(x, i, *pair) for i, pair in enumerate(sides)] for sides in self.sides]

        def derivative(field: int, orders: tuple[int, ...]) -> torch.Tensor:
            value = torch.ones_like(x[0])
            for i, m in enumerate(orders):
                value = value * factors[field][i][m]
            return value

        return combine(x, plan, len(self.sides), derivative)

    def added(self, x: torch.Tensor, channels: Channels) -> torch.Tensor | None:
        """Nothing: the values are zero."""
        return None

    def describe(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "lower": list(self.lower),
            "upper": list(self.upper),
            "sides": [[list(p) for p in f] for f in self.sides],
        }

    @classmethod
    def of_faces(
        cls,
        lower: Sequence[float],
        upper: Sequence[float],
        fields: Sequence[str],
        faces: Collection[tuple[str, int, int]],
    ) -> BoundaryFactor | None:
        """The factor that vanishes on faces, given as ``(field, axis, side)`` with side 0 or 1; None without any.

        Examples
        --------
        >>> BoundaryFactor.of_faces((0.0,), (1.0,), ["u", "v"], {("v", 0, 1)}).sides
        (((False, False),), ((False, True),))
        """
        if not faces:
            return None
        sides = tuple(tuple(((f, i, 0) in faces, (f, i, 1) in faces) for i in range(len(lower))) for f in fields)
        return cls(tuple(lower), tuple(upper), sides)

    @classmethod
    def from_description(
        cls, described: Entry, lower: Sequence[float], upper: Sequence[float], fields: int
    ) -> BoundaryFactor:
        """Inverse of :meth:`describe`, for a number of fields on a box.

        Raises
        ------
        CorruptFileError
            If it is that of other fields or of another box.
        """
        for name, corner in (("lower", lower), ("upper", upper)):
            if tuple(e.number() for e in described.at(name).items(len(corner))) != tuple(corner):
                raise described.at(name).refuse(f"the corner {tuple(corner)} of the box")
        sides = tuple(
            tuple((low.flag(), high.flag()) for low, high in (axis.items(2) for axis in of_field.items(len(lower))))
            for of_field in described.at("sides").items(fields)
        )
        return cls(tuple(lower), tuple(upper), sides)
