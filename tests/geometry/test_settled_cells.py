"""Cells beside shapes whose sides lie on faces of the grid."""

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.geometry.cells import FULL, OUTSIDE, TOUCHED

SQUARE = hp.Box(x=(-1, 1), y=(-1, 1))
CUBE = hp.Box(x=(0, 1), y=(0, 1), z=(0, 1))

DOMAINS = {
    "l": SQUARE - hp.Rectangle((0, -1), (1, 0)),
    "hole": SQUARE - hp.Rectangle((-0.25, -0.25), (0.5, 0.375)),
    "disk": SQUARE - hp.Disk((0, 0), 0.5),
    "triangle": SQUARE & hp.Polygon([(-1, -1), (1, -1), (0, 1)]),
    "slanted": SQUARE - hp.Polygon([(-0.5, -0.5), (0.5, -0.4), (0, 0.5)]),
    "cuboid": CUBE - hp.Cuboid((0.25, 0.25, 0.25), (0.75, 0.75, 0.75)),
    "ball": CUBE - hp.Ball((0.5, 0.5, 0.5), 0.25),
}


@pytest.mark.parametrize("name", ["l", "cuboid"])
def test_a_boundary_on_faces_touches_no_cell(name):
    domain = DOMAINS[name]
    kinds = domain.cells((8,) * domain.dim).kinds
    assert not (kinds == TOUCHED).any()
    size = np.prod(domain.lengths) / 8**domain.dim
    assert (kinds == FULL).sum() * size == pytest.approx(domain.interior.measure)


def test_a_boundary_beside_faces_touches_the_cells_that_it_enters():
    moved = SQUARE - hp.Rectangle((1e-6, -1), (1, -1e-6))
    kinds = moved.cells((8, 8)).kinds
    assert (kinds[4, :4] == TOUCHED).all()
    assert (kinds[5:, :3] == OUTSIDE).all()


@pytest.mark.parametrize("name", DOMAINS)
def test_cells_are_nested_and_hold_the_domain(name):
    domain = DOMAINS[name]
    before = None
    generator = np.random.default_rng(0)
    lower, lengths = np.array(domain.lower)[:, None], np.array(domain.lengths)[:, None]
    for count in (4, 8, 16, 32):
        kinds = domain.cells((count,) * domain.dim).kinds
        active = kinds != OUTSIDE
        if before is not None:
            for axis in range(domain.dim):
                before = np.repeat(before, 2, axis)
            assert not (active & ~before).any()
        before = active
        place = generator.random((domain.dim, 20_000))
        inside = domain.contains(torch.as_tensor(lower + lengths * place)).numpy()
        cell = tuple((place * count).astype(int))
        assert active[cell][inside].all()
        assert inside[(kinds == FULL)[cell]].all()
