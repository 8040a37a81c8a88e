"""The compiled kernels against the plain float64 reference."""

import pytest
import torch
from grids import TABLES, all_channels, combinations, layout, points, relative
from selection import marked, selected

from hermite_pinn.cuda.encoder import launch, ops, reference
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.encoder.specialization import Specialization
from hermite_pinn.cuda.runtime import host
from hermite_pinn.errors import InvalidArgumentError

#: Those that the tests of this module compare; products with Jacobians have their own.
COMPARED = ("jets", "summed_jets", "adjoint", "diagonal", "input_gradient")


@pytest.fixture(scope="module", autouse=True)
def compiled(request):
    """Compile what the selected tests of this module need, in parallel, before the first."""
    if host.available():
        specs = set()
        for basis, dim, tables in selected(request):
            grid = layout(basis, dim, tables)
            for operation in COMPARED:
                channels = Channels.jet(dim, 1) if operation == "input_gradient" else all_channels(dim)
                specs.add(Specialization.of(operation, grid, channels, "float64"))
        launch.prepare(sorted(specs, key=repr))


@pytest.mark.parametrize(("basis", "dim", "tables"), marked(combinations()))
def test_jets_agree_with_the_reference(basis, dim, tables, device):
    grid, channels = layout(basis, dim, tables), all_channels(dim)
    x, table = points(grid), torch.randn(grid.size, dtype=torch.float64)
    expected = reference.jets(x, table, grid, channels)
    assert relative(ops.jets(x.to(device), table.to(device), grid, channels).cpu(), expected) < 1e-12
    assert relative(ops.summed_jets(x.to(device), table.to(device), grid, channels).cpu(), expected.sum(0)) < 1e-12


@pytest.mark.parametrize(("basis", "dim", "tables"), marked(combinations()))
def test_adjoint_and_diagonal_agree_with_the_reference(basis, dim, tables, device):
    grid, channels = layout(basis, dim, tables), all_channels(dim)
    x = points(grid)
    weights = torch.randn(grid.levels, grid.features, len(channels), x.shape[1], dtype=torch.float64)
    for operation in ("adjoint", "diagonal"):
        expected = getattr(reference, operation)(x, weights, grid, channels)
        found = getattr(ops, operation)(x.to(device), weights.to(device), grid, channels).cpu()
        assert relative(found, expected) < 1e-12, operation


@pytest.mark.parametrize(("basis", "dim", "tables"), marked(combinations()))
def test_adjoint_is_the_transpose_of_jets(basis, dim, tables, device):
    grid, channels = layout(basis, dim, tables), all_channels(dim)
    x = points(grid).to(device)
    table = torch.randn(grid.size, dtype=torch.float64, device=device)
    weights = torch.randn(grid.levels, grid.features, len(channels), x.shape[1], dtype=torch.float64, device=device)
    left = (ops.jets(x, table, grid, channels) * weights).sum()
    right = (table * ops.adjoint(x, weights, grid, channels)).sum()
    scale = ops.jets(x, table, grid, channels).norm() * weights.norm()
    assert abs(float(left - right)) < 1e-13 * float(scale)


@pytest.mark.parametrize(("basis", "dim", "tables"), marked(combinations()))
def test_input_gradient_agrees_with_raised_channels(basis, dim, tables, device):
    grid, channels = layout(basis, dim, tables), Channels.jet(dim, 1)
    x, table = points(grid), torch.randn(grid.size, dtype=torch.float64)
    weights = torch.randn(grid.levels, grid.features, len(channels), x.shape[1], dtype=torch.float64)
    raised, nodes = channels.raised
    jets = reference.jets(x, table, grid, raised)
    expected = torch.stack(
        [sum((weights[:, :, c] * jets[:, :, row[i]]).sum((0, 1)) for c, row in enumerate(nodes)) for i in range(dim)]
    )
    found = ops.input_gradient(x.to(device), table.to(device), weights.to(device), grid, channels)
    assert relative(found.cpu(), expected) < 1e-12


@pytest.mark.parametrize("tables", TABLES)
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_single_precision_agrees_to_its_rounding(dim, tables, device):
    grid, channels = layout("cubic", dim, tables), Channels.jet(dim, 1) + Channels.laplacian(dim)
    x, table = points(grid).float(), torch.randn(grid.size)
    inside = x.double()  # the rounded points, so that only the arithmetic differs
    expected = reference.jets(inside, table.double(), grid, channels)
    found = ops.jets(x.to(device), table.to(device), grid, channels).cpu().double()
    scale = expected.abs().amax((0, 1, 3), keepdim=True)
    # rounding may put a point on a vertex into the neighbouring cell, where second derivatives differ
    kept = slice(0, 1 + dim)
    assert float(((found - expected).abs() / scale)[:, :, kept].max()) < 2e-5


