"""Shapes made of shapes: union, intersection, complement, and moves."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np

from hermite_pinn.checks import spelled
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.immutable import Immutable
from hermite_pinn.schema import Entry

from .ridges import Edges, crossings, lie_on, plane_creases, sectors, straight
from .shape import Creases, Piece, Shape, Surface
from .similarity import Similarity, Vector
from .trimming import ChosenPiece, MovedPiece

__all__ = ["Combination", "Complement", "Intersection", "Moved", "Solid", "Union"]

ON = 1e-12  # of the size: points nearer to two boundaries are on both
ALONG = 1e-4  # boundaries whose normals differ by a cosine of less than this coincide
BESIDE = 1e-7  # of the size: a step off a boundary that lands on one side of it
LOOKED_AT = {2: 256, 3: 24}  # points along the edge of a combination, to see whether anything is left
EDGES = 64  # parts of an edge as long as a combination
SAME = 1e-7  # of the size: edges nearer to each other are one
MOST_PARTS = 10_000  # shapes in a combination that is read
ROUNDING = 1e-15  # of the size


class Solid(Shape):
    """A shape that can be combined with others and moved.

    ``a | b`` is the union, ``a & b`` the intersection, ``a - b`` the difference, and ``~a`` the complement.
    """

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
        return Moved.of(self, motion)

    def within(self, lower: np.ndarray, upper: np.ndarray, axes: Sequence[str] = ()) -> Solid:
        """The shape as a box between two corners (dim,) with named axes sees it; most shapes are as they are."""
        return self

    @property
    def is_bounded(self) -> bool:
        """Whether it is known where its boundary lies; an implicit function is first given bounds, or a box."""
        return True

    @property
    def extent(self) -> float:
        """How large it is, for steps and tolerances."""
        lower, upper = self.bounds
        size = float(np.max(upper - lower))
        return max(size, 1e-4 * float(max(np.abs(lower).max(), np.abs(upper).max()))) if math.isfinite(size) else 1.0

    def edges(self, spacing: float) -> Edges:
        """Its creases in parts that are at most ``spacing`` long."""
        return straight(self.creases, spacing)

    @property
    def leaves(self) -> tuple[Solid, ...]:
        """The shapes of which it is made, from left to right."""
        return (self,)

    def logic(self, states: Iterator[np.ndarray]) -> np.ndarray:
        """Which points are inside, (n,), by what is known of each of the leaves, in their order."""
        return next(states)

    @classmethod
    @abstractmethod
    def from_state(cls, entry: Entry, shape: Callable[[Entry], Shape]) -> Shape:
        """What :meth:`state` described; ``shape`` reads the shapes in it."""


def _distance(leaf: Shape, x: np.ndarray, slack: float) -> np.ndarray:
    """Signed distances (n,) of points (dim, n); of those farther than ``slack`` from the bounds a lower bound."""
    lower, upper = leaf.bounds
    gap = np.maximum(np.maximum(lower[:, None] - x, x - upper[:, None]), 0.0)
    result = np.linalg.norm(np.where(np.isfinite(gap), gap, 0.0), axis=0)
    near = np.flatnonzero(result <= slack)
    result[near] = leaf.signed_distance(x[:, near])
    return result


class Combination(Immutable, Solid):
    """Shapes that make one.

    Its signed distance is the usual bound by minima and maxima: its sign is right, it never exceeds the distance, and
    it is the distance wherever the nearest point of the boundary belongs to the leaf that decides.
    """

    #: How it is written.
    sign: ClassVar[str]

    def __init__(self, parts: Sequence[Solid]) -> None:
        self.parts = tuple(parts)
        self.dim = self.parts[0].dim

    @property
    def leaves(self) -> tuple[Solid, ...]:
        """The shapes of which it is made, from left to right."""
        return self._leaves

    @cached_property
    def _leaves(self) -> tuple[Solid, ...]:
        return tuple(leaf for part in self.parts for leaf in part.leaves)

    @property
    def is_bounded(self) -> bool:
        """Whether it is known of all parts where their boundaries lie."""
        return all(p.is_bounded for p in self.parts)

    @cached_property
    def extent(self) -> float:  # type: ignore[override]
        """That of the largest part."""
        return max(p.extent for p in self.parts)

    @cached_property
    def _on(self) -> float:
        """How near points are to boundaries on which they are."""
        corners = np.abs(np.array([leaf.bounds for leaf in self.leaves]))
        largest = float(np.max(corners, where=np.isfinite(corners), initial=0.0))
        return max(ON * self.extent, 16 * float(np.finfo(np.float64).eps) * largest)

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
        texts = (f"({p!r})" if isinstance(p, Combination) and p.sign in "|&" else repr(p) for p in self.parts)
        return f" {self.sign} ".join(texts)

    # -- the boundary ---
    @property
    def pieces(self) -> tuple[Piece, ...]:
        """What is left of the boundaries of the leaves; where they coincide, of the first."""
        return self._pieces

    @cached_property
    def _pieces(self) -> tuple[Piece, ...]:
        found: list[Piece] = []
        for number, leaf in enumerate(self.leaves):
            sides, clearance = partial(self._sides, number), partial(self._clearance, number)
            for piece in leaf.pieces:
                left = piece.trimmed(sides, clearance, number)
                if left is None:
                    left = ChosenPiece(piece, sides, clearance, self.dim, number, leaf.signed_distance)
                if left.points(self.extent / LOOKED_AT[self.dim]).count:
                    found.append(left)
        return tuple(found)

    def _sides(self, number: int, surface: Surface) -> np.ndarray:
        """Whether points on the boundary of a leaf bound the combination: 1, or -1 with the other side, else 0."""
        x, step = surface.x, BESIDE * self.extent * surface.normals
        within, beyond = [], []
        claimed = np.zeros(surface.count, dtype=bool)  # by a leaf that comes first
        for k, leaf in enumerate(self.leaves):
            if k == number:
                within.append(np.ones(surface.count, dtype=bool))
                beyond.append(np.zeros(surface.count, dtype=bool))
                continue
            if k not in self._neighbours[number]:
                within.append(np.zeros(surface.count, dtype=bool))
                beyond.append(within[-1])
                continue
            distance = _distance(leaf, x, 2 * BESIDE * self.extent)
            inner, outer = distance < 0, distance < 0
            near = np.flatnonzero(np.abs(distance) <= self._on)
            if near.size:
                before, after = (leaf.signed_distance(x[:, near] + s * step[:, near]) for s in (-1, 1))
                inner[near], outer[near] = before < 0, after < 0
                along = np.minimum(np.abs(before), np.abs(after)) > (1 - ALONG) * BESIDE * self.extent
                claimed[near] |= along & (k < number)
            within.append(inner)
            beyond.append(outer)
        side = self.logic(iter(within)).astype(np.int8) - self.logic(iter(beyond)).astype(np.int8)
        side[claimed] = 0
        return np.asarray(side)

    def _clearance(self, number: int, x: np.ndarray) -> np.ndarray:
        """Distances (n,) of points (dim, n) from the boundaries of the leaves but one, or less."""
        result = np.full(x.shape[1], np.inf)
        for k in self._neighbours[number]:
            np.minimum(result, np.abs(_distance(self.leaves[k], x, 0.0)), out=result)
        return result

    @cached_property
    def _neighbours(self) -> list[frozenset[int]]:
        """For every leaf the others with boxes that overlap its own, or nearly."""
        lower, upper = (np.array(c) for c in zip(*(leaf.bounds for leaf in self.leaves), strict=True))
        margin = 0.05 * self.extent
        near = [
            ((lower <= high + margin) & (upper >= low - margin)).all(1) for low, high in zip(lower, upper, strict=True)
        ]
        return [frozenset(np.flatnonzero(row).tolist()) - {k} for k, row in enumerate(near)]

    def _inside(self, x: np.ndarray) -> np.ndarray:
        """Which points (dim, n) are inside, (n,)."""
        return self.logic(iter([_distance(leaf, x, 0.0) < 0 for leaf in self.leaves]))

    # -- where it is not smooth ---
    @property
    def creases(self) -> Creases:
        """Those of the leaves as far as they are left, and where boundaries of leaves cross."""
        return self._creases

    @cached_property
    def _creases(self) -> Creases:
        if self.dim == 2:
            own = [leaf.creases.segments[:, 0].T for leaf in self.leaves]
            ends = [p.ends for p in self.pieces]
            return plane_creases(self._inside, np.concatenate([*own, *ends], axis=1), self.extent)
        return self.edges(self.extent / EDGES).creases

    def edges(self, spacing: float) -> Edges:
        """Edges in space in parts that are at most about ``spacing`` long."""
        found = []
        for k, leaf in enumerate(self.leaves):
            edges = leaf.edges(spacing)
            clear = self._clearance(k, edges.middles)
            near = clear <= 0.6 * edges.lengths
            found.append(self._kept(k, edges.take(~near)))
            found.append(sectors(self._inside, edges.take(near), self.extent))
        for k, first in enumerate(self.leaves):
            for second in self.leaves[k + 1 :]:
                crossed = crossings(first, second)
                if crossed.count:
                    crossed = crossed.take(~lie_on(crossed, Edges.joined(found), SAME * self.extent))
                    found.append(sectors(self._inside, crossed, self.extent))
        return Edges.joined(found)

    def _kept(self, number: int, edges: Edges) -> Edges:
        """Edges of a leaf that are away from all others, as far as they are left."""
        states = [_distance(leaf, edges.middles, 0.0) < 0 for leaf in self.leaves]
        inner, outer = (np.full(edges.count, value) for value in (True, False))
        side = self.logic(iter([*states[:number], inner, *states[number + 1 :]])).astype(np.int8)
        side -= self.logic(iter([*states[:number], outer, *states[number + 1 :]])).astype(np.int8)
        return edges.with_angles(np.where(side < 0, 2 * np.pi - edges.angles, edges.angles)).take(side != 0)


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
            hint = "what is subtracted covers it" if isinstance(parts[1], Complement) else "they do not overlap"
            raise InvalidProblemError(f"{made!r} leaves nothing: {hint}; move one of them or change its size")
        return made

    def __repr__(self) -> str:
        first, *others = self.parts
        text = f"({first!r})" if isinstance(first, Union) else repr(first)
        for part in others:
            hole = isinstance(part, Complement)
            shown = part.parts[0] if isinstance(part, Complement) else part
            inner = f"({shown!r})" if isinstance(shown, Combination) and shown.sign != "~" else repr(shown)
            text += f" {'-' if hole else '&'} {inner}"
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
        _operand(part)
        return part.parts[0] if isinstance(part, Complement) else cls([part])

    def __repr__(self) -> str:
        (part,) = self.parts
        return f"~({part!r})" if isinstance(part, Combination) else f"~{part!r}"

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

    @classmethod
    def of(cls, shape: Solid, motion: Similarity) -> Moved:
        """The image of a shape, or of what that is an image of."""
        return cls(shape.shape, motion.after(shape.motion)) if isinstance(shape, Moved) else cls(shape, motion)

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


def coordinates(x: Any, dim: int) -> np.ndarray:
    """Points as an array (dim, n).

    Raises
    ------
    InvalidProblemError
        If they have another number of coordinates.
    """
    found = np.asarray(x, dtype=np.float64)
    if found.ndim != 2 or found.shape[0] != dim:
        raise InvalidProblemError(f"points must be an array of shape ({dim}, n), got the shape {found.shape}")
    return found


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
