"""The largest eigenvalues of operators that are known by products."""

import pytest
import torch

from hermite_pinn.methods.least_squares.block_krylov import dominant_eigenpairs, without_phases


def matrix(values, seed=0):
    """A matrix that is not symmetric, with these eigenvalues."""
    generator = torch.Generator().manual_seed(seed)
    size = len(values)
    change = torch.eye(size, dtype=torch.float64) + 0.3 * torch.randn(size, size, generator=generator, dtype=torch.float64) / size**0.5  # fmt: skip
    return change @ torch.diag(torch.as_tensor(values, dtype=torch.float64)) @ torch.linalg.inv(change)


def start(size, count):
    return torch.randn(size, count, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_copies_of_one_value_are_all_found():
    a = matrix([5.0, 4.0, 4.0, 4.0, 3.0, *[1.0 / k for k in range(1, 60)]])
    found = without_phases(dominant_eigenpairs(lambda x: a @ x, start(64, 8), 5))
    assert found.settled
    assert found.values.real.sort().values.tolist() == pytest.approx([3.0, 4.0, 4.0, 4.0, 5.0], rel=1e-10)
    assert float(found.vectors.imag.abs().max()) == 0.0
    assert torch.linalg.matrix_rank(found.vectors.real, rtol=1e-6) == 5
    residual = a @ found.vectors.real - found.vectors.real * found.values.real
    assert float(residual.abs().max()) < 1e-6


def test_complex_values_come_in_pairs():
    a = torch.zeros(30, 30, dtype=torch.float64)
    a[:2, :2] = torch.tensor([[3.0, 2.0], [-2.0, 3.0]])
    a[2:, 2:] = torch.diag(torch.linspace(0.1, 1.0, 28, dtype=torch.float64))
    found = without_phases(dominant_eigenpairs(lambda x: a @ x, start(30, 4), 2))
    assert found.values.imag.sort().values.tolist() == pytest.approx([-2.0, 2.0])
    assert found.values.real.tolist() == pytest.approx([3.0, 3.0])


def test_a_small_operator_is_taken_whole():
    a = matrix([3.0, 2.0, 1.0])
    found = dominant_eigenpairs(lambda x: a @ x, start(3, 3), 3)
    assert found.settled
    assert found.values.real.tolist() == pytest.approx([3.0, 2.0, 1.0])


def test_a_limit_ends_the_iteration():
    a, products = matrix([1.0 / k for k in range(1, 100)]), []

    def apply(x):
        products.append(1)
        return a @ x

    found = dominant_eigenpairs(apply, start(99, 4), 4, stop=lambda: len(products) >= 8)
    assert len(products) == 8
    assert not found.settled
