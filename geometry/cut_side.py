"""What shapes leave of a side of a box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hermite_pinn.errors import InvalidProblemError

from .cut_region import BATCH, TRIES
from .cut_sides import side_points
from .cut_surface import CutSurface
from .region import Plane, Region
from .shape import Surface

__all__ = ["CutSide"]


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
            x, weights = side_points(self.carving, axis, end, counts, 1)
        else:
            x, weights = side_points(self.carving, axis, end, self._counts(cells), 3)
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
