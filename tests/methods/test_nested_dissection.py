"""Sparse matrices of dense blocks are eliminated in an order that keeps their factor small."""

import itertools

import numpy as np
import pytest
import torch

from hermite_pinn.methods.least_squares.block_cholesky import BlockCholesky
from hermite_pinn.methods.least_squares.nested_dissection import dissect, elimination_work

GRIDS = {
    "a line": ((40,), (False,), 7),
    "a ring": ((40,), (True,), 7),
    "two cells around": ((2, 9), (True, False), 30),
    "a plane": ((13, 9), (False, False), 4),
    "a cylinder": ((12, 7), (False, True), 9),
    "a torus": ((8, 8), (True, True), 9),
    "a box": ((6, 5, 4), (False, False, False), 8),
    "four axes": ((3, 4, 3, 4), (False, True, False, False), 16),
}


def positions(sides):
    return np.stack(np.unravel_index(np.arange(np.prod(sides)), sides), 1)


def random_normal(places, sides, wraps, width):
    """A positive matrix that couples the vertices of cells, dense, in the numbering of the vertices."""
    generator = torch.Generator().manual_seed(3)
    number = {tuple(p): k for k, p in enumerate(places.tolist())}
    rows = []
    for p in places.tolist():
        corners = set()
        for step in itertools.product((0, 1), repeat=len(sides)):
            q = [(a + b) % n if w else a + b for a, b, n, w in zip(p, step, sides, wraps, strict=True)]
            corners.add(number.get(tuple(q)))
        row = torch.zeros(width, len(places), width, dtype=torch.float64)
        for k in corners - {None}:
            row[:, k] = torch.randn(width, width, generator=generator, dtype=torch.float64)
        rows.append(row.view(width, -1))
    matrix = torch.cat(rows)
    normal = matrix.T @ matrix
    scale = normal.diagonal().rsqrt()
    return normal * scale * scale[:, None] + 1e-3 * torch.eye(len(normal), dtype=torch.float64)


def factored(dissection, normal, width):
    order = torch.as_tensor(dissection.order)
    at = (order[:, None] * width + torch.arange(width)).reshape(-1)
    dense = normal[at][:, at]
    count = len(order)
    columns = np.repeat(np.arange(count), np.diff(dissection.starts))
    blocks = dense.view(count, width, count, width).transpose(1, 2)[
        torch.as_tensor(dissection.later), torch.as_tensor(columns)
    ]
    return BlockCholesky(dissection, blocks.contiguous(), 0.0), dense


@pytest.mark.parametrize("name", GRIDS)
def test_the_factor_solves_what_a_dense_one_solves(name):
    sides, wraps, width = GRIDS[name]
    places = positions(sides)
    dissection = dissect(places, sides, wraps, width)
    assert sorted(dissection.order.tolist()) == list(range(len(places)))
    factor, dense = factored(dissection, random_normal(places, sides, wraps, width), width)
    right = torch.randn(len(dense), 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    lower = torch.linalg.cholesky(dense)
    assert torch.allclose(factor.lower(right), torch.linalg.solve_triangular(lower, right, upper=False), atol=1e-8)
    assert torch.allclose(factor.upper(right), torch.linalg.solve_triangular(lower.T, right, upper=True), atol=1e-8)
    assert torch.allclose(dense @ factor.upper(factor.lower(right[:, 0])), right[:, 0], atol=1e-8)


def test_parts_of_a_grid_have_factors_too():
    sides, wraps, width = (14, 14), (False, False), 6
    places = positions(sides)
    places = places[(np.abs(places - 6) > 2).any(1)]  # a hole
    dissection = dissect(places, sides, wraps, width)
    factor, dense = factored(dissection, random_normal(places, sides, wraps, width), width)
    right = torch.ones(len(dense), dtype=torch.float64)
    assert torch.allclose(dense @ factor.upper(factor.lower(right)), right, atol=1e-9)


@pytest.mark.parametrize("name", GRIDS)
def test_the_work_of_a_whole_grid_is_told_beforehand(name):
    sides, wraps, width = GRIDS[name]
    dissection = dissect(positions(sides), sides, wraps, width)
    entries = 0
    for front in dissection.fronts:
        own = (front.end - front.first) * width
        entries += own * (own + len(front.boundary) * width)
    assert elimination_work(sides, wraps, width).entries == pytest.approx(entries, rel=0.25)


def test_the_factor_of_a_plane_grows_little_faster_than_the_plane():
    entries = [elimination_work((n, n), (False, False), 4).entries for n in (65, 129, 257)]
    assert entries[2] / entries[1] < 5.0
    banded = 2 * 4 * 257 * 4 * 257**2
    assert entries[2] < banded / 5


def test_a_front_that_rounding_makes_indefinite_is_shifted():
    dissection = dissect(np.arange(4)[:, None], (4,), (False,), 1)
    columns = np.repeat(np.arange(4), np.diff(dissection.starts))
    blocks = torch.where(torch.as_tensor(columns == dissection.later), 1.0, -1.0).double()[:, None, None]
    factor = BlockCholesky(dissection, blocks, 1e-15)
    assert torch.isfinite(factor.upper(factor.lower(torch.ones(4, dtype=torch.float64)))).all()


def test_numbers_that_are_not_finite_have_no_factor():
    dissection = dissect(np.arange(2)[:, None], (2,), (False,), 1)
    blocks = torch.full((3, 1, 1), torch.nan, dtype=torch.float64)
    with pytest.raises(ArithmeticError, match="not finite"):
        BlockCholesky(dissection, blocks, 0.0)
