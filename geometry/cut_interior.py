"""All that shapes leave of a box, and the same at the start or the end of time."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch

from hermite_pinn.errors import InvalidProblemError

from .cells import OUTSIDE, TOUCHED
from .cut_measure import measure_left
from .cut_region import BATCH, TRIES, CutRegion
from .quadrature import gauss_axis, per_axis, sobol_cube
from .region import Plane, Region
from .samples import Samples
from .seeds import numpy_seed

__all__ = ["CutInterior", "CutSpan"]


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
        return measure_left(self.carving) * self.span.length

    def random(self, count: int, generator: torch.Generator, dtype: torch.dtype) -> Samples:
        """Uniform random points; points that a shape cuts away are drawn again."""
        rng = np.random.default_rng(numpy_seed(generator))
        x = self.in_cells(count, lambda n: rng.random((self.carving.dim + 1, n)))
        made = self.span.joined(x, self.span.start + self.span.length * rng.random(count))
        return Samples(made.to(generator.device, dtype), self.measure / count)

    def quasi_random(self, count: int, seed: int) -> Samples:
        """Those of scrambled Sobol points of the box, or of the cells that are left, that no shape cuts away."""
        carving, dim = self.carving, len(self.span.names)
        lower, upper = carving.extent
        share = measure_left(carving) / float(np.prod(upper - lower))
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
        rest, cut = measure_left(carving) - float(w[~of_touched].sum()), float(w[of_touched].sum())
        if cut > 0 and rest > 0:
            w[of_touched] *= rest / cut
        else:
            w *= measure_left(carving) / w.sum()
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
        return measure_left(self.carving)

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
