"""Cells are occupied where something was seen lately, and where a finer cell in them is."""

import pytest
import torch
from rays import patches, unit

from hermite_pinn.cuda.rays.cascades import Cascades, morton_cells, morton_index
from hermite_pinn.cuda.rays.marching import Marching, march
from hermite_pinn.cuda.rays.occupancy import OccupancyGrid
from hermite_pinn.cuda.runtime import host
from hermite_pinn.errors import InvalidArgumentError


@pytest.fixture(params=["kernels", "plain"], autouse=True)
def either(request, monkeypatch):
    """With a compiler, and without."""
    if request.param == "plain":
        monkeypatch.setattr(host, "available", lambda: False)
    elif not host.available():
        pytest.skip("no C++ compiler")


def test_the_curve_visits_every_cell_once_in_blocks_of_two():
    index = torch.arange(16**3)
    cells = morton_cells(index)
    assert torch.equal(morton_index(cells), index)
    assert len({tuple(c) for c in cells.T.tolist()}) == 16**3
    assert (cells.view(3, -1, 8) // 2 == cells.view(3, -1, 8)[:, :, :1] // 2).all()
    assert torch.equal(morton_cells(morton_index(torch.full((3, 1), 1023))), torch.full((3, 1), 1023))


def test_values_are_a_decaying_maximum_and_unseen_cells_stay_unseen():
    grid, generator = OccupancyGrid(unit(8, 2)), torch.Generator().manual_seed(1)
    unseen = torch.rand(2, 512, generator=generator) < 0.3
    grid.hide(unseen)
    expected = torch.where(unseen, -1.0, 0.0).flatten()
    for _ in range(5):
        cells = torch.randint(1024, (700,), generator=generator)
        optical = torch.rand(700, generator=generator)
        grid.update(cells, optical, 0.8)
        for k in range(1024):
            if expected[k] >= 0:
                found = optical[cells == k]
                expected[k] = max(float(expected[k] * 0.8), float(found.max()) if len(found) else 0.0)
    assert torch.allclose(grid.values.flatten(), expected, rtol=1e-6)
    assert (grid.values[unseen] == -1).all()


def test_unseen_cells_of_the_finest_cascade_are_empty_from_the_start():
    grid = OccupancyGrid(unit(8))
    unseen = torch.zeros(1, 512, dtype=torch.bool)
    unseen[0, 100:200] = True
    grid.hide(unseen)
    assert torch.equal(grid.occupied(), ~unseen)


def test_a_cell_turns_on_at_the_first_visible_density_and_off_when_it_has_decayed():
    grid = OccupancyGrid(unit(8))
    nothing = torch.zeros(0, dtype=torch.int64), torch.zeros(0)
    grid.update(*nothing)
    assert not grid.occupied().any()
    grid.update(torch.tensor([77]), torch.tensor([1e-5]))
    assert grid.occupied().nonzero().tolist() == [[0, 77]]
    grid.update(torch.tensor([78]), torch.tensor([1.0]))
    assert grid.occupied().nonzero().tolist() == [[0, 78]]
    for _ in range(200):
        grid.update(torch.tensor([79]), torch.tensor([1.0]))
    assert grid.occupied().nonzero().tolist() == [[0, 79]]


@pytest.mark.parametrize("value", [1e-6, 0.003, 0.5])
def test_a_uniform_fog_is_seen(value):
    grid = OccupancyGrid(unit(16))
    grid.update(torch.arange(16**3), torch.full((16**3,), value))
    assert grid.occupied().all()


def test_a_number_that_is_none_changes_nothing():
    grid = OccupancyGrid(unit(8))
    grid.update(torch.tensor([1]), torch.tensor([1.0]))
    grid.update(torch.tensor([1, 2]), torch.tensor([float("nan")] * 2))
    assert grid.occupied().nonzero().tolist() == [[0, 1]]
    assert torch.isfinite(grid.values).all()


@pytest.mark.parametrize("cells", [8, 16])
def test_coarse_cells_are_occupied_where_a_finer_one_in_them_is(cells):
    grid, cascades = OccupancyGrid(unit(cells, 4)), unit(cells, 4)
    generator = torch.Generator().manual_seed(2)
    own = (torch.rand(4, cells**3, generator=generator) < 0.02).flatten().nonzero()[:, 0]
    grid.update(own, torch.ones(len(own)))
    expected = torch.zeros(4, cells**3, dtype=torch.bool)
    expected.view(-1)[own] = True
    for m in range(3):  # by points, in any order of cells
        inside = cascades.points(m * cells**3 + expected[m].nonzero()[:, 0])
        cell = (inside / cascades.width(m + 1)).floor().long() + cells // 2
        expected[m + 1, morton_index(cell)] = True
    assert torch.equal(grid.occupied(), expected)


def test_points_lie_in_their_cells():
    cascades = Cascades((1.0, -2.0, 0.5), 0.5, 8, 3)
    index = torch.arange(3 * 512)
    p = cascades.points(index, torch.rand(3, 3 * 512, dtype=torch.float64))
    middle = cascades.points(index)
    width = torch.tensor([cascades.width(m) for m in range(3)])[index // 512]
    assert ((p - middle).abs() <= width / 2 * 1.0001).all()
    for m in range(3):
        reach = (p[:, m * 512 : (m + 1) * 512] - torch.tensor([[1.0], [-2.0], [0.5]])).abs().max()
        assert 0.8 * 0.5 * 2**m < float(reach) <= 0.5 * 2**m


def test_the_marcher_sees_the_cell_that_was_lit():
    cascades = unit(16, 2)
    for index in torch.randint(2 * 16**3, (20,), generator=torch.Generator().manual_seed(3)).tolist():
        grid = OccupancyGrid(cascades)
        grid.update(torch.tensor([index]), torch.ones(1))
        middle = cascades.points(torch.tensor([index])).double()
        o = middle - torch.tensor([[10.0], [0.01], [0.02]], dtype=torch.float64)
        d = torch.nn.functional.normalize(middle - o, dim=0)
        found = march(o, d, grid, Marching(0.004, most=10_000)).positions
        inner = bool((middle.abs() < 1).all()) and index >= 16**3  # a finer cascade is asked there
        width = cascades.width(index // 16**3)
        assert (found.shape[1] == 0) if inner else (found - middle).abs().max() <= width / 2 * 1.001
        assert inner or found.shape[1] * 0.004 > 0.9 * width


def test_candidates_visit_all_seen_cells_first_and_prefer_occupied_ones_later():
    grid = patches(unit(16, 2), 0.05)
    unseen = torch.zeros(2, 16**3, dtype=torch.bool)
    unseen[:, :300] = True
    grid.hide(unseen)
    seen = (~unseen).flatten().nonzero()[:, 0]
    assert torch.equal(grid.candidates(0), seen)
    generator = torch.Generator().manual_seed(4)
    later = grid.candidates(256, generator)
    assert len(later) == 2 * (2 * 16**3 // 4)
    assert not unseen.flatten()[later].any()
    assert grid.occupied().flatten()[later[len(later) // 2 :]].all()
    assert torch.equal(later, grid.candidates(256, generator.manual_seed(4)))


@pytest.mark.parametrize(
    "given",
    [((0.0, 0.0), 1.0, 8, 1), ((0.0, 0.0, float("nan")), 1.0, 8, 1), ((0.0, 0.0, 0.0), 0.0, 8, 1), ((0.0, 0.0, 0.0), 1.0, 12, 1), ((0.0, 0.0, 0.0), 1.0, 8, 0)],
)  # fmt: skip
def test_cascades_out_of_range_are_errors(given):
    with pytest.raises(InvalidArgumentError):
        Cascades(*given)


def test_operands_that_do_not_fit_are_errors():
    grid, cells, optical = OccupancyGrid(unit(8)), torch.tensor([1, 2]), torch.ones(2)
    for given in ((cells, optical[:1]), (cells.int(), optical), (cells, optical.double()), (cells + 511, optical), (cells - 2, optical), (cells, optical, 1.5)):  # fmt: skip
        with pytest.raises(InvalidArgumentError):
            grid.update(*given)
    with pytest.raises(InvalidArgumentError):
        grid.hide(torch.zeros(1, 511, dtype=torch.bool))
