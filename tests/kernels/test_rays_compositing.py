"""Sums along rays, their adjoint, and what is left out because nobody sees it."""

import pytest
import torch
from rays import F64, packed, patches, rays, unit

from hermite_pinn.cuda.rays import reference
from hermite_pinn.cuda.rays.cascades import Cascades
from hermite_pinn.cuda.rays.compositing import LEAST, compact, composite
from hermite_pinn.cuda.rays.marching import Marching, march
from hermite_pinn.cuda.rays.occupancy import OccupancyGrid
from hermite_pinn.cuda.rays.samples import Samples
from hermite_pinn.cuda.runtime import host
from hermite_pinn.errors import InvalidArgumentError

COUNTS = [0, 1, 60, 0, 2, 33, 200, 1, 0]
DENSITIES = [0.3, 3.0, 40.0]  # without, with some and with mostly early ends


@pytest.fixture(params=["kernels", "plain"])
def either(request, monkeypatch):
    """With a compiler, and without."""
    if request.param == "plain":
        monkeypatch.setattr(host, "available", lambda: False)
    elif not host.available():
        pytest.skip("no C++ compiler")


@pytest.fixture
def kernels():
    if not host.available():
        pytest.skip("no C++ compiler")


def serial(samples, sigma, colours, background, least):
    """The definition, sample by sample, in double precision; differentiable."""
    results = []
    for ray in range(len(samples.offsets) - 1):
        through, colour = torch.ones((), dtype=F64), torch.zeros(len(colours), dtype=F64)
        opacity = depth = torch.zeros((), dtype=F64)
        for i in range(*samples.offsets[ray : ray + 2].tolist()):
            alpha = 1 - torch.exp(-sigma[i] * samples.dt[i])
            w = through * alpha
            colour, opacity, depth = colour + w * colours[:, i], opacity + w, depth + w * samples.t[i]
            through = through * (1 - alpha)
            if through < least:
                break
        results.append((colour + through * background[:, ray], opacity, depth))
    return tuple(torch.stack(a, -1) for a in zip(*results, strict=True))


@pytest.mark.parametrize("least", [LEAST, 0.0, 0.3])
@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("channels", [1, 3, 5])
def test_equal_to_the_definition(either, density, channels, least):
    samples, sigma, colours, background = packed(COUNTS, density=density, channels=channels)
    seen = composite(samples, sigma, colours, background, least)
    expected = serial(samples, sigma, colours, background, least)
    for a, b in zip((seen.colour, seen.opacity, seen.depth), expected, strict=True):
        assert torch.allclose(a, b, rtol=1e-12, atol=1e-13)
    sums = torch.zeros(len(COUNTS), dtype=F64).index_add_(0, samples.rays, seen.weights)
    assert torch.allclose(sums, seen.opacity, rtol=1e-13, atol=1e-14)


def test_single_precision_is_double_precision_to_rounding(either):
    given = packed(COUNTS, torch.float32)
    seen = composite(*given, 0.0)
    samples = Samples(
        given[0].offsets, given[0].rays, *(a.double() for a in (given[0].t, given[0].dt, given[0].positions))
    )
    exact = composite(samples, *(a.double() for a in given[1:]), 0.0)
    for name in ("colour", "opacity", "weights"):
        assert float((getattr(seen, name) - getattr(exact, name)).abs().max()) < 2e-6, name


def losses(seen, seed=0):
    """Random weights of all results, with weights of samples squared as a distortion loss has them."""
    generator = torch.Generator().manual_seed(seed)

    def like(a):
        return torch.randn(a.shape, generator=generator, dtype=a.dtype)

    total = sum((like(a) * a).sum() for a in (seen.colour, seen.opacity, seen.depth, seen.weights))
    return total + (like(seen.weights) * seen.weights**2).sum() + (seen.depth**2).sum()


def leaves(samples, *tensors):
    t, dt = samples.t.clone().requires_grad_(), samples.dt.clone().requires_grad_()
    return Samples(samples.offsets, samples.rays, t, dt, samples.positions), *(
        a.clone().requires_grad_() for a in tensors
    )


