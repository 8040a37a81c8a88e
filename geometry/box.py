"""Boxes of named axes, their interior and their faces."""

from __future__ import annotations

import keyword
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from hermite_pinn.calls import keyword_only
from hermite_pinn.cuda.encoder.channels import MOST_AXES
from hermite_pinn.cuda.tensor_grid.pieces import Pieces
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.immutable import Immutable, ReadOnly

from .box_bounds import checked_bounds
from .breaks import checked_breaks, merged_breaks
from .cut import Cuttable
from .quadrature import gauss_pieces, golden_pieces, per_axis, sobol_cube
from .region import Plane, Region
from .region_union import Union
from .samples import Rule, Samples

__all__ = ["Box", "Face", "Interior"]

_RESERVED = {"n", "grad", "laplacian", "args", "data", "op"}


@dataclass(frozen=True)
class BoxRegion(Region):
    """A box or one of its sides: what both have in common is a tensor product of intervals and points."""

    box: Box

    @property
    def _flat(self) -> Plane | None:
        """The plane in which it lies, None for a whole box."""
        return self.plane

    @cached_property
    def measure(self) -> float:
        """Product of the edge lengths."""
        across = None if self._flat is None else self._flat.axis
        return math.prod(length for i, length in enumerate(self.box.lengths) if i != across)

    def random(self, count: int, generator: torch.Generator, dtype: torch.dtype) -> Samples:
        """Uniform random points, on the generator's device; nothing waits for it."""
        x = torch.rand(self.box.dim, count, generator=generator, dtype=dtype, device=generator.device)
        self._stretch(x)
        return Samples(x, self.measure / count, self.normal)

    def quasi_random(self, count: int, seed: int) -> Samples:
        """Scrambled Sobol points, float64."""
        x = sobol_cube(self.box.dim, count, seed).T.contiguous()
        self._stretch(x)
        return Samples(x, self.measure / count, self.normal)

    def _stretch(self, unit: torch.Tensor) -> None:
        """Map points of the unit cube to the region, in place."""
        plane = self._flat
        for axis, (row, lower, length) in enumerate(zip(unit, self.box.lower, self.box.lengths, strict=True)):
            if plane is not None and plane.axis == axis:
                row.fill_(plane.position)
            else:  # numbers, not tensors: a copy to a GPU would wait for it
                row.mul_(length).add_(lower)

    def gauss(self, cells: Sequence[int], order: int | Sequence[int]) -> Samples:
        """A tensor product of Gauss rules on every cell."""
        points = per_axis(order, self.box.dim)
        return self._product(lambda i: gauss_pieces(self.box.vertices(i, cells[i]), points[i]))

    def gauss_count(self, cells: Sequence[int], order: int | Sequence[int]) -> int:
        """Number of points of :meth:`gauss`."""
        across = None if self._flat is None else self._flat.axis
        points = per_axis(order, self.box.dim)
        return math.prod(n * k for i, (n, k) in enumerate(zip(cells, points, strict=True)) if i != across)

    def between(self, cells: Sequence[int]) -> Samples:
        """One point per cell, at positions in the cells that follow the golden ratio."""

        def rule(i: int) -> tuple[np.ndarray, np.ndarray]:
            return golden_pieces(self.box.vertices(i, cells[i]), 0.31 + 0.17 * i)

        return self._product(rule)

    def spacing(self, cells: Sequence[int]) -> float:
        """Size of a cell across a side; of a box the smallest."""
        across = range(self.box.dim) if self._flat is None else [self._flat.axis]
        return min(self._smallest(i, cells[i]) for i in across)

    def _smallest(self, axis: int, cells: int) -> float:
        """Cell of an axis, that of a side where it lies across."""
        pieces = self.box.pieces[axis]
        if pieces is None:
            return self.box.lengths[axis] / cells
        sizes = [length / n for length, n in zip(pieces.lengths, pieces.cells(cells), strict=True)]
        return min(sizes) if self._flat is None else sizes[-self._flat.side]

    def in_space(self, cells: Sequence[int]) -> Samples:
        """Of a side, a tensor product of Gauss rules over the axes of space, three points per cell and axis."""
        time = self.box.time_axis
        if self._flat is None or self._flat.axis == time:
            return super().in_space(cells)
        rule = self.gauss(cells, 3)
        assert rule.axes is not None
        chosen = [r for i, r in enumerate(rule.axes) if i != time]
        flat = Samples(axes=chosen, normals=tuple(c for i, c in enumerate(self.normal or ()) if i != time))
        return Samples(flat.x, flat.weights, flat.normals)

    def _product(self, rule: Callable[[int], tuple[np.ndarray, np.ndarray]]) -> Samples:
        point = None if self._flat is None else Rule(np.array([self._flat.position]), np.ones(1))
        across = None if self._flat is None else self._flat.axis
        axes = [point if point is not None and i == across else Rule(*rule(i)) for i in range(self.box.dim)]
        return Samples(axes=axes, normals=self.normal)


@dataclass(frozen=True)
class Interior(BoxRegion):
    """A whole box, where the equations hold."""

    is_interior = everywhere = True

    @property
    def name(self) -> str:
        """For messages."""
        return "interior"


