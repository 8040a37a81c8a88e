"""Dense vertices from coarse to fine: what a grid predicts at the new vertices of one with cells of half the length.

The coefficients of a vertex are derivatives of the field there.  Those on every second vertex are a coarser field of
the same basis, and this field's derivatives at the vertices between are a prediction, whose errors fall with the power
of the length of cells that the basis has.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.tensor_grid.pyramid import Pyramid

__all__ = ["Hierarchy"]


@dataclass(frozen=True)
class Hierarchy:
    """Resolutions from coarse to fine, each with the cells of the one before or twice as many along every axis.

    Parameters
    ----------
    basis
        Of :data:`hermite_pinn.cuda.encoder.basis.BASES`, refinable.
    finest
        Cells per axis.
    periodic
        Per axis.
    fields
        Number of fields.

    Examples
    --------
    >>> Hierarchy("cubic", (8, 12), (False, False), 1).resolutions
    ((2, 3), (4, 6), (8, 12))
    """

    basis: str
    finest: tuple[int, ...]
    periodic: tuple[bool, ...]
    fields: int

    @classmethod
    def of(cls, layout: GridLayout) -> Hierarchy:
        """That of the finest level of a grid."""
        return cls(layout.basis, layout.resolutions[-1], layout.periodic, layout.features)

    @cached_property
    def resolutions(self) -> tuple[tuple[int, ...], ...]:
        """Cells per axis, halved as long as one axis has an even number above 2."""
        found = [self.finest]
        while (coarser := _halved(found[0])) != found[0]:
            found.insert(0, coarser)
        return tuple(found)

    @property
    def levels(self) -> int:
        """Number of resolutions."""
        return len(self.resolutions)

    @property
    def orders(self) -> int:
        """Coefficients per vertex and axis."""
        return BASES[self.basis].coefficients

    @property
    def dim(self) -> int:
        """Number of axes."""
        return len(self.finest)

    def vertices(self, level: int) -> tuple[int, ...]:
        """Per axis."""
        return tuple(n + (not p) for n, p in zip(self.resolutions[level], self.periodic, strict=True))

    def shape(self, level: int) -> tuple[int, ...]:
        """Of coefficients (fields, m N_1, ..., m N_d)."""
        return self.fields, *(self.orders * n for n in self.vertices(level))

    def count(self, level: int) -> int:
        """Coefficients at the vertices that a level adds."""
        before = math.prod(self.shape(level - 1)) if level else 0
        return math.prod(self.shape(level)) - before

    def prolonged(self, level: int, coefficients: torch.Tensor) -> torch.Tensor:
        """Coefficients on ``level`` of a field given on the one before."""
        steps = self.resolutions[level - 1 : level + 1]
        return Pyramid(self.basis, steps, self.periodic, self.fields).prolong(0, coefficients)

    def restricted(self, level: int, finest: torch.Tensor) -> torch.Tensor:
        """Coefficients on ``level`` from the derivatives that a field on the finest has at its vertices."""
        ratios = [n // k for n, k in zip(self.finest, self.resolutions[level], strict=True)]
        split = self.split(finest)[tuple(self._vertex_index([slice(None, None, r) for r in ratios]))]
        return (split * self._units(ratios)).reshape(self.shape(level))

    def split(self, coefficients: torch.Tensor) -> torch.Tensor:
        """(fields, N_1, m, ..., N_d, m) from (fields, m N_1, ..., m N_d), sharing the memory."""
        sizes = [k // self.orders for k in coefficients.shape[1:]]
        return coefficients.view(self.fields, *(k for n in sizes for k in (n, self.orders)))

    def steps(self, level: int, records: np.ndarray) -> torch.Tensor:
        """What (fields, m, ..., m) in units of the finest cells are on a level, to be broadcast with :meth:`split`."""
        ratios = [n // k for n, k in zip(self.finest, self.resolutions[level], strict=True)]
        spread = torch.as_tensor(records).reshape(len(records), *(k for _ in ratios for k in (1, self.orders)))
        return spread * self._units(ratios)

    def added(self, level: int) -> Iterator[tuple[slice, ...]]:
        """The parts of :meth:`split` coefficients that are at vertices which a level adds; the first level adds all."""
        if not level:
            yield (slice(None),) * (2 * self.dim + 1)
            return
        pairs = zip(self.resolutions[level - 1], self.resolutions[level], strict=True)
        for parity in itertools.product(*((0, 1) if a != b else (0,) for a, b in pairs)):
            if any(parity):
                refined = [a != b for a, b in zip(*self.resolutions[level - 1 : level + 1], strict=True)]
                yield tuple(
                    self._vertex_index(
                        [slice(p, None, 2) if r else slice(None) for p, r in zip(parity, refined, strict=True)]
                    )
                )

    def in_order(self, part: torch.Tensor) -> torch.Tensor:
        """Coefficients of a part, (kinds, vertices), sharing the memory: those of one kind have one size."""
        axes = range(1, 2 * self.dim + 1)
        turned = part.permute(0, *axes[1::2], *axes[::2])
        return turned.flatten(0, self.dim).flatten(1)

    def from_order(self, numbers: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """Inverse of :meth:`in_order`, for a part of the shape of another."""
        axes = range(1, 2 * self.dim + 1)
        order = [0, *axes[1::2], *axes[::2]]
        turned = numbers.view([like.shape[k] for k in order])
        return turned.permute([order.index(k) for k in range(len(order))])

    def _vertex_index(self, vertices: list[slice]) -> list[slice]:
        return [slice(None), *(s for v in vertices for s in (v, slice(None)))]

    def _units(self, ratios: list[int]) -> torch.Tensor:
        """Units of derivatives in cells that are so many times longer."""
        units = torch.ones((1,) * (2 * self.dim + 1), dtype=torch.float64)
        for axis, ratio in enumerate(ratios):
            powers = float(ratio) ** torch.arange(self.orders, dtype=torch.float64)
            units = units * powers.view([-1 if k == 2 * axis + 2 else 1 for k in range(2 * self.dim + 1)])
        return units


def _halved(resolution: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n // 2 if n % 2 == 0 and n > 2 else n for n in resolution)
