"""Rays, grids and samples for tests."""

import torch

from hermite_pinn.cuda.rays.cascades import Cascades
from hermite_pinn.cuda.rays.occupancy import OccupancyGrid
from hermite_pinn.cuda.rays.samples import Samples, offsets_of

F64 = torch.float64


def rays(n, dtype=F64, seed=0, reach=2.0):
    """Origins around the cube from -1 to 1 and directions of length 1 to points in it; some start inside, some miss."""
    generator = torch.Generator().manual_seed(seed)
    origins = torch.randn(3, n, generator=generator, dtype=F64) * reach
    targets = torch.rand(3, n, generator=generator, dtype=F64) * 2 - 1
    targets[:, : n // 8] *= 3
    directions = torch.nn.functional.normalize(targets - origins, dim=0)
    directions[0, n // 2 : n // 2 + 5] = 0.0
    directions[:2, n // 2 + 5 : n // 2 + 10] = 0.0
    return origins.to(dtype), directions.to(dtype)


def patches(cascades, share=0.1, seed=0):
    """A grid of which a random share of blocks of cells is occupied, coarse cascades by what is in finer ones, too."""
    grid = OccupancyGrid(cascades)
    generator = torch.Generator().manual_seed(seed)
    size = cascades.cells**3
    blocks = torch.rand(cascades.count, size // 64, generator=generator) < share
    on = blocks.repeat_interleave(64, 1).flatten().nonzero()[:, 0]
    grid.update(on, torch.ones(len(on)))
    return grid


def unit(cells=16, count=1):
    """Cascades around the origin, the finest from -1 to 1."""
    return Cascades((0.0, 0.0, 0.0), 1.0, cells, count)


def packed(counts, dtype=F64, channels=3, seed=0, density=3.0):
    """Samples of rays with given counts, densities, colours and a background."""
    generator = torch.Generator().manual_seed(seed)

    def numbers(*shape):
        return torch.rand(shape, generator=generator, dtype=F64)

    counts = torch.as_tensor(counts, dtype=torch.int64)
    total, n = int(counts.sum()), len(counts)
    index = torch.arange(n).repeat_interleave(counts)
    dt = 0.05 + 0.2 * numbers(total)
    t = dt.cumsum(0)
    samples = Samples(offsets_of(counts), index, t.to(dtype), dt.to(dtype), numbers(3, total).to(dtype))
    sigma = density * -torch.log1p(-numbers(total))
    return samples, sigma.to(dtype), numbers(channels, total).to(dtype), numbers(channels, n).to(dtype)
