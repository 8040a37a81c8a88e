"""Kinds of problems whose cells are divided: unknown parameters and data, gauges, equations that differ in order."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sparse
import torch

import hermite_pinn as hp
from hermite_pinn import exp, pi, sin
from hermite_pinn.methods.systems.refined_mesh import RefinedMesh
from hermite_pinn.methods.systems.refined_system import RefinedSystem
from hermite_pinn.residuals.scales import source_scales
from hermite_pinn.run.status import Status
from hermite_pinn.validation.accuracy.sharp_problems import sine_series

LOCAL = {"method": hp.GaussNewton(refine="local"), "progress": False}
BOX = hp.Box(x=(0, 1), y=(0, 1))
WIDTH, WIDE, PLACE = 0.03, 0.08, (0.31, 0.62)


def bump(x, y, place=PLACE, width=WIDTH):
    return exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / width**2)


def known(points: np.ndarray, width: float = WIDTH) -> np.ndarray:
    return sine_series(points, [(*PLACE, width, 1.0)])


def measured(count: int = 20) -> np.ndarray:
    return np.random.default_rng(0).random((count, 2))


def with_strength(strength: float, conditions=()) -> hp.Problem:
    points = measured()
    return hp.Problem(
        BOX,
        "u",
        lambda u, k, x, y: u.laplacian + k * bump(x, y),
        [hp.Dirichlet(u=0.0), hp.Data(points, u=strength * known(points)), *conditions],
        parameters=[hp.Parameter("k", init=1.0)],
    )


def stokes() -> hp.Problem:
    return hp.Problem(
        BOX,
        ["u", "v", "p"],
        lambda u, v, p, x, y: (u.laplacian - p.x + bump(x, y, width=WIDE), v.laplacian - p.y, u.x + v.y),
        [hp.Dirichlet(u=0.0, v=0.0), hp.Gauge("p")],
    )


def difference(solution: hp.Solution, name: str, exact: np.ndarray, points: np.ndarray) -> float:
    values = np.asarray(getattr(solution, name)(*points.T))
    return float(np.linalg.norm(values - exact) / np.linalg.norm(exact))


def test_an_unknown_strength_of_a_narrow_source_is_found_from_data() -> None:
    solution = hp.solve(with_strength(2.5), tol=1e-4, **LOCAL)
    assert solution.status is Status.CONVERGED
    assert solution.parameters["k"] == pytest.approx(2.5, rel=1e-4)
    points = np.random.default_rng(1).random((100, 2))
    assert difference(solution, "u", 2.5 * known(points), points) < 1e-4
    assert solution.stats["standard_errors"]["k"] < 1e-3


def test_a_layer_with_an_unknown_source_is_not_bent_to_the_data_while_it_is_wide() -> None:
    eps = 0.01

    def across(x):
        return x - (exp((x - 1) / eps) - np.exp(-1 / eps)) / (1 - np.exp(-1 / eps))

    points = measured()
    x = torch.as_tensor(points[:, 0])
    values = 1.7 * across(x).numpy() * np.sin(pi * points[:, 1])
    problem = hp.Problem(
        BOX,
        "u",
        lambda u, k, x, y: -eps * u.laplacian + u.x - k * (1 + eps * pi**2 * across(x)) * sin(pi * y),
        [hp.Dirichlet(u=0.0), hp.Data(points, u=values)],
        parameters=[hp.Parameter("k", init=1.0)],
    )
    solution = hp.solve(problem, tol=1e-4, **LOCAL)
    assert solution.status is Status.CONVERGED
    assert solution.parameters["k"] == pytest.approx(1.7, rel=1e-4)
    assert solution.stats["unknowns"] < 3000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("eps", "options"),
    [(2e-3, LOCAL), pytest.param(5e-4, {"progress": False}, marks=pytest.mark.slow)],
    ids=["local", "default"],
)
def test_an_unknown_diffusion_that_makes_a_layer_is_found(eps, options) -> None:

    def exact(x, y):
        return (x - (exp((x - 1) / eps) - np.exp(-1 / eps)) / (1 - np.exp(-1 / eps))) * sin(pi * y)

    inside = np.stack([1 - eps * np.linspace(0.2, 4, 8), np.linspace(0.2, 0.8, 8)], 1)
    points = np.concatenate([measured(), inside])
    values = exact(*torch.as_tensor(points.T)).numpy()
    problem = hp.Problem(
        BOX,
        "u",
        lambda u, k, x, y: -k * u.laplacian + u.x - sin(pi * y) - eps * pi**2 * exact(x, y),
        [hp.Dirichlet(u=0.0), hp.Data(points, u=values)],
        parameters=[hp.Parameter("k", init=2 * eps, bounds=(1e-5, 1.0))],
    )
    solution = hp.solve(problem, tol=1e-4, **options)
    assert solution.status is Status.CONVERGED
    assert solution.stats["refine"] == "local"
    assert solution.parameters["k"] == pytest.approx(eps, rel=1e-4)


def test_a_parameter_that_nothing_determines_is_doubted() -> None:
    problem = hp.Problem(
        BOX,
        "u",
        lambda u, k, x, y: u.laplacian + bump(x, y) + k * hp.where(x > 2.0, 1.0, 0.0),
        [hp.Dirichlet(u=0.0), hp.Data(measured(), u=known(measured()))],
        parameters=[hp.Parameter("k", init=1.0)],
    )
    solution = hp.solve(problem, tol=1e-3, throw=False, **LOCAL)
    assert solution.status is Status.UNDETERMINED
    assert "nothing determines k" in solution.message


def test_a_field_that_is_free_up_to_a_constant_has_mean_zero() -> None:
    problem = hp.Problem(
        BOX,
        "p",
        lambda p, x, y: p.laplacian + bump(x, y) - bump(x, y, (0.7, 0.4)),
        [hp.Neumann(p=0.0), hp.Gauge("p")],
    )
    solution = hp.solve(problem, tol=1e-4, **LOCAL)
    assert solution.status is Status.CONVERGED
    line = (np.arange(64) + 0.5) / 64
    x, y = (g.ravel() for g in np.meshgrid(line, line))
    p = np.asarray(solution.p(x, y))
    assert abs(p.mean()) < 1e-3 * p.std()
    slopes = np.asarray(solution.p(np.full(20, 1.0), np.linspace(0, 1, 20)))
    inner = np.asarray(solution.p(np.full(20, 0.999), np.linspace(0, 1, 20)))
    assert np.abs(slopes - inner).max() < 1e-4 * p.std()  # no flux


@pytest.mark.slow
def test_a_flow_driven_by_a_narrow_force_agrees_with_uniform_levels() -> None:
    local = hp.solve(stokes(), tol=1e-3, **LOCAL)
    uniform = hp.solve(
        stokes(),
        method=hp.GaussNewton(refine="uniform"),
        field=hp.Field(basis="quintic"),
        levels=[(4, 4), (8, 8), (16, 16), (32, 32)],
        progress=False,
    )
    assert local.status is Status.CONVERGED
    assert local.stats["refine"] == "local"
    points = np.random.default_rng(1).random((200, 2))
    for name in ("u", "v", "p"):
        exact = np.asarray(getattr(uniform, name)(*points.T))
        assert difference(local, name, exact, points) < 2e-3


def test_a_first_order_system_with_a_narrow_source_is_solved() -> None:
    problem = hp.Problem(
        BOX,
        ["u", "a", "b"],
        lambda u, a, b, x, y: (a - u.x, b - u.y, a.x + b.y + bump(x, y, width=WIDE)),
        [hp.Dirichlet(u=0.0)],
    )
    solution = hp.solve(problem, tol=1e-3, **LOCAL)
    assert solution.status is Status.CONVERGED
    points = np.random.default_rng(1).random((200, 2))
    assert difference(solution, "u", known(points, WIDE), points) < 1e-3


@pytest.fixture(params=["parameters and data", "stokes"])
def system(request) -> RefinedSystem:
    """A linearised system on a mesh with two levels."""
    problem = with_strength(2.0) if request.param == "parameters and data" else stokes()
    mesh = RefinedMesh.uniform((4, 4), (False, False))
    corner = np.zeros(16, dtype=bool)
    corner[[0, 1, 4, 5]] = True
    made = RefinedSystem(problem, "cubic", mesh.refined([corner], (2, 2)), 3, source_scales(problem))
    made.linearize(made.start(None, {"k": 1.0}))
    return made


def test_the_adjoint_is_the_transpose(system) -> None:
    random = torch.Generator().manual_seed(0)
    direction = torch.rand(system.size, dtype=torch.float64, generator=random) * torch.as_tensor(system.movable)
    image = system.forward(direction.clone())
    rows = [torch.rand(r.shape, dtype=r.dtype, generator=random) for r in image]
    assert float(system.inner(image, rows)) == pytest.approx(float(direction @ system.adjoint(rows)), rel=1e-12)


def test_the_normal_matrix_has_the_products_of_the_columns(system) -> None:
    normal = system.normal()
    assert sparse.issparse(normal)
    free = torch.as_tensor(np.flatnonzero(system.free))
    own = torch.rand(len(free), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    vector = torch.zeros(system.size, dtype=torch.float64)
    vector[free] = own
    twice = system.adjoint([row.clone() for row in system.forward(vector)])[free].numpy()
    assert np.allclose(normal @ own.numpy(), twice, rtol=1e-10, atol=1e-12 * np.abs(twice).max())


def test_the_column_scale_has_the_norms_of_the_columns(system) -> None:
    scale = system.column_scale()
    chosen = torch.nonzero(scale > 0).flatten()[:: max(1, system.size // 40)]
    for i in [*chosen.tolist(), *([system.size - 1] if system.parameter_names else [])]:
        unit = torch.zeros(system.size, dtype=torch.float64)
        unit[i] = 1.0
        image = system.forward(unit)
        assert float(scale[i]) ** -2 == pytest.approx(float(system.inner(image, image)), rel=1e-9)
