"""Bases that are no products over the two ends of a cell: weights of whole corners, and four values per axis."""

import itertools
import math

import numpy as np
import pytest
import torch
from grids import all_channels, points, relative, some_vertices

from hermite_pinn.cuda.encoder import launch, ops, reference
from hermite_pinn.cuda.encoder.basis import KERNEL_BASES
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.encoder.specialization import OPERATIONS, Specialization
from hermite_pinn.cuda.runtime import host, nvrtc
from hermite_pinn.cuda.runtime.source import assembled
from hermite_pinn.errors import BackendUnavailableError, InvalidArgumentError
from hermite_pinn.schema import Entry

BASES = ("cosine_product", "straight_through", "catmull_rom")
TABLES = ("dense", "hashed", "indexed")


def grid_of(basis, dim=2, tables="dense", blend=1.0):
    """Three levels on a box away from the origin, the first axis periodic."""
    resolutions = tuple(tuple(n + i % 2 for i in range(dim)) for n in (2, 3, 5))
    sizes = None if tables == "dense" else (16,)
    wraps = tuple(i == 0 and dim > 1 for i in range(dim))
    box = (-1.0, 0.5, 0.0)[:dim], (1.5, 1.0, 3.0)[:dim]
    grid = GridLayout(*box, resolutions, basis, 2, sizes, wraps, blend=blend)
    if tables == "indexed":
        return GridLayout(*box, resolutions, basis, 2, sizes, wraps, (None, None, some_vertices(grid, 2)), blend)
    return grid


