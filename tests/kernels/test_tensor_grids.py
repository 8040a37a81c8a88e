"""Sum factorisation and prolongation against the general kernels."""

import itertools

import numpy as np
import pytest
import torch

from hermite_pinn.cuda.encoder import ops
from hermite_pinn.cuda.encoder.basis import BASES
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.cuda.encoder.layout import GridLayout
from hermite_pinn.cuda.tensor_grid.axis import AxisMatrix, evaluation_matrix, prolongation_matrix
from hermite_pinn.cuda.tensor_grid.pyramid import Pyramid, from_records, to_records
from hermite_pinn.cuda.tensor_grid.sum_factorization import SumFactorization
from hermite_pinn.errors import InvalidArgumentError

PERIODIC = [(False, False), (True, False), (True, True)]


def setting(basis, periodic, resolution=(4, 3)):
    dim = len(resolution)
    grid = GridLayout((0.0, -1.0, 2.0)[:dim], (2.0, 1.0, 2.5)[:dim], (resolution,), basis, 1, None, periodic)
    coefficients = torch.randn(*(BASES[basis].coefficients * n for n in grid.vertices(0)), dtype=torch.float64)
    table = torch.zeros(grid.size, dtype=torch.float64)
    flat = to_records(coefficients[None], BASES[basis].coefficients)
    table[: flat.numel()] = flat
    axes = [
        a + (b - a) * torch.rand(5 + i, dtype=torch.float64).numpy()
        for i, (a, b) in enumerate(zip(grid.lower, grid.upper, strict=True))
    ]
    return grid, coefficients, table, axes


def matrices(grid, axes, channels, device="cpu"):
    found = []
    for i, a in enumerate(axes):
        bounds = (grid.lower[i], grid.upper[i])
        m = evaluation_matrix(grid.basis, grid.resolutions[0][i], bounds, grid.periodic[i], a, channels.axis_orders(i))
        found.append(AxisMatrix(m.matrices, torch.float64, torch.device(device)))
    return found


@pytest.mark.parametrize("periodic", PERIODIC)
@pytest.mark.parametrize("basis", [b.name for b in BASES.values() if b.refinable])
def test_sum_factorisation_gives_the_numbers_of_the_general_kernel(basis, periodic, device):
    grid, coefficients, table, axes = setting(basis, periodic)
    channels = Channels.jet(2, 2) + Channels(2, (((2.0, (2, 0)), (3.0, (0, 2)), (-1.0, (0, 0))),))
    mesh = torch.stack([torch.as_tensor(g.ravel()) for g in np.meshgrid(*axes, indexing="ij")])
    expected = ops.summed_jets(mesh, table, grid, channels)[0].view(len(channels), len(axes[0]), len(axes[1]))
    factorized = SumFactorization(matrices(grid, axes, channels, device), channels)
    found = torch.stack([c.cpu() for c in factorized.forward(coefficients.to(device))])
    assert float((found - expected).abs().max() / expected.abs().max()) < 1e-13


@pytest.mark.parametrize("basis", [b.name for b in BASES.values() if b.refinable])
def test_the_adjoint_of_sum_factorisation_is_its_transpose(basis, device):
    grid, coefficients, _, axes = setting(basis, (True, False, False), (3, 2, 2))
    coefficients = coefficients.to(device)
    channels = Channels.jet(3, 1) + Channels.laplacian(3)
    factorized = SumFactorization(matrices(grid, axes, channels, device), channels)
    jets = [c.clone() for c in factorized.forward(coefficients)]
    weights = [torch.randn_like(j) for j in jets]
    left = sum(float((a * b).sum()) for a, b in zip(jets, weights, strict=True))
    right = float((coefficients * factorized.adjoint(weights)).sum())
    assert left == pytest.approx(right, rel=1e-12)


@pytest.mark.parametrize("ratio", [(2, 2), (2, 1), (1, 2)])
@pytest.mark.parametrize("periodic", PERIODIC)
@pytest.mark.parametrize("basis", [b.name for b in BASES.values() if b.refinable])
def test_prolongation_changes_no_value(basis, periodic, ratio, device):
    grid, coefficients, table, _ = setting(basis, periodic)
    fine = tuple(n * r for n, r in zip(grid.resolutions[0], ratio, strict=True))
    pyramid = Pyramid(basis, [grid.resolutions[0], fine], periodic, 1, device=device)
    finer = grid.with_levels([fine])
    moved = pyramid.prolong(0, coefficients[None].to(device)).cpu()
    fine_table = torch.zeros(finer.size, dtype=torch.float64)
    flat = to_records(moved, BASES[basis].coefficients)
    fine_table[: flat.numel()] = flat
    x = torch.rand(2, 200, dtype=torch.float64) * torch.tensor([[2.0], [2.0]]) + torch.tensor([[0.0], [-1.0]])
    channels = Channels.jet(2, 2) if basis != "linear" else Channels.jet(2, 1)
    a = ops.summed_jets(x, table, grid, channels)
    b = ops.summed_jets(x, fine_table, finer, channels)
    assert float((a - b).abs().max() / a.abs().max()) < 1e-12


