"""Sums into tables: the same bits for every order, and products with Jacobians that form no jets."""

import pytest
import torch
from grids import all_channels, layout, points, relative

from hermite_pinn.cuda.encoder import ops, products, reference
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.runtime import host
from hermite_pinn.errors import InvalidArgumentError

GRIDS = [("cubic", 2, "dense"), ("cubic", 2, "split"), ("cubic", 3, "hashed"), ("quintic", 1, "dense"), ("cosine", 2, "hashed"), ("cubic", 2, "indexed")]  # fmt: skip


def weights_of(grid, channels, n, dtype=torch.float64, levels=None):
    return torch.randn(levels or grid.levels, grid.features, len(channels), n, dtype=dtype)


@pytest.mark.parametrize("operation", ["adjoint", "diagonal"])
@pytest.mark.parametrize(("basis", "dim", "tables"), GRIDS)
def test_deterministic_sums_agree_with_the_reference(basis, dim, tables, operation, device):
    grid, channels = layout(basis, dim, tables), all_channels(dim)
    x = points(grid)
    weights = weights_of(grid, channels, x.shape[1])
    found = getattr(ops, operation)(x.to(device), weights.to(device), grid, channels, deterministic=True).cpu()
    assert relative(found, getattr(reference, operation)(x, weights, grid, channels)) < 1e-13


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("operation", ["adjoint", "diagonal"])
def test_deterministic_sums_do_not_depend_on_order_or_threads(operation, dtype, device):
    grid = GridLayout((0.0, 0.0), (1.0, 1.0), ((4, 4), (64, 64)), "cubic", 2, (1024,))
    channels = Channels.value(2) + Channels.laplacian(2)
    x = torch.rand(2, 20_000, dtype=dtype)
    weights = weights_of(grid, channels, x.shape[1], dtype)
    order = torch.randperm(x.shape[1])
    before, found = torch.get_num_threads(), []
    try:
        for threads, chosen in ((1, slice(None)), (3, slice(None)), (2, order)):
            torch.set_num_threads(threads)
            at = x[:, chosen].contiguous().to(device), weights[..., chosen].contiguous().to(device)
            found.append(getattr(ops, operation)(*at, grid, channels, deterministic=True))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_integer_sums_are_more_accurate_than_those_of_their_precision(device):
    grid, channels = GridLayout((0.0, 0.0), (1.0, 1.0), ((3, 3),), "cubic", 1), Channels.value(2)
    x, weights = torch.rand(2, 100_000), torch.randn(1, 1, 1, 100_000)
    expected = ops.adjoint(x.double().to(device), weights.double().to(device), grid, channels)
    plain, exact = (
        relative(ops.adjoint(x.to(device), weights.to(device), grid, channels, deterministic=d).double(), expected)
        for d in (False, True)
    )
    assert exact < plain


def test_points_outside_the_box_do_not_overflow(device):
    grid, channels = GridLayout((0.0, 0.0), (1.0, 1.0), ((8, 8),), "cubic", 1), Channels.jet(2, 1)
    x = 8 * torch.randn(2, 500, dtype=torch.float64)
    weights = weights_of(grid, channels, 500)
    found = ops.adjoint(x.to(device), weights.to(device), grid, channels, deterministic=True).cpu()
    assert relative(found, reference.adjoint(x, weights, grid, channels)) < 1e-13


def test_what_is_not_finite_stays_visible(device):
    grid, channels = GridLayout((0.0,), (1.0,), ((4,),), "cubic", 1), Channels.value(1)
    x, weights = torch.rand(1, 10, device=device), torch.ones(1, 1, 1, 10, device=device)
    weights[..., 3] = torch.inf
    assert torch.isnan(ops.adjoint(x, weights, grid, channels, deterministic=True)).all()