@dataclass(frozen=True)
class Face(BoxRegion):
    """One side of a box: ``"x-"`` is the side of smallest x.

    ``axis`` is its number, ``side`` 0 or 1, ``position`` the coordinate on it.

    Examples
    --------
    >>> face = Box(x=(0, 1), y=(0, 2)).face("x-")
    >>> face.normal, face.measure
    ((-1.0, 0.0), 2.0)
    """

    axis: int
    side: int

    on_boundary = True

    @property
    def name(self) -> str:
        """Name of the axis with ``-`` or ``+``."""
        return self.box.names[self.axis] + "-+"[self.side]

    @property
    def position(self) -> float:
        """The coordinate along :attr:`axis` on it."""
        return (self.box.lower, self.box.upper)[self.side][self.axis]

    @cached_property
    def plane(self) -> Plane:
        """The side of the box that it is."""
        return Plane(self.axis, self.side, self.position)

    @cached_property
    def normal(self) -> tuple[float, ...]:
        """The outward normal."""
        return tuple((-1.0, 1.0)[self.side] if i == self.axis else 0.0 for i in range(self.box.dim))


@dataclass(frozen=True)
class Section(BoxRegion):
    """A plane through a box, or a side across a periodic axis: no boundary, so that conditions there are further ones.

    Its normal points along the axis, that of a side outwards.

    Examples
    --------
    >>> Box(x=(0, 1), y=(0, 2)).section("x", 0.25).name
    'x = 0.25'
    """

    label: str
    within: Plane

    on_boundary = inner = True

    @property
    def name(self) -> str:
        """For messages."""
        return self.label

    @property
    def covers(self) -> frozenset[str]:
        """Nothing that has a name."""
        return frozenset()

    @property
    def lies_in(self) -> Plane:
        """The plane."""
        return self.within

    @property
    def _flat(self) -> Plane:
        return self.within

    @cached_property
    def normal(self) -> tuple[float, ...]:
        """Along the axis."""
        return tuple((-1.0, 1.0)[self.within.side] if i == self.within.axis else 0.0 for i in range(self.box.dim))


@dataclass(frozen=True)
class Faces(Union):
    """Several sides of one box, whose random points are drawn at once."""

    box: Box

    def random(self, count: int, generator: torch.Generator, dtype: torch.dtype) -> Samples:
        """``count`` points on each side."""
        samples = self.box.interior.random(len(self.regions) * count, generator, dtype)
        x, planes = samples.x, [r.plane for r in self.regions if r.plane is not None]
        for k, plane in enumerate(planes):
            x[plane.axis, k * count : (k + 1) * count].fill_(plane.position)

        def weights(x: torch.Tensor) -> torch.Tensor:
            by_point = x.new_empty(x.shape[1])
            for k, region in enumerate(self.regions):
                by_point[k * count : (k + 1) * count].fill_(region.measure / count)
            return by_point

        def normals(x: torch.Tensor) -> torch.Tensor:
            components = torch.zeros_like(x)
            for k, plane in enumerate(planes):
                components[plane.axis, k * count : (k + 1) * count].fill_(1.0 if plane.side else -1.0)
            return components

        return Samples(x, weights, normals)


