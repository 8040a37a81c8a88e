"""Shapes that a function describes: negative inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from hermite_pinn.checks import integer
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.geometry.csg import Solid
from hermite_pinn.geometry.part import coordinates
from hermite_pinn.geometry.ridges import Edges, plane_creases, sectors
from hermite_pinn.geometry.shape import Creases, Piece, Shape
from hermite_pinn.immutable import Immutable
from hermite_pinn.schema import Entry

from .curve import CurvePiece
from .level import Level, Table, axes_of
from .polygon import corners
from .rules import array_of, face_name, numbers_of, plain
from .zero_set import Contour, Nearest, SampledGrid, Sheet, contours, sheet

__all__ = ["Implicit"]

CELLS = {2: 512, 3: 96}  # along the longest edge, to find the zero set


class Implicit(Immutable, Solid):
    """Where a function is negative.

    Parameters
    ----------
    function
        Takes two or three coordinates, by the names of the box's axes (or x, y, z) or by position, as arrays, and gives
        a number for each point: negative inside, positive outside, zero on the boundary, with a slope there.
    name
        What its face is called, by default ``"implicit"``.
    bounds
        ``(lower, upper)``, corners of the box in which the boundary is looked for; by default the box that it cuts.
    cells
        Cells along the longest edge of that box, on which the boundary is found; what is thinner may be missed.

    Raises
    ------
    InvalidProblemError
        If the function cannot be evaluated on arrays, has another number of arguments, or, once bounds are known, does
        not change its sign there, jumps, or is not a number.

    Notes
    -----
    A saved file has no code in it.  What is saved are the function's values on the grid, and a loaded shape is what
    cubic interpolation makes of them.

    Examples
    --------
    >>> import numpy as np
    >>> import hermite_pinn as hp
    >>> def petals(x, y):
    ...     return hp.hypot(x, y) - 1 - 0.2 * hp.cos(5 * hp.arctan2(y, x))
    >>> flower = hp.Implicit(petals, bounds=((-2, -2), (2, 2)))
    >>> flower.contains(np.array([[1.1, 0.0], [0.0, 1.3]])).tolist()
    [True, False]
    """

    def __init__(
        self,
        function: Callable[..., Any],
        name: str | None = None,
        bounds: tuple[Any, Any] | None = None,
        cells: int | None = None,
        _axes: Sequence[str] = (),
    ) -> None:
        self.box = None if bounds is None else _box(bounds)
        order = axes_of(function, None if self.box is None else self.box[0].size, _axes)
        self.dim = len(order)
        self.name = face_name(name)
        self.cells = CELLS[self.dim] if cells is None else integer("cells", cells, least=8, most=2048)
        size = 1.0 if self.box is None else float(np.max(self.box[1] - self.box[0]))
        self._level = Level(function, order, size)

    def __repr__(self) -> str:
        function = self._level.function
        told = getattr(function, "__name__", type(function).__name__.lower())
        name = "" if self.name is None else f", name={self.name!r}"
        bounds = "" if self.box is None else f", bounds=({plain(self.box[0])}, {plain(self.box[1])})"
        return f"Implicit({told}{name}{bounds})"

    # -- where it is looked for ---
    @property
    def is_bounded(self) -> bool:
        """Whether it has bounds."""
        return self.box is not None

    def within(self, lower: np.ndarray, upper: np.ndarray, axes: Sequence[str] = ()) -> Implicit:
        """The shape with the bounds of a box between two corners, unless it has its own."""
        if self.box is not None:
            return self
        if len(lower) != self.dim:
            raise InvalidProblemError(f"{self!r} has {self.dim} axes, and the box has {len(lower)}")
        return Implicit(self._level.function, self.name, (lower, upper), self.cells, axes)

    @cached_property
    def _grid(self) -> SampledGrid:
        if self.box is None:
            raise InvalidProblemError(
                f"it is not known where {self!r} is to be looked for; give bounds=(lower, upper), or cut a box with it"
            )
        function = self._level.function
        if isinstance(function, Table):
            return SampledGrid(self._level, function.lower, function.upper, function.values)
        return SampledGrid.of(self._level, *self.box, self.cells)

    @property
    def extent(self) -> float:
        """The longest edge of its box."""
        return self._level.size

    @cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[override]
        """Corners of the box around it; infinite if it reaches the box in which it was looked for."""
        if self.box is None or not self._grid.is_closed:
            return np.full(self.dim, -np.inf), np.full(self.dim, np.inf)
        x = self._nearest.points
        margin = 0.05 * self._grid.spacing
        return x.min(1) - margin, x.max(1) + margin

    # -- what is inside ---
    def contains(self, x: np.ndarray) -> np.ndarray:
        """Where the function is negative or zero."""
        return np.asarray(self._level(coordinates(x, self.dim)) <= 0)

    def signed_distance(self, x: np.ndarray) -> np.ndarray:
        """Distances (n,) of points (dim, n) to the zero set in its box, negative inside."""
        x = coordinates(x, self.dim)
        return np.where(self._level(x) < 0, -1.0, 1.0) * self._nearest.distance(x)

    def closest_points(self, x: np.ndarray) -> np.ndarray:
        """Points (dim, n) of the zero set in its box that are closest to points (dim, n)."""
        return self._nearest.closest(coordinates(x, self.dim))

    # -- the boundary ---
    @cached_property
    def _curves(self) -> list[Contour]:
        return contours(self._grid)

    @cached_property
    def _sheet(self) -> Sheet:
        return sheet(self._grid)

    @cached_property
    def _nearest(self) -> Nearest:
        if self.dim == 2:
            points = np.concatenate([c.points for c in self._curves], axis=1)
        else:
            points = np.concatenate([self._sheet.vertices, self._sheet.edges.middles], axis=1)
        return Nearest(self._level, points, float(self._grid.spacing.max()))

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:  # type: ignore[override]
        """Its curves, or its surface."""
        if self.dim == 2:
            return tuple(CurvePiece.smooth(c, c.smooth_parts) for c in self._curves)
        return (self._sheet,)

    @cached_property
    def creases(self) -> Creases:  # type: ignore[override]
        """Where the gradient of the function jumps."""
        if self.dim == 3:
            return sectors(self._negative, self._sheet.edges, self.extent).creases
        points = [np.zeros((2, 0)), *(c.points[:, c.is_corner] for c in self._curves)]
        return plane_creases(self._negative, np.concatenate(points, axis=1), self.extent)

    def edges(self, spacing: float) -> Edges:
        """Its creases; they are short already."""
        return sectors(self._negative, self._sheet.edges, self.extent)

    def _negative(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(self._level(x) < 0)

    # -- files ---
    def state(self) -> Mapping[str, Any]:
        """What it is made from again: values on the grid."""
        grid = self._grid
        return {
            "kind": self.kind,
            "lower": grid.lower.tolist(),
            "upper": grid.upper.tolist(),
            "values": grid.values,
            "name": self.name,
        }

    @classmethod
    def from_state(cls, entry: Entry, shape: Callable[[Entry], Shape]) -> Shape:
        """The shape of the table in a file."""
        lower = numbers_of(entry.at("lower"), (2, 3))
        upper = numbers_of(entry.at("upper"), lower.size)
        values = array_of(entry.at("values"), (None,) * lower.size)
        name = entry.get("name")
        if min(values.shape) < 8 or not (upper > lower).all() or not ((values < 0).any() and (values > 0).any()):
            raise entry.refuse("values with both signs on a grid between two corners")
        try:
            called = None if name is None else face_name(name.text())
        except InvalidProblemError as error:
            raise entry.refuse(f"an implicit shape ({error})") from error
        return cls(Table(lower, upper, values), called, (lower, upper))


def _box(bounds: Any) -> tuple[np.ndarray, np.ndarray]:
    try:
        lower, upper = bounds
        dim = len(lower)
    except (TypeError, ValueError) as error:
        raise InvalidProblemError(f"bounds must be (lower, upper), two corners, got {bounds!r}") from error
    if dim not in (2, 3):
        raise InvalidProblemError(f"bounds must have two or three coordinates each, got {bounds!r}")
    return corners(lower, upper, dim)
