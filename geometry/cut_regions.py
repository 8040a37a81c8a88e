"""The regions of a domain that shapes cut out of a box: its inside, cut sides of the box, and boundaries of shapes."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from scipy.spatial import cKDTree

from hermite_pinn.errors import InvalidProblemError

from .carving import Carving
from .cells import OUTSIDE, TOUCHED
from .domain import Domain, Plane, Region
from .quadrature import gauss_axis, per_axis, sobol_cube
from .samples import Samples
from .shape import Piece, Surface

__all__ = ["CutFace", "CutInterior", "CutSide", "CutSpan"]

DENSE = {2: 3.0, 3: 2.0}  # points per cell and axis of a surface, by dimension
FINE = {2: 2000, 3: 96}  # surface points along the longest edge of the box, for measures and quasi-random points
TRIES = 60  # rounds of random points before a region counts as empty
BATCH = 1 << 18  # points at once


@dataclass(frozen=True, eq=False)
class Span:
    """How points in space become points of a domain that may have a time axis.

    Attributes
    ----------
    names
        Of all axes.
    space
        Numbers of the axes of space.
    time
        Number of the time axis, or None.
    start, end
        Of time; 0 and 1 without it.
    """

    names: tuple[str, ...]
    space: tuple[int, ...]
    time: int | None
    start: float
    end: float

    @classmethod
    def of(cls, domain: Domain) -> Span:
        """That of a domain."""
        t = domain.time_axis
        start, end = (0.0, 1.0) if t is None else (domain.lower[t], domain.upper[t])
        return cls(domain.names, domain.space_axes, t, start, end)

    @property
    def length(self) -> float:
        """Of time; 1 without it."""
        return self.end - self.start

    def joined(self, x: np.ndarray, t: np.ndarray | float) -> torch.Tensor:
        """Points (dim, n) from points in space and times."""
        result = np.empty((len(self.names), x.shape[1]))
        result[list(self.space)] = x
        if self.time is not None:
            result[self.time] = t
        return torch.as_tensor(result)

    def normals(self, normals: np.ndarray) -> torch.Tensor:
        """Normals in space with a component 0 along time."""
        return self.joined(normals, 0.0)

    def product(self, samples: Samples, cells: Sequence[int], order: int | Sequence[int]) -> Samples:
        """Samples in space times a Gauss rule in time."""
        x, weights = samples.x.numpy(), samples.weights.numpy()
        normals = samples.normals
        spread = None
        if normals is not None:
            full = torch.as_tensor(normals, dtype=torch.float64)
            spread = np.broadcast_to(full.reshape(len(self.space), -1).numpy(), x.shape)
        times, shares = np.zeros(1), np.ones(1)
        if self.time is not None:
            k = per_axis(order, len(self.names))[self.time]
            times, shares = gauss_axis(self.start, self.end, cells[self.time], k)
        count = times.size
        made = self.joined(np.repeat(x, count, axis=1), np.tile(times, x.shape[1]))
        total = torch.as_tensor((weights[:, None] * shares).ravel())
        return Samples(made, total, None if spread is None else self.normals(np.repeat(spread, count, axis=1)))


def _seed(generator: torch.Generator) -> int:
    """A seed for NumPy from a generator of PyTorch."""
    drawn = torch.randint(2**62, (1,), generator=generator, device=generator.device, dtype=torch.int64)
    return int(drawn.item())


@dataclass(frozen=True, eq=False)
class CutRegion(Region):
    """What all regions of a cut domain have in common: what is left of the box, and how it extends in time."""

    carving: Carving
    span: Span

    on_device = False

    @property
    def key(self) -> Hashable:
        """What tells it from other regions of its kind."""
        return self.name

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and (self.key, self.carving, self.span.start, self.span.end) == (
            other.key,  # type: ignore[attr-defined]
            other.carving,  # type: ignore[attr-defined]
            other.span.start,  # type: ignore[attr-defined]
            other.span.end,  # type: ignore[attr-defined]
        )

    def __hash__(self) -> int:
        return hash((self.key, self.carving, self.span.start, self.span.end))

    def spacing(self, cells: Sequence[int]) -> float:
        """Size of a cell in space, the smallest."""
        sizes = (self.carving.upper - self.carving.lower) / [cells[i] for i in self.span.space]
        return float(sizes.min())

    def _counts(self, cells: Sequence[int]) -> tuple[int, ...]:
        return tuple(int(cells[i]) for i in self.span.space)


@dataclass(frozen=True, eq=False)
class CutInterior(CutRegion):
    """All that shapes leave of a box."""

    is_interior = everywhere = True

    @property
    def name(self) -> str:
        """For messages."""
        return "interior"

    @property
    def measure(self) -> float:
        """Area or volume of what is left, times the length of time."""
        return self.carving.measure * self.span.length

    def random(self, count: int, generator: torch.Generator, dtype: torch.dtype) -> Samples:
        """Uniform random points; points that a shape cuts away are drawn again."""
        rng = np.random.default_rng(_seed(generator))
        x = self.in_cells(count, lambda n: rng.random((self.carving.dim + 1, n)))
        made = self.span.joined(x, self.span.start + self.span.length * rng.random(count))
        return Samples(made.to(generator.device, dtype), self.measure / count)

    def quasi_random(self, count: int, seed: int) -> Samples:
        """Those of scrambled Sobol points of the box, or of the cells that are left, that no shape cuts away."""
        carving, dim = self.carving, len(self.span.names)
        lower, upper = carving.extent
        share = carving.measure / float(np.prod(upper - lower))
        wanted = math.ceil(count / max(share, 1e-300) * 1.1) + 64
        if wanted > max(1 << 20, 16 * count):  # hardly anything of its bounds is left
            return self._quasi_random_in_cells(count, seed)
        while True:
            unit = sobol_cube(dim, wanted, seed).numpy().T
            x = lower[:, None] + unit[list(self.span.space)] * (upper - lower)[:, None]
            found = np.flatnonzero(carving.contains(x))[:count]
            if found.size == count:
                break
            wanted = math.ceil(1.2 * wanted)
        t = 0.0 if self.span.time is None else self.span.start + self.span.length * unit[self.span.time, found]
        return Samples(self.span.joined(x[:, found], t), self.measure / count)

    def _quasi_random_in_cells(self, count: int, seed: int) -> Samples:
        drawn = sobol_cube(self.carving.dim + 2, 1 << (8 * count - 1).bit_length(), seed).numpy().T
        place = 0

        def draw(n: int) -> np.ndarray:
            nonlocal place, drawn
            if place + n > drawn.shape[1]:
                drawn = sobol_cube(self.carving.dim + 2, 2 * drawn.shape[1] + n, seed).numpy().T
            place += n
            return np.asarray(drawn[:-1, place - n : place])

        x = self.in_cells(count, draw)
        t = sobol_cube(1, count, seed).numpy()[:, 0]
        return Samples(self.span.joined(x, self.span.start + self.span.length * t), self.measure / count)

    def in_cells(self, count: int, draw: Callable[[int], np.ndarray]) -> np.ndarray:
        """Points (space, count) uniform in what is left, from numbers (space + 1, n) uniform in the unit interval.

        Raises
        ------
        InvalidProblemError
            If none is found.
        """
        lower, size, cells, kinds = self._left
        found: list[np.ndarray] = []
        missing = count
        for _ in range(TRIES):
            unit = draw(min(BATCH, math.ceil(1.3 * missing) + 32))
            chosen = np.minimum((unit[0] * kinds.size).astype(np.int64), kinds.size - 1)
            x = lower[:, None] + (cells[:, chosen] + unit[1:]) * size[:, None]
            unsure = np.flatnonzero(kinds[chosen] == TOUCHED)
            good = np.ones(x.shape[1], dtype=bool)
            good[unsure] = self.carving.kept(x[:, unsure])
            found.append(x[:, good][:, :missing])
            missing -= found[-1].shape[1]
            if missing <= 0:
                return np.concatenate(found, axis=1)
        if missing < count and found:
            have = np.concatenate(found, axis=1)
            return have[:, np.arange(count) % have.shape[1]]
        raise InvalidProblemError("the shapes leave no part of the box in which points are found")

    @cached_property
    def _left(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Corner and size of the cells of a grid over the bounds, those that are left, and their kinds (n,)."""
        lower, upper = self.carving.extent
        counts = self.carving.resolution(lower, upper)
        kinds = self.carving.kinds(lower, upper, counts)
        cells = np.stack(np.nonzero(kinds != OUTSIDE))
        return lower, (upper - lower) / np.array(counts), cells, kinds[tuple(cells)]

    def gauss(self, cells: Sequence[int], order: int | Sequence[int]) -> Samples:
        """Gauss points of all cells, without those that a shape cuts away; the weights sum to the measure."""
        counts, orders = self._counts(cells), per_axis(order, len(self.span.names))
        return self.span.product(self._rule(counts, tuple(orders[i] for i in self.span.space)), cells, order)

    def gauss_count(self, cells: Sequence[int], order: int | Sequence[int]) -> int:
        """Number of points of :meth:`gauss`."""
        counts, orders = self._counts(cells), per_axis(order, len(self.span.names))
        in_space = self._rule(counts, tuple(orders[i] for i in self.span.space)).count
        return in_space * (1 if self.span.time is None else cells[self.span.time] * orders[self.span.time])

    @cached_property
    def _rule(self):  # type: ignore[no-untyped-def]  # a cache that goes with its object
        return lru_cache(maxsize=2)(self._gauss_in_space)

    def _gauss_in_space(self, counts: tuple[int, ...], orders: tuple[int, ...]) -> Samples:
        carving = self.carving
        kinds = carving.cells(counts).kinds
        cells = np.stack(np.nonzero(kinds != OUTSIDE))
        touched = kinds[tuple(cells)] == TOUCHED
        rules = [gauss_axis(0.0, 1.0, 1, k) for k in orders]
        mesh = np.stack([g.ravel() for g in np.meshgrid(*(r[0] for r in rules), indexing="ij")])
        size = (carving.upper - carving.lower) / np.array(counts)
        weights = np.prod(size) * np.prod(
            np.stack([g.ravel() for g in np.meshgrid(*(r[1] for r in rules), indexing="ij")]), axis=0
        )
        x = (carving.lower[:, None, None] + (cells[:, :, None] + mesh[:, None]) * size[:, None, None]).reshape(
            carving.dim, -1
        )
        w, of_touched = np.tile(weights, cells.shape[1]), np.repeat(touched, weights.size)
        kept = np.ones(w.size, dtype=bool)
        kept[of_touched] = carving.kept(x[:, of_touched])
        x, w, of_touched = x[:, kept], w[kept], of_touched[kept]
        if not w.size:
            raise InvalidProblemError(
                f"no Gauss point of {' x '.join(map(str, counts))} cells lies in what the shapes leave of the box: it is "
                "thinner than the cells; use more of them"
            )
        # what is left of touched cells shares what the full ones leave of the measure
        rest, cut = carving.measure - float(w[~of_touched].sum()), float(w[of_touched].sum())
        if cut > 0 and rest > 0:
            w[of_touched] *= rest / cut
        else:
            w *= carving.measure / w.sum()
        return Samples(torch.as_tensor(np.ascontiguousarray(x)), torch.as_tensor(w))


