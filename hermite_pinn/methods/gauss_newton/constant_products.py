"""Products of the columns of a system, of which those that hardly change are kept: of noisy data and of penalties.

Equations are linearised anew in every step, but the rows of data and penalties only change their weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from hermite_pinn.methods.least_squares.nested_dissection import Dissection
from hermite_pinn.methods.systems.dense_block import DenseBlock
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.methods.systems.vertex_layout import VertexLayout

from .normal_factor import normal_blocks

__all__ = ["ConstantProducts"]


class ConstantProducts:
    """Makes the :func:`normal_blocks` of one system after the other, and keeps parts that are the same up to a factor.

    Examples
    --------
    >>> from hermite_pinn.methods.least_squares.nested_dissection import dissect
    >>> from hermite_pinn.problems import inverse_poisson
    >>> system = GridSystem(inverse_poisson(points=5), "cubic", [(2, 2)])
    >>> layout = system.layout
    >>> order = dissect(layout.positions, layout.sides, layout.wraps, layout.width)
    >>> _ = system.linearize(torch.ones(system.size, dtype=torch.float64))
    >>> kept = ConstantProducts()
    >>> first = kept.of(system, layout, order)
    >>> system.smooth({"u": 1e-2, "a": 3e-3}, 10.0)
    >>> _ = system.linearize(torch.ones(system.size, dtype=torch.float64))
    >>> torch.allclose(kept.of(system, layout, order), normal_blocks(system, layout, order), rtol=1e-12)
    True
    """

    def __init__(self) -> None:
        self._system: GridSystem | None = None
        self._dissection: Dissection | None = None
        self._kept: dict[int, torch.Tensor] = {}

    def of(
        self,
        system: GridSystem,
        layout: VertexLayout,
        dissection: Dissection,
        members: Sequence[DenseBlock] | None = None,
    ) -> torch.Tensor:
        """The products of some blocks of rows, None for all, (pairs, w, w); the caller may change them."""
        if system is not self._system or dissection is not self._dissection:
            self._system, self._dissection, self._kept = system, dissection, {}
        every = system.blocks if members is None else members
        moving = [b for b in every if self._weight(b) is None]
        blocks = normal_blocks(system, layout, dissection, moving)
        for b in every:
            weight = self._weight(b)
            if weight is None:
                continue
            if id(b) not in self._kept:
                self._kept[id(b)] = normal_blocks(system, layout, dissection, [b]).div_(weight)
            blocks.add_(self._kept[id(b)], alpha=weight)
        return blocks

    def _weight(self, block: DenseBlock) -> float | None:
        """What the products are proportional to; None where they change in other ways."""
        assert self._system is not None
        if not all(t.affine for t in block.terms):
            return None
        if any(block is b for b in self._system.noisy):
            return self._system.emphasis
        penalty = any(block is b for b in self._system.penalties.values())
        return float(block.scales[0]) ** -2 if penalty else None