@pytest.mark.parametrize("least", [LEAST, 0.0, 0.3])
@pytest.mark.parametrize("density", DENSITIES)
def test_the_adjoint_is_automatic_differentiation_of_the_definition(kernels, density, least):
    given = leaves(*packed(COUNTS, density=density))
    variables = (*given[1:], given[0].t, given[0].dt)
    found = torch.autograd.grad(losses(composite(*given, least)), variables)
    plain = reference.composite(given[0].offsets, given[1], given[0].t, given[0].dt, *given[2:], least)
    seen = type(composite(*given))(*plain)
    expected = torch.autograd.grad(losses(seen), variables, materialize_grads=True)
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-12)


def test_the_adjoint_is_automatic_differentiation_sample_by_sample(either):
    """The definition of this file, not that of the package."""
    given = leaves(*packed(COUNTS))
    variables = (*given[1:], given[0].t, given[0].dt)
    seen = composite(*given)
    weights = [torch.randn_like(a) for a in (seen.colour, seen.opacity, seen.depth)]
    found = torch.autograd.grad((seen.colour, seen.opacity, seen.depth), variables, weights)
    expected = torch.autograd.grad(serial(*given, LEAST), variables, weights, materialize_grads=True)
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("density", [0.3, 40.0])
def test_gradients_are_differences(either, density):
    samples, *tensors = packed([3, 0, 25, 1], density=density)
    t, dt = samples.t, samples.dt

    def function(sigma, colours, background, t, dt):
        seen = composite(Samples(samples.offsets, samples.rays, t, dt, samples.positions), sigma, colours, background)
        return seen.colour, seen.opacity, seen.depth, seen.weights

    inputs = [a.clone().requires_grad_() for a in (*tensors, t, dt)]
    assert torch.autograd.gradcheck(function, inputs, eps=1e-7, atol=1e-5, rtol=1e-5)


def test_gradients_have_no_cancellation_behind_an_opaque_sample(either):
    """In single precision, what is left behind is summed from behind, not subtracted from the whole."""
    counts = [80]
    single, double = packed(counts, torch.float32, density=0.6), packed(counts, density=0.6)
    found = []
    for samples, sigma, colours, background in (single, double):
        sigma.requires_grad_()
        seen = composite(samples, sigma, colours, background, 0.0)
        found.append(torch.autograd.grad(seen.colour.sum(), sigma)[0].double())
    last = found[1].abs() < 1e-3 * found[1].abs().max()
    assert last.any()
    assert torch.allclose(found[0][last], found[1][last], rtol=2e-3, atol=1e-9)


def test_a_fog_has_its_closed_form(either):
    """Density s over a length l: opacity 1 - exp(-s l), and the mean distance of an exponential law."""
    n, s, length = 4000, 1.7, 3.0
    dt = torch.full((n,), length / n, dtype=F64)
    t = (torch.arange(n, dtype=F64) + 0.5) * length / n
    samples = Samples(torch.tensor([0, n]), torch.zeros(n, dtype=torch.int64), t, dt, torch.zeros(3, n, dtype=F64))
    seen = composite(
        samples, torch.full_like(t, s), torch.ones(1, n, dtype=F64), torch.full((1, 1), 2.0, dtype=F64), 0.0
    )
    through = torch.exp(torch.tensor(-s * length, dtype=F64))
    assert float(seen.opacity - (1 - through)) == pytest.approx(0, abs=1e-12)
    assert float(seen.colour - (1 + through)) == pytest.approx(0, abs=1e-12)
    assert float(seen.depth) == pytest.approx(float((1 - through) / s - length * through), rel=1e-6)


