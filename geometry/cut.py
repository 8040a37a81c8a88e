"""Domains that shapes cut out of a box."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import torch

from hermite_pinn.checks import refuse
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.immutable import Immutable, ReadOnly

from .carving import CLOSE, Carving
from .cells import Cells
from .corner import Corner, Meeting
from .cut_checks import check_cuts
from .cut_corners import Arc, all_creases, corner_arcs, corners_of, meeting_points, shape_creases
from .cut_face import CutFace
from .cut_interior import CutInterior, CutSpan
from .cut_side import CutSide
from .cut_sides import side_state
from .cutter import Cutter
from .digest import digest
from .domain import Domain
from .face_names import Leaf, leaves_of, surfaces_of
from .reentrant import Reentrant
from .region import Region
from .shape import Creases, Piece, Shape
from .span import Span
from .thin import thin_places

__all__ = ["Cut", "Cuttable"]


class Cuttable(Domain):
    """A domain that shapes can cut: ``domain - shape`` and ``domain & shape``."""

    def __sub__(self, shape: Shape) -> Cut:
        """What is left outside a shape."""
        return self.cut(shape, keep=False)

    def __and__(self, shape: Shape) -> Cut:
        """What is left inside a shape."""
        return self.cut(shape, keep=True)

    def cut(self, shape: Shape, keep: bool) -> Cut:
        """What is left inside a shape, or outside; see :class:`Cut`."""
        return Cut(self, [(shape, keep)])


class Cut(Immutable, Cuttable):
    """What shapes leave of a box, ``box - hole`` or ``box & part``; made by these operators.

    Parameters
    ----------
    box
        The box.
    cuts
        Shapes in the coordinates of the box's space axes, each with whether the inside is kept, or the outside.

    Raises
    ------
    InvalidProblemError
        If a shape has another number of axes, lies outside the box, or the shapes leave nothing; if names of faces
        clash.
    """

    def __init__(self, box: Domain, cuts: Sequence[tuple[Shape, bool]]) -> None:
        if box.given_breaks:
            raise InvalidProblemError(
                f"{box!r}: a box that shapes cut has no breaks; leave them out, or pose the problem on boxes without shapes"
            )
        for shape, _ in cuts:
            _check_shape(box, shape)
        self.names: tuple[str, ...] = box.names
        self.lower: tuple[float, ...] = box.lower
        self.upper: tuple[float, ...] = box.upper
        self._box, self._space = box, list(box.space_axes)
        lower, upper = (np.array([ends[i] for i in self._space]) for ends in (box.lower, box.upper))
        axes = [box.names[i] for i in self._space]
        self._cuts = tuple((shape.within(lower, upper, axes), bool(keep)) for shape, keep in cuts)
        #: What it is made of: the box, and the states of the shapes; its identity.
        self.statement = ReadOnly(
            {
                "axes": {name: list(bounds) for name, bounds in box.bounds.items()},
                "cuts": [{"keep": keep, "shape": dict(shape.state())} for shape, keep in self._cuts],
            }
        )
        self._carving = Carving(lower, upper, tuple(Cutter(shape, keep) for shape, keep in self._cuts))
        self._span = Span.of(box)
        self._notes = (*(n for shape, _ in self._cuts for n in shape.notes), *check_cuts(repr(box), self._carving))
        self._leaves: tuple[Leaf, ...] = leaves_of(self._carving, tuple(f.name for f in box.faces))

    @property
    def box(self) -> Domain:
        """The whole box."""
        return self._box

    @property
    def shapes(self) -> tuple[tuple[Shape, bool], ...]:
        """The shapes that cut it, each with whether its inside is kept."""
        return self._cuts

    def cut(self, shape: Shape, keep: bool) -> Cut:
        """What is left inside a further shape, or outside."""
        return Cut(self._box, [*self._cuts, (shape, keep)])

    def __reduce__(self) -> tuple[Any, ...]:
        return Cut, (self._box, self._cuts)  # caches stay behind

    def __repr__(self) -> str:
        told = (f"({shape!r})" if len(shape.leaves) > 1 else repr(shape) for shape, _ in self._cuts)
        parts = (f" {'&' if keep else '-'} {text}" for text, (_, keep) in zip(told, self._cuts, strict=True))
        return f"{self._box!r}{''.join(parts)}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cut) and self._digest == other._digest

    def __hash__(self) -> int:
        return hash(self._digest)

    @cached_property
    def _digest(self) -> bytes:
        return digest(dict(self.statement))

    @property
    def cutting(self) -> tuple[tuple[str, Shape], ...]:
        """The shapes that cut it, parts of a combination one by one, with the names of their faces."""
        parts = [part for shape, _ in self._cuts for part in shape.leaves]
        return tuple((leaf.name, part) for leaf, part in zip(self._leaves, parts, strict=True))

    # -- regions ---
    @property
    def interior(self) -> CutInterior:
        """What is left."""
        return self._interior

    @cached_property
    def _interior(self) -> CutInterior:
        return CutInterior(self._carving, self._span)

    @property
    def faces(self) -> tuple[Region, ...]:
        """Sides of the box as far as they are left, then the boundaries of the shapes, then the ends of time."""
        return self._faces

    @cached_property
    def _faces(self) -> tuple[Region, ...]:
        return (*self._sides.values(), *self._surfaces.values())

    @cached_property
    def _sides(self) -> dict[str, Region]:
        found: dict[str, Region] = {}
        for side in self._box.faces:
            plane = side.plane
            assert plane is not None
            if plane.axis == self.time_axis:
                found[side.name] = CutSpan(self._carving, self._span, self.interior, side)
                continue
            state = side_state(self._carving, self._space.index(plane.axis), plane.side)
            if state == "whole":
                found[side.name] = side
            elif state == "cut":
                found[side.name] = CutSide(self._carving, self._span, side)
        return found

    @cached_property
    def _surfaces(self) -> dict[str, CutFace]:
        return surfaces_of(self._leaves, self._carving, self._span)

    def face(self, name: str) -> Region:
        """The face called ``name``, also a piece of a shape's boundary such as ``"polygon:0"``.

        Raises
        ------
        InvalidProblemError
            If there is none, or nothing of it is left.
        """
        known = self._sides | self._surfaces
        if name in known:
            return known[name]
        pieces: dict[str, list[tuple[Leaf, int, Piece]]] = {}
        for leaf in self._leaves:
            for number, piece in leaf.pieces:
                if piece.label:
                    pieces.setdefault(leaf.name + piece.label, []).append((leaf, number, piece))
        chosen = pieces.get(name, [])
        if chosen:
            face = CutFace(self._carving, self._span, name, chosen[0][0].name, tuple((k, p) for _, k, p in chosen))
            if face.measure > 0:
                return face
        gone = [f.name for f in self._box.faces if f.name not in self._sides]
        if name in gone:
            raise InvalidProblemError(f"nothing is left of the face {name!r}: the shapes cut it away from {self}")
        if chosen or name in [leaf.name for leaf in self._leaves]:
            raise InvalidProblemError(
                f"the face {name!r} is no part of the boundary: it lies outside the box or in what other shapes cut away"
            )
        labels = f"; pieces of these are {', '.join(pieces)}" if pieces else ""
        raise InvalidProblemError(
            f"there is no face {name!r}; the faces of {self} are {', '.join(known)}{labels}, and 'boundary' means all of the "
            "space axes"
        )

    def restricted(self, bounds: Mapping[str, tuple[float, float]]) -> Cut:
        """The part of the domain between bounds, by name of the axis; other axes keep theirs."""
        part = Cut(self._box.restricted(bounds), self._cuts)
        if part._carving.same_box(self._carving):  # another span of time: what is known of space stays
            vars(part)["_carving"] = self._carving
            for name in ("_leaves", "_arcs", "_own_creases", "_creases", "_reentrant"):
                if name in vars(self):
                    vars(part)[name] = vars(self)[name]
        return part

    def together(self, faces: Sequence[Region]) -> Region:
        """Several faces as one region."""
        whole = self._box.faces
        return self._box.together(faces) if all(f in whole for f in faces) else super().together(faces)

    is_cut = True

    def state(self) -> Mapping[str, Any]:
        """The shapes, each with whether its inside is kept."""
        return {"cuts": [{"keep": keep, "shape": dict(shape.state())} for shape, keep in self._cuts]}

    @cached_property
    def _own_creases(self) -> Creases:
        return shape_creases(self._carving, self._arcs)

    @cached_property
    def _arcs(self) -> tuple[Arc, ...]:
        return tuple(corner_arcs(self._carving)) if self._carving.dim == 2 else ()

    @property
    def creases(self) -> Creases:
        """Corners or edges where shapes have some or are cut, with the angles of the domain."""
        return self._creases

    @cached_property
    def _creases(self) -> Creases:
        return all_creases(self._carving, self._own_creases)

    @property
    def corners(self) -> tuple[Corner, ...]:
        """In two space axes all corners, those of the box that are left included; flat ones are none."""
        return self._corners

    @cached_property
    def _corners(self) -> tuple[Corner, ...]:
        return corners_of(self._arcs, self._parts_at)

    def _parts_at(self, x: np.ndarray) -> list[str]:
        """Names of the parts of the boundary that are nearest to points (space, n)."""
        planes = {
            f.name: f.lies_in
            for f in self._sides.values()
            if f.lies_in is not None and f.lies_in.axis != self.time_axis
        }
        away = [np.abs(x[self._space.index(plane.axis)] - plane.position) for plane in planes.values()]
        away += [np.abs(cutter.level(x)) for cutter in self._carving.cutters]
        nearest = np.argmin(away, axis=0)
        names = np.array([*planes, *[""] * len(self._carving.cutters)], dtype=object)[nearest]
        for number in range(len(self._carving.cutters)):
            here = np.flatnonzero(nearest == len(planes) + number)
            names[here] = self._pieces_at(number, x[:, here])
        return names.tolist()

    def _pieces_at(self, number: int, x: np.ndarray) -> np.ndarray:
        """Names of the pieces of one shape's boundary that are nearest to points (space, n)."""
        trees = {n: t for f in self._surfaces.values() if f.number == number for n, t in f.trees.items()}
        if not trees or not x.size:
            return np.full(x.shape[1], "", dtype=object)
        gaps = [tree.query(x.T)[0] for tree in trees.values()]
        return np.array(list(trees), dtype=object)[np.argmin(gaps, axis=0)]

    @property
    def meetings(self) -> tuple[Meeting, ...]:
        """Where boundaries of shapes meet sides of the box or each other."""
        return self._meetings

    @cached_property
    def _meetings(self) -> tuple[Meeting, ...]:
        found: dict[tuple[str, str], list[np.ndarray]] = {}
        count = len(self._carving.cutters)
        for i, j, x in meeting_points(self._carving):
            own = self._pieces_at(i, x)
            if j < count:
                others = self._pieces_at(j, x)
            else:
                axis, end = divmod(j - count, 2)
                others = np.full(x.shape[1], f"{self.names[self._space[axis]]}{'-+'[end]}", dtype=object)
            for k, pair in enumerate(zip(own, others, strict=True)):
                found.setdefault(pair, []).append(x[:, k])
        return tuple(Meeting(pair, np.stack(points, axis=1)) for pair, points in found.items())

    def reentrant_distance(self, x: torch.Tensor, within: float = math.inf) -> torch.Tensor | None:
        """Distances (n,) in space to the nearest re-entrant corner or edge, at most ``within``; None without any."""
        if self._reentrant is None:
            return None
        points = x.detach().to("cpu", torch.float64).numpy()[self._space]
        return torch.as_tensor(self._reentrant.distance(points, within), device=x.device)

    @cached_property
    def _reentrant(self) -> Reentrant | None:
        return Reentrant.of(self._own_creases)  # where shapes are cut, angles are below pi

    def thin(self, resolution: Sequence[int]) -> tuple[str, ...]:
        """Sentences about parts of the domain, and gaps in what is cut away, that are thinner than two cells."""
        counts = tuple(int(resolution[i]) for i in self._space)
        sentences: tuple[str, ...] = self._thin(counts)
        return sentences

    @cached_property
    def _thin(self):  # type: ignore[no-untyped-def]  # a cache that goes with its object
        return lru_cache(maxsize=16)(self._thin_parts)

    def _thin_parts(self, counts: tuple[int, ...]) -> tuple[str, ...]:
        sizes = (self._carving.upper - self._carving.lower) / np.array(counts)
        spacing = 0.5 * float(sizes.min())
        surfaces = [
            self._carving.surface(number, piece, spacing) for leaf in self._leaves for number, piece in leaf.pieces
        ]
        sentences = []
        for thin, what in zip(
            thin_places(self._carving, surfaces, sizes),
            ("a part of the domain", "a wall between parts of the domain"),
            strict=True,
        ):
            if thin is not None:
                names = [self.names[i] for i in self._space]
                place = ", ".join(f"{name} = {v:.4g}" for name, v in zip(names, thin.place, strict=True))
                sentences.append(
                    f"{what} is {thin.thickness:.3g} thin at {place}, less than two of {' x '.join(map(str, counts))} cells "
                    f"({thin.share:.1%} of the shapes' boundary is as near to another): the solution is not resolved there"
                )
        return tuple(sentences)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what was mended in shapes, and how they lie in the box."""
        return self._notes

    # -- where it is ---
    def cut_distance(self, x: torch.Tensor) -> torch.Tensor:
        """Distances (n,) of points (dim, n) to the shapes alone, negative in the domain."""
        points = x.detach().to("cpu", torch.float64).numpy()[self._space]
        return torch.as_tensor(self._carving.level(points))

    def contains(self, x: torch.Tensor, slack: float = 0.0) -> torch.Tensor:
        """Which of the points (dim, n) lie in the closed domain, (n,), with a slack relative to the edge lengths."""
        inside = self._box.contains(x, max(slack, CLOSE)).cpu()
        points = x.detach().to("cpu", torch.float64).numpy()[self._space]
        chosen = np.flatnonzero(inside.numpy())
        result = np.zeros(inside.shape[0], dtype=bool)
        result[chosen] = self._carving.contains(points[:, chosen], slack * self._carving.size)
        return torch.as_tensor(result, device=x.device)

    def signed_distance(self, x: torch.Tensor) -> torch.Tensor:
        """Distances (n,) of points (dim, n) to the boundary in space, negative inside; outside no more than that."""
        box = self._box.signed_distance(x)
        assert box is not None
        points = x.detach().to("cpu", torch.float64).numpy()[self._space]
        return torch.maximum(box, torch.as_tensor(self._carving.level(points)).to(box))

    def cells(self, resolution: Sequence[int]) -> Cells:
        """Which cells of a grid over the bounding box it touches.

        Parameters
        ----------
        resolution
            Cells along every axis, time included.
        """
        return self._carving.cells([resolution[i] for i in self._space])


def _check_shape(box: Domain, shape: object) -> None:
    if not isinstance(shape, Shape):
        refuse("what cuts a domain", shape, "a shape such as hp.Disk((0.5, 0.5), 0.2)", error=InvalidProblemError)
    space = [box.names[i] for i in box.space_axes]
    if shape.dim != len(space):
        raise InvalidProblemError(
            f"{shape!r} has {shape.dim} axes, and {box!r} has {len(space)} of space ({', '.join(space)}); discs, polygons and "
            "rectangles cut two, balls, cuboids, cylinders, tori and meshes three"
        )
