"""Samples of rays are those of marching through everything, without the empty ones."""

import dataclasses

import pytest
import torch
from rays import F64, patches, rays, unit

from hermite_pinn.cuda.rays import marching, reference
from hermite_pinn.cuda.rays.marching import Marching, march
from hermite_pinn.cuda.rays.occupancy import OccupancyGrid
from hermite_pinn.cuda.runtime import host
from hermite_pinn.errors import InvalidArgumentError

FIXED = Marching(step=0.01, most=4000)
GROWING = Marching(step=0.01, cone=1 / 64, longest=0.3, most=4000)
UNBOUNDED = Marching(step=0.02, cone=1 / 32)


@pytest.fixture
def kernels():
    if not host.available():
        pytest.skip("no C++ compiler")


@pytest.fixture(params=["kernels", "plain"])
def either(request, monkeypatch):
    """With a compiler, and without."""
    if request.param == "plain":
        monkeypatch.setattr(host, "available", lambda: False)
    elif not host.available():
        pytest.skip("no C++ compiler")


def equal(a, b):
    return all(torch.equal(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(a))


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("seed", [None, 3])
@pytest.mark.parametrize("options", [FIXED, GROWING, UNBOUNDED, Marching(0.01, near=1.0, far=1.7, most=20)])
def test_equal_to_looking_at_every_interval(kernels, monkeypatch, options, seed, count):
    grid = patches(unit(16, count))
    o, d = rays(300)
    found = march(o, d, grid, options, seed)
    monkeypatch.setattr(host, "available", lambda: False)
    expected = march(o, d, grid, options, seed)
    assert torch.equal(found.offsets, expected.offsets)
    assert torch.equal(found.rays, expected.rays)
    for name in ("t", "dt", "positions"):
        assert torch.allclose(getattr(found, name), getattr(expected, name), rtol=1e-11, atol=1e-12), name
    assert len(found) > 100


def compared(monkeypatch, grid, options, o, d, seed=3):
    """Samples of the kernel, which are those of looking at every interval."""
    found = march(o, d, grid, options, seed)
    with monkeypatch.context() as patch:
        patch.setattr(host, "available", lambda: False)
        expected = march(o, d, grid, options, seed)
    assert torch.equal(found.offsets, expected.offsets)
    assert torch.allclose(found.t, expected.t, rtol=1e-11, atol=1e-12)
    return found


@pytest.mark.parametrize("cells", [8, 16, 32, 64, 128])
@pytest.mark.parametrize("options", [FIXED, GROWING, Marching(0.003, cone=0.5, longest=0.2, most=4000)])
def test_jumps_over_blocks_of_every_width_lose_no_sample(kernels, monkeypatch, options, cells):
    """Few single cells are lit, so that empty blocks of one to 32 cells lie next to each other."""
    grid = OccupancyGrid(unit(cells, 2))
    lit = torch.randperm(2 * cells**3, generator=torch.Generator().manual_seed(cells))[: 32 + cells**2 // 4]
    grid.update(lit, torch.ones(len(lit)))
    o, d = rays(400)
    assert len(compared(monkeypatch, grid, options, o, d)) > 20


def test_samples_do_not_depend_on_whether_intervals_were_noted(kernels, monkeypatch):
    grid, (o, d) = patches(unit(16, 2)), rays(200)
    found = march(o, d, grid, FIXED, 5)
    monkeypatch.setattr(marching, "MOST_WORDS", 0)
    assert FIXED.words(grid.cascades) == 0
    assert equal(found, march(o, d, grid, FIXED, 5))


def test_rays_of_more_intervals_than_are_noted_are_marched_again(kernels, monkeypatch):
    """Directions are much shorter than 1, so that a ray takes more steps than the diagonal of the box has."""
    grid, (o, d) = patches(unit(16)), rays(100)
    options = Marching(step=0.05, most=4000)
    found = compared(monkeypatch, grid, options, o, d / 40)
    assert len(found) > 20 * len(march(o, d, grid, options, 3))


def test_a_jump_ends_where_steps_outgrow_the_cascade(kernels, monkeypatch):
    """The finer cells are empty and the coarser ones are not: behind that distance there are samples again."""
    grid = OccupancyGrid(unit(8, 2))
    grid.bits[0] = 0
    d = torch.full((3, 3000), 3**-0.5, dtype=F64)  # the longest way through a cell
    o = torch.rand(1, 3000, dtype=F64) - 0.5 + 0.02 * torch.randn(3, 3000, dtype=F64) - 2 * d
    options = Marching(step=0.02, cone=1 / 8)  # as wide as the finer cells at a distance of 2
    found = march(o, d, grid, options, 1)
    monkeypatch.setattr(host, "available", lambda: False)
    expected = march(o, d, grid, options, 1)
    assert torch.equal(found.offsets, expected.offsets)
    inside = (found.positions.abs() < 0.99).all(0)
    assert inside.any()
    assert ((found.t + found.dt)[inside] >= 2.0).all()


def test_single_precision_is_double_precision_to_rounding(kernels):
    """A sample at the face of a cell may belong to the other one."""
    grid = patches(unit(16, 2))
    o, d = rays(400)
    fine, coarse = (
        march(o.float().double(), d.float().double(), grid, GROWING),
        march(o.float(), d.float(), grid, GROWING),
    )
    assert abs(len(fine) - len(coarse)) < 2e-3 * len(fine)
    same = fine.counts == coarse.counts
    assert same.float().mean() > 0.9
    a, b = fine.t[same[fine.rays]], coarse.t[same[coarse.rays]].double()
    assert float((a - b).abs().quantile(0.99)) < 1e-4


@pytest.mark.parametrize("options", [FIXED, GROWING, UNBOUNDED])
@pytest.mark.parametrize("seed", [None, 1])
def test_intervals_tile_the_way_through_a_full_box(either, options, seed):
    grid = OccupancyGrid(unit(8, 2))
    o, d = rays(60)
    found = march(o, d, grid, options, seed)
    low, high = reference._cut(o, d, torch.tensor(options.frame(grid.cascades), dtype=F64))
    sums = torch.zeros(60, dtype=F64).index_add_(0, found.rays, found.dt)
    assert torch.allclose(sums, high - low, rtol=1e-12, atol=1e-12)
    inner = found.rays[1:] == found.rays[:-1]
    assert (found.t.diff()[inner] > 0).all()
    assert (found.t > low[found.rays]).all()
    assert (found.t < high[found.rays]).all()


def test_steps_grow_with_distance_between_their_bounds(either):
    grid = OccupancyGrid(unit(8, 7))
    o, d = torch.tensor([[-60.0], [0.1], [0.2]], dtype=F64), torch.tensor([[1.0], [0.0], [0.0]], dtype=F64)
    options = Marching(step=0.01, cone=1 / 64, longest=0.8)
    found = march(o, d, grid, options)
    begin = found.t - found.dt / 2
    expected = (begin / 64).clamp(0.01, 0.8)
    assert torch.allclose(found.dt[:-1], expected[:-1], rtol=0.02)
    bent = (begin + found.dt > 0.64) & (begin < 0.64) | (begin + found.dt > 51.2) & (begin < 51.2)
    assert torch.allclose(found.dt[:-1][~bent[:-1]], expected[:-1][~bent[:-1]], rtol=1e-9)
    assert found.dt[0] == pytest.approx(0.01)
    assert found.dt[-2] == pytest.approx(0.8)
    assert float(found.dt.sum()) == pytest.approx(124.0)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_results_do_not_depend_on_the_order_of_rays(either, dtype):
    grid = patches(unit(16, 2))
    o, d = rays(200, dtype)
    ids, order = torch.arange(200) + 1000, torch.randperm(200)
    straight = march(o, d, grid, GROWING, 7, ids)
    shuffled = march(o[:, order], d[:, order], grid, GROWING, 7, ids[order])
    back = torch.cat([torch.arange(*shuffled.offsets[r : r + 2]) for r in order.argsort()])
    assert torch.equal(straight.counts, shuffled.counts[order.argsort()])
    assert torch.equal(straight.t, shuffled.t[back])
    assert torch.equal(straight.positions, shuffled.positions[:, back])


def test_results_do_not_depend_on_the_number_of_threads(kernels):
    grid = patches(unit(16))
    o, d = rays(2000, torch.float32)
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 4):
            torch.set_num_threads(threads)
            found.append(march(o, d, grid, FIXED, 5))
    finally:
        torch.set_num_threads(before)
    assert equal(*found)


def test_shifts_are_uniform_and_differ_between_seeds_and_rays(either):
    grid = OccupancyGrid(unit(8))
    o = torch.tensor([[-2.0], [0.0], [0.0]], dtype=F64).expand(3, 2000).contiguous()
    d = torch.tensor([[1.0], [0.0], [0.0]], dtype=F64).expand(3, 2000).contiguous()
    share = [(march(o, d, grid, Marching(2.0), s).t - 1.0)[::1] / 2.0 for s in (1, 2)]
    for u in share:
        ordered = u.sort().values
        assert float((ordered - (torch.arange(2000) + 0.5) / 2000).abs().max()) < 1.63 / 2000**0.5  # Kolmogorov, 1 %
    assert abs(float(torch.corrcoef(torch.stack(share))[0, 1])) < 0.1
    assert len(share[0].unique()) > 1990


BAD = [float("nan"), float("inf"), -float("inf")]


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_rays_without_a_way_through_the_box_have_no_samples(either, dtype):
    grid = OccupancyGrid(unit(8))
    o = torch.tensor([[0, 0, 0], [3, 0, 0], [-3, 0, 0], [0, 2, 0], [-1e30, 0, 0]], dtype=dtype).T.contiguous()
    d = torch.tensor([[0, 0, 0], [1, 0, 0], [1, 1.5, 0], [1, 0, 0], [0, 1, 0]], dtype=dtype).T.contiguous()
    assert march(o, d, grid, FIXED).counts.tolist() == [0] * 5
    for bad in BAD:
        for axis in range(3):
            for broken in (o, d):
                a = torch.zeros(3, 1, dtype=dtype), torch.tensor([[1.0], [0.0], [0.0]], dtype=dtype)
                a[broken is d][axis] = bad
                assert len(march(*a, grid, FIXED)) <= 200
    nothing = march(o[:, :0].contiguous(), d[:, :0].contiguous(), grid, FIXED)
    assert (len(nothing), nothing.offsets.tolist()) == (0, [0])


def test_rays_that_start_inside_begin_where_they_are(either):
    grid = OccupancyGrid(unit(8))
    o, d = torch.zeros(3, 1, dtype=F64), torch.tensor([[0.0], [-1.0], [0.0]], dtype=F64)
    found = march(o, d, grid, Marching(0.25))
    assert found.t.tolist() == pytest.approx([0.125, 0.375, 0.625, 0.875])
    assert found.positions[1].tolist() == pytest.approx([-0.125, -0.375, -0.625, -0.875])


@pytest.mark.parametrize("most", [1, 7])
def test_a_ray_has_at_most_as_many_samples_as_asked_for(either, most):
    grid = patches(unit(16), 0.3)
    o, d = rays(100)
    free, capped = march(o, d, grid, FIXED), march(o, d, grid, dataclasses.replace(FIXED, most=most))
    assert torch.equal(capped.counts, free.counts.clamp_max(most))
    first = torch.cat([torch.arange(a, a + c) for a, c in zip(free.offsets, capped.counts, strict=False)])
    assert torch.equal(capped.t, free.t[first])


def test_samples_lie_in_occupied_cells_only(either):
    grid = patches(unit(16, 3))
    o, d = rays(200)
    found = march(o, d, grid, GROWING, 1)
    step = ((found.t - found.dt) / 64).clamp(0.01, 0.3)
    frame = torch.tensor(GROWING.frame(grid.cascades), dtype=F64)
    inside = reference._occupied(found.positions, step, grid.bits, frame, 16)
    assert float(inside.double().mean()) > 0.99  # a step that is just above the width of a cell asks the next cascade


def test_gradients_of_poses_are_sums_over_the_samples_of_a_ray(either):
    grid = patches(unit(16))
    o, d = rays(40)
    o.requires_grad_(), d.requires_grad_()
    found = march(o, d, grid, FIXED, 2)
    weights = torch.randn_like(found.positions)
    by = torch.autograd.grad((weights * found.positions).sum(), (o, d))
    again = o[:, found.rays] + found.t.detach() * d[:, found.rays]
    expected = torch.autograd.grad((weights * again).sum(), (o, d))
    for a, b in zip(by, expected, strict=True):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-12)


