"""How many samples rays need: of a dense march, of occupied cells, and of what is seen."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from hermite_pinn.cuda.rays.cascades import morton_index
from hermite_pinn.cuda.rays.compositing import compact, composite
from hermite_pinn.cuda.rays.marching import march
from hermite_pinn.cuda.rays.occupancy import OccupancyGrid
from hermite_pinn.cuda.rays.samples import Samples
from hermite_pinn.workloads.radiance import View
from hermite_pinn.workloads.radiance.grid_model import GridModel
from hermite_pinn.workloads.radiance.metrics import psnr
from hermite_pinn.workloads.radiance.rays import Rays

__all__ = ["SampleCounts", "count_samples"]

#: Rays that are marched at once.
PART = 2048


@dataclass(frozen=True)
class SampleCounts:
    """Samples per ray of a field that is rendered.

    Attributes
    ----------
    dense
        At every step through the box.
    occupied
        In cells that are not empty.
    seen
        Before the transmittance falls below 1e-4, which is what the networks of colours take.
    same
        PSNR in dB of the picture that the model renders against that of the dense march, in which the density of empty
        cells is zero and nothing ends early.
    unmasked
        The same where the field counts in empty cells, too: there nothing trained it.
    """

    dense: float
    occupied: float
    seen: float
    same: float
    unmasked: float

    @property
    def fewer(self) -> float:
        """How many times fewer samples are seen than a dense march takes."""
        return self.dense / max(self.seen, 1e-12)


@torch.no_grad()
def count_samples(model: GridModel, view: View) -> SampleCounts:
    """Samples per ray of a view, with and without what saves them.

    Parameters
    ----------
    model
        Trained.
    view
        One that was fitted, since cells that no such view sees are left out.
    """
    rays, size = view.camera.rays(), (view.camera.height, view.camera.width, 3)
    full = OccupancyGrid(model.occupied.grid.cascades, model.device)
    dense, occupied, seen = 0, 0, 0
    masked, whole = [], []
    for start in range(0, len(rays), PART):
        part = rays[start : start + PART]
        samples = _marched(model, part, model.occupied.grid)
        occupied += len(samples)
        seen += len(compact(samples, model.density(samples.positions), model.options.least)[0])
        every = _marched(model, part, full)
        dense += len(every)
        sigma = model.density(every.positions)
        whole.append(_colors(model, part, every, sigma))
        masked.append(_colors(model, part, every, sigma * _counts(model.occupied.grid, every.positions)))
    found = model.look(rays).colour.T.reshape(size)
    images = [torch.cat(parts, 1).T.reshape(size) for parts in (masked, whole)]
    count = max(1, len(rays))
    return SampleCounts(dense / count, occupied / count, seen / count, psnr(images[0], found), psnr(images[1], found))


def _marched(model: GridModel, rays: Rays, grid: OccupancyGrid) -> Samples:
    origins, directions = rays.origin.T.contiguous(), rays.direction.T.contiguous()
    return march(origins, directions, grid, model.marching, None)


def _colors(model: GridModel, rays: Rays, samples: Samples, sigma: Tensor) -> Tensor:
    """Colours (3, n) of all samples of rays, none of which end early."""
    directions = rays.direction.T.contiguous()
    harmonics = model.field.harmonics(directions).index_select(1, samples.rays)
    colors = model.field.colors_of(model.field.hidden(samples.positions), harmonics)
    return composite(samples, sigma, colors, model.backdrop.colors(directions), 0.0).colour.clamp(0, 1)


def _counts(grid: OccupancyGrid, points: Tensor) -> Tensor:
    """1 where points (3, n) are in an occupied cell of the finest cascade around them, else 0, (n,)."""
    cascades = grid.cascades
    occupied = grid.occupied().reshape(cascades.count, -1)
    counts = torch.zeros_like(points[0])
    centre = points.new_tensor(cascades.centre)[:, None]
    for number in reversed(range(cascades.count)):
        place = (points - centre) / cascades.width(number) + cascades.cells / 2
        cell = place.floor().long()
        inside = ((cell >= 0) & (cell < cascades.cells)).all(0)
        counts[inside] = occupied[number, morton_index(cell[:, inside])].to(counts)
    return counts
