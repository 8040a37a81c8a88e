"""The zero set of a function in a box: curves in the plane, triangles in space, and the way to it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.geometry.ridges import Edges
from hermite_pinn.geometry.shape import Piece, Surface

from .curve import Curve
from .kinks import KINK, edges_of_triangles, kinks
from .level import Level, Table

__all__ = ["Contour", "Nearest", "SampledGrid", "Sheet", "contours", "sheet"]

STRAIGHT = 1e-3  # of a part of a curve: the step of its speed
CLOSER = 8  # steps towards the nearest point of the zero set
STRIDE = 0.05, 5.0  # least and largest share of the way along the tangent plane
FAR = 4  # steps for points far away
NEAR = 4.0  # distances between known points that are not far away
STEEP = 1e-3  # of the values' range: what may be left of them on the zero set of a continuous function


@dataclass(frozen=True, eq=False)
class SampledGrid:
    """A function on a grid over a box.

    Attributes
    ----------
    level
        The function.
    lower, upper
        Corners (dim,) of the box.
    values
        At the vertices, float64.
    """

    level: Level
    lower: np.ndarray
    upper: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, level: Level, lower: np.ndarray, upper: np.ndarray, cells: int) -> SampledGrid:
        """Values on a grid with so many cells along the longest edge.

        Raises
        ------
        InvalidProblemError
            If the function is not a number somewhere, or does not change its sign.
        """
        lengths = upper - lower
        counts = [max(8, int(np.ceil(cells * a - 1e-9))) for a in lengths / lengths.max()]
        axes = [np.linspace(a, b, n + 1) for a, b, n in zip(lower, upper, counts, strict=True)]
        mesh = np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")])
        values = level(mesh)
        bad = np.flatnonzero(np.isnan(values))
        if bad.size:
            where = ", ".join(f"{v:.4g}" for v in mesh[:, bad[0]])
            raise InvalidProblemError(
                f"the function of an implicit shape is not a number at {bad.size} of {values.size} points, the first ({where}); "
                "define it in the whole box, with hp.where or hp.maximum for example"
            )
        if not (values < 0).any() or not (values > 0).any():
            box = " x ".join(f"[{a:.4g}, {b:.4g}]" for a, b in zip(lower, upper, strict=True))
            raise InvalidProblemError(
                f"the function of an implicit shape has no zero set in {box}: its values lie between {values.min():.4g} and "
                f"{values.max():.4g}; it must be negative inside and positive outside, and the box must contain a part of both"
            )
        largest = np.abs(values[np.isfinite(values)]).max()
        return cls(level, lower, upper, np.clip(values, -largest, largest).reshape([n + 1 for n in counts]))

    @property
    def axes(self) -> list[np.ndarray]:
        """Positions along every axis."""
        return [np.linspace(a, b, n) for a, b, n in zip(self.lower, self.upper, self.values.shape, strict=True)]

    @property
    def spacing(self) -> np.ndarray:
        """Edge lengths (dim,) of a cell."""
        return np.asarray((self.upper - self.lower) / (np.array(self.values.shape) - 1))

    @property
    def is_closed(self) -> bool:
        """Whether the function is positive on all sides of the box."""
        return all((np.take(self.values, end, axis=i) > 0).all() for i in range(self.values.ndim) for end in (0, -1))

    @property
    def table(self) -> Table:
        """The values with interpolation."""
        return Table(self.lower, self.upper, self.values)

    def on_zero_set(self, x: np.ndarray) -> np.ndarray:
        """Points (dim, n) of the zero set near those that interpolation gives.

        Raises
        ------
        InvalidProblemError
            If the function jumps there.
        """
        reach = float(self.spacing.max())
        found = self.level.projected(x, 0.5 * reach)
        lost = np.linalg.norm(found - x, axis=0) > 1.5 * reach
        found[:, lost] = x[:, lost]
        left = np.abs(self.level(found))
        if np.count_nonzero(left > STEEP * np.abs(self.values).max()) > 0.2 * left.size:
            raise InvalidProblemError(
                "the function of an implicit shape jumps from negative to positive values, or is flat where it vanishes; it must "
                "be continuous, with a slope, such as a distance"
            )
        return found


@dataclass(frozen=True, eq=False)
class Contour(Curve):
    """A part of a zero set in the plane, near the polygon through points of it.

    Attributes
    ----------
    level
        The function.
    points
        Points (2, n) on the zero set in order; the last is the first of a closed curve.
    knots
        Length of the polygon up to each, (n,).
    is_corner
        Whether the normal jumps at each, (n,).
    reach
        How far the curve may be from the polygon.
    """

    level: Level
    points: np.ndarray
    knots: np.ndarray
    is_corner: np.ndarray
    reach: float

    @classmethod
    def of(cls, level: Level, points: np.ndarray, reach: float) -> Contour:
        """The curve through points (2, n), between which corners are found."""
        normals = level.normals(points)
        sides = np.flatnonzero((normals[:, 1:] * normals[:, :-1]).sum(0) < np.cos(KINK))
        places, found = kinks(level, points[:, sides], points[:, sides + 1], reach)
        places, sides = places[:, found], sides[found]
        points = np.insert(points, sides + 1, places, axis=1)
        lengths = np.linalg.norm(np.diff(points, axis=1), axis=0)
        points = points[:, np.concatenate([lengths > 1e-9 * reach, [True]])]
        lengths = np.linalg.norm(np.diff(points, axis=1), axis=0)
        is_corner = np.zeros(points.shape[1], dtype=bool)
        for place in places.T:
            is_corner |= np.linalg.norm(points - place[:, None], axis=0) <= 1e-6 * reach
        return cls(level, points, np.concatenate([[0.0], np.cumsum(lengths)]), is_corner, reach)

    @property
    def length(self) -> float:  # type: ignore[override]
        """Of the polygon."""
        return float(self.knots[-1])

    @property
    def closed(self) -> bool:  # type: ignore[override]
        """Whether the last point is the first."""
        return bool(np.linalg.norm(self.points[:, 0] - self.points[:, -1]) <= 1e-6 * self.reach)

    def on_polygon(self, s: np.ndarray) -> np.ndarray:
        """Points (2, n) of the polygon; beyond its ends along its last sides."""
        side = np.clip(np.searchsorted(self.knots, s, side="right") - 1, 0, self.knots.size - 2)
        share = (s - self.knots[side]) / (self.knots[side + 1] - self.knots[side])
        return np.asarray(self.points[:, side] + share * (self.points[:, side + 1] - self.points[:, side]))

    def at(self, s: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points of the zero set, normals along the gradient, and lengths per parameter."""
        n, step = s.size, STRAIGHT * self.length / (self.knots.size - 1)
        all_three = np.concatenate([s, np.maximum(s - step, 0.0), np.minimum(s + step, self.length)])
        x = self.level.projected(self.on_polygon(all_three), self.reach)
        width = np.minimum(s + step, self.length) - np.maximum(s - step, 0.0)
        speed = np.linalg.norm(x[:, 2 * n :] - x[:, n : 2 * n], axis=0) / width
        return x[:, :n], self.level.normals(x[:, :n]), speed

    @property
    def smooth_parts(self) -> list[tuple[float, float]]:
        """Intervals of the parameter between corners."""
        inner = self.knots[1:-1][self.is_corner[1:-1]].tolist()
        return list(itertools.pairwise([0.0, *inner, self.length]))


