"""Functions that vanish on the boundaries of the shapes that cut a domain."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hermite_pinn.expressions.graph import Expr, coordinate
from hermite_pinn.field.boundary_distance import BoundaryDistance
from hermite_pinn.field.exact_conditions import distance_name
from hermite_pinn.geometry import Domain
from hermite_pinn.geometry.shape import Shape

__all__ = ["CurvedFaces"]

SAMPLES = 4096  # points of the domain at which the sign is looked at
SHARE = 0.5  # of the largest distance from a boundary: up to here a factor follows it


class CurvedFaces:
    """The faces of a domain that are whole boundaries of shapes, with a function that vanishes on each.

    Attributes
    ----------
    distances
        Those functions that are known by numbers only, as expressions call them.
    """

    def __init__(self, domain: Domain, shapes: Sequence[tuple[str, Shape]]) -> None:
        self.distances: tuple[BoundaryDistance, ...] = ()
        self._known: dict[str, Expr] = {}
        self._obstacles: dict[str, str] = {}
        if not shapes:
            return
        space = domain.space_axes
        x = domain.interior.quasi_random(SAMPLES, 0).x.numpy()[list(space)]
        for name, shape in shapes:
            signed = shape.signed_distance(x)
            tiny = 1e-9 * float(np.abs(signed).max())
            if (signed > tiny).any() and (signed < -tiny).any():
                self._obstacles[name] = "the boundary of a shape that goes on inside the domain"
                continue
            inside = bool((signed < 0).any())
            formula = shape.vanishing([coordinate(domain.names[i]) for i in space], inside)
            self._known[name] = self._numbered(domain, shape, inside, np.abs(signed)) if formula is None else formula

    @classmethod
    def of(cls, domain: Domain) -> CurvedFaces:
        """Those of a domain."""
        return cls(domain, domain.cutting)

    def _numbered(self, domain: Domain, shape: Shape, inside: bool, distances: np.ndarray) -> Expr:
        number = len(self.distances)
        width = SHARE * float(distances.max())
        self.distances = (*self.distances, BoundaryDistance(shape, tuple(domain.space_axes), inside, width))
        return Expr("jet", (), (distance_name(number), (0,) * domain.dim))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the faces."""
        return tuple(self._known)

    def expression(self, name: str) -> Expr:
        """What vanishes on a face and has one sign elsewhere in the domain."""
        return self._known[name]

    def obstacle(self, name: str) -> str:
        """What a face is that is not among :attr:`names`."""
        return self._obstacles.get(name, "a part of a side or of a boundary only")
