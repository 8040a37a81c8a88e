"""Point sources, spread over a small width."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from scipy.special import ndtr

from hermite_pinn.checks import number, real_array, refuse
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.expressions.complex_values import parts_of
from hermite_pinn.expressions.functions import exp
from hermite_pinn.immutable import Immutable, read_only

__all__ = ["Source", "cut_off", "traced_sources"]

REACH = 6.0  # widths, beyond which a source is nothing
NOTICED = 1e-4  # of a strength, that may be lost outside
MIRRORED = 1e-9  # of the width, by which an image may miss its place
MOST_TOLD = 3  # points in one sentence

_TRACED: ContextVar[list[tuple[Source, tuple[str, ...]]] | None] = ContextVar("sources that are traced", default=None)


class Source(Immutable):
    """Point sources as a function of the coordinates: deltas, each spread over a given width.

    Every delta becomes ``s (1 + d/2 - r^2 / (2 w^2)) exp(-r^2 / (2 w^2)) / (2 pi w^2)^(d/2)`` with the distance ``r``
    to its point, the width ``w`` and ``d`` coordinates: its integral is ``s``, and moments up to the third are those of
    the delta.  Six widths away from the points the solution has an error of ``O(w^4)``, and none where only the
    Laplacian acts on the field, whose solutions have the mean value property.  Grids need cells of about the width near
    the points.

    Parameters
    ----------
    points
        (n, d): all coordinates that the function is called with, in their order; (n,) or a number for one coordinate.
        They should lie six widths away from the boundary, which cuts off the part beyond it, with a warning.  A
        mirrored point restores that part: with the opposite strength near a face with given values, and with the same
        strength near a face with given fluxes.
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
        self._note(coordinates)
        total: Any = 0.0
        norm = (math.sqrt(2.0 * math.pi) * self.width) ** dim
        for point, strength in zip(self.points.tolist(), self.strengths.tolist(), strict=True):
            half: Any = 0.0  # of the square of the distance in widths
            for c, p in zip(coordinates, point, strict=True):
                scaled = (c - p) / self.width
                half = half + 0.5 * scaled * scaled
            total = total + (strength / norm) * (1.0 + 0.5 * dim - half) * exp(-half)
        return total

    def _note(self, coordinates: Sequence[Any]) -> None:
        """Let the problem that is traced know of the source, where it is called with coordinates."""
        traced = _TRACED.get()
        if traced is None or not all(hasattr(type(c), "__elementary__") for c in coordinates):
            return
        symbols = [parts_of(c)[0] for c in coordinates]
        if all(symbol.op == "coordinate" for symbol in symbols):
            traced.append((self, tuple(symbol.data for symbol in symbols)))


@contextmanager
def traced_sources() -> Iterator[list[tuple[Source, tuple[str, ...]]]]:
    """The sources that are called with coordinates in the meantime, each with the names of these."""
    found: list[tuple[Source, tuple[str, ...]]] = []
    token = _TRACED.set(found)
    try:
        yield found
    finally:
        _TRACED.reset(token)


def share_within(source: Source, box: Sequence[tuple[float, float]]) -> np.ndarray:
    """Parts (n,) of the strengths of a source that lie in a box.

    Parameters
    ----------
    box
        Its ends along every coordinate.

    Examples
    --------
    >>> share_within(Source([[0.5], [0.0]], width=0.05), [(0.0, 1.0)])
    array([1. , 0.5])
    """
    lower, upper = np.array(box).T
    a, b = (lower - source.points) / source.width, (upper - source.points) / source.width
    whole = ndtr(b) - ndtr(a)
    low, high = (np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) for z in (a, b))
    square = 0.5 * (whole - (b * high - a * low))  # of the distance, in widths
    dim = source.points.shape[1]
    moments = sum(square[:, i] * np.prod(np.delete(whole, i, 1), 1) for i in range(dim))
    return np.asarray((1.0 + 0.5 * dim) * whole.prod(1) - moments)


def cut_off(source: Source, names: Sequence[str], bounds: Mapping[str, tuple[float, float]]) -> str:
    """A sentence about points of which the ends of a domain cut a part off; empty where there are none.

    Parameters
    ----------
    source, names
        What is called, and the coordinates that it is called with.
    bounds
        Of the domain, by name of the axis.
    """
    box = [bounds[name] for name in names]
    kept, told = share_within(source, box), []
    for point, share, strength in zip(source.points, kept, source.strengths, strict=True):
        if abs(share - 1.0) <= NOTICED or not all(a <= x <= b for x, (a, b) in zip(point, box, strict=True)):
            continue
        near = [
            (axis, f"{name}{side}", end)
            for axis, (name, ends) in enumerate(zip(names, box, strict=True))
            for side, end in zip("-+", ends, strict=True)
            if abs(point[axis] - end) < REACH * source.width
        ]
        bare = [face for axis, face, end in near if not _mirrored(source, point, strength, axis, end)]
        if bare:
            place = ", ".join(f"{x:g}" for x in point)
            told.append(f"({place}) keeps {share:.3%} of its strength, so close to {' and '.join(bare)}")
    if not told:
        return ""
    more = f", and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
    return (
        f"the source at {'; that at '.join(told[:MOST_TOLD])}{more}: faces cut off what is beyond them within six widths; "
        "take a smaller width, or add the point mirrored at the face, with the opposite strength where values are given "
        "and the same where fluxes are"
    )


def _mirrored(source: Source, point: np.ndarray, strength: float, axis: int, end: float) -> bool:
    """Whether a source has the image of a point, which is not on the face itself, beyond a face."""
    image = point.copy()
    image[axis] = 2.0 * end - point[axis]
    close = np.abs(source.points - image).max(1) <= MIRRORED * source.width
    return bool(image[axis] != point[axis]) and bool((close & (np.abs(source.strengths) == abs(strength))).any())
