"""The part of a grid that a domain covers, as a mesh: whole cells, and simplices where its boundary passes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hermite_pinn.geometry.cells import FULL, OUTSIDE, TOUCHED

from .clipping import Level, boundary_facets, clip_simplices, simplex_measures
from .crease_points import CreasePoints, crease_points, split_at, twice_cut

__all__ = ["CutMesh", "cut_mesh"]

SNAP = 1e-8  # values below this part of a cell are zero: no slivers beside vertices

_SQUARE = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
_CUBE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]])
_TETRA_FACES = np.array([[1, 2, 3], [0, 3, 2], [0, 1, 3], [0, 2, 1]])
_TRIANGLE_FACES = np.array([[0, 1], [1, 2], [2, 0]])


@dataclass(frozen=True)
class CutMesh:
    """A conforming mesh of a part of the plane or of space.

    Attributes
    ----------
    points
        Vertices, float64, (n, dim).
    blocks
        Rectangles (m, 4) or boxes (m, 8), in the order of VTK.
    simplices
        Triangles (k, 3) or tetrahedra (k, 4), positively oriented.
    block_facets
        Facets of the blocks that no other block has, as simplices; see :attr:`facets`.
    """

    points: np.ndarray
    blocks: np.ndarray
    simplices: np.ndarray
    block_facets: np.ndarray

    @property
    def dim(self) -> int:
        """2 or 3."""
        return int(self.points.shape[1])

    @property
    def cells(self) -> Mapping[str, np.ndarray]:
        """Vertices of the cells by their kind, as meshio calls them."""
        names = ("quad", "triangle") if self.dim == 2 else ("hexahedron", "tetra")
        return {k: v for k, v in zip(names, (self.blocks, self.simplices), strict=True) if len(v)}

    @cached_property
    def facets(self) -> np.ndarray:
        """The boundary: segments (f, 2) or triangles (f, 3) of the vertices, whose normals point out of the mesh.

        Segments have the mesh to their left, triangles are seen counter-clockwise from outside.
        """
        faces = _TRIANGLE_FACES if self.dim == 2 else _TETRA_FACES
        own = self.simplices[:, faces].reshape(-1, self.dim)
        return boundary_facets(np.concatenate([own, self.block_facets]))

    @property
    def measure(self) -> float:
        """Area or volume."""
        first, last = (self.points[self.blocks[:, k]] for k in (0, 2 if self.dim == 2 else 6))
        return float(np.prod(last - first, axis=1).sum() + simplex_measures(self.points, self.simplices).sum())

    def compact(self) -> CutMesh:
        """Without vertices that no cell has."""
        used = np.unique(np.concatenate([self.blocks.ravel(), self.simplices.ravel()]))
        number = np.zeros(len(self.points), dtype=np.int64)
        number[used] = np.arange(len(used))
        parts = (number[part] for part in (self.blocks, self.simplices, self.block_facets))
        return CutMesh(self.points[used], *parts)


def cut_mesh(
    axes: Sequence[np.ndarray],
    kinds: np.ndarray,
    level: Level,
    corners: np.ndarray | None = None,
    creases: np.ndarray | None = None,
) -> CutMesh:
    """Mesh the cells of a grid as far as a function is negative.

    Its zero set is approximated by straight segments or flat triangles with vertices on it, so that it is right to the
    square of the cells' size where it is smooth, at the corners and along the creases.

    Parameters
    ----------
    axes
        Positions of the vertices along two or three axes.
    kinds
        Of the cells, as in :class:`hermite_pinn.geometry.cells.Cells`; only touched ones are cut.
    level
        The function.
    corners
        In the plane, points (n, 2) that become vertices.
    creases
        In space, segments (n, 2, 3) along which the zero set has edges.

    Examples
    --------
    >>> axis = np.linspace(-1.0, 1.0, 33)
    >>> disk = lambda x: np.hypot(*x) - 0.9
    >>> mesh = cut_mesh([axis, axis], np.full((32, 32), TOUCHED), disk)
    >>> list(mesh.cells), abs(mesh.measure / (0.81 * np.pi) - 1) < 1e-3
    (['quad', 'triangle'], True)
    """
    grid = _Grid(axes, kinds, level)
    if corners is not None and grid.dim == 2:
        grid.snap(corners)
    if creases is not None and grid.dim == 3 and len(creases):
        grid.crease(creases)
    return grid.mesh().compact()


class _Grid:
    """Vertices of a grid, in the plane followed by the centres of cells, and which of its cells are cut."""

    def __init__(self, axes: Sequence[np.ndarray], kinds: np.ndarray, level: Level) -> None:
        self.kinds, self.level, self.dim = kinds.copy(), level, len(axes)
        self.counts = tuple(len(a) for a in axes)
        self.vertices = np.stack([g.ravel() for g in np.meshgrid(*axes, indexing="ij")], 1)
        self.sizes = np.array([np.diff(a).max() for a in axes])
        self.snapped: dict[int, tuple[float, np.ndarray]] = {}
        self.creased = np.zeros(self.kinds.shape, dtype=bool)
        self.added: CreasePoints | None = None
        self.axes = axes

    def corners(self, cells: np.ndarray, order: np.ndarray) -> np.ndarray:
        """Vertices (m, k) of cells, given by their numbers along the axes, (m, dim)."""
        moved = cells[:, None, :] + order[None]
        return np.ravel_multi_index(tuple(np.moveaxis(moved, -1, 0)), self.counts).reshape(len(cells), len(order))

    def centre(self, cells: np.ndarray) -> np.ndarray:
        """Numbers (m,) of the centres of cells (m, dim)."""
        return len(self.vertices) + np.ravel_multi_index(tuple(cells.T), self.kinds.shape)

    def snap(self, corners: np.ndarray) -> None:
        """Move the nearest vertices, or centres of cells, to corners; cells around them are cut."""
        for corner in corners:
            cell = [
                int(np.clip(np.searchsorted(a, c) - 1, 0, len(a) - 2)) for a, c in zip(self.axes, corner, strict=True)
            ]
            if any(c < a[0] or c > a[-1] for a, c in zip(self.axes, corner, strict=True)):
                continue
            low, high = (np.array([a[i + k] for a, i in zip(self.axes, cell, strict=True)]) for k in (0, 1))
            middle, reach = 0.5 * (low + high), (corner - 0.5 * (low + high)) / (high - low)
            if np.abs(reach).sum() <= 0.5:
                self._move(int(self.centre(np.array([cell]))[0]), corner, np.abs(corner - middle), [cell])
                continue
            near = [i + int(r > 0) for i, r in zip(cell, reach, strict=True)]
            number = int(np.ravel_multi_index(near, self.counts))
            around = [[i + a, j + b] for i, j in [near] for a in (-1, 0) for b in (-1, 0)]
            inside = [c for c in around if all(0 <= i < n for i, n in zip(c, self.kinds.shape, strict=True))]
            self._move(number, corner, np.abs(corner - self.vertices[number]), inside)

    def _move(self, number: int, corner: np.ndarray, shift: np.ndarray, cells: list[list[int]]) -> None:
        distance = float((shift / self.sizes).sum())
        if number in self.snapped and self.snapped[number][0] <= distance:
            return
        self.snapped[number] = distance, corner
        for cell in cells:
            self.kinds[tuple(cell)] = TOUCHED

    def crease(self, segments: np.ndarray) -> None:
        """Take points of segments as vertices, as far as they lie on the zero set; cells around them are cut."""
        self.added = crease_points(self.axes, segments, self.level)
        cells = tuple(self.added.cells(self.kinds.shape).T)
        self.kinds[cells], self.creased[cells] = TOUCHED, True

    # -- the mesh ---
    def mesh(self) -> CutMesh:
        """Whole cells, and what remains of the others."""
        touched = np.argwhere(self.kinds == TOUCHED)
        order = _SQUARE if self.dim == 2 else _CUBE
        corners = self.corners(touched, order)
        own = corners if self.dim == 3 else np.concatenate([corners, self.centre(touched)[:, None]], 1)
        points, number = self._points(touched), np.unique(own)
        values = np.full(len(points), np.inf)
        for k, (_, corner) in self.snapped.items():
            points[k] = corner
        values[number] = self._values(points[number])
        values[list(self.snapped)] = 0.0
        whole = (values[own] < 0).all(1) & ~self.creased[tuple(touched.T)]
        kinds = np.where(self.kinds == FULL, FULL, OUTSIDE)
        kinds[tuple(touched[whole].T)] = FULL
        simplices = _criss_cross(own[~whole]) if self.dim == 2 else self._tetrahedra(touched[~whole])
        if self.added is not None:
            simplices, points, values = self._divided(simplices, points, values, self.added)
        used, local = np.unique(simplices, return_inverse=True)
        extended, parts = clip_simplices(points[used], local.reshape(simplices.shape), values[used], self.level)
        total = np.concatenate([points, extended[len(used) :]])
        names = np.concatenate([used, len(points) + np.arange(len(extended) - len(used))])
        blocks = self.corners(np.argwhere(kinds == FULL), order)
        return CutMesh(total, blocks, names[parts], self._exposed(kinds == FULL))

    def _points(self, touched: np.ndarray) -> np.ndarray:
        if self.dim == 3:
            return self.vertices.copy()
        middles = [0.5 * (a[1:] + a[:-1]) for a in self.axes]
        centres = np.stack([g.ravel() for g in np.meshgrid(*middles, indexing="ij")], 1)
        return np.concatenate([self.vertices, centres])

    def _values(self, points: np.ndarray) -> np.ndarray:
        values = self.level(points.T)
        return np.where(np.abs(values) < SNAP * float(self.sizes.min()), 0.0, np.nan_to_num(values, nan=np.inf))

    def _tetrahedra(self, cells: np.ndarray) -> np.ndarray:
        """Six of every box, around its diagonal; neighbours divide their common face alike."""
        unit = np.eye(3, dtype=int)
        paths = [np.cumsum([unit[0] * 0, *(unit[i] for i in p)], axis=0) for p in itertools.permutations(range(3))]
        return np.concatenate([self.corners(cells, path) for path in paths])

    def _divided(
        self, simplices: np.ndarray, points: np.ndarray, values: np.ndarray, added: CreasePoints
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The tetrahedra divided at points of creases and in edges that are cut twice, with all vertices and values."""
        names = np.ravel_multi_index(tuple(np.moveaxis(added.vertices, -1, 0)), self.counts, mode="clip")
        taken = names[added.count == 2, :2]
        edges, x, found = twice_cut(points, simplices, values, self.level, taken)
        total = np.concatenate([points, added.x, x])
        first, last = len(points), len(points) + len(added.x)
        for k in (4, 3, 2):  # what is divided first leaves the others whole
            own = np.flatnonzero(added.count == k)
            sets, numbers = names[own, :k], first + own
            if k == 2:
                sets, numbers = np.concatenate([sets, edges]), np.concatenate([numbers, last + np.arange(len(edges))])
            simplices = split_at(simplices, sets, numbers)
        return simplices, total, np.concatenate([values, np.zeros(len(added.x)), found])

    def _exposed(self, full: np.ndarray) -> np.ndarray:
        """Facets of full cells that no other full cell has, as outward simplices divided as those of the others."""
        facets = []
        for axis in range(self.dim):
            none = np.zeros_like(np.take(full, [0], axis))
            before = np.concatenate([none, np.delete(full, -1, axis)], axis)
            after = np.concatenate([np.delete(full, 0, axis), none], axis)
            for side, neighbour in enumerate((before, after)):
                cells = np.argwhere(full & ~neighbour)
                facets.append(self._side(cells, axis, side))
        return np.concatenate(facets)

    def _side(self, cells: np.ndarray, axis: int, side: int) -> np.ndarray:
        if self.dim == 2:
            ends = [[[0, 1], [0, 0]], [[1, 0], [1, 1]]] if axis == 0 else [[[0, 0], [1, 0]], [[1, 1], [0, 1]]]
            return self.corners(cells, np.array(ends[side]))
        first, second = (axis + 1) % 3, (axis + 2) % 3
        unit = np.eye(3, dtype=int)
        base = unit[axis] * side
        low, a, b, high = base, base + unit[first], base + unit[second], base + unit[first] + unit[second]
        pair = [[low, a, high], [low, high, b]] if side else [[low, high, a], [low, b, high]]
        return np.concatenate([self.corners(cells, np.array(t)) for t in pair])


def _criss_cross(own: np.ndarray) -> np.ndarray:
    """Four triangles of every rectangle, whose centre is its fifth vertex."""
    a, b, c, d, m = own.T
    return np.concatenate([np.stack(t, 1) for t in ((a, b, m), (b, c, m), (c, d, m), (d, a, m))])