def test_compacted_samples_give_the_same_image_bit_for_bit(kernels):
    for density in DENSITIES:
        samples, sigma, colours, background = packed(COUNTS, torch.float32, density=density)
        kept, index = compact(samples, sigma)
        whole = composite(samples, sigma, colours, background)
        dense = composite(kept, sigma[index], colours[:, index], background)
        for name in ("colour", "opacity", "depth"):
            assert torch.equal(getattr(whole, name), getattr(dense, name)), name
        assert torch.equal(whole.weights[index], dense.weights)
        assert torch.equal(kept.positions, samples.positions[:, index])
        assert torch.equal(kept.rays, torch.arange(len(COUNTS)).repeat_interleave(kept.counts))
        dropped = torch.ones(len(sigma), dtype=torch.bool).index_fill_(0, index, False)
        assert (whole.weights[dropped] == 0).all()
    assert len(kept) < 0.3 * len(samples)


def test_compacted_samples_give_the_same_gradients(kernels):
    samples, *tensors = leaves(*packed(COUNTS, density=40.0))
    kept, index = compact(samples, tensors[0])
    whole = torch.autograd.grad(composite(samples, *tensors).colour.square().sum(), tensors)
    chosen = tensors[0][index], tensors[1][:, index], tensors[2]
    dense = torch.autograd.grad(composite(kept, *chosen).colour.square().sum(), tensors)
    for a, b in zip(whole, dense, strict=True):
        assert torch.equal(a, b)


def test_without_a_compiler_compacted_samples_give_the_same_image_to_rounding(monkeypatch):
    monkeypatch.setattr(host, "available", lambda: False)
    samples, sigma, colours, background = packed(COUNTS, density=40.0)
    kept, index = compact(samples, sigma)
    whole = composite(samples, sigma, colours, background)
    dense = composite(kept, sigma[index], colours[:, index], background)
    assert torch.allclose(whole.colour, dense.colour, rtol=1e-13, atol=1e-14)
    assert torch.allclose(whole.weights[index], dense.weights, rtol=1e-13, atol=1e-14)
    assert len(kept) < 0.3 * len(samples)


def scene(p):
    """Two balls, opaque inside and exactly empty outside; their colours vary."""
    sigma = sum(
        (((p - torch.tensor(c, dtype=p.dtype)[:, None]) ** 2).sum(0) < 0.3**2).to(p)
        for c in ((0.4, 0.1, -0.2), (-0.5, -0.3, 0.4))
    )
    return 60 * sigma, 0.5 + 0.5 * torch.sin(5 * p)


