"""Locally refined grids: their functions, and the least-squares systems on them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import cos, pi, sin
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.methods.gauss_newton.refined_solver import RefinedSolver
from hermite_pinn.methods.least_squares.linear_solver import Limits
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.methods.systems.refined_grid import RefinedGrid
from hermite_pinn.methods.systems.refined_mesh import RefinedMesh
from hermite_pinn.methods.systems.refined_system import RefinedSystem
from hermite_pinn.residuals.scales import source_scales

LIMITS = Limits(1e-11, 200, lambda steps, reduction: False)


def mesh_of(seed: int, wraps: tuple[bool, ...] = (False, False), levels: int = 3) -> RefinedMesh:
    """Some random cells refined again and again, the last time along the first axis alone."""
    random = np.random.default_rng(seed)
    mesh = RefinedMesh.uniform((4,) * len(wraps), wraps)
    for k in range(levels):
        marked = [np.zeros(level.count, dtype=bool) for level in mesh.levels]
        chosen = random.integers(mesh.levels[-1].count, size=2)
        marked[-1][chosen] = True
        ratio = (2,) * len(wraps) if k + 1 < levels else (2, *(1,) * (len(wraps) - 1))
        mesh = mesh.refined(marked, ratio, rings=1)
    return mesh


def solved(problem: hp.Problem, basis: str, mesh: RefinedMesh, gauss: int = 4) -> tuple[RefinedSystem, torch.Tensor]:
    system = RefinedSystem(problem, basis, mesh, gauss, source_scales(problem))
    vector = system.start()
    step, result = RefinedSolver().solve(system, system.linearize(vector), 0.0, LIMITS)
    assert result.converged
    return system, vector + step


@pytest.mark.parametrize("wraps", [(False, False), (True, False), (False,), (False, True, False)])
def test_refined_cells_and_their_neighbours_exist_on_their_level(wraps: tuple[bool, ...]) -> None:
    mesh = mesh_of(1, wraps)
    for level in mesh.levels:
        cells = level.cells[level.refined]
        for step in np.ndindex(*(3,) * len(wraps)):
            around = cells + np.array(step) - 1
            _, there = level.keys_of(around)
            assert (level.find(around)[there] >= 0).all()
    volume = sum(len(level.leaves) / level.cells_of_grid for level in mesh.levels)
    assert math.isclose(volume, 1.0)


@pytest.mark.parametrize("basis", ["cubic", "quintic"])
@pytest.mark.parametrize("wraps", [(False, False), (True, False), (False,)])
def test_independent_functions_are_independent(basis: str, wraps: tuple[bool, ...]) -> None:
    mesh = mesh_of(2, wraps)
    dim = len(wraps)
    grid = RefinedGrid(mesh, basis, (0.0,) * dim, (1.0,) * dim)
    combination = grid.combination(np.flatnonzero(grid.independent)).toarray()
    assert np.linalg.matrix_rank(combination) == combination.shape[1]
    # and all others are sums of them
    everything = grid.combination(np.flatnonzero(grid.active)).toarray()
    leaves = np.unique(np.concatenate([
        (grid.starts[k] + level.corners[level.leaves][:, :, None] * grid.record + np.arange(grid.record)).ravel()
        for k, level in enumerate(mesh.levels) if len(level.leaves)
    ]))  # fmt: skip
    assert np.linalg.matrix_rank(everything[leaves]) == combination.shape[1]


def test_the_transpose_of_the_accumulation_is_its_transpose() -> None:
    grid = RefinedGrid(mesh_of(3), "cubic", (0.0, 0.0), (1.0, 1.0))
    random = np.random.default_rng(0)
    a, b = random.standard_normal((2, 2, grid.size))
    assert math.isclose(float((grid.accumulated(a) * b).sum()), float((a * grid.collected(b)).sum()), rel_tol=1e-12)


@pytest.mark.parametrize("basis", ["cubic", "quintic"])
def test_polynomials_are_reproduced_across_levels(basis: str) -> None:
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(-1, 2)),
        ["u"],
        lambda u, x, y: u.laplacian + x * u.x - (2 + 6 * y + 2 * x * x),
        [
            hp.Dirichlet(u=lambda x, y: x * x + y**3, on=["x-", "y-", "y+"]),
            hp.Robin(u=(1.0, 2.0, lambda y: 5.0 + y**3), on="x+"),
        ],
    )
    system, vector = solved(problem, basis, mesh_of(4))
    x = torch.tensor([[0.0], [-1.0]]) + torch.tensor([[1.0], [3.0]]) * torch.rand(2, 500, dtype=torch.float64)
    values = system.at(vector).evaluate(x, Channels.value(2)).reshape(-1)
    assert float((values - x[0] ** 2 - x[1] ** 3).abs().max()) < 1e-8


def test_the_system_on_cells_that_are_all_refined_is_the_uniform_one() -> None:
    problem = hp.problems.convection(c=3)
    mesh = RefinedMesh.uniform((4, 4), problem.periodic)
    mesh = mesh.refined([np.ones(16, dtype=bool)], (2, 2))
    system, vector = solved(problem, "cubic", mesh, gauss=3)
    uniform = GridSystem(problem, "cubic", [(8, 8)], 3)
    dense = torch.zeros(uniform.size, dtype=torch.float64)
    finest = system.total(vector)[:, system.grid.part(1)].reshape(
        1, 9 - problem.periodic[0], 9 - problem.periodic[1], 2, 2
    )
    dense.copy_(finest.permute(0, 1, 3, 2, 4).reshape(-1))
    rows = uniform.linearize(dense)
    own = system.linearize(vector)
    assert math.isclose(float(uniform.inner(rows, rows)), float(system.inner(own, own)), rel_tol=1e-9)
    gradient = uniform.adjoint(rows)
    free = ~uniform.fixed.reshape(-1)
    assert float(gradient[free].abs().max()) < 1e-8 * float(uniform.adjoint([r * 0 + 1 for r in rows]).abs().max())


def test_products_with_the_transposed_jacobian_are_those_of_the_transpose() -> None:
    problem = hp.problems.burgers(nu=0.1)
    system = RefinedSystem(
        problem, "quintic", mesh_of(5), 4, source_scales(problem), [{("u", (2, 0)): -0.3}], [(0, 0.1)]
    )
    generator = torch.Generator().manual_seed(0)
    state = torch.randn(system.size, dtype=torch.float64, generator=generator)
    rows = system.linearize(state)
    direction = torch.randn(system.size, dtype=torch.float64, generator=generator) * torch.as_tensor(system.free)
    others = [torch.randn(r.shape, dtype=torch.float64, generator=generator) for r in rows]
    image = system.forward(direction)
    product = float(sum((a * b).sum() for a, b in zip(image, others, strict=True)))
    assert math.isclose(product, float(direction @ system.adjoint(others)), rel_tol=1e-9)
    # and the Jacobian is the derivative of the rows
    h = 1e-6
    moved = system.linearize(state + h * direction)
    for a, b, c in zip(moved, rows, image, strict=True):
        assert torch.allclose((a - b) / h, c, rtol=1e-3, atol=1e-3 * float(c.abs().max()))


@pytest.mark.parametrize("wraps", [(False, False), (True, False)])
def test_a_function_stays_the_same_on_finer_cells(wraps: tuple[bool, ...]) -> None:
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u"],
        lambda u, x, y: u.laplacian - u + sin(2 * pi * x) * cos(3 * y),
        [hp.Periodic("x"), hp.Dirichlet(u=0.0)] if wraps[0] else [hp.Dirichlet(u=0.0)],
    )
    system, vector = solved(problem, "cubic", mesh_of(6, problem.periodic))
    x = torch.rand(2, 300, dtype=torch.float64)
    before = system.at(vector).evaluate(x, Channels.value(2))
    mesh = system.grid.mesh
    marked = [np.zeros(level.count, dtype=bool) for level in mesh.levels]
    marked[1][::3] = True
    for finer in (mesh.refined(marked, (2, 2), rings=1), mesh.doubled(1)):
        other = RefinedSystem(problem, "cubic", finer, 3, source_scales(problem))
        moved = system.grid.transferred(system.split(vector)[0].numpy(), other.grid)
        after = other.at(torch.as_tensor(moved.reshape(-1))).evaluate(x, Channels.value(2))
        assert torch.allclose(before, after, atol=1e-12)


def test_prescribed_values_are_held_to_the_order_of_the_basis() -> None:
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u"],
        lambda u, x, y: u.laplacian,
        [hp.Dirichlet(u=lambda x, y: sin(3 * x + 2 * y))],
    )
    y = torch.linspace(0, 1, 101, dtype=torch.float64)
    errors = []
    for cells in (4, 8):
        mesh = RefinedMesh.uniform((cells, cells), (False, False))
        mesh = mesh.refined([mesh.levels[0].cells[:, 0] < cells // 2], (2, 2))
        system = RefinedSystem(problem, "cubic", mesh, 3, source_scales(problem))
        x = torch.stack([torch.ones_like(y), y])
        values = system.at(system.start()).evaluate(x, Channels.value(2)).reshape(-1)
        errors.append(float((values - torch.sin(3 + 2 * y)).abs().max()))
    assert errors[1] < errors[0] / 12


@pytest.mark.parametrize("basis", ["cubic", "quintic"])
def test_column_norms_count_the_rows_of_the_cells_that_are_not_refined(basis: str) -> None:
    problem = hp.problems.convection(c=2)
    system = RefinedSystem(problem, basis, mesh_of(7, problem.periodic), 4, source_scales(problem))
    system.linearize(system.start())
    scale = system.column_scale()
    chosen = np.flatnonzero(system.movable)
    for k in np.random.default_rng(0).choice(chosen, 20, replace=False):
        column = torch.zeros(system.size, dtype=torch.float64)
        column[k] = 1.0
        image = system.forward(column)
        assert math.isclose(float(scale[k]) * math.sqrt(float(system.inner(image, image))), 1.0, rel_tol=1e-9)
