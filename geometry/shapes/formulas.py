"""Formulas of coordinates that vanish on the boundaries of shapes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hermite_pinn.expressions.graph import Expr, constant, wrap

__all__ = ["half_planes", "round_level"]


def round_level(x: Sequence[Expr], center: np.ndarray, radius: float, inside: bool) -> Expr:
    """Zero at a distance from a point, with slope one there, and positive on one side.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import coordinate
    >>> round_level([coordinate("x")], np.zeros(1), 1.0, True)
    (1 - x*x)*0.5
    """
    square: Expr = constant(0.0)
    for name, middle in zip(x, center.tolist(), strict=True):
        square = wrap(square + (name - middle) * (name - middle))
    return wrap((radius**2 - square if inside else square - radius**2) * (0.5 / radius))


def half_planes(x: Sequence[Expr], normals: np.ndarray, offsets: np.ndarray, corners: np.ndarray) -> Expr:
    """The product of ``normal . x - offset`` over the sides of a convex shape, each in units of its largest value.

    Parameters
    ----------
    x
        Coordinates.
    normals, offsets
        Of the sides, (dim, n) and (n,); normals point inside.
    corners
        Of the shape, (dim, m).
    """
    made: Expr = constant(1.0)
    for normal, offset in zip(normals.T, offsets.tolist(), strict=True):
        width = float((normal @ corners - offset).max())
        level: Expr = constant(-offset / width)
        for name, n in zip(x, (normal / width).tolist(), strict=True):
            level = wrap(level + name * n)
        made = wrap(made * level)
    return made