def test_two_scale_relations_of_the_cubic_basis():
    """Midpoint: v' = (v0+v1)/2 + (s0-s1)/8, s' = 3(v1-v0)/4 - (s0+s1)/8; coinciding vertex: v' = v, s' = s/2."""
    matrix = prolongation_matrix("cubic", 1, 2, False).matrices[0].toarray()
    assert matrix[0].tolist() == [1, 0, 0, 0]
    assert matrix[1].tolist() == [0, 0.5, 0, 0]
    assert matrix[2].tolist() == [0.5, 0.125, 0.5, -0.125]
    assert matrix[3].tolist() == [-0.75, -0.125, 0.75, -0.125]


@pytest.mark.parametrize("basis", [b.name for b in BASES.values() if b.refinable])
def test_accumulate_and_its_transpose(basis):
    pyramid = Pyramid(basis, [(2, 3), (4, 3), (8, 6)], (False, True), 2)
    vector = torch.randn(pyramid.size, dtype=torch.float64)
    finest = pyramid.accumulate(vector.clone()).clone()
    other = torch.randn_like(finest)
    back = torch.empty_like(vector)
    pyramid.accumulate_transposed(other, back)
    assert float((finest * other).sum()) == pytest.approx(float((vector * back).sum()), rel=1e-12)


def test_levels_that_are_not_nested_are_refused():
    with pytest.raises(InvalidArgumentError, match="stays or doubles"):
        prolongation_matrix("cubic", 4, 6, False)
    with pytest.raises(InvalidArgumentError, match="cosine"):
        prolongation_matrix("cosine", 4, 8, False)


@pytest.mark.parametrize("orders", [1, 2, 3])
def test_records_and_tensor_order_are_inverse(orders):
    coefficients = torch.arange(2 * 3 * orders * 4 * orders, dtype=torch.float64).view(2, 3 * orders, 4 * orders)
    assert torch.equal(from_records(to_records(coefficients, orders), orders, (3, 4), 2), coefficients)


def test_a_contraction_forms_common_factors_once():
    """For every channel set the factorised cost is at most that of separate channels."""
    for dim, order in itertools.product((2, 3), (1, 2)):
        channels = Channels.jet(dim, order) + Channels.laplacian(dim)
        apart = sum(Channels(dim, (c,)).contraction.multiplications(4) for c in channels.channels)
        assert channels.contraction.multiplications(4) < apart


@pytest.mark.parametrize("shape", [(1, 9, 1), (3, 9, 1), (2, 9, 5), (4, 9, 64)])
def test_axis_matrices_agree_with_scipy(shape, device):
    before, _, after = shape
    grid = evaluation_matrix("cubic", 4, (0.0, 1.0), True, torch.rand(7).double().numpy(), (0, 1))
    assert grid.shape == (7, 8)
    m = AxisMatrix(grid.matrices, torch.float64, device)
    x = torch.randn(before, 8, after, dtype=torch.float64)
    found = m.apply([(0, x.to(device)), (1, x.to(device))], 1).cpu()
    dense = torch.as_tensor((grid.matrices[0] + grid.matrices[1]).toarray())
    assert torch.allclose(found, torch.einsum("rc,pcq->prq", dense, x), atol=1e-12)


@pytest.mark.parametrize("before", [1, 3, 4, 7, 8, 9, 17])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_last_axis_is_contracted_for_any_number_of_lines(before, dtype):
    grid = evaluation_matrix("quintic", 5, (0.0, 1.0), False, np.linspace(0.0, 1.0, 13), (0, 2))
    m, random = AxisMatrix(grid.matrices, dtype), np.random.default_rng(0)
    parts = [torch.as_tensor(random.standard_normal((before, m.shape[1]))).to(dtype) for _ in range(2)]
    start = torch.ones(before, m.shape[0], dtype=dtype)
    expected = sum(p.double().numpy() @ grid.matrices[o].toarray().T for o, p in zip((0, 2), parts, strict=True))
    found = m.apply([(0, parts[0]), (2, parts[1])], 1, start.clone(), add=True)
    size = np.abs(expected).max()
    assert np.abs(found.double().numpy() - 1.0 - expected).max() < 100 * torch.finfo(dtype).eps * size


def test_kept_matrices_are_those_that_are_made_anew():
    points, weights = np.linspace(0.0, 1.0, 9), np.linspace(1.0, 2.0, 9)
    one = evaluation_matrix("cubic", 4, (0.0, 1.0), False, points, (0, 1), weights)
    assert evaluation_matrix("cubic", 4, (0.0, 1.0), False, points.copy(), (0, 1), weights.copy()) is one
    for other in (
        evaluation_matrix("cubic", 4, (0.0, 1.0), True, points, (0, 1), weights),
        evaluation_matrix("cubic", 4, (0.0, 2.0), False, points, (0, 1), weights),
        evaluation_matrix("cubic", 4, (0.0, 1.0), False, points, (0, 1)),
        evaluation_matrix("cubic", 4, (0.0, 1.0), False, points, (0, 1), 2 * weights),
    ):
        assert other.shape != one.shape or (other.matrices[1] != one.matrices[1]).nnz > 0
    twice = one.weighted([(1, 2.0), (0, -1.0)])
    assert one.weighted([(0, -1.0), (1, 2.0)]) is twice
    assert (twice.matrices[1, 2.0] != 2.0 * one.matrices[1]).nnz == 0
    assert set(one.matrices) == {0, 1}