class Box(Immutable, Cuttable):
    """An axis-parallel box ``Box(x=(0, 1), y=(0, 2), t=(0, 5))``; the order of the axes is the order of the arguments.

    An axis called ``t`` is time.  Boundary conditions apply to its faces only if they name them; ``"t-"`` is the start.

    Parameters
    ----------
    breaks
        Coordinates at which coefficients or sources jump or have a kink, by axis, one number or several.  Grids have
        lines there, and derivatives may jump across them.  Jumps in the expressions of equations are detected; see
        docs/breaks.md.
    axes
        Bounds ``(lower, upper)`` by name, for up to sixteen axes.  Grids have at most four; with more axes a field is a
        sum of products (docs/problems.md).

    Raises
    ------
    InvalidProblemError
        For no or more than 16 axes, names that cannot be written as attributes, bounds that are not finite, or zero
        size; for breaks on axes that are none, outside the box, on its sides, twice, or closer than float64 resolves.

    Examples
    --------
    >>> box = Box(x=(0, 1), t=(0, 2))
    >>> box.dim, [f.name for f in box.space_faces], box.face("t-").position
    (2, ['x-', 'x+'], 0.0)
    >>> Box(x=(0, 1), y=(0, 1), breaks={"x": [0.71, 0.37]})
    Box(x=(0, 1), y=(0, 1), breaks={'x': (0.37, 0.71)})
    """

    @keyword_only("{name}(x=(0, 1), y=(0, 1))")
    def __init__(
        self,
        /,
        *,
        breaks: Mapping[str, float | Sequence[float]] | tuple[float, float] | None = None,
        **axes: tuple[float, float],
    ) -> None:
        if not 1 <= len(axes) <= MOST_AXES:
            raise InvalidProblemError(
                f"a box has one to {MOST_AXES} named axes, such as Box(x=(0, 1), y=(0, 1)); got {len(axes)}: {', '.join(axes) or 'none'}"
            )
        lower, upper = [], []
        for name, bounds in axes.items():
            if name in _RESERVED or name.startswith("_") or not name.isidentifier() or keyword.iskeyword(name):
                raise InvalidProblemError(
                    f"an axis cannot be called {name!r}: it must be usable as an argument and not be used by derivatives; "
                    "choose another"
                )
            a, b = checked_bounds(name, bounds)
            lower.append(a)
            upper.append(b)
        self.names: tuple[str, ...] = tuple(axes)
        self.lower: tuple[float, ...] = tuple(lower)
        self.upper: tuple[float, ...] = tuple(upper)
        self._given: Mapping[str, tuple[float, ...]] = ReadOnly(checked_breaks(breaks, self.bounds))
        self._breaks = self._given

    def __repr__(self) -> str:
        parts = [f"{n}=({a:g}, {b:g})" for n, a, b in zip(self.names, self.lower, self.upper, strict=True)]
        if self.breaks:
            parts.append(f"breaks={dict(self.breaks)}")
        return f"Box({', '.join(parts)})"

    @property
    def _content(self) -> tuple[object, ...]:
        return self.names, self.lower, self.upper, tuple(self.breaks.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Box) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)

    @property
    def breaks(self) -> Mapping[str, tuple[float, ...]]:
        """By name of the axis, where grids have lines, ascending; those that :meth:`with_breaks` added included."""
        return self._breaks

    @property
    def given_breaks(self) -> Mapping[str, tuple[float, ...]]:
        """Those of the breaks that were given."""
        return self._given

    @property
    def pieces(self) -> tuple[Pieces | None, ...]:
        """By axis, the parts into which breaks cut it; None where there is none."""
        return self._pieces

    @cached_property
    def _pieces(self) -> tuple[Pieces | None, ...]:
        return tuple(
            Pieces((a, *self.breaks[n], b)) if n in self.breaks else None
            for n, a, b in zip(self.names, self.lower, self.upper, strict=True)
        )

    def vertices(self, axis: int, cells: int) -> np.ndarray | tuple[float, float, int]:
        """Where the vertices of so many cells along an axis are: bounds and number where they are equal."""
        pieces = self.pieces[axis]
        return (self.lower[axis], self.upper[axis], cells) if pieces is None else pieces.vertices(cells)

    def with_breaks(self, found: Mapping[str, Sequence[float]]) -> Box:
        """The box with breaks that were not given, as far as they are no others."""
        both = merged_breaks(self.breaks, found, self.bounds)
        if both == dict(self.breaks):
            return self
        box = Box(**self.bounds, breaks=self.given_breaks)
        vars(box)["_breaks"] = ReadOnly(both)
        return box

    @property
    def interior(self) -> Interior:
        """The whole box."""
        return Interior(self)

    @property
    def faces(self) -> tuple[Face, ...]:
        """All sides, two per axis."""
        return tuple(Face(self, i, side) for i in range(self.dim) for side in (0, 1))

    def section(self, axis: str, position: float) -> Section:
        """The plane across an axis at a coordinate within the box."""
        number_of = self.axis(axis)
        lower, upper = self.lower[number_of], self.upper[number_of]
        if not lower <= position <= upper:
            raise InvalidProblemError(f"there is no plane {axis} = {position:g} in {self}")
        return Section(self, f"{axis} = {position!r}", Plane(number_of, 1, position))

    def seam(self, face: Region) -> Section:
        """A side across a periodic axis."""
        assert face.plane is not None
        return Section(self, face.name, face.plane)

    def restricted(self, bounds: Mapping[str, tuple[float, float]]) -> Box:
        """The part of the box between bounds, by name of the axis; other axes keep theirs."""
        box = Box(**(dict(self.bounds) | dict(bounds)))
        for name in ("_given", "_breaks"):
            vars(box)[name] = ReadOnly(merged_breaks({}, getattr(self, name), box.bounds))
        return box

    def together(self, faces: Sequence[Region]) -> Region:
        """Several faces as one region; random points on sides of the box are drawn at once."""
        sides = all(f.plane is not None for f in faces)
        return Faces(tuple(faces), self) if sides else super().together(faces)

    def contains(self, x: torch.Tensor, slack: float = 0.0) -> torch.Tensor:
        """Which of the points (dim, n) lie in the closed box, (n,), with a slack relative to the edge lengths."""
        bounds = torch.tensor([self.lower, self.upper, self.lengths], dtype=torch.float64, device=x.device)[..., None]
        lower, upper, lengths = bounds.unbind()
        return ((x >= lower - slack * lengths) & (x <= upper + slack * lengths)).all(0)

    def signed_distance(self, x: torch.Tensor) -> torch.Tensor:
        """Distances (n,) of points (dim, n) to the sides across the space axes, negative inside."""
        beyond = torch.stack(
            [torch.maximum(self.lower[i] - x[i], x[i] - self.upper[i]) for i in self.space_axes]
        )  # along each axis, positive outside
        outside = beyond.clamp(min=0.0).square().sum(0).sqrt()
        return outside + beyond.amax(0).clamp(max=0.0)
