"""The occupied cells of a radiance field: how they are looked for while it is trained."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from hermite_pinn.cuda.rays.cascades import Cascades
from hermite_pinn.cuda.rays.occupancy import OccupancyGrid

from .camera import Cameras

__all__ = ["OccupiedCells"]

#: Points of a part in which densities are asked for.
PART = 1 << 18
#: Cells along an axis of the coarse grid by which it is told which cells no camera sees.
COARSE = 32


class OccupiedCells(nn.Module):
    """Cells with a density, learned from the field as it changes.

    Parameters
    ----------
    cascades
        Where the cells are.
    step
        Length by which densities are multiplied to be optical depths.
    every
        Steps from one update to the next.
    warmup
        First updates that visit all cells that are seen; later ones draw a part ``share`` of all, and as many of the
        occupied, but no more than there are.
    share
        See there.
    fade
        Factor of what was found, at every update and of every cell, whether it is visited or not, as in Instant-NGP, so
        that cells become empty again.  A cell that is occupied and of which a share ``p`` is visited at an update thus
        falls by ``fade`` to the power of 1/p on average before it is looked at.
    device
        Of the tensors.
    """

    def __init__(
        self, cascades: Cascades, step: float, every: int, warmup: int, share: float, fade: float, device: torch.device
    ) -> None:
        super().__init__()
        self.grid = OccupancyGrid(cascades, device)
        self.step, self.every, self.warmup, self.share, self.fade = step, every, warmup, share, fade
        self.values: Tensor
        self.bits: Tensor
        self.updates: Tensor
        self.register_buffer("values", self.grid.values)
        self.register_buffer("bits", self.grid.bits)
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))
        self.register_load_state_dict_post_hook(_take)  # type: ignore[no-untyped-call]

    def advance(self, step: int, density: Callable[[Tensor], Tensor], generator: torch.Generator) -> None:
        """Look at some cells before a step, if it is time; all count as occupied until the first look.

        Parameters
        ----------
        step
            Steps that are done.
        density
            Of points (3, n), (n,).
        generator
            Of random numbers, on the CPU.
        """
        if step == 0 or step % self.every:
            return
        cells = self._drawn(generator)
        where = torch.rand(3, len(cells), generator=generator).to(self.values.device)
        points = self.grid.cascades.points(cells, where)
        with torch.no_grad():
            found = torch.cat([density(part) for part in points.split(PART, 1)]) if len(cells) else where.new_empty(0)
        self.grid.update(cells, found.float() * self.step, self.fade)
        self.bits = self.grid.bits
        self.updates += 1

    def _drawn(self, generator: torch.Generator) -> Tensor:
        """Cells to look at."""
        values = self.values.flatten()
        if int(self.updates) < self.warmup:
            return (values >= 0).nonzero()[:, 0]
        size = int(self.share * len(values))
        anywhere = torch.randint(len(values), (size,), generator=generator).to(values.device)
        pool = self._lit()
        drawn = torch.randint(max(1, len(pool)), (min(size, len(pool)),), generator=generator).to(values.device)
        cells = torch.cat([anywhere, pool[drawn]])
        return cells[values[cells] >= 0]

    def _lit(self) -> Tensor:
        """Cells that are occupied; eight of a byte at once, since most bytes are zero."""
        bits = self.bits.flatten()
        rows = bits.nonzero()[:, 0]
        shifts = torch.arange(8, dtype=torch.uint8, device=bits.device)
        on = (bits[rows, None] >> shifts & 1).nonzero()
        return rows[on[:, 0]] * 8 + on[:, 1]

    def hide(self, cameras: Cameras) -> None:
        """Mark the cells that no camera sees as empty for good."""
        for number in range(self.grid.cascades.count):
            unseen = self._unseen(number, cameras)
            every = torch.zeros_like(self.values, dtype=torch.bool)
            every[number] = unseen
            self.grid.hide(every)
        self.bits = self.grid.bits

    def _unseen(self, number: int, cameras: Cameras) -> Tensor:
        """Of one cascade: cells of a block none of whose corners and neighbours' corners any camera sees."""
        cascades = self.grid.cascades
        half = cascades.half * 2.0**number
        side = min(COARSE, cascades.cells)
        ends = torch.linspace(-half, half, side + 1, dtype=torch.float64)
        corners = torch.cartesian_prod(ends, ends, ends) + torch.tensor(cascades.centre, dtype=torch.float64)
        seen = torch.zeros(len(corners), dtype=torch.bool)
        for camera in cameras:
            left = (~seen).nonzero()[:, 0]
            pixels = camera.project(corners[left])
            size = pixels.new_tensor([camera.width, camera.height])
            visible = ((pixels >= 0) & (pixels <= size)).all(1) & (camera.depth(corners[left]) > 0)
            seen[left[visible]] = True
        blocks = seen.view(1, 1, side + 1, side + 1, side + 1).float()
        blocks = nn.functional.max_pool3d(blocks, 3, 1, 1)  # what is between corners that are not seen
        blocks = nn.functional.max_pool3d(blocks, 2, 1)[0, 0] > 0
        middle = (cameras.centres.detach().double().cpu() - torch.tensor(cascades.centre, dtype=torch.float64)) / half
        inside = (middle.abs() < 1).all(1)
        at = ((middle[inside] + 1) / 2 * side).long().clamp(0, side - 1)
        blocks[at[:, 0], at[:, 1], at[:, 2]] = True
        index = torch.arange(cascades.cells**3)
        points = cascades.points(index + number * cascades.cells**3).double()
        place = (points - torch.tensor(cascades.centre, dtype=torch.float64)[:, None]) / half
        block = ((place + 1) / 2 * side).long().clamp(0, side - 1)
        return (~blocks[block[0], block[1], block[2]]).to(self.values.device)


def _take(cells: nn.Module, keys: object) -> None:
    """The grid works on the tensors that were loaded."""
    assert isinstance(cells, OccupiedCells)
    cells.grid.values, cells.grid.bits = cells.values, cells.bits
