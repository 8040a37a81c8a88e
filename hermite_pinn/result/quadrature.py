"""Quadrature on the cells of a solution: over axes, parts of axes, faces, and domains that shapes cut."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from hermite_pinn.geometry import Domain, Region
from hermite_pinn.geometry.quadrature import gauss_pieces

__all__ = ["CutPlace", "Part", "Place", "Product", "UnitedPlace"]

PIECE = 1 << 16  # points made at a time
CURVED = 3  # points per cell and axis where shapes cut, whatever the degree: the boundary decides
FINEST = 1 << 20  # cells of a cut domain beyond which they are not halved


class Part(NamedTuple):
    """Some points of a rule.

    Attributes
    ----------
    x
        Coordinates along the axes of the place, (axes, n).
    weights
        (n,).
    normals
        Outward unit normals over all axes, (dim, n), or None where there are none.
    """

    x: np.ndarray
    weights: np.ndarray
    normals: np.ndarray | None


class Place(ABC):
    """Over what is integrated.

    Attributes
    ----------
    axes
        Numbers of the axes whose coordinates its points have; the others are free.
    """

    axes: tuple[int, ...]

    @abstractmethod
    def parts(self, halvings: int, points: int) -> Iterator[Part]:
        """A rule, piece by piece.

        Parameters
        ----------
        halvings
            How often the cells are halved along every axis.
        points
            Gauss points per cell and axis, where cells are whole.
        """


@dataclass(frozen=True)
class Product(Place):
    """A tensor product of intervals and of points.

    Attributes
    ----------
    axes
        Numbers of the axes.
    edges
        By axis the ends of the cells, ascending; one number where the coordinate is fixed.
    normal
        The same at all points, or None.
    """

    axes: tuple[int, ...]
    edges: tuple[np.ndarray, ...]
    normal: tuple[float, ...] | None = None

    def parts(self, halvings: int, points: int) -> Iterator[Part]:
        """Gauss rules on every cell."""
        rules = [_rule(edges, halvings, points) for edges in self.edges]
        shape = [len(x) for x, _ in rules]
        for start in range(0, math.prod(shape), PIECE):
            places = np.unravel_index(np.arange(start, min(start + PIECE, math.prod(shape))), shape)
            x = np.stack([x[k] for (x, _), k in zip(rules, places, strict=True)])
            weights = np.prod([w[k] for (_, w), k in zip(rules, places, strict=True)], axis=0)
            normals = None if self.normal is None else np.tile(np.array(self.normal)[:, None], x.shape[1])
            yield Part(x, weights, normals)


def _rule(edges: np.ndarray, halvings: int, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss rules on cells that are halved some times; one point of weight 1 where there is no cell."""
    if edges.size == 1:
        return edges, np.ones(1)
    parts = 1 << halvings
    inside = np.arange(parts) / parts
    finer = np.append((edges[:-1, None] + np.diff(edges)[:, None] * inside).ravel(), edges[-1])
    return gauss_pieces(finer, points)


@dataclass(frozen=True)
class CutPlace(Place):
    """What shapes leave of a box, or a face of it, in space; perhaps with a part of time.

    Attributes
    ----------
    axes
        The axes of space, and that of time where it is integrated over.
    domain, region
        The domain, and its interior or face.
    cells
        Along every axis.
    time
        Ends of the cells of time; None where time is free or there is none.
    """

    axes: tuple[int, ...]
    domain: Domain
    region: Region
    cells: tuple[int, ...]
    time: np.ndarray | None

    def parts(self, halvings: int, points: int) -> Iterator[Part]:
        """The domain's own rule in space, on cells as fine as :data:`FINEST` allows, times Gauss rules in time."""
        space = self.domain.space_axes
        finer = 0
        while finer < halvings and math.prod(self.cells[i] << (finer + 1) for i in space) <= FINEST:
            finer += 1
        counts = [n << finer if i in space else 1 for i, n in enumerate(self.cells)]
        x, weights, normals = self._in_space(counts)
        t, shares = (np.zeros(1), np.ones(1)) if self.time is None else _rule(self.time, halvings, points)
        for time, share in zip(t, shares, strict=True):
            for start in range(0, x.shape[1], PIECE):
                part = slice(start, start + PIECE)
                own = x[:, part]
                if self.time is not None:
                    own = np.insert(own, self.axes.index(self._time), time, axis=0)
                yield Part(own, weights[part] * share, None if normals is None else normals[:, part])

    @property
    def _time(self) -> int:
        return next(i for i in self.axes if i not in self.domain.space_axes)

    def _in_space(self, counts: Sequence[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Points (space, n), weights and normals (dim, n)."""
        space = list(self.domain.space_axes)
        if not self.region.is_interior:
            made = self.region.in_space(counts)
            normals = np.zeros((self.domain.dim, made.count))
            assert made.normals is not None
            normals[space] = torch.as_tensor(np.array([np.broadcast_to(c, made.count) for c in made.normals])).numpy()
            return made.x.numpy(), made.weights.numpy(), normals
        t = self.domain.time_axis
        rule = self.region.gauss(counts, [1 if i == t else CURVED for i in range(self.domain.dim)])
        length = 1.0 if t is None else self.domain.lengths[t]
        return rule.x.numpy()[space], rule.weights.numpy() / length, None


@dataclass(frozen=True)
class UnitedPlace(Place):
    """Several places with the same axes: all sides of a domain."""

    axes: tuple[int, ...]
    places: tuple[Place, ...]

    def parts(self, halvings: int, points: int) -> Iterator[Part]:
        """Those of all."""
        for place in self.places:
            yield from place.parts(halvings, points)
