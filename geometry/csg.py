"""Shapes made of shapes: union, intersection, complement, and moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from hermite_pinn.checks import spelled
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.immutable import Immutable
from hermite_pinn.schema import Entry

from .combined_boundary import CombinedBoundary
from .feet import BoundaryFeet
from .part import Part, coordinates
from .ridges import Edges
from .shape import Creases, Piece, Shape
from .similarity import Similarity, Vector
from .trimming import MovedPiece

__all__ = ["Combination", "Complement", "Intersection", "Moved", "Solid", "Union"]

MOST_PARTS = 10_000  # shapes in a combination that is read
ROUNDING = 1e-15  # of the size


class Solid(Part):
    """A shape that can be combined with others and moved.

    ``a | b`` is the union, ``a & b`` the intersection, ``a - b`` the difference, and ``~a`` the complement.
    """

    #: Between the shapes of which it is made, where it is written: ``"|"``, ``"&"`` or ``"~"``; else nothing.
    sign: ClassVar[str] = ""

    @property
    def removed(self) -> Solid | None:
        """The shape of which it is the complement, or None."""
        return None

    def __or__(self, other: Shape) -> Shape:
        """What lies in one of the two."""
        return Union.of([self, other])

    def __and__(self, other: Shape) -> Shape:
        """What lies in both."""
        return Intersection.of([self, other])

    def __sub__(self, other: Shape) -> Shape:
        """What lies in this one and not in the other."""
        return Intersection.of([self, Complement.of(other)])

    def __invert__(self) -> Shape:
        """What lies outside."""
        return Complement.of(self)

    def translated(self, *offset: Any) -> Any:
        """The shape moved by a vector, given as numbers."""
        return self.moved(Similarity.translation(self.dim, offset))

    def scaled(self, factor: float, about: Vector | None = None) -> Any:
        """The shape magnified by a positive factor; ``about`` stays where it is, by default the origin."""
        return self.moved(Similarity.scaling(self.dim, factor, about))

    def rotated(self, degrees: float, axis: Any = None, about: Vector | None = None) -> Any:
        """The shape turned counter-clockwise.

        Parameters
        ----------
        degrees
            The angle.
        axis
            In space the direction against which the turn is seen, a vector or ``"x"``, ``"y"``, ``"z"`` (the default).
        about
            A point that stays where it is, by default the origin.
        """
        return self.moved(Similarity.turn(self.dim, degrees, axis, about))

    def moved(self, motion: Similarity) -> Solid:
        """The image of the shape under a similarity."""
        return Moved(self, motion)

    def within(self, lower: np.ndarray, upper: np.ndarray, axes: Sequence[str] = ()) -> Solid:
        """The shape as a box between two corners (dim,) with named axes sees it; most shapes are as they are."""
        return self


class Combination(Immutable, Solid):
    """Shapes that make one.

    Its signed distance is the usual bound by minima and maxima: its sign is right, it never exceeds the distance, and
    it is the distance wherever the nearest point of the boundary belongs to the leaf that decides.
    """

    def __init__(self, parts: Sequence[Solid]) -> None:
        self.parts = tuple(parts)
        self.dim = self.parts[0].dim

    @property
    def leaves(self) -> tuple[Part, ...]:
        """The shapes of which it is made, from left to right."""
        return self._leaves

    @cached_property
    def _leaves(self) -> tuple[Part, ...]:
        return tuple(leaf for part in self.parts for leaf in part.leaves)

    @property
    def is_bounded(self) -> bool:
        """Whether it is known of all parts where their boundaries lie."""
        return all(p.is_bounded for p in self.parts)

    @cached_property
    def extent(self) -> float:  # type: ignore[override]
        """That of the largest part."""
        return max(p.extent for p in self.parts)

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of the parts."""
        return tuple(note for part in self.parts for note in part.notes)

    def moved(self, motion: Similarity) -> Solid:
        """The combination of the moved parts."""
        return type(self)([p.moved(motion) for p in self.parts])

    def within(self, lower: np.ndarray, upper: np.ndarray, axes: Sequence[str] = ()) -> Solid:
        """The combination of the parts as the box sees them."""
        seen = [p.within(lower, upper, axes) for p in self.parts]
        return self if all(a is b for a, b in zip(seen, self.parts, strict=True)) else type(self)(seen)

    def state(self) -> Mapping[str, Any]:
        """What it is made from again."""
        return {"kind": type(self).__name__.lower(), "parts": [dict(p.state()) for p in self.parts]}

    @classmethod
    def from_state(cls, entry: Entry, shape: Callable[[Entry], Shape]) -> Shape:
        """The combination of the parts in a file."""
        parts = [shape(e) for e in entry.at("parts").items(least=1, most=MOST_PARTS)]
        if len({p.dim for p in parts}) != 1 or not all(isinstance(p, Solid) for p in parts):
            raise entry.at("parts").refuse("shapes with the same number of axes")
        return cls(parts)  # type: ignore[arg-type]

    def __repr__(self) -> str:
        texts = (f"({p!r})" if p.sign in ("|", "&") else repr(p) for p in self.parts)
        return f" {self.sign} ".join(texts)

    # -- the boundary ---
    def closest_points(self, x: np.ndarray) -> np.ndarray:
        """Closest points of the boundary: of the part that decides the sign if they are on it, else searched for."""
        return self._feet.closest(coordinates(x, self.dim), self.parts)

    @cached_property
    def _feet(self) -> BoundaryFeet:
        return BoundaryFeet(self, self.leaves, self.extent)

    @cached_property
    def _boundary(self) -> CombinedBoundary:
        return CombinedBoundary(self.leaves, self.logic, self.dim, self.extent)

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """What is left of the boundaries of the leaves; where they coincide, of the first."""
        return self._boundary.pieces

    @property
    def creases(self) -> Creases:
        """Those of the leaves as far as they are left, and where boundaries of leaves cross."""
        return self._boundary.creases

    def edges(self, spacing: float) -> Edges:
        """Edges in space in parts that are at most about ``spacing`` long."""
        return self._boundary.edges(spacing)


