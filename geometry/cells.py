"""Which cells of a uniform grid a domain touches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["FULL", "OUTSIDE", "TOUCHED", "Cells"]

OUTSIDE, FULL, TOUCHED = 0, 1, 2


@dataclass(frozen=True)
class Cells:
    """The kinds of the cells of a grid over the space axes of a bounding box.

    A cell is touched where the boundary of a shape passes through it, full where it lies inside, else outside.  Sides
    of the box touch no cell.

    Attributes
    ----------
    kinds
        int8, one number per cell: :data:`OUTSIDE`, :data:`FULL` or :data:`TOUCHED`; as many axes as space has.
    """

    kinds: np.ndarray

    @property
    def active(self) -> np.ndarray:
        """Whether the domain reaches into a cell."""
        return self.kinds != OUTSIDE
