"""What a domain must do; every method, condition and report works through this interface and that of its regions."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch

from hermite_pinn.cuda.tensor_grid.pieces import Pieces
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.immutable import ReadOnly
from hermite_pinn.markup import failing_softly

from .cells import Cells
from .corner import Corner, Meeting
from .picture import domain_html
from .region import Region
from .region_union import Union
from .shape import Creases, Shape

__all__ = ["Domain"]


class Domain(ABC):
    """Where a problem is posed: named axes, a bounding box, and named regions.

    Attributes
    ----------
    names
        Of the axes; an axis called ``t`` is time.
    lower, upper
        Corners of the bounding box.
    is_cut
        Whether shapes take a part of the bounding box away.
    """

    names: tuple[str, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    is_cut: ClassVar[bool] = False

    @property
    def dim(self) -> int:
        """Number of axes, time included."""
        return len(self.names)

    @property
    def lengths(self) -> tuple[float, ...]:
        """Edge lengths of the bounding box."""
        return tuple(b - a for a, b in zip(self.lower, self.upper, strict=True))

    @property
    def bounds(self) -> Mapping[str, tuple[float, float]]:
        """Bounds by name of the axis."""
        return dict(zip(self.names, zip(self.lower, self.upper, strict=True), strict=True))

    @property
    def breaks(self) -> Mapping[str, tuple[float, ...]]:
        """By name of the axis, where grids have lines since something jumps there; only boxes have some."""
        return ReadOnly({})

    @property
    def given_breaks(self) -> Mapping[str, tuple[float, ...]]:
        """Those of the breaks that were given, not found."""
        return ReadOnly({})

    @property
    def pieces(self) -> tuple[Pieces | None, ...]:
        """By axis, the parts into which breaks cut it; None where there is none."""
        return (None,) * self.dim

    def with_breaks(self, found: Mapping[str, Sequence[float]]) -> Domain:
        """The domain with more breaks, where it can have some."""
        return self

    @property
    def cutting(self) -> tuple[tuple[str, Shape], ...]:
        """The shapes whose boundaries bound it, each by the name of its face; none for a box."""
        return ()

    @property
    def time_axis(self) -> int | None:
        """Number of the axis called ``t``, if there is one."""
        return self.names.index("t") if "t" in self.names else None

    @property
    def space_axes(self) -> tuple[int, ...]:
        """Numbers of all axes but time."""
        return tuple(i for i, name in enumerate(self.names) if name != "t")

    def axis(self, name: str) -> int:
        """Number of the axis called ``name``."""
        if name not in self.names:
            raise InvalidProblemError(f"there is no axis {name!r}; the axes are {', '.join(self.names)}")
        return self.names.index(name)

    @property
    @abstractmethod
    def interior(self) -> Region:
        """The region where the equations hold."""

    @property
    @abstractmethod
    def faces(self) -> tuple[Region, ...]:
        """All parts of the boundary that have a name, those of the time axis included."""

    @property
    def space_faces(self) -> tuple[Region, ...]:
        """The faces that do not lie across the time axis: what a condition on ``"boundary"`` means."""
        return tuple(f for f in self.faces if f.plane is None or f.plane.axis != self.time_axis)

    def face(self, name: str) -> Region:
        """The face called ``name``.

        Raises
        ------
        InvalidProblemError
            If there is none; the message lists the names.
        """
        for f in self.faces:
            if f.name == name:
                return f
        raise InvalidProblemError(
            f"there is no face {name!r}; the faces of {self} are {', '.join(f.name for f in self.faces)}, "
            "and 'boundary' means all of the space axes"
        )

    def restricted(self, bounds: Mapping[str, tuple[float, float]]) -> Domain:
        """The part of the domain between bounds, by name of the axis; other axes keep theirs.

        Raises
        ------
        InvalidProblemError
            If a domain of this kind has no parts.
        """
        raise InvalidProblemError(f"{self} has no parts between {', '.join(bounds)}; it can only be taken as a whole")

    def section(self, axis: str, position: float) -> Region:
        """The plane across an axis at a coordinate.

        Raises
        ------
        InvalidProblemError
            If it does not pass through the domain, or a domain of this kind has none.
        """
        raise InvalidProblemError(f"{self} has no planes such as {axis} = {position:g}; give points instead")

    def seam(self, face: Region) -> Region:
        """A side across a periodic axis as a place inside, where conditions are further ones.

        Raises
        ------
        InvalidProblemError
            If a domain of this kind has none.
        """
        raise InvalidProblemError(f"{self} has no conditions on the face {face.name} of a periodic axis; give points")

    def together(self, faces: Sequence[Region]) -> Region:
        """Several faces as one region, with as many points on each."""
        return Union(tuple(faces))

    @abstractmethod
    def contains(self, x: torch.Tensor, slack: float = 0.0) -> torch.Tensor:
        """Which of the points (dim, n) lie in the closed domain, (n,), with a slack relative to the edge lengths."""

    def signed_distance(self, x: torch.Tensor) -> torch.Tensor | None:
        """Distances (n,) of points (dim, n) to the boundary in space, negative inside; None if they are not known."""
        return None

    # -- what differs where shapes cut the bounding box ---
    def cut_distance(self, x: torch.Tensor) -> torch.Tensor:
        """Distances (n,) of points (dim, n) to the shapes alone, negative in the domain; sides of the box do not count.

        Its zeros are exact, its values between them may be bounds.  Of a whole box it is minus infinity.
        """
        return torch.full_like(x[0], -math.inf)

    def state(self) -> Mapping[str, Any]:
        """What cuts the bounding box, for files: numbers, strings, lists, arrays and mappings; empty for a whole box.

        ``domain_from_state(box, state)`` makes the domain again.
        """
        return {}

    def cells(self, resolution: Sequence[int]) -> Cells | None:
        """Which cells of a grid over the bounding box it touches; None for all: a whole box.

        Parameters
        ----------
        resolution
            Cells along every axis, time included.
        """
        return None

    @property
    def creases(self) -> Creases:
        """Where its boundary in space is not smooth, with the angles of the domain; those of a box do no harm."""
        return Creases.none(len(self.space_axes))

    @property
    def corners(self) -> tuple[Corner, ...]:
        """In two space axes the corners of its boundary in which solutions may be singular; none for a box."""
        return ()

    def reentrant_distance(self, x: torch.Tensor, within: float = math.inf) -> torch.Tensor | None:
        """Distances (n,) of points (dim, n) in space to the nearest re-entrant corner or edge; None without any.

        Re-entrant is where the angle of the domain exceeds pi by more than five degrees: solutions are singular there.

        Parameters
        ----------
        x
            Points, time included.
        within
            What is given for all that are farther away, which need not be looked at closely.
        """
        return None

    @property
    def meetings(self) -> tuple[Meeting, ...]:
        """Where boundaries of shapes meet sides of the bounding box or each other."""
        return ()

    def thin(self, resolution: Sequence[int]) -> tuple[str, ...]:
        """Sentences about parts of the domain, and gaps in what is cut away, that are thinner than two cells.

        Parameters
        ----------
        resolution
            Cells along every axis, time included.
        """
        return ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what was mended or is worth knowing."""
        return ()

    @failing_softly
    def _repr_html_(self) -> str:
        """Axes, faces and a picture, for notebooks."""
        return domain_html(self)
