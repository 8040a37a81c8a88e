"""What makes the encodings what they are: order, continuity, partition of unity, periodicity."""

import itertools
import math

import pytest
import torch
from grids import all_channels, layout, points

from hermite_pinn.cuda.encoder import ops
from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout


def interpolant(grid, derivative):
    """Table of the Hermite interpolant on a one-level dense grid, from exact derivatives at the vertices."""
    counts, cells = grid.vertices(0), grid.resolutions[0]
    steps = [size / n for size, n in zip(grid.lengths, cells, strict=True)]
    vertices = torch.meshgrid(
        *[a + h * torch.arange(n, dtype=torch.float64) for a, h, n in zip(grid.lower, steps, counts, strict=True)],
        indexing="ij",
    )
    record = torch.stack(
        [
            derivative(alpha, *vertices) * math.prod(h**a for h, a in zip(steps, alpha, strict=True))
            for alpha in grid.alphas
        ],
        -1,
    )
    table = torch.zeros(grid.size, dtype=torch.float64)
    table[: record.numel()] = record.reshape(-1)
    return table


def wave(orders, *x):
    """Derivatives of prod sin(3 x_i + i)."""
    total = 1.0
    for i, (m, s) in enumerate(zip(orders, x, strict=True)):
        k = 3.0
        total = total * k**m * torch.sin(k * s + i + m * math.pi / 2)
    return total


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize(("basis", "orders"), [("cubic", (4, 3, 2)), ("quintic", (6, 5, 4)), ("septic", (8, 7, 6))])
def test_orders_of_convergence(basis, orders, dim):
    channels = Channels.of(dim, [(0,) * dim, (1,) + (0,) * (dim - 1), (2,) + (0,) * (dim - 1)])
    x = torch.rand(dim, 4000, dtype=torch.float64)
    exact = torch.stack([wave(c[0][1], *x) for c in channels.channels])
    errors = []
    for n in (8, 16):
        grid = GridLayout((0.0,) * dim, (1.0,) * dim, ((n,) * dim,), basis)
        found = ops.summed_jets(x, interpolant(grid, wave), grid, channels)[0]
        errors.append((found - exact).abs().amax(1))
    observed = torch.log2(errors[0] / errors[1])
    for measured, order in zip(observed.tolist(), orders, strict=True):
        assert measured == pytest.approx(order, abs=0.35)


@pytest.mark.parametrize("basis", BASES)
def test_polynomials_up_to_the_degree_are_reproduced(basis):
    grid = GridLayout((-1.0,), (2.0,), ((3,),), basis)
    x = torch.linspace(-1, 2, 50, dtype=torch.float64)[None]
    for degree in (BASES[basis].degree, BASES[basis].degree + 1):
        power = lambda orders, s, k=degree: math.perm(k, orders[0]) * s ** max(0, k - orders[0])
        jets = ops.summed_jets(x, interpolant(grid, power), grid, Channels.of(1, [(0,), (1,), (2,)]))[0]
        exact = torch.stack([power((m,), x[0]) for m in range(3)])
        assert torch.allclose(jets, exact, rtol=1e-11, atol=1e-10) == (degree == BASES[basis].degree)


@pytest.mark.slow_but("-2")
@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("basis", BASES)
def test_partition_of_unity(basis, dim):
    """Ones in the values and zeros in the derivatives make the constant 1 with zero derivatives."""
    grid = layout(basis, dim, features=1, periodic=False).with_levels([(3,) * dim])
    one = interpolant(grid, lambda alpha, *v: torch.full_like(v[0], 1.0 if sum(alpha) == 0 else 0.0))
    jets = ops.summed_jets(points(grid), one, grid, Channels.jet(dim, 2))[0]
    assert torch.allclose(jets[0], torch.ones_like(jets[0]), rtol=0, atol=1e-14)
    assert float(jets[1:].abs().max()) < 1e-11


@pytest.mark.slow_but("-1", "-2")
@pytest.mark.parametrize("tables", ["dense", "hashed"])
@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("basis", BASES)
def test_derivatives_are_continuous_across_cells(basis, dim, tables):
    """One-sided limits at cell faces agree up to the order of smoothness, and jump beyond it."""
    grid = layout(basis, dim, tables, features=1, periodic=False).with_levels([(4,) * dim])
    table = torch.randn(grid.size, dtype=torch.float64)
    smooth = BASES[basis].smoothness
    channels = Channels.of(dim, [(m,) + (0,) * (dim - 1) for m in range(smooth + 2)])
    face = grid.lower[0] + grid.lengths[0] * torch.tensor([0.25, 0.5, 0.75], dtype=torch.float64)
    x = points(grid, 3)[:, :3].clone()
    x[0] = face
    eps = 1e-9 * grid.lengths[0]
    left, right = x.clone(), x.clone()
    left[0] -= eps
    right[0] += eps
    a, b = (ops.summed_jets(p, table, grid, channels)[0] for p in (left, right))
    scale = 4.0 / grid.lengths[0]
    for m in range(smooth + 1):
        slope = float(torch.maximum(a[m + 1].abs(), b[m + 1].abs()).max())
        assert float((a[m] - b[m]).abs().max()) < 4 * eps * slope + 1e-8 * scale**m
    assert float((a[smooth + 1] - b[smooth + 1]).abs().max()) > 1e-2


@pytest.mark.slow_but("-1", "-2")
@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("basis", BASES)
def test_periodic_fields_agree_with_all_derivatives_at_both_ends(basis, dim, device):
    grid, channels = layout(basis, dim, features=1), all_channels(dim)
    table = torch.randn(grid.size, dtype=torch.float64, device=device)
    start = points(grid).to(device)
    start[0] = grid.lower[0]
    end, beyond = start.clone(), start.clone()
    end[0] = grid.upper[0]
    beyond[0] = grid.upper[0] + 3 * grid.lengths[0]
    a, b, c = (ops.jets(p, table, grid, channels) for p in (start, end, beyond))
    assert torch.equal(a, b)
    assert torch.allclose(a, c, rtol=1e-12, atol=1e-9)


def test_a_hashed_level_uses_the_published_hash():
    """Slots of a hashed level are the masked exclusive-or of coordinates times primes."""
    grid = GridLayout((0.0, 0.0), (1.0, 1.0), ((8, 8),), "linear", 1, (16,))
    for v in itertools.product(range(8), repeat=2):
        slot = ((v[0] * 1) ^ (v[1] * 2654435761 % 2**32)) & 15
        table = torch.zeros(grid.size, dtype=torch.float64)
        table[slot] = 1.0
        x = torch.tensor([[v[0] / 8], [v[1] / 8]], dtype=torch.float64)
        assert float(ops.summed_jets(x, table, grid, Channels.value(2))[0, 0, 0]) == 1.0


def test_reachable_counts_what_points_can_reach():
    grid = GridLayout((0.0, 0.0), (1.0, 1.0), ((4, 4), (32, 32)), "cubic", 2, (256,))
    x = torch.rand(2, 60_000, dtype=torch.float64)
    touched = ops.adjoint(x, torch.ones(2, 2, 1, x.shape[1], dtype=torch.float64), grid, Channels.value(2))
    assert grid.reachable == int((touched != 0).sum())