@pytest.mark.parametrize("features", [1, 3, 5])
def test_any_number_of_features(features, device):
    grid, channels = layout("cubic", 2, "hashed", features), Channels.value(2)
    x, table = points(grid), torch.randn(grid.size, dtype=torch.float64)
    expected = reference.jets(x, table, grid, channels)
    assert relative(ops.jets(x.to(device), table.to(device), grid, channels).cpu(), expected) < 1e-12


def test_many_points_on_several_threads_give_the_same_sums(device):
    grid = GridLayout((0.0, 0.0), (1.0, 1.0), ((4, 4), (64, 64)), "cubic", 1, (1024,))
    channels = Channels.value(2)
    x = torch.rand(2, 30_001, dtype=torch.float64, device=device)
    weights = torch.randn(2, 1, 1, x.shape[1], dtype=torch.float64, device=device)
    found = ops.adjoint(x, weights, grid, channels)
    parts = sum(
        ops.adjoint(x[:, i : i + 997].contiguous(), weights[..., i : i + 997].contiguous(), grid, channels)
        for i in range(0, x.shape[1], 997)
    )
    assert relative(found, parts) < 1e-12


def test_the_adjoint_on_a_cpu_is_reproducible():
    grid = GridLayout((0.0, 0.0), (1.0, 1.0), ((4, 4), (64, 64)), "cubic", 1, (1024,))
    x = torch.rand(2, 50_000, dtype=torch.float32)
    weights = torch.randn(2, 1, 1, x.shape[1])
    first = ops.adjoint(x, weights, grid, Channels.value(2))
    assert all(torch.equal(first, ops.adjoint(x, weights, grid, Channels.value(2))) for _ in range(3))


def test_equal_weights_for_all_levels_need_no_copies(device):
    grid, channels = layout("cubic", 2), Channels.value(2)
    x = points(grid).to(device)
    one = torch.randn(1, grid.features, 1, x.shape[1], dtype=torch.float64, device=device)
    full = one.expand(grid.levels, -1, -1, -1)
    expected = ops.adjoint(x, full.contiguous(), grid, channels)
    assert torch.allclose(ops.adjoint(x, one, grid, channels), expected, rtol=0, atol=1e-13)
    assert torch.allclose(ops.adjoint(x, full, grid, channels), expected, rtol=0, atol=1e-13)


def test_no_points_is_no_error(device):
    grid, channels = layout("cubic", 2), Channels.value(2)
    x = torch.zeros(2, 0, dtype=torch.float64, device=device)
    table = torch.zeros(grid.size, dtype=torch.float64, device=device)
    assert ops.jets(x, table, grid, channels).shape == (grid.levels, grid.features, 1, 0)


def test_the_reference_serves_where_there_is_no_compiler(monkeypatch):
    monkeypatch.setattr(host, "available", lambda: False)
    grid, channels = layout("cubic", 2), Channels.jet(2, 1)
    x = points(grid).requires_grad_()
    table = torch.randn(grid.size, dtype=torch.float64, requires_grad=True)
    out = ops.jets(x, table, grid, channels)
    assert relative(out, reference.jets(x, table, grid, channels)) == 0
    assert all(g is not None for g in torch.autograd.grad(out.square().sum(), (x, table)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.zeros(3, 5, dtype=torch.float64)}, "points have shape"),
        ({"x": torch.zeros(2, 5, dtype=torch.int64)}, "float32 or float64"),
        ({"table": torch.zeros(7, dtype=torch.float64)}, "table must have shape"),
        ({"table": torch.zeros(432)}, "dtype"),
    ],
)
def test_wrong_tensors_are_refused(change, message):
    grid = GridLayout((0.0, 0.0), (1.0, 1.0), ((4, 4), (8, 8)), "cubic")
    given = {"x": torch.zeros(2, 5, dtype=torch.float64), "table": torch.zeros(grid.size, dtype=torch.float64)} | change
    with pytest.raises(InvalidArgumentError, match=message):
        ops.jets(given["x"], given["table"], grid, Channels.value(2))
