"""The boundary of a shape as far as it is the boundary of a domain."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree

from hermite_pinn.errors import InvalidProblemError

from .cut_region import BATCH, TRIES
from .cut_surface import CutSurface
from .shape import Piece, Surface

__all__ = ["CutFace"]

DENSE = {2: 3.0, 3: 2.0}  # points per cell and axis of a surface, by dimension
FINE = {2: 2000, 3: 96}  # surface points along the longest edge of the box, for measures and quasi-random points


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
        return Surface.joined([self.carving.surface(k, piece, spacing) for k, piece in self.pieces], self.carving.dim)

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
            all_of_it = Surface.joined(made, self.carving.dim)
            all_of_it = all_of_it.take(rng.permutation(all_of_it.count)[:missing])
            found.append(all_of_it)
            missing -= all_of_it.count
            if missing <= 0:
                break
        have = Surface.joined(found, self.carving.dim)
        if not have.count:
            raise InvalidProblemError(f"no part of the face {self.name} is found on the boundary of the domain")
        return have.take(np.arange(count) % have.count)
