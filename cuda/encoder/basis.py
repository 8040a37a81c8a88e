"""The bases: what is known of each, and their functions in NumPy, for matrices along one axis and the reference."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

__all__ = ["BASES", "KERNEL_BASES", "Basis", "basis_values"]


@dataclass(frozen=True)
class Basis:
    """A family of functions on a grid in one dimension; in several, their products.

    Attributes
    ----------
    name
        As in ``Field(basis=...)``.
    coefficients
        Per vertex: 1 (value), 2 (and slope), 3 (and curvature), 4 (and third derivative).
    degree
        Polynomials up to it are among the functions: errors of smooth fields fall with this plus 1.
    smoothness
        Derivatives up to this order are continuous.
    refinable
        Whether the functions on a grid are among those on a grid of twice the resolution.
    polynomials
        Of every function on a cell, row ``end * coefficients + order``, its coefficients in powers of t; None where the
        functions are no polynomials.
    weights
        How the kernels weigh the vertices around a point: ``"ends"`` (products over the axes of functions of the two
        ends of a cell), ``"corner"`` (functions of a corner's multilinear weight) or ``"window"`` (products of
        functions of four vertices).
    most_order
        Highest order of differentiation.
    """

    name: str
    coefficients: int
    degree: int
    smoothness: int
    refinable: bool
    polynomials: tuple[tuple[float, ...], ...] | None = None
    weights: str = "ends"
    most_order: int = 5

    @property
    def taps(self) -> int:
        """Vertices along an axis that a point reads."""
        return 4 if self.weights == "window" else 2


_ALL = (
    Basis("linear", 1, 1, 0, True, ((1, -1), (0, 1))),
    Basis("smoothstep", 1, 0, 1, False, ((1, 0, -3, 2), (0, 0, 3, -2))),
    Basis("cosine", 1, 0, 1, False),
    Basis("cubic", 2, 3, 1, True, ((1, 0, -3, 2), (0, 1, -2, 1), (0, 0, 3, -2), (0, 0, -1, 1))),
    Basis(
        "quintic",
        3,
        5,
        2,
        True,
        (
            (1, 0, 0, -10, 15, -6),
            (0, 1, 0, -6, 8, -3),
            (0, 0, 0.5, -1.5, 1.5, -0.5),
            (0, 0, 0, 10, -15, 6),
            (0, 0, 0, -4, 7, -3),
            (0, 0, 0, 0.5, -1, 0.5),
        ),
    ),
    Basis(
        "septic",
        4,
        7,
        3,
        True,
        (
            (1, 0, 0, 0, -35, 84, -70, 20),
            (0, 1, 0, 0, -20, 45, -36, 10),
            (0, 0, 1 / 2, 0, -5, 10, -15 / 2, 2),
            (0, 0, 0, 1 / 6, -2 / 3, 1, -2 / 3, 1 / 6),
            (0, 0, 0, 0, 35, -84, 70, -20),
            (0, 0, 0, 0, -15, 39, -34, 10),
            (0, 0, 0, 0, 5 / 2, -7, 13 / 2, -2),
            (0, 0, 0, 0, -1 / 6, 1 / 2, -1 / 2, 1 / 6),
        ),
    ),
)

#: The bases whose functions are products over the axes of those of the two ends of a cell, by name.
BASES: Mapping[str, Basis] = MappingProxyType({basis.name: basis for basis in _ALL})

_WINDOW = ((0, -0.5, 1, -0.5), (1, 0, -2.5, 1.5), (0, 0.5, 2, -1.5), (0, 0, -0.5, 0.5))

#: All bases that the kernels know: with those whose weights are no such products, or read more vertices.
KERNEL_BASES: Mapping[str, Basis] = MappingProxyType(
    {
        **BASES,
        "cosine_product": Basis("cosine_product", 1, 0, 0, False, None, "corner", 2),
        "straight_through": Basis("straight_through", 1, 1, 0, False, None, "corner", 1),
        "catmull_rom": Basis("catmull_rom", 1, 2, 1, False, _WINDOW, "window"),
    }
)


def basis_values(basis: str, t: Any, order: int) -> list[Any]:
    """Derivative of order ``order`` of every function of a 1-D basis at ``t``, in cell units.

    Parameters
    ----------
    basis
        A key of :data:`BASES`, or ``"catmull_rom"``.
    t
        Positions in the cell, a NumPy array or a tensor.

    Returns
    -------
    list
        Entry ``end * orders + a`` for the left (end 0) or right vertex; Hermite functions satisfy
        ``h[e, a]^(b)(e') = delta(e, e') delta(a, b)``.  Of ``"catmull_rom"`` one per vertex.

    Examples
    --------
    >>> [float(v) for v in basis_values("cubic", np.array(0.5), 0)]
    [0.5, 0.125, 0.5, -0.125]
    """
    polynomials = KERNEL_BASES[basis].polynomials
    if polynomials is None:  # cosine
        shifted = math.pi * t + order * math.pi / 2
        wave = (np.cos(shifted) if isinstance(shifted, (float, np.ndarray, np.generic)) else shifted.cos()) * (
            math.pi**order / 2
        )
        constant = 0.5 if order == 0 else 0.0
        return [constant + wave, constant - wave]
    values = []
    for row in polynomials:
        value = 0 * t
        for k in range(len(row) - 1, order - 1, -1):
            value = value * t + row[k] * math.perm(k, order)
        values.append(value)
    return values
