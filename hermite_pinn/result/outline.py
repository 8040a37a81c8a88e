"""Outlines of domains in the plane: closed polygons along their boundary, also of slices through solids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hermite_pinn.geometry import Domain
from hermite_pinn.geometry.cells import FULL, OUTSIDE, TOUCHED

from .clipping import Level
from .cut_mesh import cut_mesh
from .inside import cut_level

if TYPE_CHECKING:
    from matplotlib.path import Path

__all__ = ["Outline", "extent", "outline"]

NEAR = 1.5  # diagonals of a cell from the boundary within which it is cut
EXTENT = {1: 257, 2: 97, 3: 37}  # cells per axis that tell how far a domain reaches; primes, which sides seldom fit


@dataclass(frozen=True)
class Outline:
    """The boundary of a domain, or of a slice through it.

    Attributes
    ----------
    loops
        Closed polygons (n, 2) with the domain to their left, the last point not the first.
    """

    loops: tuple[np.ndarray, ...]

    @property
    def path(self) -> Path:
        """All of them as one path of matplotlib, which encloses the domain and not its holes."""
        from matplotlib.path import Path

        closed = [np.concatenate([loop, loop[:1]]) for loop in self.loops]
        codes = [[Path.MOVETO, *[Path.LINETO] * (len(c) - 2), Path.CLOSEPOLY] for c in closed]
        return Path(np.concatenate([*closed, np.zeros((0, 2))]), np.concatenate([*codes, []]).astype(np.uint8))

    @property
    def area(self) -> float:
        """Of what is enclosed."""
        areas = [(np.roll(p[:, 1], -1) - p[:, 1]) @ (np.roll(p[:, 0], -1) + p[:, 0]) for p in self.loops]
        return 0.5 * float(sum(areas))


def extent(domain: Domain) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corner (dim,) of a box around a domain, a little larger, within its bounding box."""
    lower, upper = np.array(domain.lower), np.array(domain.upper)
    space = domain.space_axes
    cells = domain.cells([EXTENT.get(len(space), 16) if i in space else 1 for i in range(domain.dim)])
    if cells is None or not cells.active.any():
        return lower, upper
    for k, (i, places) in enumerate(zip(space, np.nonzero(cells.active), strict=True)):
        size = (upper[i] - lower[i]) / cells.kinds.shape[k]
        first, last = int(places.min()), int(places.max()) + 1
        upper[i] = min(domain.upper[i], domain.lower[i] + size * (last + 1))
        lower[i] = max(domain.lower[i], domain.lower[i] + size * (first - 1))
    return lower, upper


def outline(domain: Domain, axes: Mapping[int, np.ndarray], fixed: Mapping[int, float]) -> Outline:
    """The boundary of a domain in a plane.

    Parameters
    ----------
    domain
        The domain.
    axes
        Equidistant positions along the two space axes of the plane, by number of the axis.
    fixed
        Positions along the others; time may be missing.
    """
    space = domain.space_axes
    free, spaced = list(axes), [np.asarray(a, dtype=np.float64) for a in axes.values()]
    whole = cut_level(domain)

    def level(x: np.ndarray) -> np.ndarray:
        rows = dict(zip(free, x, strict=True))
        return whole(np.stack([rows.get(i, np.full(x.shape[1], fixed.get(i, domain.lower[i]))) for i in space]))

    places = [space.index(i) for i in free]
    corners = _crossings(domain.creases.segments, places, [fixed.get(i) for i in space])
    mesh = cut_mesh(spaced, _kinds(spaced, level), level, corners)
    return Outline(tuple(mesh.points[loop] for loop in _loops(mesh.facets)))


def _crossings(segments: np.ndarray, free: Sequence[int], at: Sequence[float | None]) -> np.ndarray:
    """Where creases cross a plane, (n, 2): the corners of a slice; in the plane the creases themselves."""
    across = [k for k in range(segments.shape[2]) if k not in free]
    if not across:
        return segments[:, 0][:, free]
    (k,) = across
    start, end = segments[:, 0], segments[:, 1]
    height, rise = (at[k] or 0.0) - start[:, k], end[:, k] - start[:, k]
    crossing = (height * (height - rise) < 0) & (rise != 0)
    share = (height[crossing] / rise[crossing])[:, None]
    return np.asarray((start[crossing] + share * (end - start)[crossing])[:, free])


def _kinds(axes: Sequence[np.ndarray], level: Level) -> np.ndarray:
    """Cells that a boundary may touch, by the values of a function at their corners, which is a distance near it."""
    mesh = np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")])
    values = level(mesh).reshape([len(a) for a in axes])
    corners = np.stack([values[:-1, :-1], values[1:, :-1], values[:-1, 1:], values[1:, 1:]])
    near = NEAR * float(np.hypot(*(np.diff(a).max() for a in axes)))
    inside, outside = (corners < 0).all(0), (corners > 0).all(0)
    kinds = np.where(inside, FULL, OUTSIDE).astype(np.int8)
    kinds[(np.abs(corners).min(0) < near) | ~(inside | outside)] = TOUCHED
    return kinds


def _loops(segments: np.ndarray) -> list[np.ndarray]:
    """Directed segments joined to closed loops."""
    following: dict[int, list[int]] = {}
    for a, b in segments.tolist():
        following.setdefault(a, []).append(b)
    loops = []
    for start in list(following):
        while following.get(start):
            loop, at = [start], following[start].pop()
            while at != start and following.get(at):
                loop.append(at)
                at = following[at].pop()
            if len(loop) > 2:
                loops.append(np.array(loop))
    return loops
