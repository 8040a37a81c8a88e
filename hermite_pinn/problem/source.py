"""Point sources, spread over a small width."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from hermite_pinn.checks import number, real_array, refuse
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.expressions.functions import exp
from hermite_pinn.immutable import Immutable, read_only

__all__ = ["Source"]


class Source(Immutable):
    """Point sources as a function of the coordinates: deltas, each spread over a width that you tell.

    Every delta becomes ``s (1 + d/2 - r^2 / (2 w^2)) exp(-r^2 / (2 w^2)) / (2 pi w^2)^(d/2)`` with the distance ``r``
    to its point, the width ``w`` and ``d`` coordinates: its integral is ``s``, and moments up to the third are those of
    the delta.  So the solution away from the points (six widths are enough) is off by ``O(w^4)``; by nothing where only
    the Laplacian acts on the field, whose solutions have the mean value property.  Grids need cells of about the width
    near the points.

    Parameters
    ----------
    points
        (n, d): all coordinates that the function is called with, in their order; (n,) or a number for one coordinate.
        They should lie six widths away from the boundary, where no condition cuts the source off.
    strengths
        Integrals of the sources, one number or (n,).
    width
        The width ``w``, in the units of the coordinates.

    Raises
    ------
    InvalidArgumentError
        For points and strengths that are not finite or do not fit together, and a width that is not positive.

    Examples
    --------
    A charge in a box that is grounded:

    >>> import hermite_pinn as hp
    >>> charge = hp.Source([[0.3, 0.4]], 1.0, width=0.04)
    >>> problem = hp.Problem(
    ...     hp.Box(x=(0, 1), y=(0, 1)), "u", lambda u, x, y: u.laplacian + charge(x, y), [hp.Dirichlet(u=0.0)]
    ... )
    >>> hp.solve(problem, progress=False, max_time=30).integrate(lambda x, y: charge(x, y)).__round__(6)
    1.0
    """

    def __init__(self, points: Any, strengths: Any = 1.0, *, width: float) -> None:
        shape = "an array of real numbers of shape (n, d), one column per coordinate"
        given = real_array("the points of a Source", points, shape=shape)
        made = given.reshape(-1, 1) if given.ndim < 2 else given
        if made.ndim != 2 or not made.size:
            refuse("the points of a Source", points, shape)
        amounts = real_array("the strengths of a Source", strengths, shape="one real number, or one per point")
        if amounts.ndim and amounts.shape != (len(made),):
            raise InvalidArgumentError(
                f"the strengths of a Source have the shape {amounts.shape}; for {len(made)} points give one number or "
                f"({len(made)},)"
            )
        self.points = read_only(made)
        self.strengths = read_only(np.broadcast_to(amounts, len(made)).copy())
        self.width = number("the width of a Source", width, above=0.0)

    def __repr__(self) -> str:
        return f"Source({len(self.points)} points, width={self.width:g})"

    def __call__(self, *coordinates: Any) -> Any:
        """The density of the sources at coordinates: numbers, arrays, tensors, or symbols of a problem.

        Raises
        ------
        InvalidArgumentError
            For more or fewer coordinates than the points have.
        """
        dim = self.points.shape[1]
        if len(coordinates) != dim:
            raise InvalidArgumentError(
                f"a Source at points with {dim} coordinate{'s' * (dim > 1)} is called with so many, got {len(coordinates)}"
            )
        total: Any = 0.0
        norm = (math.sqrt(2.0 * math.pi) * self.width) ** dim
        for point, strength in zip(self.points.tolist(), self.strengths.tolist(), strict=True):
            half: Any = 0.0  # of the square of the distance in widths
            for c, p in zip(coordinates, point, strict=True):
                scaled = (c - p) / self.width
                half = half + 0.5 * scaled * scaled
            total = total + (strength / norm) * (1.0 + 0.5 * dim - half) * exp(-half)
        return total
