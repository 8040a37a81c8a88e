"""Which cells are looked at."""

import torch

from hermite_pinn.cuda.rays.cascades import Cascades
from hermite_pinn.workloads.radiance.occupied import OccupiedCells

CELLS, SHARE = 16, 0.25


def looked_at(density, looks=40, warmup=2, hidden=None):
    """The grid, and how often every cell was asked for after the first looks."""
    cells = OccupiedCells(Cascades((0.0, 0.0, 0.0), 1.0, CELLS), 1.0, 1, warmup, SHARE, 0.95, torch.device("cpu"))
    if hidden is not None:
        cells.grid.hide(hidden)
    generator, counts = torch.Generator().manual_seed(0), torch.zeros(CELLS**3)

    def asked(points):
        if int(cells.updates) >= warmup:
            place = ((points + 1) * CELLS / 2).floor().long()
            flat = (place[0] * CELLS + place[1]) * CELLS + place[2]
            counts.index_add_(0, flat, torch.ones(len(flat)))
        return density(points)

    for step in range(1, looks + 1):
        cells.advance(step, asked, generator)
    return cells, counts


def ball(points):
    return (points.square().sum(0) < 0.25).to(points.dtype)


def test_occupied_cells_are_looked_at_more_often_and_all_are_now_and_then():
    cells, counts = looked_at(ball)
    side = (torch.arange(CELLS) + 0.5) * 2 / CELLS - 1
    inside = ball(torch.cartesian_prod(side, side, side).T) > 0
    number = float(cells.grid.occupied().sum())
    looks = 38
    assert counts[inside].mean() > 3 * counts[~inside].mean()
    assert abs(float(counts.sum()) / looks - SHARE * CELLS**3 - min(number, SHARE * CELLS**3)) < 0.1 * CELLS**3
    assert (counts > 0).float().mean() > 0.99


def test_hidden_cells_are_never_looked_at():
    hidden = torch.zeros(1, CELLS**3, dtype=torch.bool)
    hidden[0, ::3] = True
    cells, counts = looked_at(ball, hidden=hidden)
    assert bool((cells.values[hidden] == -1).all())
    assert int((counts > 0).sum()) <= int((~hidden).sum())


def test_what_is_left_empty_fades_although_it_is_not_looked_at():
    cells, _ = looked_at(ball, looks=2)
    cells.share = 0.0
    before = cells.values.clone()
    cells.advance(5, ball, torch.Generator().manual_seed(0))
    assert torch.allclose(cells.values, 0.95 * before)