class Union(Combination):
    """What lies in one of several shapes, ``a | b``."""

    sign = "|"

    @classmethod
    def of(cls, parts: Sequence[Any]) -> Solid:
        """The union of shapes, flat."""
        return cls(_flat(cls, parts))

    def contains(self, x: np.ndarray) -> np.ndarray:
        """Which points are in one of the parts."""
        return np.logical_or.reduce([p.contains(x) for p in self.parts])

    def signed_distance(self, x: np.ndarray) -> np.ndarray:
        """The smallest of the signed distances: exact outside."""
        return np.minimum.reduce([p.signed_distance(x) for p in self.parts])

    def logic(self, states: Iterator[np.ndarray]) -> np.ndarray:
        """Whether a part has a point."""
        return np.logical_or.reduce([p.logic(states) for p in self.parts])

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The box around all parts."""
        corners = [p.bounds for p in self.parts]
        return np.minimum.reduce([c[0] for c in corners]), np.maximum.reduce([c[1] for c in corners])


class Intersection(Combination):
    """What lies in all of several shapes, ``a & b`` and, with complements, ``a - b``."""

    sign = "&"

    @classmethod
    def of(cls, parts: Sequence[Any]) -> Solid:
        """The intersection of shapes, flat.

        Raises
        ------
        InvalidProblemError
            If nothing is left, as far as that can be seen.
        """
        made = cls(_flat(cls, parts))
        lower, upper = made.bounds
        if (upper < lower).any() or (made.is_bounded and not made.pieces):
            hint = "they do not overlap" if parts[1].removed is None else "what is subtracted covers it"
            raise InvalidProblemError(f"{made!r} leaves nothing: {hint}; move one of them or change its size")
        return made

    def __repr__(self) -> str:
        first, *others = self.parts
        text = f"({first!r})" if first.sign == "|" else repr(first)
        for part in others:
            shown = part if part.removed is None else part.removed
            inner = f"({shown!r})" if shown.sign in ("|", "&") else repr(shown)
            text += f" {'&' if part.removed is None else '-'} {inner}"
        return text

    def contains(self, x: np.ndarray) -> np.ndarray:
        """Which points are in all parts."""
        return np.logical_and.reduce([p.contains(x) for p in self.parts])

    def signed_distance(self, x: np.ndarray) -> np.ndarray:
        """The largest of the signed distances: exact inside."""
        return np.maximum.reduce([p.signed_distance(x) for p in self.parts])

    def logic(self, states: Iterator[np.ndarray]) -> np.ndarray:
        """Whether all parts have a point."""
        return np.logical_and.reduce([p.logic(states) for p in self.parts])

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """What the boxes around the parts have in common."""
        corners = [p.bounds for p in self.parts]
        return np.maximum.reduce([c[0] for c in corners]), np.minimum.reduce([c[1] for c in corners])


class Complement(Combination):
    """What lies outside a shape, ``~a``."""

    sign = "~"

    @classmethod
    def of(cls, part: Any) -> Solid:
        """The complement; that of a complement is what it came from."""
        solid = _operand(part)
        return cls([solid]) if solid.removed is None else solid.removed

    @property
    def removed(self) -> Solid:
        """The shape of which it is the complement."""
        return self.parts[0]

    def __repr__(self) -> str:
        return f"~({self.removed!r})" if self.removed.sign else f"~{self.removed!r}"

    def contains(self, x: np.ndarray) -> np.ndarray:
        """Which points are not inside, the boundary included."""
        return self.signed_distance(x) <= ROUNDING * self.extent

    def signed_distance(self, x: np.ndarray) -> np.ndarray:
        """Minus the distance of the part."""
        return -self.parts[0].signed_distance(x)

    def logic(self, states: Iterator[np.ndarray]) -> np.ndarray:
        """Whether the part does not have a point."""
        return ~self.parts[0].logic(states)

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Infinite."""
        return np.full(self.dim, -np.inf), np.full(self.dim, np.inf)


