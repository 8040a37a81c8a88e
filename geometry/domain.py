"""What a domain and its regions must do; every method, condition and report works through these two interfaces."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
import torch

from hermite_pinn.errors import InvalidProblemError

from .cells import Cells
from .samples import Samples
from .shape import Creases

__all__ = ["Corner", "Domain", "Meeting", "Plane", "Region", "Union"]


class Plane(NamedTuple):
    """A whole side of the bounding box: ``axis`` is across it, ``side`` 0 or 1, ``position`` the coordinate on it."""

    axis: int
    side: int
    position: float


class Region(ABC):
    """A part of a domain on which terms hold, and the only maker of points there.

    The attributes below answer what others ask of a region; a new kind of region sets them, and nobody asks what class
    it has.

    Attributes
    ----------
    name
        For messages and reports.
    is_interior
        Whether it is the whole domain as far as equations hold there.
    on_boundary
        Whether it is a part of the boundary.
    on_device
        Whether random points are made on the generator's device, so that nothing waits for it.
    everywhere
        Whether its points are those of the whole domain: for equations and penalties.
    measured
        The points with measured values that it consists of, or None; they are then its samples whatever is asked for.
    penalty
        The field whose derivatives are to be small on it, not zero, or None.
    plane
        The side of the bounding box that it is, if it is a whole one, or None.
    normal
        Components of the outward normal where it is the same at all points, or None.
    measure
        Volume, area or length; of measured points their number.
    """

    is_interior: ClassVar[bool] = False
    everywhere: ClassVar[bool] = False
    on_boundary: ClassVar[bool] = False
    on_device: bool = True

    @property
    @abstractmethod
    def name(self) -> str:
        """For messages and reports."""

    @property
    @abstractmethod
    def measure(self) -> float:
        """Volume, area or length; of measured points their number."""

    @property
    def measured(self) -> Samples | None:
        """The points with measured values that it consists of, or None."""
        return None

    @property
    def fixed(self) -> Samples | None:
        """The given points of a boundary that it consists of, or None."""
        return None

    @property
    def penalty(self) -> str | None:
        """The field whose derivatives are to be small on it, not zero, or None."""
        return None

    @property
    def plane(self) -> Plane | None:
        """The side of the bounding box that it is, if it is a whole one, or None."""
        return None

    @property
    def lies_in(self) -> Plane | None:
        """The side of the bounding box in which it lies, whole or in part, or None."""
        return self.plane

    @property
    def normal(self) -> tuple[float, ...] | None:
        """Components of the outward normal where it is the same at all points, or None."""
        return None

    @property
    def covers(self) -> frozenset[str]:
        """Names of the parts of the boundary that it consists of: its own, or those of its pieces."""
        return frozenset([self.name] if self.on_boundary else [])

    @property
    def support(self) -> Hashable:
        """Regions with equal supports have their points in common."""
        return self

    @abstractmethod
    def random(self, count: int, generator: torch.Generator, dtype: torch.dtype) -> Samples:
        """Uniform random points on the generator's device; nothing waits for it if :attr:`on_device`."""

    @abstractmethod
    def quasi_random(self, count: int, seed: int) -> Samples:
        """Points of a scrambled low-discrepancy sequence, float64, on the CPU; the seed decides which."""

    @abstractmethod
    def gauss(self, cells: Sequence[int], order: int | Sequence[int]) -> Samples:
        """A Gauss rule on every cell, float64, on the CPU.

        Parameters
        ----------
        cells
            Equal cells along every axis of the bounding box.
        order
            Points per cell and axis, one number or one per axis.
        """

    @abstractmethod
    def gauss_count(self, cells: Sequence[int], order: int | Sequence[int]) -> int:
        """Number of points of :meth:`gauss`, without making them."""

    @abstractmethod
    def spacing(self, cells: Sequence[int]) -> float:
        """Size of a cell across the region."""

    def in_space(self, cells: Sequence[int]) -> Samples:
        """Points of a part of the boundary over the space axes alone, scattered, at most about a third of a cell apart.

        Parameters
        ----------
        cells
            Equal cells along every axis of the bounding box, time included.

        Returns
        -------
        Samples
            Points (space axes, n) with weights and outward normals (space axes, n); a region that extends in time is
            their product with the time axis.
        """
        raise NotImplementedError(f"{self.name} is no part of a boundary in space")

    def held_out(self, count: int, generator: torch.Generator) -> Samples:
        """Points that no method trained on, in float64; measured points themselves."""
        return self.random(count, generator, torch.float64)

    def between(self, cells: Sequence[int]) -> Samples:
        """About one point per cell that lies away from Gauss points, where a square system leaves something to see."""
        return self.quasi_random(math.prod(cells), 0)


