"""Where the boundary of a cut domain is not smooth: corners in the plane, edges in space."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from .carving import Carving
from .corner import Corner
from .reentrant import Reentrant
from .segments import clipped, divided
from .shape import Creases, Surface

__all__ = ["all_creases", "corner_arcs", "corners_of", "meeting_points", "shape_creases"]

FLAT = 1e-2  # angles that differ from pi by less are no corners
SEEDS = {2: 512, 3: 64}  # surface points along the longest edge from which crossings are looked for
NEAR = 1e-4  # radius, relative to the longest edge, of the circle on which an angle is taken
RAYS = 180  # directions in which it is looked at
SAME = 1e-7  # distance, relative to the longest edge, of two corners that are one
PIECE = 64  # parts of the longest edge of the box that the length of a crease that is kept or not never exceeds
STEPS = 12  # of Newton's method
HALVINGS = 20  # of an angle until what bounds it is straight
FEW = 64  # points where two boundaries meet at which values are compared
MOST = 2000  # parts of creases on other boundaries that are looked at

Level = Callable[[np.ndarray], np.ndarray]


# -- crossings ---
def _levels(carving: Carving) -> list[Level]:
    """Functions (dim, n) -> (n,) that are negative in what each cutter and each side of the box leaves."""
    found: list[Level] = [cutter.level for cutter in carving.cutters]
    for axis in range(carving.dim):
        found.append(lambda x, i=axis: carving.lower[i] - x[i])  # type: ignore[misc]
        found.append(lambda x, i=axis: x[i] - carving.upper[i])  # type: ignore[misc]
    return found


def _slope(level: Level, x: np.ndarray, step: float) -> np.ndarray:
    """Gradient (dim, n) of a level."""
    rows = []
    for axis in range(len(x)):
        shift = np.zeros((len(x), 1))
        shift[axis] = step
        rows.append((level(x + shift) - level(x - shift)) / (2.0 * step))
    return np.stack(rows)


def _crossings(carving: Carving, first: int, second: int, levels: Sequence[Level]) -> np.ndarray:
    """Points (dim, n) where two levels vanish and no other is positive, from points of the first one's boundary."""
    surface: Surface = carving.cutters[first].coarse
    spacing = 2.0 * carving.size / SEEDS[carving.dim]
    pieces = carving.cutters[first].shape.pieces
    parts = [p.points(max(0.5 * spacing, (p.measure / 200_000) ** (1.0 / (carving.dim - 1)))).x for p in pieces]
    x = np.concatenate([surface.x, *parts], axis=1)
    x = x[:, ((x >= carving.lower[:, None] - spacing) & (x <= carving.upper[:, None] + spacing)).all(0)]
    away = levels[second](x)
    if not (away.size and away.min() < 0.3 * spacing and away.max() > -0.3 * spacing):
        return x[:, :0]
    x = x[:, np.abs(away) <= spacing]
    x = x[:, :: max(1, x.shape[1] // MOST)]
    step = 1e-6 * carving.size
    for _ in range(STEPS if x.size else 0):
        values = np.stack([levels[k](x) for k in (first, second)])
        slopes = np.stack([_slope(levels[k], x, step) for k in (first, second)])  # (2, dim, n)
        gram = np.einsum("idn,jdn->nij", slopes, slopes)
        solvable = np.linalg.det(gram) > 1e-4  # else nearly tangent
        x, values, slopes, gram = x[:, solvable], values[:, solvable], slopes[..., solvable], gram[solvable]
        if not x.size:
            break
        move = np.einsum("idn,ni->dn", slopes, np.linalg.solve(gram, values.T[..., None])[..., 0])
        x = x - move
        if np.abs(move).max() < 1e-13 * carving.size:
            break
    if not x.size:
        return x
    tolerance = 1e-9 * carving.size
    good = (np.abs(levels[first](x)) <= tolerance) & (np.abs(levels[second](x)) <= tolerance)
    for k, level in enumerate(levels):
        if k not in (first, second):
            good &= level(x) <= tolerance
    return np.asarray(x[:, good])


def meeting_points(carving: Carving) -> list[tuple[int, int, np.ndarray]]:
    """Points (dim, n) where the boundary of a cutter meets another one, or a side of the box, with both their numbers.

    Sides are numbered behind the cutters, two along each axis.
    """
    found = []
    for i, j, points in _all_crossings(carving):
        x = _apart(points, SAME * carving.size)
        found.append((i, j, x[:, :: max(1, x.shape[1] // FEW)]))
    return found


def _all_crossings(carving: Carving) -> list[tuple[int, int, np.ndarray]]:
    """The crossings of all pairs of boundaries that have some, found once."""
    if "crossings" not in carving.memo:
        levels = _levels(carving)
        made = ((i, j, _crossings(carving, i, j, levels)) for i, j in _pairs(carving, levels))
        carving.memo["crossings"] = [(i, j, x) for i, j, x in made if x.size]
    found: list[tuple[int, int, np.ndarray]] = carving.memo["crossings"]
    return found


def _apart(x: np.ndarray, distance: float) -> np.ndarray:
    """Points (dim, n) without those that lie nearer than a distance to an earlier one."""
    if x.shape[1] < 2:
        return x
    later = {j for i, j in cKDTree(x.T).query_pairs(distance) if j > i}
    return np.asarray(x[:, [k for k in range(x.shape[1]) if k not in later]])


def _pairs(carving: Carving, levels: Sequence[Level]) -> list[tuple[int, int]]:
    """Numbers of a cutter and of another level whose boundaries may cross."""
    return [
        (i, j) for i, j in itertools.combinations(range(len(levels)), 2) if i < len(carving.cutters)
    ]  # two sides of the box cross at its own edges


# -- in the plane ---
@dataclass(frozen=True)
class Arc:
    """A corner: where it is, the direction of its first side, its angle, and points beside it on both sides."""

    point: np.ndarray
    start: float
    angle: float
    beside: tuple[np.ndarray, np.ndarray]


def corner_arcs(carving: Carving) -> list[Arc]:
    """The corners of what is left of a box in the plane, those of the box included."""
    levels = _levels(carving)
    tolerance = 1e-9 * carving.size
    own = [c.shape.creases.segments[:, 0].T for c in carving.cutters]
    box = np.array(list(itertools.product(*zip(carving.lower, carving.upper, strict=True)))).T
    found = np.concatenate([*own, box], axis=1)
    found = found[:, np.max([level(found) for level in levels], axis=0) <= tolerance]
    crossings = [x for _, _, x in _all_crossings(carving)]
    found = _apart(np.concatenate([found, *crossings], axis=1), SAME * carving.size)
    if not found.size:
        return []

    def level(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.max([f(x) for f in levels], axis=0))

    radii = np.full(found.shape[1], NEAR * carving.size)
    if found.shape[1] > 1:
        radii = np.minimum(radii, 0.25 * cKDTree(found.T).query(found.T, k=2)[0][:, 1])
    frame = np.repeat(np.eye(2)[:, :, None], found.shape[1], axis=2)
    wide, narrow = (_arcs(level, found, frame, share * radii, RAYS) for share in (1.0, 0.5))
    arcs = []
    for k, (x, r) in enumerate(zip(found.T, radii, strict=True)):
        if len(wide[k]) != len(narrow[k]):
            continue
        for (a0, b0), (a1, b1) in zip(wide[k], narrow[k], strict=True):
            start, end = 2.0 * a1 - a0, 2.0 * b1 - b0  # sides may be curved
            if abs(end - start - math.pi) > FLAT:
                beside = tuple(x + 0.5 * r * np.array([math.cos(t), math.sin(t)]) for t in (a1, b1))
                arcs.append(Arc(x, start, end - start, (beside[0], beside[1])))
    return arcs


def _arcs(
    level: Level, centres: np.ndarray, frame: np.ndarray, radii: np.ndarray, rays: int
) -> list[list[tuple[float, float]]]:
    """For circles the pairs of angles between which they lie in a domain, each increasing.

    Parameters
    ----------
    level
        Negative in the domain.
    centres, radii
        Of the circles, (dim, n) and (n,).
    frame
        Two axes (2, dim, n) of the plane of each.
    rays
        Directions that are looked at first.
    """

    def at(which: np.ndarray, angles: np.ndarray) -> np.ndarray:
        way = np.cos(angles) * frame[0][:, which] + np.sin(angles) * frame[1][:, which]
        return np.asarray(centres[:, which] + radii[which] * way)

    step = 2.0 * math.pi / rays
    angles = (np.arange(rays) + 0.37) * step  # no direction of an axis
    many = np.repeat(np.arange(len(radii)), rays)
    inside = (level(at(many, np.tile(angles, len(radii)))) <= 0).reshape(len(radii), rays)
    circle, ray = np.nonzero(inside != np.roll(inside, -1, axis=1))
    low, high = angles[ray], angles[ray] + step
    before = inside[circle, ray]
    turns = _zeros(lambda t: level(at(circle, t)), low, high)
    result: list[list[tuple[float, float]]] = []
    for k in range(len(radii)):
        chosen = circle == k
        entering = turns[chosen & ~before]
        leaving = turns[chosen & before]
        result.append([(a, min(b if b > a else b + 2.0 * math.pi for b in leaving)) for a in entering])
    return result


def _zeros(function: Level, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Zeros (n,) between ends (n,) where a function changes its sign: halved, then as of a line."""
    if not low.size:
        return low
    at_low, at_high = function(low), function(high)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        value = function(middle)
        same = (value <= 0) == (at_low <= 0)
        low, at_low = np.where(same, middle, low), np.where(same, value, at_low)
        high, at_high = np.where(same, high, middle), np.where(same, at_high, value)
    rise = at_high - at_low
    share = np.where(rise != 0, -at_low / np.where(rise != 0, rise, 1.0), 0.5)
    return low + np.clip(share, 0.0, 1.0) * (high - low)


def corners_of(arcs: Sequence[Arc], face_of: Callable[[np.ndarray], Sequence[str]]) -> tuple[Corner, ...]:
    """The corners of a domain in the plane.

    Parameters
    ----------
    arcs
        Of :func:`corner_arcs`.
    face_of
        Gives the names of the parts of the boundary nearest to points (dim, n).
    """
    if not arcs:
        return ()
    names = face_of(np.stack([p for arc in arcs for p in arc.beside], axis=1))
    return tuple(
        Corner(
            (float(arc.point[0]), float(arc.point[1])),
            float(arc.angle),
            _turn(arc.start),
            (names[2 * k], names[2 * k + 1]),
        )
        for k, arc in enumerate(arcs)
    )


def _turn(angle: float) -> float:
    """An angle from 0 on and below two pi, 0 for what rounds to that."""
    turned = float(angle % (2.0 * math.pi))
    return 0.0 if 2.0 * math.pi - turned < 1e-9 else turned


# -- creases ---
def shape_creases(carving: Carving, arcs: Sequence[Arc]) -> Creases:
    """Corners of what is left of a box in the plane, or the shapes' own edges in space, with the angles of that.

    Those of the box alone are left out.
    """
    if carving.dim == 2:
        at_shapes = [arc for arc in arcs if _at_a_shape(carving, arc.point)]
        points = np.array([[arc.point, arc.point] for arc in at_shapes]).reshape(-1, 2, 2)
        return Creases(points, np.array([arc.angle for arc in at_shapes]))
    return _together(_own_creases(carving))


def all_creases(carving: Carving, own: Creases) -> Creases:
    """:func:`shape_creases`, in space with the edges that shapes have with sides and with each other."""
    if carving.dim == 2:
        return own
    cut = _together(_trimmed_edges(carving))
    if len(own.angles) and len(cut.angles):  # a crease of a shape that lies in a side is found twice
        gaps = Reentrant(own.segments).distance(cut.segments.mean(1).T)
        cut = Creases(cut.segments[gaps > SAME * carving.size], cut.angles[gaps > SAME * carving.size])
    return _together([own, cut])


def _together(parts: Sequence[Creases]) -> Creases:
    """Several creases in space as one."""
    if not parts:
        return Creases.none(3)
    return Creases(np.concatenate([c.segments for c in parts]), np.concatenate([c.angles for c in parts]))


def _at_a_shape(carving: Carving, x: np.ndarray) -> bool:
    return any(abs(float(c.level(x[:, None])[0])) <= SAME * carving.size for c in carving.cutters)


def _own_creases(carving: Carving) -> list[Creases]:
    """The creases of the shapes as far as they bound what is left."""
    found = []
    for number, cutter in enumerate(carving.cutters):
        own = cutter.shape.creases
        if not len(own.angles):
            continue
        near, which = clipped(own.segments, carving.lower - carving.size, carving.upper + carving.size)
        segments, origin = divided(near, carving.size / PIECE)
        margin = carving.margin(number, segments.mean(1).T)
        free = np.flatnonzero(margin < -NEAR * carving.size)
        angles = own.angles[which[origin[free]]]
        found.append(Creases(segments[free], angles if cutter.keep else 2.0 * math.pi - angles))
        meeting = np.flatnonzero(np.abs(margin) <= NEAR * carving.size)[:MOST]
        if meeting.size:
            found.append(_meeting(carving, segments[meeting]))
    return found


def _meeting(carving: Carving, segments: np.ndarray) -> Creases:
    """Creases that lie on another boundary, with the angles that are left there."""
    ways = (segments[:, 1] - segments[:, 0]).T
    ways = ways / np.maximum(np.linalg.norm(ways, axis=0), 1e-300)
    aside = np.eye(3)[np.abs(ways).argmin(0)].T
    first = np.cross(ways.T, aside.T).T
    first /= np.linalg.norm(first, axis=0)
    frame = np.stack([first, np.cross(ways.T, first.T).T])
    radii = np.full(len(segments), NEAR * carving.size)
    arcs = _arcs(carving.whole_level, segments.mean(1).T, frame, radii, RAYS // 2)
    pairs = [(k, b - a) for k, own in enumerate(arcs) for a, b in own if abs(b - a - math.pi) > FLAT]
    return Creases(segments[[k for k, _ in pairs]], np.array([angle for _, angle in pairs]))


def _trimmed_edges(carving: Carving) -> list[Creases]:
    """Edges in space where the boundary of a shape meets a side of the box or another shape."""
    levels, found = _levels(carving), []
    spacing = carving.size / SEEDS[3]
    for i, j, points in _all_crossings(carving):
        x = _apart(points, 0.5 * spacing)
        slopes = [_slope(levels[k], x, 1e-6 * carving.size) for k in (i, j)]
        along = np.cross(slopes[0].T, slopes[1].T)
        along *= 0.5 * spacing / np.maximum(np.linalg.norm(along, axis=1), 1e-300)[:, None]
        found.append(_meeting(carving, np.stack([x.T - along, x.T + along], axis=1)))
    return found