class Moved(Immutable, Solid):
    """A shape under a similarity; made by ``.translated``, ``.scaled`` and ``.rotated``."""

    def __init__(self, shape: Solid, motion: Similarity) -> None:
        self.shape, self.motion = shape, motion
        self.dim, self.name = shape.dim, shape.name

    def moved(self, motion: Similarity) -> Moved:
        """The image of what it is an image of, by both moves."""
        return Moved(self.shape, motion.after(self.motion))

    @property
    def kind(self) -> str:
        """That of the shape."""
        return self.shape.kind

    def __repr__(self) -> str:
        return f"{self.shape!r}{self.motion}"

    def contains(self, x: np.ndarray) -> np.ndarray:
        """Which points come from points of the shape."""
        return self.shape.contains(self.motion.back(coordinates(x, self.dim)))

    def signed_distance(self, x: np.ndarray) -> np.ndarray:
        """Distances, which scale."""
        return self.motion.scale * self.shape.signed_distance(self.motion.back(coordinates(x, self.dim)))

    def closest_points(self, x: np.ndarray) -> np.ndarray:
        """Images of the closest points."""
        return self.motion.points(self.shape.closest_points(self.motion.back(coordinates(x, self.dim))))

    @property
    def measure(self) -> float | None:
        """That of the shape, scaled."""
        inner = self.shape.measure
        return None if inner is None else inner * self.motion.scale**self.dim

    @property
    def is_bounded(self) -> bool:
        """As the shape."""
        return self.shape.is_bounded

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """A box around the image."""
        return self.motion.box(*self.shape.bounds)

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:  # type: ignore[override]
        """Images of the pieces."""
        return tuple(MovedPiece(p, self.motion) for p in self.shape.pieces)

    @property
    def creases(self) -> Creases:
        """Images of the creases."""
        return self.motion.creases(self.shape.creases)

    def edges(self, spacing: float) -> Edges:
        """Images of the edges."""
        return self.shape.edges(spacing / self.motion.scale).moved(self.motion)

    @property
    def notes(self) -> tuple[str, ...]:
        """Those of the shape."""
        return self.shape.notes

    def within(self, lower: np.ndarray, upper: np.ndarray, axes: Sequence[str] = ()) -> Solid:
        """The image of the shape as the box that is moved back sees it."""
        seen = self.shape.within(*self.motion.inverse.box(np.asarray(lower), np.asarray(upper)), axes)
        return self if seen is self.shape else Moved(seen, self.motion)

    def state(self) -> Mapping[str, Any]:
        """What it is made from again."""
        return {"kind": "moved", "shape": dict(self.shape.state()), "motion": dict(self.motion.state())}

    @classmethod
    def from_state(cls, entry: Entry, shape: Callable[[Entry], Shape]) -> Shape:
        """The image of a shape in a file."""
        motion, part = Similarity.from_entry(entry.at("motion")), shape(entry.at("shape"))
        if motion.dim != part.dim or not isinstance(part, Solid):
            raise entry.at("motion").refuse(f"a move of {part.dim} axes")
        return cls(part, motion)


def _operand(shape: object) -> Solid:
    if isinstance(shape, Solid):
        return shape
    raise InvalidProblemError(
        f"what is combined with a shape must be a shape, got {spelled(shape)}; a box is cut by writing box - shape or box & shape"
    )


def _flat(kind: type[Combination], parts: Sequence[Any]) -> list[Solid]:
    """The parts, and of parts of the same kind their parts."""
    found = [s for p in parts for s in (p.parts if isinstance(p, kind) else (_operand(p),))]
    for part in found[1:]:
        if part.dim != found[0].dim:
            raise InvalidProblemError(
                f"shapes of the plane and of space cannot be combined: {found[0]!r} has {found[0].dim} axes and {part!r} has {part.dim}"
            )
    return found