@dataclass(frozen=True)
class Union(Region):
    """Several parts of a boundary as one, with as many points on each, in their order."""

    regions: tuple[Region, ...]

    on_boundary = True

    @property
    def name(self) -> str:
        """Names of the regions."""
        return ", ".join(r.name for r in self.regions)

    @property
    def measure(self) -> float:
        """Sum of the measures."""
        return sum((r.measure for r in self.regions), 0.0)

    @property
    def on_device(self) -> bool:  # type: ignore[override]
        """Whether all regions make their points there."""
        return all(r.on_device for r in self.regions)

    @property
    def covers(self) -> frozenset[str]:
        """What the regions cover."""
        return frozenset().union(*(r.covers for r in self.regions))

    @property
    def normal(self) -> tuple[float, ...] | None:
        """The normal, if all regions have the same."""
        first, *others = (r.normal for r in self.regions)
        return first if all(other == first for other in others) else None

    def random(self, count: int, generator: torch.Generator, dtype: torch.dtype) -> Samples:
        """``count`` points on each region."""
        return self._joined([r.random(count, generator, dtype) for r in self.regions])

    def quasi_random(self, count: int, seed: int) -> Samples:
        """``count`` points on each region."""
        return self._joined([r.quasi_random(count, seed + k) for k, r in enumerate(self.regions)])

    def gauss(self, cells: Sequence[int], order: int | Sequence[int]) -> Samples:
        """The rules of all regions."""
        return self._joined([r.gauss(cells, order) for r in self.regions])

    def gauss_count(self, cells: Sequence[int], order: int | Sequence[int]) -> int:
        """Number of points of :meth:`gauss`."""
        return sum(r.gauss_count(cells, order) for r in self.regions)

    def spacing(self, cells: Sequence[int]) -> float:
        """The smallest of all regions."""
        return min(r.spacing(cells) for r in self.regions)

    def _joined(self, parts: Sequence[Samples]) -> Samples:
        x, weights = torch.cat([p.x for p in parts], 1), torch.cat([p.weights for p in parts])
        if self.normal is not None or all(p.normals is None for p in parts):
            return Samples(x, weights, self.normal)
        return Samples(x, weights, torch.cat([_spread(p) for p in parts], 1))


def _spread(samples: Samples) -> torch.Tensor:
    """Normals (dim, n) of samples, zero where they have none."""
    if isinstance(samples.normals, torch.Tensor):
        return samples.normals
    constant = samples.x.new_tensor(samples.normals or [0.0] * samples.dim)
    return constant[:, None].expand(-1, samples.count)


@dataclass(frozen=True)
class Corner:
    """A corner of the boundary of a domain in two space axes.

    Attributes
    ----------
    point
        Where it is.
    angle
        Of the domain there, between 0 and 2 pi.
    start
        Direction of the first side as an angle from the first axis; the domain lies between ``start`` and
        ``start + angle``, counter-clockwise.
    faces
        Names of the faces along the first side and along the last.
    """

    point: tuple[float, float]
    angle: float
    start: float
    faces: tuple[str, str]


class Meeting(NamedTuple):
    """Where two parts of a boundary in space meet: their names, and points (space axes, n)."""

    parts: tuple[str, str]
    points: np.ndarray


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
