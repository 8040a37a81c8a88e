"""Nested cubes of cells, each twice as wide as the one inside."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from hermite_pinn.errors import InvalidArgumentError

__all__ = ["Cascades", "morton_cells", "morton_index"]

SIZES = (8, 16, 32, 64, 128, 256, 512)
MOST = 16


def _spread(a: torch.Tensor) -> torch.Tensor:
    for shift, mask in ((16, 0x030000FF), (8, 0x0300F00F), (4, 0x030C30C3), (2, 0x09249249)):
        a = (a | a << shift) & mask
    return a


def _gathered(a: torch.Tensor) -> torch.Tensor:
    a = a & 0x09249249
    for shift, mask in ((2, 0x030C30C3), (4, 0x0300F00F), (8, 0x030000FF), (16, 0x3FF)):
        a = (a | a >> shift) & mask
    return a


def morton_index(cells: torch.Tensor) -> torch.Tensor:
    """Number of cells on the Z-order curve.

    Parameters
    ----------
    cells
        (3, n), int64, from 0 to 1023.

    Returns
    -------
    torch.Tensor
        (n,), int64: the binary digits of the three numbers, interleaved, those of the first axis lowest.

    Examples
    --------
    >>> morton_index(torch.tensor([[1, 0, 2], [0, 1, 0], [0, 1, 3]]))
    tensor([ 1,  6, 44])
    """
    x, y, z = (_spread(c) for c in cells)
    return x | y << 1 | z << 2


def morton_cells(index: torch.Tensor) -> torch.Tensor:
    """The cells (3, n) of numbers (n,) on the Z-order curve: the inverse of :func:`morton_index`."""
    return torch.stack([_gathered(index >> axis) for axis in range(3)])


@dataclass(frozen=True)
class Cascades:
    """Where the cells lie: cascade ``m`` is a cube of ``cells^3`` equal cells that covers ``centre +- half 2^m``.

    Attributes
    ----------
    centre
        Middle of all cubes.
    half
        Half the width of the finest.
    cells
        Per axis: a power of two from 8 to 512.
    count
        Number of cascades, 1 to 16.

    Raises
    ------
    InvalidArgumentError
        If they are not.

    Examples
    --------
    >>> c = Cascades((0.0, 0.0, 0.0), 1.0, 128, 3)
    >>> c.lower, c.width(1)
    ((-4.0, -4.0, -4.0), 0.03125)
    """

    centre: tuple[float, float, float]
    half: float
    cells: int = 128
    count: int = 1

    def __post_init__(self) -> None:
        if self.cells not in SIZES:
            raise InvalidArgumentError(f"cells must be one of {', '.join(map(str, SIZES))}, got {self.cells!r}")
        if not 1 <= self.count <= MOST:
            raise InvalidArgumentError(f"count must be 1 to {MOST} cascades, got {self.count!r}")
        if len(self.centre) != 3 or not all(map(math.isfinite, self.centre)):
            raise InvalidArgumentError(f"centre must be three finite numbers, got {self.centre!r}")
        if not 0 < self.half < math.inf:
            raise InvalidArgumentError(f"half must be a positive length, got {self.half!r}")

    @property
    def lower(self) -> tuple[float, float, float]:
        """Lower corner of the coarsest cascade."""
        x, y, z = self.centre
        reach = self.half * 2.0 ** (self.count - 1)
        return x - reach, y - reach, z - reach

    @property
    def upper(self) -> tuple[float, float, float]:
        """Upper corner of the coarsest cascade."""
        x, y, z = self.centre
        reach = self.half * 2.0 ** (self.count - 1)
        return x + reach, y + reach, z + reach

    def width(self, cascade: int) -> float:
        """Width of a cell."""
        return self.half * 2.0 ** (cascade + 1) / self.cells

    def points(self, index: torch.Tensor, where: torch.Tensor | None = None) -> torch.Tensor:
        """Points in cells.

        Parameters
        ----------
        index
            (n,), int64: ``cascade cells^3`` plus the number of the cell on the Z-order curve.
        where
            (3, n), position in the cell from 0 to 1; None: its middle.

        Returns
        -------
        torch.Tensor
            (3, n), float32, or of the type of ``where``.
        """
        cube = self.cells**3
        inside: torch.Tensor | float = 0.5 if where is None else where
        dtype = torch.float32 if where is None else where.dtype
        width = torch.exp2((index // cube).to(dtype)) * (2.0 * self.half / self.cells)
        centre = torch.tensor(self.centre, dtype=dtype, device=index.device)[:, None]
        return centre + (morton_cells(index % cube) - self.cells // 2 + inside) * width