def contours(grid: SampledGrid) -> list[Contour]:
    """The curves of a zero set in the plane."""
    from contourpy import contour_generator

    x, y = grid.axes
    lines = contour_generator(x, y, grid.values.T).lines(0.0)
    found = []
    for line in lines:
        points = np.asarray(line, dtype=np.float64).T
        closed = np.array_equal(points[:, 0], points[:, -1])
        points = grid.on_zero_set(points)
        if closed:
            points[:, -1] = points[:, 0]
        curve = Contour.of(grid.level, points, float(grid.spacing.max()))
        if curve.length > 0:
            found.append(curve)
    return found


@dataclass(frozen=True, eq=False)
class Sheet(Piece):
    """A zero set in space, as triangles with their corners on it.

    Attributes
    ----------
    level
        The function.
    vertices
        Corners (3, n).
    faces
        Numbers of corners, (m, 3).
    reach
        How far it may be from the triangles.
    """

    level: Level
    vertices: np.ndarray
    faces: np.ndarray
    reach: float

    @cached_property
    def _fine(self) -> Surface:
        return self._surface(self.vertices, self.faces)

    @property
    def measure(self) -> float:
        """Its area."""
        return float(self._fine.weights.sum())

    @cached_property
    def _edge(self) -> float:
        corners = self.vertices[:, self.faces]
        return float(np.linalg.norm(corners - np.roll(corners, 1, axis=2), axis=0).max())

    def points(self, spacing: float) -> Surface:
        """Points of the triangles, which are split until they are small enough, or of which several make one point."""
        vertices, faces, edge = self.vertices, self.faces, self._edge
        while edge > 1.5 * spacing:
            vertices, faces = self._split(vertices, faces)
            edge *= 0.5
        surface = self._fine if faces is self.faces else self._surface(vertices, faces)
        return surface if 2 * edge > spacing else self._thinned(surface, spacing)

    def random(self, count: int, generator: np.random.Generator) -> Surface:
        """About uniform random points."""
        weights = self._fine.weights
        which = generator.choice(weights.size, count, p=weights / weights.sum())
        a, b, c = np.moveaxis(self.vertices[:, self.faces[which]], 2, 0)
        u, v = generator.random(count), generator.random(count)
        over = u + v > 1
        u, v = np.where(over, 1 - u, u), np.where(over, 1 - v, v)
        x = self.level.projected(a + u * (b - a) + v * (c - a), self.reach)
        return Surface(x, np.full(count, self.measure / max(1, count)), self.level.normals(x))

    @cached_property
    def edges(self) -> Edges:
        """Where its normal may jump, without angles."""
        return edges_of_triangles(self.level, self.vertices, self.faces, self.reach)

    def _split(self, vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Four triangles for each, with new corners on the zero set."""
        edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
        unique, number = np.unique(edges, axis=0, return_inverse=True)
        middles = self.level.projected(vertices[:, unique].mean(2), self.reach)
        ab, bc, ca = number.reshape(3, -1) + vertices.shape[1]
        a, b, c = faces.T
        parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
        return np.concatenate([vertices, middles], axis=1), np.concatenate([np.stack(p, axis=1) for p in parts])

    def _surface(self, vertices: np.ndarray, faces: np.ndarray) -> Surface:
        """The middles of triangles, with the areas of quadratic triangles through corners and middles of edges."""
        edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
        unique, number = np.unique(edges, axis=0, return_inverse=True)
        middles = self.level.projected(vertices[:, unique].mean(2), self.reach)
        corners = np.moveaxis(vertices[:, faces], 2, 0)
        nodes = np.concatenate([corners, np.moveaxis(middles[:, number.reshape(3, -1)], 1, 0)])
        weights = sum(_stretch(nodes, u, v) for u, v in ((0.5, 0.0), (0.5, 0.5), (0.0, 0.5))) / 6
        x = self.level.projected(vertices[:, faces].mean(2), self.reach)
        return Surface(x, np.asarray(weights), self.level.normals(x))

    def _thinned(self, surface: Surface, spacing: float) -> Surface:
        """One point for those in each cube of a grid and with about the same normal."""
        lower = surface.x.min(1, keepdims=True)
        keys = np.concatenate([np.floor((surface.x - lower) / (0.8 * spacing)), np.round(surface.normals)]).astype(int)
        _, owner = np.unique(keys, axis=1, return_inverse=True)
        owner = owner.ravel()
        weights = np.bincount(owner, surface.weights)
        means = np.stack([np.bincount(owner, surface.weights * x) for x in surface.x]) / weights
        x = self.level.projected(means, spacing)
        lost = np.linalg.norm(x - means, axis=0) > spacing
        x[:, lost] = means[:, lost]
        return Surface(x, weights, self.level.normals(x))


def _stretch(nodes: np.ndarray, u: float, v: float) -> np.ndarray:
    """Area per parameter of quadratic triangles with nodes (6, 3, n): corners, then middles of edges."""
    w = 1 - u - v
    by_u = (1 - 4 * w, 4 * u - 1, 0.0, 4 * (w - u), 4 * v, -4 * v)
    by_v = (1 - 4 * w, 0.0, 4 * v - 1, -4 * u, 4 * u, 4 * (w - v))
    first, second = (np.tensordot(np.array(d), nodes, axes=1) for d in (by_u, by_v))
    return np.asarray(np.linalg.norm(np.cross(first.T, second.T), axis=1))


def sheet(grid: SampledGrid) -> Sheet:
    """The zero set in space, by marching cubes."""
    from skimage.measure import marching_cubes

    vertices, faces, _, _ = marching_cubes(  # type: ignore[no-untyped-call]
        grid.values, 0.0, spacing=tuple(grid.spacing), allow_degenerate=False
    )
    points = grid.on_zero_set(vertices.T.astype(np.float64) + grid.lower[:, None])
    return Sheet(grid.level, points, np.asarray(faces, dtype=np.int64), float(grid.spacing.max()))


@dataclass(frozen=True, eq=False)
class Nearest:
    """Distances from a zero set of which points are known.

    Attributes
    ----------
    level
        The function.
    points
        Points (dim, n) on the zero set, closer to each other than it bends.
    reach
        Their distance from each other.
    """

    level: Level
    points: np.ndarray
    reach: float

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.points.T)

    def distance(self, x: np.ndarray) -> np.ndarray:
        """Distances (n,) of points (dim, n)."""
        return np.asarray(np.linalg.norm(x - self.closest(x), axis=0))

    def closest(self, x: np.ndarray) -> np.ndarray:
        """Closest points (dim, n) to others, by steps along the zero set from the nearest known point."""
        best, number = self._tree.query(x.T)
        y, steps = self.points[:, number], np.ones(best.size)
        before, slopes = y.copy(), np.zeros_like(y)
        active = np.flatnonzero(np.isfinite(best))
        for look in range(CLOSER):
            if look == FAR:  # a rough answer is good far away
                active = active[best[active] < NEAR * self.reach]
            if not active.size:
                break
            here, to = y[:, active], x[:, active] - y[:, active]
            normals = self.level.normals(here)
            slope = to - normals * (to * normals).sum(0)
            # where the last step helped, how the slope changed on it tells the length of the next
            way, change = here - before[:, active], slopes[:, active] - slope
            bend = (way * change).sum(0)
            guess = np.clip((way**2).sum(0) / np.where(bend > 0, bend, np.inf), *STRIDE)
            steps[active] = np.where(bend > 0, guess, steps[active])
            before[:, active], slopes[:, active] = here, slope
            size = np.linalg.norm(slope, axis=0)
            along = slope * np.minimum(steps[active], self.reach / np.maximum(size, 1e-300))
            new = self.level.projected(here + along, self.reach, 3)
            distance = np.linalg.norm(x[:, active] - new, axis=0)
            better = distance < best[active]
            gain = np.where(better, best[active] - distance, np.inf)
            y[:, active[better]], best[active[better]] = new[:, better], distance[better]
            steps[active[~better]] *= 0.25
            active = active[(gain > 1e-11 * self.level.size) & (size > 1e-9 * self.level.size)]
        return y