@dataclass(frozen=True, eq=False)
class CutSpan(CutRegion):
    """The start or the end of time of a cut domain."""

    interior: CutInterior
    side: Region  # of the box

    on_boundary = True

    @property
    def name(self) -> str:
        """That of the side."""
        return self.side.name

    @property
    def plane(self) -> Plane | None:
        """The side of time."""
        return self.side.plane

    @property
    def normal(self) -> tuple[float, ...] | None:
        """Along time."""
        return self.side.normal

    @property
    def measure(self) -> float:
        """Area or volume of what is left in space."""
        return self.carving.measure

    def _at(self, samples: Samples) -> Samples:
        assert self.plane is not None
        x = samples.x.clone()
        x[self.plane.axis] = self.plane.position
        return Samples(x, self.measure / samples.count, self.normal)

    def random(self, count: int, generator: torch.Generator, dtype: torch.dtype) -> Samples:
        """Uniform random points of what is left."""
        return self._at(self.interior.random(count, generator, dtype))

    def quasi_random(self, count: int, seed: int) -> Samples:
        """Low-discrepancy points of what is left."""
        return self._at(self.interior.quasi_random(count, seed))

    def gauss(self, cells: Sequence[int], order: int | Sequence[int]) -> Samples:
        """The rule of the interior in space."""
        assert self.plane is not None
        orders = per_axis(order, len(self.span.names))
        rule = self.interior._rule(self._counts(cells), tuple(orders[i] for i in self.span.space))
        return Samples(self.span.joined(rule.x.numpy(), self.plane.position), rule.weights, self.normal)

    def gauss_count(self, cells: Sequence[int], order: int | Sequence[int]) -> int:
        """Number of points of :meth:`gauss`."""
        orders = per_axis(order, len(self.span.names))
        return int(self.interior._rule(self._counts(cells), tuple(orders[i] for i in self.span.space)).count)

    def spacing(self, cells: Sequence[int]) -> float:
        """Size of a cell along time."""
        return self.side.spacing(cells)