def channels_of(basis, dim=2):
    """All derivatives that a basis has, up to the second."""
    return Channels.jet(dim, 1) if KERNEL_BASES[basis].most_order == 1 else all_channels(dim)


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Compile most of what the tests need, in parallel, before the first."""
    if host.available():
        specs = []
        for basis, operation in itertools.product(BASES, ("jets", "adjoint", "diagonal", "input_gradient")):
            channels = Channels.value(2) if operation == "input_gradient" else channels_of(basis)
            specs.append(Specialization.of(operation, grid_of(basis), channels, "float64"))
        launch.prepare(specs)


@pytest.mark.parametrize("tables", TABLES)
@pytest.mark.parametrize("basis", BASES)
def test_kernels_agree_with_the_reference(basis, tables, device):
    grid, channels = grid_of(basis, 2, tables), channels_of(basis)
    x, table = points(grid), torch.randn(grid.size, dtype=torch.float64)
    expected = reference.jets(x, table, grid, channels)
    assert relative(ops.jets(x.to(device), table.to(device), grid, channels).cpu(), expected) < 1e-12
    if tables == "indexed":
        return
    weights = torch.randn_like(expected)
    for operation in ("adjoint", "diagonal"):
        found = getattr(ops, operation)(x.to(device), weights.to(device), grid, channels).cpu()
        assert relative(found, getattr(reference, operation)(x, weights, grid, channels)) < 1e-12, operation


@pytest.mark.parametrize(("basis", "dim"), [*((b, 1) for b in BASES), ("catmull_rom", 3), ("straight_through", 3)])
def test_jets_agree_with_the_reference_in_one_and_three_dimensions(basis, dim, device):
    grid, channels = grid_of(basis, dim), Channels.jet(dim, 1)
    x, table = points(grid), torch.randn(grid.size, dtype=torch.float64)
    expected = reference.jets(x, table, grid, channels)
    assert relative(ops.jets(x.to(device), table.to(device), grid, channels).cpu(), expected) < 1e-12


@pytest.mark.parametrize("basis", BASES)
def test_single_precision_agrees_to_its_rounding(basis, device):
    grid, channels = grid_of(basis), Channels.jet(2, 1)
    x, table = points(grid, 37)[:, :37].float(), torch.randn(grid.size)
    expected = reference.jets(x.double(), table.double(), grid, channels)
    found = ops.jets(x.to(device), table.to(device), grid, channels).cpu().double()
    assert float(((found - expected).abs() / expected.abs().amax((0, 1, 3), keepdim=True)).max()) < 2e-5


@pytest.mark.parametrize("basis", BASES)
def test_adjoint_is_the_transpose_of_jets(basis, device):
    grid, channels = grid_of(basis, 2, "hashed"), channels_of(basis)
    x = points(grid).to(device)
    table = torch.randn(grid.size, dtype=torch.float64, device=device)
    jets = ops.jets(x, table, grid, channels)
    weights = torch.randn_like(jets)
    left, right = (jets * weights).sum(), (table * ops.adjoint(x, weights, grid, channels)).sum()
    assert abs(float(left - right)) < 1e-13 * float(jets.norm() * weights.norm())


@pytest.mark.parametrize("basis", BASES)
def test_sums_that_do_not_depend_on_the_order_are_those_that_do(basis, device):
    grid, channels = grid_of(basis, 2, "hashed"), channels_of(basis)
    x = points(grid).to(device)
    weights = torch.randn(3, 2, len(channels), x.shape[1], dtype=torch.float64, device=device)
    exact = ops.adjoint(x, weights, grid, channels, deterministic=True)
    assert relative(exact, ops.adjoint(x, weights, grid, channels)) < 1e-12
    order = torch.randperm(x.shape[1], device=device)
    again = ops.adjoint(x[:, order].contiguous(), weights[..., order].contiguous(), grid, channels, deterministic=True)
    assert torch.equal(exact, again)


@pytest.mark.parametrize("basis", ["cosine_product", "catmull_rom"])
def test_gradients_by_table_and_points_are_those_of_differences(basis):
    grid = grid_of(basis)
    x = (points(grid, 5)[:, :5] + 0.013).requires_grad_()
    table = torch.randn(grid.size, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, t: ops.jets(x, t, grid, Channels.value(2)), (x, table))


def middles(grid, count=40):
    """Random points off the faces of the cells."""
    return points(grid, count)[:, :count]


# -- functions of the weight of a corner ---
@pytest.mark.parametrize(("dim", "mean"), [(1, 1.0), (2, 0.821), (3, 0.616)])
def test_cosines_of_whole_weights_are_no_partition_of_unity(dim, mean):
    """The mean over a cell of the sum of the weights, by a midpoint rule; ranges of the sums by Heo et al. (2023)."""
    grid = GridLayout((0.0,) * dim, (1.0,) * dim, ((1,) * dim,), "cosine_product")
    ticks = (torch.arange(16, dtype=torch.float64) + 0.5) / 16
    x = torch.stack([a.ravel() for a in torch.meshgrid(*[ticks] * dim, indexing="ij")])
    table = torch.zeros(grid.size, dtype=torch.float64)
    table[: 2**dim] = 1.0
    sums = reference.jets(x, table, grid, Channels.value(dim)).ravel()
    assert float(sums.mean()) == pytest.approx(mean, abs=2e-3)
    middle = reference.jets(torch.full((dim, 1), 0.5, dtype=torch.float64), table, grid, Channels.value(dim))
    assert float(middle) == pytest.approx({1: 1.0, 2: 0.586, 3: 0.305}[dim], abs=1e-3)


def test_per_axis_and_whole_cosines_are_the_same_along_one_axis():
    x = torch.rand(1, 30, dtype=torch.float64)
    grids = [GridLayout((0.0,), (1.0,), ((5,),), name) for name in ("cosine", "cosine_product")]
    table = torch.randn(grids[0].size, dtype=torch.float64)
    one, other = (reference.jets(x, table, grid, Channels.jet(1, 2)) for grid in grids)
    assert torch.allclose(one, other, rtol=0, atol=1e-11)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("tables", ["dense", "hashed"])
def test_straight_through_values_are_multilinear_bit_for_bit(tables, dtype, device):
    grid = grid_of("straight_through", 2, tables)
    linear = GridLayout(grid.lower, grid.upper, grid.resolutions, "linear", 2, grid.table_sizes, grid.periodic)
    x, table = points(grid, 500).to(device, dtype), torch.randn(grid.size, dtype=dtype, device=device)
    value = Channels.value(2)
    assert torch.equal(ops.jets(x, table, grid, value), ops.jets(x, table, linear, value))
    mixed = Channels.jet(2, 1)
    assert torch.equal(ops.jets(x, table, grid, mixed)[:, :, 0], ops.jets(x, table, linear, mixed)[:, :, 0])


@pytest.mark.parametrize("blend", [0.0, 0.4, 1.0])
def test_straight_through_gradients_have_their_closed_form(blend, device):
    """By pairs of corners along an axis, with ``g(w) = 1 + blend pi/2 sin(pi w)``; nothing of it is shared."""
    grid = GridLayout((0.0, 0.0), (2.0, 1.0), ((3, 4),), "straight_through", blend=blend)
    x = middles(grid).to(device).requires_grad_()
    table = torch.randn(grid.size, dtype=torch.float64, device=device)
    ops.jets(x, table, grid, Channels.value(2)).sum().backward()
    corners = table[:20].view(4, 5).cpu()
    cells = torch.tensor([3, 4])
    position = x.detach().cpu() / torch.tensor([[2.0], [1.0]]) * cells[:, None]
    cell = position.floor()
    p, q = position - cell
    i, j = cell.long()
    g = lambda w: 1 + blend * math.pi / 2 * torch.sin(math.pi * w)
    along = [
        (side * (g(side * p) * corners[i + 1, j + e] - g(side * (1 - p)) * corners[i, j + e]))
        for e, side in enumerate((1 - q, q))
    ]
    across = [
        (side * (g(side * q) * corners[i + e, j + 1] - g(side * (1 - q)) * corners[i + e, j]))
        for e, side in enumerate((1 - p, p))
    ]
    expected = torch.stack([sum(along) * 3 / 2.0, sum(across) * 4 / 1.0])
    assert torch.allclose(x.grad.cpu(), expected, rtol=1e-11, atol=1e-11)


def test_straight_through_table_gradients_are_those_of_multilinear_values():
    grid = grid_of("straight_through")
    linear = GridLayout(grid.lower, grid.upper, grid.resolutions, "linear", 2, None, grid.periodic)
    x, value = points(grid), Channels.value(2)
    weights = torch.randn(3, 2, 1, x.shape[1], dtype=torch.float64)
    assert relative(ops.adjoint(x, weights, grid, value), ops.adjoint(x, weights, linear, value)) < 1e-14


def test_a_constant_table_has_straight_through_gradients_from_two_axes_on():
    """As measured by Heo et al.'s formula: none along one axis, 0.55 per axis on average in two dimensions."""
    for dim, low, high in ((1, 0.0, 1e-12), (2, 0.3, 1.6)):
        grid = GridLayout((0.0,) * dim, (1.0,) * dim, ((1,) * dim,), "straight_through")
        table = torch.ones(grid.size, dtype=torch.float64)
        gradient = reference.jets(torch.rand(dim, 500, dtype=torch.float64), table, grid, Channels.jet(dim, 1))[
            0, 0, 1:
        ]
        assert low <= float(gradient.norm(dim=0).mean()) <= high