def test_backward_passes_follow_pytorchs_switch(device):
    if not host.available():
        pytest.skip("the reference sums in the order of PyTorch")
    grid, channels = GridLayout((0.0, 0.0), (1.0, 1.0), ((32, 32),), "cubic", 1, (256,)), Channels.value(2)
    x, order = torch.rand(2, 9_000, device=device), torch.randperm(9_000)
    grads = []
    torch.use_deterministic_algorithms(True)
    try:
        for at in (x, x[:, order].contiguous()):
            table = torch.zeros(grid.size, device=device, requires_grad=True)
            ops.jets(at, table, grid, channels).sum().backward()
            grads.append(table.grad)
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(*grads)


@pytest.mark.slow_but("cubic-2", "quintic")
@pytest.mark.parametrize("levels", ["each", "same"])
@pytest.mark.parametrize("terms", [1, 3])
@pytest.mark.parametrize(("basis", "dim", "tables"), GRIDS)
def test_products_equal_those_of_jets(basis, dim, tables, terms, levels, device):
    grid, channels = layout(basis, dim, tables), Channels.jet(dim, 1) + Channels.laplacian(dim)
    x, table = points(grid), torch.randn(grid.size, dtype=torch.float64)
    weights = torch.stack(
        [weights_of(grid, channels, x.shape[1], levels=1 if levels == "same" else None) for _ in range(terms)]
    )
    rows = torch.randn(terms, x.shape[1], dtype=torch.float64)
    full = weights.expand(-1, grid.levels, -1, -1, -1)
    forward = torch.einsum("tlfcn,lfcn->tn", full, reference.jets(x, table, grid, channels))
    transposed = reference.adjoint(x, torch.einsum("tlfcn,tn->lfcn", full, rows), grid, channels)
    x, table, weights, rows = (t.to(device) for t in (x, table, weights, rows))
    assert relative(products.jacobian_vector(x, table, weights, grid, channels).cpu(), forward) < 1e-12
    for deterministic in (False, True):
        found = products.vector_jacobian(x, rows, weights, grid, channels, deterministic=deterministic)
        assert relative(found.cpu(), transposed) < 1e-12


def test_products_are_transposes_of_each_other(device):
    grid, channels = layout("cubic", 3, "hashed"), Channels.jet(3, 1)
    x = points(grid).to(device)
    weights = weights_of(grid, channels, x.shape[1])[None].repeat(2, 1, 1, 1, 1).to(device)
    table = torch.randn(grid.size, dtype=torch.float64, device=device)
    rows = torch.randn(2, x.shape[1], dtype=torch.float64, device=device)
    left = (products.jacobian_vector(x, table, weights, grid, channels) * rows).sum()
    right = (products.vector_jacobian(x, rows, weights, grid, channels) * table).sum()
    assert abs(float(left - right)) < 1e-12 * abs(float(left))


@pytest.mark.parametrize(
    ("weights", "rows", "message"),
    [
        (torch.zeros(1, 2, 1, 3, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64), "weights must have"),
        (torch.zeros(2, 1, 1, 1, 3, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.float64), "rows must have"),
    ],
)
def test_products_refuse_what_does_not_fit(weights, rows, message):
    grid, x = GridLayout((0.0,), (1.0,), ((2,), (4,)), "cubic"), torch.zeros(1, 3, dtype=torch.float64)
    with pytest.raises(InvalidArgumentError, match=message):
        products.vector_jacobian(x, rows, weights, grid, Channels.value(1))


def test_products_without_a_compiler(monkeypatch):
    grid, channels = layout("cubic", 2, "hashed"), Channels.jet(2, 1)
    x, table = points(grid), torch.randn(grid.size, dtype=torch.float64)
    weights = weights_of(grid, channels, x.shape[1], levels=1)[None]
    rows = torch.randn(1, x.shape[1], dtype=torch.float64)
    compiled = products.jacobian_vector(x, table, weights, grid, channels), products.vector_jacobian(x, rows, weights, grid, channels)  # fmt: skip
    monkeypatch.setattr(host, "available", lambda: False)
    assert relative(products.jacobian_vector(x, table, weights, grid, channels), compiled[0]) < 1e-12
    assert relative(products.vector_jacobian(x, rows, weights, grid, channels), compiled[1]) < 1e-12