@dataclass(frozen=True, eq=False)
class CutSurface(CutRegion):
    """A part of the boundary in space that shapes make or trim."""

    on_boundary = True

    @abstractmethod
    def _fine(self, cells: Sequence[int] | None) -> Surface:
        """Points in space, for a grid, or fine ones for measures."""

    @cached_property
    def _finest(self) -> Surface:
        return self._fine(None)

    @property
    def measure(self) -> float:
        """Area or length of what is left, times the length of time."""
        return float(self._finest.weights.sum()) * self.span.length

    @cached_property
    def _grids(self):  # type: ignore[no-untyped-def]  # a cache that goes with its object
        return lru_cache(maxsize=4)(self._scaled)

    def _scaled(self, counts: tuple[int, ...]) -> Surface:
        cells = [1] * len(self.span.names)
        for axis, n in zip(self.span.space, counts, strict=True):
            cells[axis] = n
        made = self._fine(cells)
        if not made.count:
            made = self._finest
        total = float(self._finest.weights.sum())
        return Surface(made.x, made.weights * (total / made.weights.sum()), made.normals)

    def in_space(self, cells: Sequence[int]) -> Samples:
        """Points in space with weights and outward normals."""
        made: Surface = self._grids(self._counts(cells))
        return Samples(torch.as_tensor(made.x), torch.as_tensor(made.weights), torch.as_tensor(made.normals))

    def gauss(self, cells: Sequence[int], order: int | Sequence[int]) -> Samples:
        """The points in space times a Gauss rule in time."""
        made = self.span.product(self.in_space(cells), cells, order)
        return Samples(made.x, made.weights, self.normal or made.normals)

    def gauss_count(self, cells: Sequence[int], order: int | Sequence[int]) -> int:
        """Number of points of :meth:`gauss`."""
        count = self._grids(self._counts(cells)).count
        t = self.span.time
        return int(count if t is None else count * cells[t] * per_axis(order, len(self.span.names))[t])

    @cached_property
    def normal(self) -> tuple[float, ...] | None:  # type: ignore[override]
        """The outward normal where it is the same at all points."""
        normals = self._finest.normals
        if np.ptp(normals, axis=1).max() > 1e-12:
            return None
        return tuple(self.span.normals(normals[:, :1])[:, 0].tolist())

    def quasi_random(self, count: int, seed: int) -> Samples:
        """Points that divide the surface evenly, those of a fine rule, at low-discrepancy times."""
        fine = self._finest
        total = np.cumsum(fine.weights)
        unit = sobol_cube(1, 1, seed).numpy()[0, 0]
        chosen = np.minimum(np.searchsorted(total, (np.arange(count) + unit) / count * total[-1]), fine.count - 1)
        t = self.span.start + self.span.length * (np.random.default_rng(seed).permutation(count) + 0.5) / count
        return self._samples(fine.take(chosen), t)

    def random(self, count: int, generator: torch.Generator, dtype: torch.dtype) -> Samples:
        """Uniform random points."""
        rng = np.random.default_rng(_seed(generator))
        made = self._drawn(count, rng)
        samples = self._samples(made, self.span.start + self.span.length * rng.random(count))
        return samples.to(generator.device, dtype)

    def _samples(self, made: Surface, t: np.ndarray) -> Samples:
        normals = self.normal or self.span.normals(made.normals)
        return Samples(self.span.joined(made.x, t), self.measure / made.count, normals)

    @abstractmethod
    def _drawn(self, count: int, rng: np.random.Generator) -> Surface:
        """Uniform random points in space."""


