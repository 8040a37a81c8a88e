"""The CUDA kernels themselves, run on a CPU: kernels.cu with its warps, vector loads and blocks past the last point."""

import ctypes
import platform
from functools import lru_cache
from pathlib import Path

import pytest
import torch
from grids import all_channels, layout, points, relative

from hermite_pinn.cuda.encoder import reference, reproducible
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.specialization import PER_LEVEL, TO_TABLE, Specialization
from hermite_pinn.cuda.runtime import host
from hermite_pinn.cuda.runtime.source import BLOCK

pytestmark = pytest.mark.skipif(
    not host.available() or platform.system() != "Linux", reason="needs a C++ compiler and ucontext"
)

DRIVER = """
static struct { int64 n; const real *x; const hp::stored *table; const real *weights, *rows; void *out; const hp::level_words *levels;
                int level_count; int64 stride; const hp::axis_frame *frame; const double *scales; int periodic; } now;
static void one() {
  hp_run(now.n, now.x, now.table, now.weights, now.rows, now.out, now.levels, now.level_count, now.stride, now.frame, now.scales, now.periodic);
}
extern "C" const char *hp_grid(int64 n, const real *x, const hp::stored *table, const real *weights, const real *rows, void *out,
                       const hp::level_words *levels, int level_count, int64 stride, const hp::axis_frame *frame, const double *scales, int periodic,
                       int blocks_y) {
  now = {n, x, table, weights, rows, out, levels, level_count, stride, frame, scales, periodic};
  return simt::launch((unsigned)((n + HP_BLOCK - 1) / HP_BLOCK), blocks_y, HP_BLOCK, one);
}
"""


@lru_cache(maxsize=64)
def kernel(spec):
    prelude = (Path(__file__).parents[1] / "support" / "simt.hpp").read_text()
    flags = ("-std=c++17", "-O1", "-w", "-fno-math-errno", "-fPIC", "-shared")
    found = ctypes.CDLL(str(host.compile_source(prelude + spec.source("cu") + DRIVER, flags))).hp_grid
    kinds = {"p": ctypes.c_void_p, "i": ctypes.c_int, "l": ctypes.c_int64}
    found.argtypes = [kinds[a] for a in "lppppppilppii"]
    found.restype = ctypes.c_char_p
    return found


def run(operation, grid, channels, x, out, table=None, weights=None, rows=None, limbs=0, scales=None):
    name = str(x.dtype).removeprefix("torch.")
    terms, axis = (weights.shape[0], 1) if weights is not None and weights.ndim == 5 else (1, 0)
    stored = "float16" if table is not None and table.dtype == torch.float16 else ""
    spec = Specialization.of(operation, grid, channels, name, terms, stored, limbs)
    stride = weights.stride(axis) if weights is not None and weights.shape[axis] > 1 else 0
    wrong = kernel(spec)(
        x.shape[1],
        *(host.address(t) for t in (x, table, weights, rows, out)),
        grid.words.ctypes.data,
        grid.levels,
        stride,
        grid.frames[name].ctypes.data,
        host.address(scales),
        grid.periodic_bits,
        grid.levels if operation in PER_LEVEL else 1,
    )
    assert wrong is None
    return out


CASES = [("cubic", 2, "dense", 2), ("cubic", 2, "split", 1), ("cubic", 3, "hashed", 2), ("quintic", 1, "dense", 3), ("linear", 3, "hashed", 4), ("cubic", 3, "indexed", 2), ("cubic", 2, "indexed split", 1)]  # fmt: skip


def many_points(grid, order):
    """More than a block, the last one partial; ``"line"`` puts neighbours into the same cells: warps sum in runs."""
    x = points(grid, 140 + BLOCK)
    return x[:, x[0].argsort()].contiguous() if order == "line" else x


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(("basis", "dim", "tables", "features"), CASES)
def test_jets_with_vector_loads(basis, dim, tables, features, dtype):
    grid, channels = layout(basis, dim, tables, features), Channels.jet(dim, 1)
    x = many_points(grid, "random").to(dtype)
    table = torch.randn(grid.size, dtype=dtype)
    expected = reference.jets(x.double(), table.double(), grid, channels)
    out = torch.empty(grid.levels, features, len(channels), x.shape[1], dtype=dtype)
    found = run("jets", grid, channels, x, out, table).double()
    if dtype == torch.float64:
        assert relative(found, expected) < 1e-12
    else:  # a rounded point may lie in the neighbouring cell, where slopes of the rough table differ
        assert float((found - expected)[:, :, 0].abs().max()) < 1e-4


