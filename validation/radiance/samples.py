"""How many samples rays need: of a dense march, of occupied cells, and of what is seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from hermite_pinn.cuda.rays.compositing import compact
from hermite_pinn.cuda.rays.marching import march
from hermite_pinn.cuda.rays.occupancy import OccupancyGrid
from hermite_pinn.cuda.rays.samples import Samples
from hermite_pinn.workloads.radiance import Views
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
        PSNR in dB of the picture with all of these shortcuts against that without any.
    """

    dense: float
    occupied: float
    seen: float
    same: float

    @property
    def fewer(self) -> float:
        """How many times fewer samples are taken than by a dense march."""
        return self.dense / max(self.seen, 1e-12)


@torch.no_grad()
def count_samples(model: GridModel, views: Views, view: int = 0) -> SampleCounts:
    """Samples per ray of a view, with and without what saves them.

    Parameters
    ----------
    model
        Trained.
    views, view
        Of the scene, and which of them; one that was fitted, since cells that no such view sees are left out.
    """
    rays = views[view].camera.rays()
    full = OccupancyGrid(model.occupied.grid.cascades, model.device)
    dense, occupied, seen = 0, 0, 0
    for start in range(0, len(rays), PART):
        part = rays[start : start + PART]
        dense += len(_marched(model, part, full))
        samples = _marched(model, part, model.occupied.grid)
        occupied += len(samples)
        seen += len(compact(samples, model.density(samples.positions), model.options.least)[0])
    size = (views[view].camera.height, views[view].camera.width, 3)
    quick = model.look(rays).colour.T.reshape(size)
    with _everywhere(model, full):
        slow = model.look(rays).colour.T.reshape(size)
    count = max(1, len(rays))
    return SampleCounts(dense / count, occupied / count, seen / count, psnr(quick, slow))


def _marched(model: GridModel, rays: Rays, grid: OccupancyGrid) -> Samples:
    origins, directions = rays.origin.T.contiguous(), rays.direction.T.contiguous()
    return march(origins, directions, grid, model.marching, None)


@contextmanager
def _everywhere(model: GridModel, full: OccupancyGrid) -> Iterator[None]:
    """All cells count as occupied, and what is behind walls as seen."""
    grid, options = model.occupied.grid, model.options
    model.occupied.grid, model.options = full, dataclasses.replace(options, least=0.0)
    try:
        yield
    finally:
        model.occupied.grid, model.options = grid, options
