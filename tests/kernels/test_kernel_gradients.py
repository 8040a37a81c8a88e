"""Gradients of the encoder operations by finite differences, and their registration with PyTorch."""

import pytest
import torch
from grids import layout, points

from hermite_pinn.cuda.encoder import ops
from hermite_pinn.cuda.encoder.channels import Channels

GRIDS = [
    ("cubic", 1, "dense"),
    ("cubic", 2, "hashed"),
    ("cubic", 2, "split"),
    ("quintic", 2, "dense"),
    ("cosine", 2, "dense"),
    ("cubic", 2, "indexed"),
]


def inside_cells(grid, count=3):
    """Points at least 0.1 cells from every cell face of every level, so that differences see one polynomial."""
    x = points(grid, 400)[:, :400]
    lower = torch.tensor(grid.lower, dtype=torch.float64)[:, None]
    lengths = torch.tensor(grid.lengths, dtype=torch.float64)[:, None]
    good = torch.ones(x.shape[1], dtype=torch.bool)
    for n in grid.resolutions:
        t = ((x - lower) / lengths * torch.tensor(n)[:, None]) % 1
        good &= ((t > 0.1) & (t < 0.9)).all(0)
    return x[:, good][:, :count].contiguous()


@pytest.mark.slow_but("cubic")
@pytest.mark.parametrize(("basis", "dim", "tables"), GRIDS)
@pytest.mark.parametrize("order", [0, 1])
def test_gradcheck_in_points_and_table(basis, dim, tables, order):
    grid, channels = layout(basis, dim, tables, features=1), Channels.jet(dim, order)
    x = inside_cells(grid).requires_grad_()
    table = torch.randn(grid.size, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, b: ops.jets(a, b, grid, channels), (x, table), atol=1e-6)


@pytest.mark.parametrize(("basis", "dim", "tables"), GRIDS)
def test_gradcheck_of_second_derivatives_in_the_table(basis, dim, tables):
    grid, channels = layout(basis, dim, tables, features=1), Channels.jet(dim, 2) + Channels.laplacian(dim)
    x = inside_cells(grid)
    table = torch.randn(grid.size, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda b: ops.jets(x, b, grid, channels), (table,), atol=1e-6)


def test_gradgradcheck_of_values():
    grid, channels = layout("cubic", 2, features=1), Channels.value(2)
    x = inside_cells(grid, 2).requires_grad_()
    table = torch.randn(grid.size, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda a, b: ops.jets(a, b, grid, channels), (x, table), atol=1e-5)


def test_gradcheck_of_the_adjoint_in_weights_and_points():
    grid, channels = layout("cubic", 2, "hashed", features=1), Channels.jet(2, 1)
    x = inside_cells(grid, 2).requires_grad_()
    weights = torch.randn(grid.levels, 1, len(channels), 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a, w: ops.adjoint(a, w, grid, channels), (x, weights), atol=1e-6)


def test_the_gradient_of_summed_jets_reaches_every_level():
    grid, channels = layout("cubic", 2, features=1), Channels.value(2)
    x = points(grid)
    table = torch.randn(grid.size, dtype=torch.float64, requires_grad=True)
    summed = torch.autograd.grad(ops.summed_jets(x, table, grid, channels).sin().sum(), table)[0]
    apart = torch.autograd.grad(ops.jets(x, table, grid, channels).sum(0).sin().sum(), table)[0]
    assert torch.allclose(summed, apart, rtol=0, atol=1e-13)


@pytest.mark.parametrize("tables", ["dense", "indexed"])
def test_operations_pass_the_checks_of_torch_library(tables):
    grid, channels = layout("cubic", 2, tables, features=1), Channels.value(2)
    x = points(grid).requires_grad_()
    table = torch.randn(grid.size, dtype=torch.float64, requires_grad=True)
    torch.library.opcheck(torch.ops.hermite_pinn.jets.default, (x, table, grid.handle, channels.key, False))
    weights = torch.randn(grid.levels, 1, 1, x.shape[1], dtype=torch.float64, requires_grad=True)
    torch.library.opcheck(torch.ops.hermite_pinn.adjoint.default, (x, weights, grid.handle, channels.key))
