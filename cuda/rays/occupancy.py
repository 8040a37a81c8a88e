"""Which cells of nested cubes hold something to be seen."""

from __future__ import annotations

import torch

from hermite_pinn.cuda.runtime.operands import require
from hermite_pinn.errors import InvalidArgumentError

from .cascades import Cascades, morton_cells, morton_index
from .launch import plain, run

__all__ = ["OccupancyGrid"]

TEXT = ("occupancy", torch.float32, 3)
FIRST = 256  # updates that visit every cell
VISIBLE = 0.01  # optical depth of one step
SLACK = 1.0 - 1e-3  # of the mean: in a uniform fog no cell is above it


class OccupancyGrid:
    """A decaying maximum of the optical depth of a step in every cell, and one bit for whether that is visible.

    Numbers of cells are those of :meth:`.Cascades.points`.  Until the first update every cell counts as occupied.

    Parameters
    ----------
    cascades
        Where the cells lie.
    device
        Of the tensors.

    Attributes
    ----------
    values
        (cascades, cells^3), float32: optical depth, or -1 for cells that no camera sees, which stay so.
    bits
        (cascades, cells^3 / 8), uint8: bit ``i`` of byte ``b`` belongs to cell ``8 b + i``.

    Examples
    --------
    >>> grid = OccupancyGrid(Cascades((0.0, 0.0, 0.0), 1.0, 8))
    >>> float(grid.share())
    1.0
    >>> grid.update(torch.tensor([3, 200]), torch.tensor([0.5, 0.0]))
    >>> grid.occupied().nonzero().tolist()
    [[0, 3]]
    """

    def __init__(self, cascades: Cascades, device: torch.device | str = "cpu") -> None:
        self.cascades = cascades
        cube = cascades.cells**3
        self.values = torch.zeros(cascades.count, cube, device=device)
        self.bits = torch.full((cascades.count, cube // 8), 255, dtype=torch.uint8, device=device)

    def hide(self, unseen: torch.Tensor) -> None:
        """Mark cells that no camera sees, by a bool tensor (cascades, cells^3): they count as empty for good."""
        require("unseen", unseen, self.values.shape, torch.bool, self.values.device)
        self.values.masked_fill_(unseen, -1.0)
        self._refresh(self._threshold() if bool((self.values > 0).any()) else self.values.new_full((1,), -0.5))

    def occupied(self) -> torch.Tensor:
        """(cascades, cells^3), bool."""
        shifts = torch.arange(8, dtype=torch.uint8, device=self.bits.device)
        return (self.bits[..., None] >> shifts & 1).bool().flatten(1)

    def share(self) -> torch.Tensor:
        """Share of the cells that are occupied, without dimension."""
        return self.occupied().float().mean()

    def candidates(self, update: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """Cells to look at in an update.

        The first 256 visit every cell that cameras see; later ones a quarter as many, drawn from all, and as many drawn
        from those with a visible value.

        Parameters
        ----------
        update
            0, 1, ...
        generator
            Of random numbers, on the CPU.

        Returns
        -------
        torch.Tensor
            (n,), int64.
        """
        values = self.values.flatten()
        seen = (values >= 0).nonzero()[:, 0]
        if update < FIRST or len(seen) == 0:
            return seen
        visible = self.occupied().flatten().nonzero()[:, 0]
        visible = visible[values[visible] >= 0]
        drawn = []
        for pool in (seen, visible):
            size = len(values) // 4 if len(pool) else 0
            drawn.append(pool[torch.randint(max(1, len(pool)), (size,), generator=generator).to(pool.device)])
        return torch.cat(drawn)

    def update(self, cells: torch.Tensor, optical: torch.Tensor, decay: float = 0.95) -> None:
        """Lower all values by the factor ``decay``, raise those of the visited cells to what was found, set the bits.

        Occupied is what exceeds the smaller of 0.01 and 0.999 times the mean of all cells that cameras see; with the
        mean itself a uniform thin fog would vanish.  A cell of a coarse cascade is occupied as well where a cell of a
        finer one in it is.

        Parameters
        ----------
        cells
            (n,), int64; a cell may come more than once, then its largest value counts.
        optical
            (n,), float32: density times the length of the finest step.

        Raises
        ------
        InvalidArgumentError
            If shapes, types or numbers of cells do not fit.
        """
        place, size = self.values.device, self.values.numel()
        require("cells", cells, (cells.numel(),), torch.int64, place)
        require("optical", optical, cells.shape, torch.float32, place)
        if not 0.0 <= decay <= 1.0:
            raise InvalidArgumentError(f"decay must be a factor from 0 to 1, got {decay!r}")
        if len(cells) and not (place.type == "cuda" or 0 <= int(cells.min()) <= int(cells.max()) < size):
            raise InvalidArgumentError(
                f"cells must be from 0 to {size - 1}, got {int(cells.min())} to {int(cells.max())}"
            )
        fresh = torch.zeros_like(self.values).view(-1).scatter_reduce_(0, cells, optical.detach(), "amax")
        if plain(place):
            old = self.values.view(-1)
            old.copy_(torch.where(old < 0, old, torch.where(fresh > old * decay, fresh, old * decay)))
        else:
            run(TEXT, "hp_decay", "lppd", place, (size, self.values, fresh, float(decay)))
        self._refresh(self._threshold())

    def _threshold(self) -> torch.Tensor:
        seen = self.values >= 0
        mean = self.values.clamp_min(0.0).sum(dtype=torch.float64) / seen.sum().clamp_min(1)
        return (SLACK * mean).clamp_max(VISIBLE).float().reshape(1)

    def _refresh(self, threshold: torch.Tensor) -> None:
        place, cells = self.values.device, self.cascades.cells
        size = self.bits.shape[1]
        if plain(place):
            powers = 2 ** torch.arange(8, device=place)
            self.bits = ((self.values > threshold).view(*self.bits.shape, 8) * powers).sum(-1).to(torch.uint8)
        else:
            run(TEXT, "hp_bits", "lppp", place, (self.bits.numel(), self.values, threshold, self.bits))
        for m in range(1, self.cascades.count):
            fine, coarse = self.bits[m - 1], self.bits[m]
            if not plain(place):
                run(TEXT, "hp_pool", "lppl", place, (size, coarse, fine, cells))
                continue
            there = morton_cells(fine.nonzero()[:, 0]) + cells // 4  # a byte is a cell of the next cascade
            at = morton_index(there)
            on = torch.zeros(8 * size, dtype=torch.int64, device=place).index_fill_(0, at, 1)
            coarse |= (on.view(size, 8) * powers).sum(-1).to(torch.uint8)