@pytest.mark.parametrize(("basis", "order"), [("straight_through", 2), ("cosine_product", 3)])
def test_derivatives_that_a_basis_does_not_have_are_refused(basis, order):
    grid = grid_of(basis)
    x, table = points(grid).requires_grad_(), torch.zeros(grid.size, dtype=torch.float64)
    with pytest.raises(InvalidArgumentError, match=f"has derivatives up to order {order - 1}"):
        ops.jets(x, table, grid, Channels.of(2, [(order, 0)]))
    with pytest.raises(InvalidArgumentError, match=f"has derivatives up to order {order - 1}"):
        ops.jets(x, table, grid, Channels.of(2, [(order - 1, 0)])).sum().backward()


# -- four values per axis ---
@pytest.mark.parametrize("periodic", [False, True])
def test_four_values_reproduce_quadratics_up_to_the_faces(periodic):
    """On a periodic axis, the constants only along it."""
    grid = GridLayout((0.0, -1.0), (2.0, 1.0), ((2, 5),), "catmull_rom", periodic=(periodic, False))
    X, Y = torch.meshgrid(
        torch.linspace(0, 2, 3, dtype=torch.float64)[: 2 if periodic else 3],
        torch.linspace(-1, 1, 6, dtype=torch.float64),
        indexing="ij",
    )
    a, b, c = (0.0, 0.0, 0.0) if periodic else (0.7, -1.3, 2.0)
    table = torch.zeros(grid.size, dtype=torch.float64)
    table[: X.numel()] = (a * X**2 + b * X * Y + c * X + 0.5 * Y**2 - Y + 3).ravel()
    x = points(grid)
    u, v = x
    exact = torch.stack([a * u**2 + b * u * v + c * u + 0.5 * v**2 - v + 3, 2 * a * u + b * v + c, b * u + v - 1])
    found = reference.jets(x, table, grid, Channels.jet(2, 1))[0, 0]
    assert torch.allclose(found, exact, rtol=0, atol=1e-12)
    assert torch.allclose(ops.jets(x, table, grid, Channels.jet(2, 1))[0, 0], exact, rtol=0, atol=1e-12)