@dataclass(frozen=True, eq=False)
class CutSide(CutSurface):
    """What shapes leave of a side of a box."""

    side: Region  # of the box

    @property
    def name(self) -> str:
        """That of the side of the box."""
        return self.side.name

    @property
    def lies_in(self) -> Plane | None:
        """The side of the box."""
        return self.side.plane

    @cached_property
    def _place(self) -> tuple[int, int]:
        """The axis of space across it, and 0 or 1."""
        plane = self.side.plane
        assert plane is not None
        return self.span.space.index(plane.axis), plane.side

    def spacing(self, cells: Sequence[int]) -> float:
        """Size of a cell across it."""
        return self.side.spacing(cells)

    def _fine(self, cells: Sequence[int] | None) -> Surface:
        axis, end = self._place
        if cells is None:
            fine = {2: 1000, 3: 64}[self.carving.dim]
            lengths = self.carving.upper - self.carving.lower
            counts = tuple(max(4, math.ceil(fine * a / lengths.max())) for a in lengths)
            x, weights = self.carving.side(axis, end, counts, 1)
        else:
            x, weights = self.carving.side(axis, end, self._counts(cells), 3)
        return self._oriented(x, weights)

    def _oriented(self, x: np.ndarray, weights: np.ndarray) -> Surface:
        axis, end = self._place
        normals = np.zeros_like(x)
        normals[axis] = (-1.0, 1.0)[end]
        return Surface(x, weights, normals)

    def _drawn(self, count: int, rng: np.random.Generator) -> Surface:
        axis, end = self._place
        carving = self.carving
        inward = np.zeros((carving.dim, 1))
        inward[axis] = (1.0, -1.0)[end] * 1e-6 * carving.size
        found, missing = [], count
        area = float(np.prod(np.delete(carving.upper - carving.lower, axis)))
        share = max(1e-4, float(self._finest.weights.sum()) / area)
        for _ in range(TRIES):
            n = min(BATCH, math.ceil(1.3 * missing / share) + 32)
            x = carving.lower[:, None] + rng.random((carving.dim, n)) * (carving.upper - carving.lower)[:, None]
            x[axis] = (carving.lower, carving.upper)[end][axis]
            found.append(x[:, carving.kept(x + inward)][:, :missing])
            missing -= found[-1].shape[1]
            if missing <= 0:
                break
        x = np.concatenate(found, axis=1)
        if not x.shape[1]:
            raise InvalidProblemError(f"the shapes leave no part of the face {self.name} in which points are found")
        x = x[:, np.arange(count) % x.shape[1]]
        return self._oriented(x, np.full(count, 1.0))