@pytest.mark.slow_but("cubic-2-dense", "split")
@pytest.mark.parametrize("order", ["random", "line"])
@pytest.mark.parametrize("operation", ["adjoint", "diagonal"])
@pytest.mark.parametrize(("basis", "dim", "tables", "features"), CASES)
def test_sums_over_warps(basis, dim, tables, features, operation, order):
    grid, channels = layout(basis, dim, tables, features), all_channels(dim)
    x = many_points(grid, order)
    weights = torch.randn(grid.levels, features, len(channels), x.shape[1], dtype=torch.float64)
    expected = getattr(reference, operation)(x, weights, grid, channels)
    out = torch.zeros(grid.size, dtype=torch.float64)
    assert relative(run(operation, grid, channels, x, out, None, weights), expected) < 1e-12


@pytest.mark.parametrize("tables", ["hashed", "indexed"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_integer_sums_over_warps_are_those_of_any_order(dtype, tables):
    """With terms that are exact multiples of the unit, a GPU's sums are the same bits for every order of the points."""
    grid, channels = layout("cubic", 2, tables, 2), Channels.value(2)
    x = many_points(grid, "line").to(dtype)
    weights = torch.randn(grid.levels, 2, 1, x.shape[1], dtype=dtype)
    scales = reproducible.scales(grid, channels, x, weights.abs().amax((1, 3)))
    count = reproducible.limbs(dtype)
    found = []
    for chosen in (torch.arange(x.shape[1]), torch.randperm(x.shape[1])):
        words = torch.zeros(grid.size, count, dtype=torch.int64)
        at = x[:, chosen].contiguous(), weights[..., chosen].contiguous()
        run("adjoint", grid, channels, at[0], words, None, at[1], limbs=count, scales=scales.forward)
        found.append(scales.numbers(words, grid, dtype))
    assert torch.equal(*found)
    expected = reference.adjoint(x.double(), weights.double(), grid, channels)
    assert relative(found[0].double(), expected) < (1e-14 if dtype == torch.float64 else 1e-5)


@pytest.mark.parametrize("tables", ["hashed", "indexed"])
def test_products_with_several_rows(tables):
    grid, channels = layout("cubic", 2, tables, 2), Channels.jet(2, 1)
    x, terms = many_points(grid, "line"), 3
    weights = torch.randn(terms, grid.levels, 2, len(channels), x.shape[1], dtype=torch.float64)
    table, rows = torch.randn(grid.size, dtype=torch.float64), torch.randn(terms, x.shape[1], dtype=torch.float64)
    jets = reference.jets(x, table, grid, channels)
    found = run("jacobian_vector", grid, channels, x, torch.empty_like(rows), table, weights)
    assert relative(found, torch.einsum("tlfcn,lfcn->tn", weights, jets)) < 1e-12
    total = torch.einsum("tlfcn,tn->lfcn", weights, rows)
    found = run("vector_jacobian", grid, channels, x, torch.zeros_like(table), None, weights, rows)
    assert relative(found, reference.adjoint(x, total, grid, channels)) < 1e-12


@pytest.mark.parametrize("tables", ["dense", "indexed"])
def test_half_precision_tables(tables):
    grid, channels = layout("cubic", 2, tables), Channels.value(2)
    x = points(grid, 200).float()
    table = torch.randn(grid.size).half()
    out = torch.empty(grid.levels, 2, 1, x.shape[1])
    expected = reference.jets(x, table.float(), grid, channels)
    assert relative(run("jets", grid, channels, x, out, table), expected) < 1e-5


def test_the_operations_that_sum_are_known():
    assert set(TO_TABLE) < set(PER_LEVEL)
