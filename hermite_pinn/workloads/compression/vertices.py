"""Which vertices of a level have coefficients, and what stands for those of the others.

Where shapes cut a domain, only the vertices of cells that touch it are there.  At the others, predictions need
something: the Taylor polynomials of the neighbours that are there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.tensor_grid.pyramid import from_records, to_records

from .hierarchy import Hierarchy

__all__ = ["Vertices"]

MOST = 8  # vertices of a box for each that is there


@dataclass(frozen=True)
class Vertices:
    """Those of the finest level that have coefficients.

    Attributes
    ----------
    layout
        One level.
    places
        Their numbers in an array of all, in the order of the table; None if all are there in their order.
    """

    layout: GridLayout
    places: torch.Tensor | None

    @classmethod
    def of(cls, layout: GridLayout) -> Vertices:
        """Those of a layout."""
        listed = layout.listed[0] if layout.listed else None
        if listed is None:
            return cls(layout, None)
        index = np.ravel_multi_index(tuple(listed.vertices.T.astype(np.int64)), layout.vertices(0))
        return cls(layout, torch.from_numpy(np.ascontiguousarray(index)))

    @classmethod
    def many(cls, layout: GridLayout) -> bool:
        """Whether so many are listed that an array of all is not much larger."""
        return bool(layout.listed) and math.prod(layout.vertices(0)) <= MOST * len(layout.listed[0] or ())

    def at(self, hierarchy: Hierarchy, level: int) -> torch.Tensor | None:
        """Which vertices of a resolution are there, (N_1, ..., N_d); None for all."""
        if self.places is None:
            return None
        there = torch.zeros(math.prod(self.layout.vertices(0)), dtype=torch.bool)
        there[self.places] = True
        ratios = [n // k for n, k in zip(hierarchy.finest, hierarchy.resolutions[level], strict=True)]
        return there.view(self.layout.vertices(0))[tuple(slice(None, None, r) for r in ratios)]

    def spread(self, table: torch.Tensor) -> torch.Tensor:
        """Coefficients (features, m N_1, ..., m N_d) of all vertices, zero where there are none."""
        layout = self.layout
        group = layout.groups[0][0]
        width = layout.record * layout.features
        own = table[group.offset : group.offset + group.slots * width]
        if self.places is not None:
            whole = own.new_zeros(math.prod(layout.vertices(0)), width)
            whole[self.places] = own.view(-1, width)
            own = whole.reshape(-1)
        return from_records(own, layout.orders, layout.vertices(0), layout.features).contiguous()

    def gathered(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Inverse of :meth:`spread`."""
        layout = self.layout
        own = to_records(coefficients, layout.orders)
        if self.places is not None:
            own = own.view(-1, layout.record * layout.features)[self.places].reshape(-1)
        table = own.new_zeros(layout.size)
        offset = layout.groups[0][0].offset
        table[offset : offset + own.numel()] = own
        return table

    def extend(self, hierarchy: Hierarchy, level: int, split: torch.Tensor) -> None:
        """Write the mean of the neighbours' Taylor polynomials where nothing is, into split coefficients of a level."""
        there = self.at(hierarchy, level)
        if there is None or bool(there.all()):
            return
        total, count = torch.zeros_like(split), torch.zeros(there.shape, dtype=split.dtype)
        for axis, periodic in enumerate(hierarchy.periodic):
            for ahead in (1, -1):
                moved = torch.roll(split, ahead, 2 * axis + 1).movedim(2 * axis + 2, -1)
                moved = (moved @ _taylor(hierarchy.orders, float(ahead)).T).movedim(-1, 2 * axis + 2)
                known = torch.roll(there, ahead, axis).to(split.dtype)
                if not periodic:
                    known.select(axis, 0 if ahead == 1 else -1).zero_()
                total += moved * _over_orders(known)
                count += known
        missing = _over_orders((~there & (count > 0)).to(split.dtype))
        split += missing * (total / _over_orders(count.clamp(min=1.0)) - split)


def _taylor(orders: int, distance: float) -> torch.Tensor:
    """Derivatives at a distance, in cells, from those at a vertex."""
    matrix = torch.zeros(orders, orders, dtype=torch.float64)
    for a in range(orders):
        for b in range(a, orders):
            matrix[a, b] = distance ** (b - a) / math.factorial(b - a)
    return matrix


def _over_orders(vertices: torch.Tensor) -> torch.Tensor:
    """(1, N_1, 1, ..., N_d, 1), to be broadcast with split coefficients."""
    return vertices.view(1, *(k for n in vertices.shape for k in (n, 1)))
