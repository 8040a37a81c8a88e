"""Tables in half precision: values as of the rounded table, float32 gradients, and refusals of everything else."""

import pytest
import torch
from grids import layout, points

import hermite_pinn as hp
from hermite_pinn.cuda.encoder import ops, reference
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.half import half_copy
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.errors import InvalidArgumentError

GRIDS = [("cubic", 2, "hashed"), ("cubic", 2, "split"), ("linear", 3, "dense"), ("quintic", 1, "dense"), ("cubic", 2, "indexed"), ("cosine", 2, "hashed"), ("smoothstep", 2, "dense"), ("catmull_rom", 2, "hashed"), ("cosine_product", 2, "hashed"), ("straight_through", 2, "hashed")]  # fmt: skip
#: The number of features decides how records are read, whatever the basis.
SEVERAL = [("cubic", 2, "hashed", 1), ("cubic", 2, "hashed", 3), ("linear", 3, "dense", 1), ("cubic", 2, "split", 3)]


@pytest.mark.slow_but("cubic-2-hashed", "linear")
@pytest.mark.parametrize(("basis", "dim", "tables", "features"), [*[(*grid, 2) for grid in GRIDS], *SEVERAL])
def test_values_are_those_of_the_rounded_table(basis, dim, tables, features, device):
    grid, channels = layout(basis, dim, tables, features), Channels.value(dim)
    x, table = points(grid).float().to(device), torch.randn(grid.size, device=device)
    rounded = half_copy(table)
    expected = ops.jets(x, rounded.float(), grid, channels)
    assert torch.equal(ops.jets(x, rounded, grid, channels), expected)
    assert torch.equal(ops.jets(x, table, grid, channels, copy=rounded), expected)
    summed = ops.summed_jets(x, rounded.float(), grid, channels)
    assert torch.equal(ops.summed_jets(x, table, grid, channels, copy=rounded), summed)


def test_every_half_number_is_widened_exactly(device):
    """All 65536 bit patterns, subnormal numbers, infinities and NaN among them, read at their vertices."""
    bits = torch.arange(-(2**15), 2**15).to(torch.int16)
    grid = GridLayout((0.0,), (float(2**16),), ((2**16,),), "linear")
    table = torch.zeros(grid.size, dtype=torch.float16)
    table[: 2**16] = bits.view(torch.float16)
    finite = torch.isfinite(table)
    x = torch.arange(float(2**16 - 1))[None]
    values = ops.jets(x.to(device), torch.where(finite, table, 0).to(device), grid, Channels.value(1)).cpu().ravel()
    kept = torch.where(finite, table, 0)[: values.numel()].float()
    assert torch.equal(values, kept)
    for index in (~finite[: 2**16]).nonzero().ravel().tolist()[::97]:
        found = ops.jets(torch.full((1, 1), index + 0.0, device=device), table.to(device), grid, Channels.value(1))
        assert not torch.isfinite(found).any()


def test_gradients_reach_the_full_table_in_float32(device):
    grid, channels = layout("cubic", 2, "hashed"), Channels.value(2)
    x = points(grid).float().to(device)
    table = torch.randn(grid.size, device=device, requires_grad=True)
    tiny = 1e-12  # below the smallest half number
    (tiny * ops.jets(x, table, grid, channels, copy=half_copy(table)).sum()).backward()
    weights = torch.full((grid.levels, grid.features, 1, x.shape[1]), tiny, device=device)
    expected = ops.adjoint(x, weights, grid, channels)  # on a GPU in another order of its sums
    assert torch.allclose(table.grad, expected, rtol=1e-5, atol=1e-6 * float(expected.abs().max()))
    assert float(table.grad.abs().max()) > 0


GRID = GridLayout((0.0,), (1.0,), ((4,),), "cubic")


@pytest.mark.parametrize(
    ("dtype", "channels", "table", "message"),
    [
        (torch.float32, Channels.jet(1, 1), torch.zeros(GRID.size).half(), "values only"),
        (torch.float64, Channels.value(1), torch.zeros(GRID.size).half(), "float32 points"),
        (torch.float32, Channels.value(1), torch.zeros(3).half(), "must have shape"),
        (torch.float32, Channels.value(1), torch.zeros(GRID.size).half().requires_grad_(), "half_copy"),
    ],
)
def test_what_half_tables_cannot_do_is_refused(dtype, channels, table, message):
    with pytest.raises(InvalidArgumentError, match=message):
        ops.jets(torch.zeros(1, 2, dtype=dtype), table, GRID, channels)


def test_half_tables_have_no_gradient_by_the_points():
    x = torch.rand(1, 3, requires_grad=True)
    out = ops.jets(x, torch.zeros(GRID.size).half(), GRID, Channels.value(1))
    with pytest.raises(InvalidArgumentError, match="values only"):
        out.sum().backward()


def test_copies_are_made_of_float32_tables_only():
    with pytest.raises(InvalidArgumentError, match="float32 tables"):
        half_copy(torch.zeros(3, dtype=torch.float64))


def test_half_tables_without_a_compiler(monkeypatch):
    from hermite_pinn.cuda.runtime import host

    monkeypatch.setattr(host, "available", lambda: False)
    x, table = torch.rand(1, 5), torch.randn(GRID.size).half()
    expected = reference.jets(x, table.float(), GRID, Channels.value(1))
    assert torch.equal(ops.jets(x, table, GRID, Channels.value(1)), expected)


def image(x, y):
    return hp.sin(6 * x) * hp.cos(5 * y)


def fit(**options):
    problem = hp.Problem(domain=hp.Box(x=(0, 1), y=(0, 1)), fields=["u"], residual=lambda u, x, y: u - image(x, y))
    spec = hp.Field(head="linear", table_size=2**10, half=options.pop("half", True))
    method = options.pop("method", hp.Adam(steps=300, points=500, lr=3e-2, lr_end=1e-5, ema=0.999))
    return hp.solve(problem, field=spec, method=method, levels=4, progress=False, **options)


def test_an_image_is_fitted_with_half_tables():
    """The fit is as good as with full tables, and the solution, whose table holds half numbers, has derivatives."""
    half, full = fit(), fit(half=False)
    assert half.residuals["pde"] < 1.2 * full.residuals["pde"] + 1e-3
    assert torch.equal(half.field.table, half.field.table.half().to(half.field.table.dtype))
    assert float(half.u.x(0.3, 0.4)) == pytest.approx(6 * float(hp.cos(1.8) * hp.cos(2.0)), rel=0.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "gauss_newton"}, "first-order"),
        ({"method": "lbfgs"}, "first-order"),
        ({"dtype": "float64"}, "float32"),
    ],
)
def test_methods_that_need_more_refuse_half_tables(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        fit(**options)


def test_problems_with_derivatives_refuse_half_tables():
    problem = hp.Problem(
        domain=hp.Box(x=(0, 1)),
        fields=["u"],
        residual=lambda u, x: u.x - 1.0,
        conditions=[hp.Dirichlet(u=0.0, on="x-")],
    )
    with pytest.raises(InvalidArgumentError, match="order 1"):
        hp.solve(problem, field=hp.Field(half=True), method="adam", progress=False)