def test_gradients_of_poses_are_the_same_for_sorted_and_shuffled_rays(either):
    grid, order = patches(unit(16)), torch.randperm(50)
    o, d = rays(50)
    found = []
    for chosen in (torch.arange(50), order):
        a, b = (x[:, chosen].contiguous().requires_grad_() for x in (o, d))
        p = march(a, b, grid, FIXED, 2, chosen.clone()).positions
        by = torch.autograd.grad((p**3).sin().sum(), (a, b))
        found.append([g[:, chosen.argsort()] for g in by])
    for a, b in zip(*found, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    "change",
    [{"step": 0.0}, {"step": float("nan")}, {"cone": 1.0}, {"cone": -0.1}, {"near": 2.0, "far": 1.0}, {"near": -1.0}, {"most": 0}, {"longest": 0.001}],
)  # fmt: skip
def test_options_out_of_range_are_errors(change):
    with pytest.raises(InvalidArgumentError):
        dataclasses.replace(FIXED, **change)


def test_a_box_beyond_the_grid_and_too_many_steps_are_errors():
    grid = OccupancyGrid(unit(8))
    o, d = rays(4)
    for options in (Marching(0.1, upper=(1.0, 1.0, 1.1)), Marching(0.1, lower=(1.0, 0.0, 0.0)), Marching(1e-7)):
        with pytest.raises(InvalidArgumentError):
            march(o, d, grid, options)


def test_operands_that_do_not_fit_are_errors(either):
    grid = OccupancyGrid(unit(8))
    o, d = rays(4)
    for given in ((o.half(), d.half()), (o, d.float()), (o[:2], d[:2]), (o, d[:, :3]), (o[0], d[0])):
        with pytest.raises(InvalidArgumentError):
            march(*given, grid, FIXED)
    with pytest.raises(InvalidArgumentError):
        march(o, d, grid, FIXED, 1, torch.arange(3))
