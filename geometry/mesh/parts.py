"""Parts made of triangles, for examples and tests: closed, facing outwards, with their faces in groups.

Examples
--------
>>> from hermite_pinn.geometry.mesh import parts
>>> [piece.label for piece in parts.gear().pieces]
[':bore', ':ends', ':teeth']
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from hermite_pinn import checks
from hermite_pinn.errors import InvalidArgumentError

from .mending import mended
from .mesh import Mesh
from .reading import joined
from .triangles import Triangles

__all__ = ["bracket", "cube", "gear", "pipe_bend", "sphere", "torus_knot"]

Patch = tuple[np.ndarray, np.ndarray]


def cube(lower: Sequence[float] = (0.0, 0.0, 0.0), size: float = 1.0, divisions: int = 1) -> Mesh:
    """A cube; its sides are the groups ``x-``, ``x+``, ``y-``, ...

    Parameters
    ----------
    lower
        Its lower corner.
    size
        Length of its edges.
    divisions
        Squares, of two triangles each, along every edge.

    Examples
    --------
    >>> cube(divisions=2)
    Mesh(48 triangles, 1 x 1 x 1 from (0, 0, 0))
    """
    size = checks.number("size", size, above=0.0)
    divisions = checks.integer("divisions", divisions, least=1)
    sides = _lattice({(0, 0, 0)}, divisions)
    corner = checks.real_array("lower", lower)
    return _made({name: [(corner + size * x, faces)] for name, patches in sides.items() for x, faces in patches})


def sphere(center: Sequence[float] = (0.0, 0.0, 0.0), radius: float = 1.0, subdivisions: int = 3) -> Mesh:
    """A sphere: an icosahedron, of which each triangle was divided into four several times; vertices lie on the sphere.

    Examples
    --------
    >>> sphere(subdivisions=1).triangles.count
    80
    """
    radius = checks.number("radius", radius, above=0.0)
    golden = (1 + np.sqrt(5)) / 2
    corners = [(0.0, a, b * golden) for a in (-1.0, 1.0) for b in (-1.0, 1.0)]
    x = np.array([np.roll(corner, k) for k in range(3) for corner in corners])
    near = np.linalg.norm(x[:, None] - x, axis=2) < 2.1
    faces = np.array(
        [(i, j, k) for i in range(12) for j in range(i) for k in range(j) if near[i, j] and near[j, k] and near[k, i]]
    )
    turned = np.linalg.det(x[faces]) < 0
    faces[turned] = faces[turned][:, ::-1]
    for _ in range(checks.integer("subdivisions", subdivisions, least=0, most=9)):
        x, faces = _divided(x, faces)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return Mesh.of(Triangles.of(checks.real_array("center", center) + radius * x, faces.astype(np.int64)))


def gear(teeth: int = 12, radius: float = 1.0, bore: float = 0.4, width: float = 0.4, depth: float = 0.18) -> Mesh:
    """A gear around the z axis, from z = 0 to ``width``; its groups are ``teeth``, ``bore`` and ``ends``.

    Parameters
    ----------
    teeth
        Their number.
    radius
        Of the tips.
    bore
        Radius of the hole.
    width
        Along the axis.
    depth
        Of the gaps between teeth.

    Examples
    --------
    >>> gear(teeth=8).bounds[1].round(3).tolist()
    [0.988, 0.988, 0.4]
    """
    teeth = checks.integer("teeth", teeth, least=3)
    radius, bore = checks.number("radius", radius, above=0.0), checks.number("bore", bore, above=0.0)
    width, depth = checks.number("width", width, above=0.0), checks.number("depth", depth, above=0.0)
    if bore + depth >= radius:
        raise InvalidArgumentError(
            f"a gear of radius {radius:g} has no room for teeth of {depth:g} around a bore of {bore:g}"
        )
    places = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.85])  # of a tooth: root, flank, tip, flank, and on
    tip = np.array([0, 0, 1, 1, 1, 0, 0, 0], dtype=bool)
    angles = ((np.arange(teeth)[:, None] + places) * 2 * np.pi / teeth).reshape(-1)
    outline = np.tile(np.where(tip, radius, radius - depth), teeth)
    outline[np.tile(np.array([0, 1, 0, 0, 0, 0, 0, 0], dtype=bool), teeth)] = radius - depth / 2
    round_ = np.stack([np.cos(angles), np.sin(angles), np.zeros(len(angles))], 1)
    up = np.array([0.0, 0.0, width])
    layers = max(1, round(width / (2 * np.pi * radius / len(angles))))
    outer = [outline[:, None] * round_ + up * k / layers for k in range(layers + 1)]
    inner = [bore * round_ + up * k / layers for k in range(layers + 1)]
    across = max(1, round((radius - bore) / (2 * np.pi * radius / len(angles)) / 2))
    shares = np.linspace(0, 1, across + 1)
    return _made(
        {
            "teeth": [_wall(outer)],
            "bore": [_wall(inner[::-1])],
            "ends": [
                _wall([inner[0] + s * (outer[0] - inner[0]) for s in shares]),
                _wall([outer[-1] + s * (inner[-1] - outer[-1]) for s in shares]),
            ],
        }
    )


def bracket(size: float = 1.0, divisions: int = 4) -> Mesh:
    """An angle bracket: a base with two holes and an upright leg with one, in the groups ``holes`` and ``plates``.

    Parameters
    ----------
    size
        Length of the base; it is 3/5 as wide, and 4/5 high.
    divisions
        Squares along the thickness of a plate, a fifth of the length.

    Examples
    --------
    >>> bracket()
    Mesh(2816 triangles, 1 x 0.6 x 0.8 from (0, 0, 0))
    """
    scale = checks.number("size", size, above=0.0) / 5
    divisions = checks.integer("divisions", divisions, least=2)
    cubes = {(i, j, 0) for i in range(5) for j in range(3)} | {(0, j, k) for j in range(3) for k in range(4)}
    holes = {(3, 0, 0): 2, (3, 2, 0): 2, (0, 1, 2): 0}
    sides = _lattice(cubes, divisions, holes)
    walls = sides.pop("holes")
    plates = [(scale * x, faces) for patches in sides.values() for x, faces in patches]
    return _made({"holes": [(scale * x, faces) for x, faces in walls], "plates": plates})


def pipe_bend(
    bend: float = 1.0, radius: float = 0.35, bore: float = 0.25, straight: float = 0.5, divisions: int = 32
) -> Mesh:
    """A pipe that turns by ninety degrees; its groups are ``start``, ``end``, ``outer`` and ``inner``.

    Parameters
    ----------
    bend
        Radius of the turn of its middle.
    radius, bore
        Outer and inner radius of the pipe; a bore of 0 makes it solid, such as the fluid in it.
    straight
        Length of the straight parts on both sides.
    divisions
        Edges around it.

    Examples
    --------
    >>> [piece.label for piece in pipe_bend(bore=0.0).pieces]
    [':end', ':outer', ':start']
    """
    radius, bore = checks.number("radius", radius, above=0.0), checks.number("bore", bore, least=0.0, below=radius)
    bend = checks.number("bend", bend, above=radius)
    straight = checks.number("straight", straight, least=0.0)
    divisions = checks.integer("divisions", divisions, least=3)
    step = 2 * np.pi * radius / divisions
    runs, turns = max(1, round(straight / step)), max(2, round(np.pi / 2 * bend / step))
    angles = np.linspace(0, np.pi / 2, turns + 1)
    middle = bend * np.stack([1 - np.cos(angles), np.zeros(turns + 1), np.sin(angles)], 1)
    along = np.stack([np.sin(angles), np.zeros(turns + 1), np.cos(angles)], 1)
    if straight:
        ways = np.linspace(straight, 0, runs, endpoint=False)[:, None]
        middle = np.concatenate([middle[0] - ways * along[0], middle, middle[-1] + ways[::-1] * along[-1]])
        along = np.concatenate([np.tile(along[0], (runs, 1)), along, np.tile(along[-1], (runs, 1))])
    aside = np.array([0.0, 1.0, 0.0])
    turn = 2 * np.pi * np.arange(divisions)[:, None] / divisions
    spokes = [np.cos(turn) * np.cross(aside, t) + np.sin(turn) * aside for t in along]
    outer = [m + radius * s for m, s in zip(middle, spokes, strict=True)]
    inner = [m + bore * s for m, s in zip(middle, spokes, strict=True)]
    groups = {
        "start": [_wall([inner[0], outer[0]])],
        "end": [_wall([outer[-1], inner[-1]])],
        "outer": [_wall(outer)],
    }
    return _made(groups | ({"inner": [_wall(inner[::-1])]} if bore else {}))


def torus_knot(turns: int = 2, windings: int = 3, radius: float = 1.0, tube: float = 0.2, divisions: int = 16) -> Mesh:
    """A round tube along a knot on a torus around the z axis.

    Parameters
    ----------
    turns, windings
        How often it goes around the axis, and through the hole; a knot if these have no common divisor.
    radius
        Of the torus; its own tube has half of that.
    tube
        Radius of the tube along the knot.
    divisions
        Edges around the tube.

    Examples
    --------
    >>> torus_knot().notes
    ()
    """
    turns, windings = checks.integer("turns", turns, least=1), checks.integer("windings", windings, least=1)
    if np.gcd(turns, windings) > 1:
        raise InvalidArgumentError(f"turns and windings must have no common divisor, got {turns} and {windings}")
    radius, tube = checks.number("radius", radius, above=0.0), checks.number("tube", tube, above=0.0)
    divisions = checks.integer("divisions", divisions, least=3)
    length = 2 * np.pi * radius * np.hypot(turns, windings / 2)
    count = max(16, round(length / (2 * np.pi * tube / divisions) / 2))
    t = 2 * np.pi * np.arange(count) / count
    middle = _knot(t, turns, windings, radius)
    along = _knot(t + 1e-5, turns, windings, radius) - _knot(t - 1e-5, turns, windings, radius)
    along = along / np.linalg.norm(along, axis=1, keepdims=True)
    aside = middle - radius * np.stack([np.cos(turns * t), np.sin(turns * t), 0 * t], 1)  # out of the torus
    aside = aside - (aside * along).sum(1, keepdims=True) * along
    aside = aside / np.linalg.norm(aside, axis=1, keepdims=True)
    turn = 2 * np.pi * np.arange(divisions)[:, None] / divisions
    rings = [
        m + tube * (np.cos(turn) * a + np.sin(turn) * np.cross(d, a))
        for m, a, d in zip(middle, aside, along, strict=True)
    ]
    return _made({"": [_wall([*rings, rings[0]])]})


def _knot(t: np.ndarray, turns: int, windings: int, radius: float) -> np.ndarray:
    away = radius * (1 + np.cos(windings * t) / 2)
    return np.stack([away * np.cos(turns * t), away * np.sin(turns * t), radius * np.sin(windings * t) / 2], 1)


def _made(groups: Mapping[str, Sequence[Patch]]) -> Mesh:
    """A mesh of patches that have common edges."""
    surface = joined(
        [(name, Triangles.of(x, faces)) for name, patches in sorted(groups.items()) for x, faces in patches]
    )
    scale = 2.0 ** np.floor(np.log2(surface.extent)) * 2.0**-40  # what is equal but for rounding becomes equal
    rounded = Triangles(np.round(surface.vertices / scale) * scale, surface.faces, surface.groups, surface.names)
    merged = rounded.merged()
    a, b, c = merged.faces.T
    triangles, notes = mended(merged.take((a != b) & (b != c) & (c != a)).compact(), "the part")
    return Mesh.of(triangles, None, notes)


def _wall(rings: Sequence[np.ndarray]) -> Patch:
    """Triangles between closed rings (n, 3) of points; outside is right of the way around, seen along the rings."""
    count = len(rings[0])
    here = np.arange(count)
    following = np.roll(here, -1)
    faces = []
    for k in range(len(rings) - 1):
        a, b = here + k * count, following + k * count
        faces += [np.stack([a, b, b + count], 1), np.stack([a, b + count, a + count], 1)]
    return np.concatenate(rings), np.concatenate(faces)


def _divided(x: np.ndarray, faces: np.ndarray) -> Patch:
    """Every triangle as four."""
    edges = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], 2).reshape(-1, 2), axis=1)
    present, number = np.unique(edges, axis=0, return_inverse=True)
    middle = (len(x) + number).reshape(-1, 3)
    x = np.concatenate([x, x[present].mean(1)])
    corners = [np.stack([faces[:, k], middle[:, k], middle[:, k - 1]], 1) for k in range(3)]
    return x / np.linalg.norm(x, axis=1, keepdims=True), np.concatenate([*corners, middle])


def _lattice(
    cubes: set[tuple[int, int, int]], divisions: int, holes: Mapping[tuple[int, int, int], int] | None = None
) -> dict[str, list[Patch]]:
    """The surface of unit cubes by side, and round holes through some of them along an axis."""
    holes = holes or {}
    found: dict[str, list[Patch]] = {}
    for one in sorted(cubes):
        for axis in range(3):
            for side in (0, 1):
                beside = tuple(c + (2 * side - 1) * (k == axis) for k, c in enumerate(one))
                if beside not in cubes:
                    patch = _ring(divisions) if holes.get(one) == axis else _square(divisions)
                    found.setdefault("xyz"[axis] + "-+"[side], []).append(_placed(patch, one, axis, side))
    for one, axis in holes.items():
        depths = np.linspace(0, 1, divisions + 1)
        rings = [np.concatenate([_circle(divisions), np.full((4 * divisions, 1), depth)], 1) for depth in depths]
        x, faces = _wall(rings[::-1])
        found.setdefault("holes", []).append((np.roll(x, axis + 1, axis=1) + np.array(one), faces))
    return found


def _placed(patch: Patch, one: tuple[int, int, int], axis: int, side: int) -> Patch:
    """A patch of the unit square on a side of a cube."""
    x, faces = patch
    placed = np.roll(np.concatenate([x, np.full((len(x), 1), float(side))], 1), axis + 1, axis=1)
    return placed + np.array(one), faces if side else faces[:, ::-1]


def _square(divisions: int) -> Patch:
    """The unit square in the plane as small squares."""
    ticks = np.arange(divisions + 1) / divisions
    x = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), 2).reshape(-1, 2)
    number = np.arange(len(x)).reshape(divisions + 1, divisions + 1)
    a, b, c, d = (part.reshape(-1) for part in (number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]))
    return x, np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)])


def _ring(divisions: int) -> Patch:
    """The unit square without a disc around its centre."""
    shares = np.linspace(0, 1, max(2, divisions // 2) + 1)[:, None]
    return _wall([_border(divisions) + share * (_circle(divisions) - _border(divisions)) for share in shares])


def _border(divisions: int) -> np.ndarray:
    """Points around the unit square, counter-clockwise."""
    ticks = np.arange(divisions) / divisions
    zeros = np.zeros(divisions)
    x = np.concatenate([ticks, zeros + 1, 1 - ticks, zeros])
    y = np.concatenate([zeros, ticks, zeros + 1, 1 - ticks])
    return np.stack([x, y], 1)


def _circle(divisions: int) -> np.ndarray:
    """Points on a circle in the unit square, in the directions of those around it."""
    away = _border(divisions) - 0.5
    return 0.5 + 0.3 * away / np.linalg.norm(away, axis=1, keepdims=True)
