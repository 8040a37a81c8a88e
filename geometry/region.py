"""What a region of a domain must do; it alone makes points."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import ClassVar, NamedTuple

import torch

from .samples import Samples

__all__ = ["Plane", "Region"]


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
    inner
        Whether it lies inside, or may: conditions there do not count as those of a side.
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
    inner: ClassVar[bool] = False
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
        """The side of the bounding box, or the plane inside, in which it lies, whole or in part, or None."""
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