def test_four_values_converge_with_order_three():
    """Values of third, slopes of second order, and at vertices slopes are continuous."""
    errors = []
    for n in (16, 32, 64):
        grid = GridLayout((0.0,), (1.0,), ((n,),), "catmull_rom")
        table = torch.zeros(grid.size, dtype=torch.float64)
        table[: n + 1] = torch.sin(3 * torch.linspace(0, 1, n + 1, dtype=torch.float64))
        x = torch.linspace(0, 1, 1001, dtype=torch.float64)[None]
        found = reference.jets(x, table, grid, Channels.jet(1, 1))[0, 0]
        errors.append([float((found[0] - torch.sin(3 * x[0])).abs().max()), float((found[1] - 3 * torch.cos(3 * x[0])).abs().max())])  # fmt: skip
        inner = torch.arange(1, n, dtype=torch.float64)[None] / n
        left, right = (reference.jets(inner + s * 1e-9, table, grid, Channels.jet(1, 1))[0, 0, 1] for s in (-1, 1))
        assert torch.allclose(left, right, atol=1e-5)
    rates = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))[-1]
    assert rates[0] > 2.8
    assert rates[1] > 1.8


def test_four_values_need_three_vertices():
    with pytest.raises(InvalidArgumentError, match="two cells or more"):
        GridLayout((0.0,), (1.0,), ((1,),), "catmull_rom")
    assert GridLayout((0.0,), (1.0,), ((1,),), "catmull_rom", periodic=(True,)).size == 16


# -- layouts and sources ---
def test_the_share_of_smooth_weights_is_part_of_a_layout():
    grid = grid_of("straight_through", blend=0.25)
    assert GridLayout.from_key(grid.key) == grid
    assert GridLayout.from_entry(Entry(grid.key, "a file", "layout")) == grid
    indexed = grid_of("straight_through", 2, "indexed", 0.25)
    assert GridLayout.from_entry(Entry(indexed.key, "a file", "layout")) == indexed
    for basis, blend in (("straight_through", 1.5), ("linear", 0.5)):
        with pytest.raises(InvalidArgumentError, match="blend"):
            GridLayout((0.0,), (1.0,), ((4,),), basis, blend=blend)


def test_other_kernels_know_nothing_of_these_bases():
    text = Specialization("jets", 2, "cubic", 1, False, Channels.value(2), "float64").source("cu")
    assert not any(word in text for word in ("HP_WEIGHTS", "catmull", "corner_terms"))
    window = Specialization("jets", 2, "catmull_rom", 1, False, Channels.value(2), "float64").source("cu")
    assert "TAPS" in window
    assert "corner_terms" not in window


def test_choices_by_constants_are_made_when_a_source_is_assembled():
    texts = [assembled("encoder/contract.cuh", {"HP_WEIGHTS": k} if k else {}) for k in (0, 1, 2)]
    assert not any("HP_WEIGHTS ==" in text for text in texts)
    assert [text.count("struct basis_values {") for text in texts] == [1, 1, 1]
    assert [text.count("struct level_tables {") for text in texts] == [1, 1, 1]


@pytest.mark.slow_but("jets")
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("basis", BASES)
def test_nvrtc_compiles_them(basis, operation):
    try:
        nvrtc.version()
    except BackendUnavailableError as error:
        pytest.skip(str(error))
    channels = Channels.value(2) if operation == "input_gradient" else channels_of(basis)
    tables = "indexed" if operation == "jets" else "dense"
    spec = Specialization.of(operation, grid_of(basis, 2, tables), channels, "float32")
    assert nvrtc.compile_for(spec.source("cu"), nvrtc.ARCHITECTURES[-1]).size > 0