def fitted(cascades):
    """The grid of the cells around the balls."""
    grid = OccupancyGrid(cascades)
    cells = torch.arange(cascades.count * cascades.cells**3)
    where = torch.rand(20, 3, len(cells), generator=torch.Generator().manual_seed(0))
    found = torch.stack([scene(cascades.points(cells, w))[0] for w in where]).amax(0)
    grid.update(cells, found)
    neighbours = grid.occupied().view(cascades.count, -1)
    assert neighbours.any()
    near = (
        ((cascades.points(cells)[None] - torch.tensor([[0.4, 0.1, -0.2], [-0.5, -0.3, 0.4]])[:, :, None]) ** 2)
        .sum(1)
        .sqrt()
    )
    grid.update(cells, (near < 0.3 + 0.9 * cascades.width(0) * 2 ** (cells // cascades.cells**3)).any(0).float())
    return grid


@pytest.mark.parametrize("options", [Marching(0.01), Marching(0.01, cone=1 / 128)])
def test_skipping_and_compaction_show_the_same_image_with_a_tenth_of_the_samples(kernels, options):
    cascades = Cascades((0.0, 0.0, 0.0), 1.0, 32, 2)
    o, d = rays(600, reach=3.0)
    background = torch.rand(3, 600, dtype=F64)
    everywhere, skipped = march(o, d, OccupancyGrid(cascades), options, 4), march(o, d, fitted(cascades), options, 4)
    dense = composite(everywhere, *scene(everywhere.positions), background)
    sigma, _ = scene(skipped.positions)
    kept, index = compact(skipped, sigma)
    fast = composite(kept, sigma[index], scene(kept.positions)[1], background)
    for name in ("colour", "opacity", "depth"):
        assert torch.allclose(getattr(fast, name), getattr(dense, name), rtol=1e-12, atol=1e-12), name
    assert 0.02 < float(dense.opacity.mean()) < 0.6
    assert len(everywhere) >= 10 * len(kept)


def test_nothing_to_see_shows_the_background(either):
    for counts in ([], [0, 0]):
        samples, sigma, colours, background = packed(counts)
        sigma.requires_grad_()
        seen = composite(samples, sigma, colours, background.requires_grad_())
        assert torch.equal(seen.colour, background)
        by = torch.autograd.grad(seen.colour.sum(), (sigma, background))
        assert by[1].eq(1).all()
        assert len(compact(samples, sigma)[0]) == 0


def test_the_order_of_rays_does_not_matter(either):
    samples, sigma, colours, background = packed(COUNTS, torch.float32)
    order = torch.randperm(len(COUNTS))
    index = torch.cat([torch.arange(*samples.offsets[r : r + 2]) for r in order])
    counts = samples.counts[order]
    moved = Samples(
        torch.cat([counts.new_zeros(1), counts.cumsum(0)]),
        torch.arange(len(COUNTS)).repeat_interleave(counts),
        samples.t[index], samples.dt[index], samples.positions[:, index],
    )  # fmt: skip
    a, b = (
        composite(samples, sigma, colours, background),
        composite(moved, sigma[index], colours[:, index], background[:, order]),
    )
    assert torch.equal(a.colour[:, order], b.colour)
    assert torch.equal(a.depth[order], b.depth)


def test_one_background_serves_all_rays_and_none_is_black(either):
    samples, sigma, colours, _ = packed(COUNTS)
    white = torch.ones(3, 1, dtype=F64)
    a, b = composite(samples, sigma, colours, white), composite(samples, sigma, colours)
    assert torch.allclose(a.colour - b.colour, (1 - a.opacity).expand(3, -1), atol=1e-12)


def test_a_number_that_is_none_stays_in_its_ray(either):
    samples, sigma, colours, background = packed(COUNTS)
    sigma[int(samples.offsets[5])] = float("nan")
    seen = composite(samples, sigma, colours, background)
    assert torch.isnan(seen.opacity).nonzero().flatten().tolist() == [5]


def test_operands_that_do_not_fit_are_errors(either):
    samples, sigma, colours, background = packed(COUNTS)
    wrong = [
        (samples, sigma[1:], colours, background), (samples, sigma.half(), colours, background), (samples, sigma.float(), colours, background),
        (samples, sigma, colours[:, 1:], background), (samples, sigma, colours[0], background), (samples, sigma, colours, background[:, 1:]),
        (samples, sigma, colours, background[:2]), (samples, sigma, colours.repeat(6, 1), background.repeat(6, 1)),
        (samples, sigma, colours, background[0]), (samples, sigma, colours, background, 1.0), (samples, sigma, colours, background, float("nan")),
        (Samples(samples.offsets + 1, *(getattr(samples, n) for n in ("rays", "t", "dt", "positions"))), sigma, colours, background),
        (Samples(samples.offsets.flip(0), *(getattr(samples, n) for n in ("rays", "t", "dt", "positions"))), sigma, colours, background),
    ]  # fmt: skip
    for given in wrong:
        with pytest.raises(InvalidArgumentError):
            composite(*given)
    for given in ((samples, sigma[1:]), (samples, sigma.half()), (samples, sigma, 2.0), (wrong[-1][0], sigma)):
        with pytest.raises(InvalidArgumentError):
            compact(*given)


def test_samples_in_a_patchy_grid_are_seen_in_their_order(kernels):
    o, d = rays(100, torch.float32)
    samples = march(o, d, patches(unit(16)), Marching(0.02), 1)
    seen = composite(samples, torch.full_like(samples.t, 1e9), samples.t.expand(1, -1).contiguous())
    first = samples.offsets[:-1][samples.counts > 0]
    assert torch.allclose(seen.depth[samples.counts > 0], samples.t[first])