@dataclass(frozen=True, eq=False)
class CutFace(CutSurface):
    """The boundary of a shape, or pieces of it, as far as it is the boundary of the domain."""

    label: str
    leaf: str  # the name of the shape
    pieces: tuple[tuple[int, Piece], ...]  # with the numbers of their cutters

    @property
    def name(self) -> str:
        """That of the shape, or of the piece."""
        return self.label

    @cached_property
    def covers(self) -> frozenset[str]:  # type: ignore[override]
        """The names of its pieces as far as anything is left of them."""
        named = {piece.label for _, piece in self.pieces}
        if len(named) < 2:
            return frozenset([self.label])
        spacing = self.carving.size / FINE[self.carving.dim]
        left = {p.label for k, p in self.pieces if self.carving.surface(k, p, spacing).count}
        return frozenset(self.leaf + label for label in left)

    def _fine(self, cells: Sequence[int] | None) -> Surface:
        if cells is None:
            spacing = self.carving.size / FINE[self.carving.dim]
        else:
            spacing = self.spacing(cells) / DENSE[self.carving.dim]
        return _joined([self.carving.surface(k, piece, spacing) for k, piece in self.pieces], self.carving.dim)

    @property
    def number(self) -> int:
        """Of the cutter to which it belongs."""
        return self.pieces[0][0]

    @cached_property
    def trees(self) -> dict[str, cKDTree]:
        """Points on its pieces that are left, to be searched, by name of the piece."""
        spacing = self.carving.size / FINE[self.carving.dim]
        found: dict[str, list[np.ndarray]] = {}
        for k, piece in self.pieces:
            made = self.carving.surface(k, piece, spacing)
            if made.count:
                name = self.label if self.label in self.covers else self.leaf + piece.label
                found.setdefault(name, []).append(made.x)
        return {name: cKDTree(np.concatenate(parts, axis=1).T) for name, parts in found.items()}

    def _drawn(self, count: int, rng: np.random.Generator) -> Surface:
        found, missing = [], count
        sizes = np.array([piece.measure for _, piece in self.pieces])
        share = max(1e-4, float(self._finest.weights.sum()) / float(sizes.sum()))
        for _ in range(TRIES):
            n = min(BATCH, math.ceil(1.3 * missing / share) + 32)
            parts = rng.multinomial(n, sizes / sizes.sum())
            made = []
            for (k, piece), m in zip(self.pieces, parts, strict=True):
                if m:
                    drawn = self.carving.cutters[k].outward(piece.random(int(m), rng))
                    made.append(drawn.take(self.carving.trimmed(k, drawn)))
            all_of_it = _joined(made, self.carving.dim)
            all_of_it = all_of_it.take(rng.permutation(all_of_it.count)[:missing])
            found.append(all_of_it)
            missing -= all_of_it.count
            if missing <= 0:
                break
        have = _joined(found, self.carving.dim)
        if not have.count:
            raise InvalidProblemError(f"no part of the face {self.name} is found on the boundary of the domain")
        return have.take(np.arange(count) % have.count)


def _joined(parts: Sequence[Surface], dim: int) -> Surface:
    """Several surfaces as one."""
    if not parts:
        return Surface(np.zeros((dim, 0)), np.zeros(0), np.zeros((dim, 0)))
    return Surface(
        np.concatenate([p.x for p in parts], axis=1),
        np.concatenate([p.weights for p in parts]),
        np.concatenate([p.normals for p in parts], axis=1),
    )
