"""Where boundaries are not smooth: edges, and the angle of what lies inside at them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from .shape import Creases, Shape
from .similarity import Similarity

__all__ = ["Edges", "crossings", "lie_on", "plane_creases", "sectors", "straight"]

Inside = Callable[[np.ndarray], np.ndarray]

NEAR = 1e-5  # of the size: radius of the circles on which angles are measured
DIRECTIONS = {2: 1440, 3: 120}  # on a circle
SLIVER = 1e-5  # radians: thinner ones are rounding
SMOOTH = 1e-3  # radians from a straight angle
SAME = 1e-8  # of the size: corners nearer to each other are one
HALVINGS = 45
STEPS = 12  # of Newton
FINE = 48  # points along the smaller of two shapes that cross


@dataclass(frozen=True, eq=False)
class Edges:
    """Short parts of edges in space.

    Attributes
    ----------
    ends
        Their ends, (n, 2, 3).
    middles
        A point of each that lies on the edge to rounding, (3, n).
    tangents
        The direction of the edge there, (3, n).
    angles
        Of what lies inside, (n,).
    """

    ends: np.ndarray
    middles: np.ndarray
    tangents: np.ndarray
    angles: np.ndarray

    @property
    def count(self) -> int:
        """Number of parts."""
        return int(self.angles.size)

    @property
    def lengths(self) -> np.ndarray:
        """Their lengths (n,)."""
        return np.asarray(np.linalg.norm(self.ends[:, 1] - self.ends[:, 0], axis=1))

    @property
    def creases(self) -> Creases:
        """Without what is needed to look closer."""
        return Creases(self.ends, self.angles)

    def take(self, chosen: np.ndarray) -> Edges:
        """Some of them."""
        return Edges(self.ends[chosen], self.middles[:, chosen], self.tangents[:, chosen], self.angles[chosen])

    def with_angles(self, angles: np.ndarray) -> Edges:
        """The same with other angles."""
        return replace(self, angles=angles)

    def moved(self, motion: Similarity) -> Edges:
        """Their images."""
        creases = motion.creases(self.creases)
        return Edges(creases.segments, motion.points(self.middles), motion.directions(self.tangents), self.angles)

    @classmethod
    def joined(cls, parts: Sequence[Edges]) -> Edges:
        """Those of several."""
        return cls(
            np.concatenate([np.zeros((0, 2, 3)), *(p.ends for p in parts)]),
            np.concatenate([np.zeros((3, 0)), *(p.middles for p in parts)], axis=1),
            np.concatenate([np.zeros((3, 0)), *(p.tangents for p in parts)], axis=1),
            np.concatenate([np.zeros(0), *(p.angles for p in parts)]),
        )


def straight(creases: Creases, spacing: float) -> Edges:
    """Straight edges in parts that are at most ``spacing`` long."""
    a, b = creases.segments[:, 0], creases.segments[:, 1]
    lengths = np.linalg.norm(b - a, axis=1)
    counts = np.maximum(1, np.ceil(lengths / spacing * (1 - 1e-9)).astype(np.int64))
    owner = np.repeat(np.arange(counts.size), counts)
    number = np.arange(owner.size) - np.repeat(np.cumsum(counts) - counts, counts)
    step = ((b - a) / counts[:, None])[owner]
    first = a[owner] + number[:, None] * step
    tangents = ((b - a) / np.maximum(lengths, 1e-300)[:, None])[owner]
    middles = first + 0.5 * step
    return Edges(np.stack([first, first + step], axis=1), middles.T.copy(), tangents.T.copy(), creases.angles[owner])


def plane_creases(inside: Inside, points: np.ndarray, size: float) -> Creases:
    """Corners among points (2, n) of a boundary with the angles of what lies inside, one for each sector."""
    if points.shape[1]:
        keys = np.unique(np.round(points / (SAME * size)), axis=1, return_index=True)[1]
        points = _distinct(points[:, np.sort(keys)], SAME * size)
    n = points.shape[1]
    first, second = np.zeros((2, n)), np.zeros((2, n))
    first[0], second[1] = 1.0, 1.0
    owner, angles = _angles(inside, points, first, second, size)
    corners = points.T[owner]
    return Creases(np.stack([corners, corners], axis=1), angles)


def sectors(inside: Inside, edges: Edges, size: float) -> Edges:
    """Edges with the angles of what lies inside at them; those that are smooth or not on its boundary are gone."""
    helper = np.zeros_like(edges.tangents)
    helper[np.abs(edges.tangents).argmin(0), np.arange(edges.count)] = 1.0
    first = np.cross(edges.tangents.T, helper.T).T
    first /= np.maximum(np.linalg.norm(first, axis=0), 1e-300)
    second = np.cross(edges.tangents.T, first.T).T
    owner, angles = _angles(inside, edges.middles, first, second, size)
    return edges.take(owner).with_angles(angles)


def _distinct(points: np.ndarray, close: float) -> np.ndarray:
    """Points without those that follow one nearby."""
    tree = cKDTree(points.T)
    gone = {b for a, b in tree.query_pairs(close)}
    return points[:, [k for k in range(points.shape[1]) if k not in gone]]


def _angles(
    inside: Inside, points: np.ndarray, first: np.ndarray, second: np.ndarray, size: float
) -> tuple[np.ndarray, np.ndarray]:
    """Angles of the sectors of the inside around points, in planes with orthonormal directions, and whose they are.

    Circles of two radii are looked at, so that the curvature of the boundary has no part in the result.
    """
    near, wide = (_sectors(inside, points, first, second, r * size) for r in (0.5 * NEAR, NEAR))
    owner, angles = [], []
    for k, (small, large) in enumerate(zip(near, wide, strict=True)):
        for number, angle in enumerate(small):
            value = 2 * angle - large[number] if len(large) == len(small) else angle
            if abs(value - np.pi) > SMOOTH and SLIVER < value < 2 * np.pi - SLIVER:
                owner.append(k)
                angles.append(value)
    return np.array(owner, dtype=np.int64), np.array(angles, dtype=np.float64)


def _sectors(
    inside: Inside, points: np.ndarray, first: np.ndarray, second: np.ndarray, radius: float
) -> list[list[float]]:
    """Widths of the sectors of the inside on a circle around each point."""
    n, count = points.shape[1], DIRECTIONS[len(points)]

    def state(which: np.ndarray, angle: np.ndarray) -> np.ndarray:
        offset = np.cos(angle) * first[:, which] + np.sin(angle) * second[:, which]
        return inside(points[:, which] + radius * offset)

    grid = (np.arange(count) + 0.31830988) * (2 * np.pi / count)
    which = np.repeat(np.arange(n), count)
    states = state(which, np.tile(grid, n)).reshape(n, count) if n else np.zeros((0, count), dtype=bool)
    owner, place = np.nonzero(states != np.roll(states, -1, axis=1))
    left, right = grid[place], grid[place] + 2 * np.pi / count
    before = states[owner, place]
    for _ in range(HALVINGS if owner.size else 0):
        middle = 0.5 * (left + right)
        same = state(owner, middle) == before
        left, right = np.where(same, middle, left), np.where(same, right, middle)
    change = 0.5 * (left + right)
    return [_widths(change[owner == k], before[owner == k]) for k in range(n)]


def _widths(changes: np.ndarray, before: np.ndarray) -> list[float]:
    """Widths of the sectors that changes around a circle bound; slivers belong to what is around them."""
    entries = [
        (float(a), not bool(b)) for a, b in zip(changes, before, strict=True)
    ]  # angle, whether the inside starts
    while len(entries) > 1:
        gaps = [(entries[(k + 1) % len(entries)][0] - entries[k][0]) % (2 * np.pi) for k in range(len(entries))]
        k = int(np.argmin(gaps))
        if gaps[k] > SLIVER:
            break
        entries = [e for j, e in enumerate(entries) if j not in (k, (k + 1) % len(entries))]
    found = []
    for k, (angle, starts) in enumerate(entries):
        if starts:
            found.append((entries[(k + 1) % len(entries)][0] - angle) % (2 * np.pi))
    return found


def crossings(first: Shape, second: Shape) -> Edges:
    """Where the boundaries of two shapes in space cross, as short parts without angles."""
    lower = np.maximum(first.bounds[0], second.bounds[0])
    upper = np.minimum(first.bounds[1], second.bounds[1])
    if (lower > upper).any():
        return Edges.joined([])
    sizes = [float(np.max(s.bounds[1] - s.bounds[0])) for s in (first, second)]
    small, large = (first, second) if sizes[0] <= sizes[1] else (second, first)
    spacing = min(sizes) / FINE
    if not np.isfinite(spacing):
        spacing = float(np.max(upper - lower)) / FINE
    x = np.concatenate([np.zeros((3, 0)), *(p.points(spacing).x for p in small.pieces)], axis=1)
    x = x[:, np.abs(large.signed_distance(x)) <= 1.5 * spacing]
    x = _on_both(first, second, x, spacing)
    if not x.shape[1]:
        return Edges.joined([])
    cells = np.round(x / (0.5 * spacing)).astype(np.int64)
    x = x[:, np.sort(np.unique(cells, axis=1, return_index=True)[1])]
    x = _distinct(x, 0.25 * spacing)
    along = np.cross(gradient(first, x, spacing).T, gradient(second, x, spacing).T).T
    along /= np.maximum(np.linalg.norm(along, axis=0), 1e-300)
    return _linked(x, along, spacing)


def lie_on(edges: Edges, others: Edges, close: float) -> np.ndarray:
    """Which edges have their points nearer than ``close`` to the segments of others, (n,)."""
    if not others.count:
        return np.zeros(edges.count, dtype=bool)
    number = min(8, others.count)
    _, nearest = cKDTree(others.middles.T).query(edges.middles.T, k=number)
    start, end = (others.ends[nearest.reshape(-1, number), k] for k in (0, 1))
    along = end - start
    offset = edges.middles.T[:, None, :] - start
    share = np.clip((offset * along).sum(2) / np.maximum((along**2).sum(2), 1e-300), 0.0, 1.0)
    away = np.linalg.norm(offset - share[:, :, None] * along, axis=2)
    # a chord leaves its edge by an eighth of its length squared per radius
    sagitta = np.linalg.norm(0.5 * (start + end) - others.middles.T[nearest.reshape(-1, number)], axis=2)
    return np.asarray((away <= 1.1 * sagitta + close).any(1))


def _on_both(first: Shape, second: Shape, x: np.ndarray, spacing: float) -> np.ndarray:
    """The points of both boundaries nearest to points (3, n), of those that find one where the two cross."""
    start = x
    for _ in range(STEPS):
        a, b = first.signed_distance(x), second.signed_distance(x)
        ga, gb = gradient(first, x, spacing), gradient(second, x, spacing)
        cosine = (ga * gb).sum(0)
        scale = np.maximum(1 - cosine**2, 1e-3)
        x = x - ga * ((a - cosine * b) / scale) - gb * ((b - cosine * a) / scale)
        x = np.where(np.linalg.norm(x - start, axis=0) <= 4 * spacing, x, start)
    misfit = np.maximum(np.abs(first.signed_distance(x)), np.abs(second.signed_distance(x)))
    cosine = np.abs((gradient(first, x, spacing) * gradient(second, x, spacing)).sum(0))
    return x[:, (misfit <= 1e-9 * spacing * FINE) & (cosine < 1 - 1e-5)]


def gradient(shape: Shape, x: np.ndarray, spacing: float) -> np.ndarray:
    """Unit gradients (dim, n) of the signed distance at points (dim, n), by central differences."""
    step = 1e-4 * spacing
    columns = []
    for axis in range(len(x)):
        offset = np.zeros((len(x), 1))
        offset[axis] = step
        columns.append(shape.signed_distance(x + offset) - shape.signed_distance(x - offset))
    found = np.stack(columns)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=0), 1e-300))


def _linked(x: np.ndarray, along: np.ndarray, spacing: float) -> Edges:
    """Every point with the next one along a curve."""
    tree = cKDTree(x.T)
    distances, others = tree.query(x.T, k=min(8, x.shape[1]), distance_upper_bound=2.5 * spacing)
    distances, others = np.atleast_2d(distances), np.atleast_2d(others)
    other = np.minimum(others, x.shape[1] - 1)
    ahead = np.einsum("ink,in->nk", x[:, other] - x[:, :, None], along)
    fits = np.isfinite(distances) & (distances > 0) & (ahead > 0.6 * distances)
    reach = np.where(fits, distances, np.inf)
    best = reach.argmin(1)
    rows = np.flatnonzero(np.isfinite(reach[np.arange(best.size), best]))
    ends = np.stack([x[:, rows].T, x[:, other[rows, best[rows]]].T], axis=1)
    return Edges(ends, x[:, rows], along[:, rows], np.full(rows.size, np.pi))
