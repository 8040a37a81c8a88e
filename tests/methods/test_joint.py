"""Gauss-Newton on hashed tables and networks: exact products, column norms, solutions, ends and errors."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.cuda.encoder import ops
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError
from hermite_pinn.methods.gauss_newton.coordinate_start import coordinate_start
from hermite_pinn.methods.least_squares.cgls import cgls
from hermite_pinn.methods.systems.exact_faces import boundary_factor
from hermite_pinn.methods.systems.field_system import FieldSystem, Points, collocate, held_out_blocks

READOUT = hp.JointGaussNewton(stages=(hp.JointStage("readout"),), frequencies=(8.0,), held_out=500)


def coupled():
    """Two nonlinear equations in two fields with a parameter; u vanishes exactly, v is prescribed by soft rows."""
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 2)),
        ["u", "v"],
        lambda u, v, x, y, c: (u.laplacian + u * v + c * v.x, v.xy * u.y - hp.sin(x) * v + c**2),
        conditions=[hp.Dirichlet(u=0.0, v=1.0)],
        parameters=[hp.Parameter("c", 0.3)],
    )


def system_of(problem, table_size=32, train=None, exact=True, **options):
    spec = hp.Field(table_size=table_size, width=5, omega=1.0, table_std=0.3, **options)
    field = spec.build(problem.domain, problem.fields, problem.periodic, 4, seed=1)
    generator = torch.Generator().manual_seed(0)
    noise = lambda v: 0.3 * torch.randn(v.shape, generator=generator, dtype=v.dtype)
    field = field.with_tensors({k: v + noise(v) for k, v in field.tensors().items()})
    field = replace(field, boundary_factor=boundary_factor(problem) if exact else None)
    return FieldSystem(problem, field, collocate(problem, Points(6, 2), boundary=field.boundary_factor), train)


def jacobian(system):
    eye = torch.eye(system.size, dtype=torch.float64)
    return torch.stack([torch.cat(system.forward(e)) for e in eye], 1)


CASES = {
    "linear hashed": {"head": "linear"},
    "linear dense, spare feature": {"head": "linear", "features": 3, "table_size": None},
    "network": {"head": "siren", "features": 3},
    "network, separate tables": {"head": "siren", "features": 1, "table_size": (32, 16, 8)},
    "skip and network": {"head": "siren+linear", "features": 2, "depth": 1},
    "skip and network, tanh, quintic": {"head": "siren+linear", "activation": "tanh", "basis": "quintic"},
}


@pytest.mark.slow_but("skip and network-exact", "network-soft", "skip and network-soft", "hashed")
@pytest.mark.parametrize("exact", [True, False], ids=["exact", "soft"])
@pytest.mark.parametrize("name", CASES)
def test_products_are_those_of_the_derivative(name, exact):
    system = system_of(coupled(), exact=exact, **CASES[name])
    vector, generator = system.vector(), torch.Generator().manual_seed(3)
    rows = system.linearize(vector)
    for a, b in zip(rows, system.residuals(vector), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    direction, h = torch.randn(system.size, dtype=torch.float64, generator=generator), 1e-6
    ends = [torch.cat(system.residuals(vector + s * h * direction)) for s in (1, -1)]
    moved = torch.cat(system.forward(direction))
    assert ((ends[0] - ends[1]) / (2 * h) - moved).norm() < 1e-8 * moved.norm()
    dual = [torch.randn(len(r), dtype=torch.float64, generator=generator) for r in rows]
    pulled = system.adjoint(dual)
    assert abs(float(pulled @ direction - torch.cat(dual) @ moved)) < 1e-12 * float(pulled.norm() * direction.norm())


@pytest.mark.slow_but("hashed")
@pytest.mark.parametrize("name", ["linear hashed", "network", "skip and network"])
def test_column_norms_and_factors_are_those_of_the_matrix(name):
    system = system_of(coupled(), **CASES[name])
    system.linearize(system.vector())
    matrix = jacobian(system)
    squares = matrix.square().sum(0)
    expected = torch.where(squares > 1e-20 * squares.max(), squares.rsqrt(), 0.0)
    columns = system.column_scale()
    torch.testing.assert_close(columns, expected, rtol=1e-9, atol=1e-12 * float(expected.max()))
    assert system.preconditioned == (name != "linear hashed")
    if not system.preconditioned:
        return
    change = system.preconditioner(columns, 0.1)
    place, d = change.place, columns[change.place]
    block = (matrix[:, place] * d).T @ (matrix[:, place] * d) + 0.1 * torch.eye(len(d), dtype=torch.float64)
    y = torch.randn(system.size, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    x = change.apply(y)[place] / torch.where(d > 0, d, 1.0)
    free = d > 0
    torch.testing.assert_close(
        x[free] @ block[free][:, free] @ x[free], (y[place][free] @ y[place][free]), rtol=1e-6, atol=0
    )
    g = torch.randn(system.size, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(change.transposed(g) @ y, g @ change.apply(y), rtol=1e-9, atol=1e-9)


def test_a_linear_problem_on_hashed_levels_is_solved_like_the_dense_matrix():
    problem = problems.helmholtz2d(a=2)
    system = system_of(problem, head="linear", features=1)
    assert system.affine
    vector = torch.zeros(system.size, dtype=torch.float64)
    rows = system.linearize(vector)
    matrix, columns = jacobian(system), system.column_scale()
    result = cgls(
        lambda y: system.forward(y * columns),
        lambda r: system.adjoint(r) * columns,
        [-r for r in rows],
        tol=1e-12,
        max_steps=5000,
    )
    direct = torch.linalg.lstsq(matrix, -torch.cat(rows), driver="gelsd").solution
    found, best = (torch.cat(system.residuals(v)).norm() for v in (result.y * columns, direct))
    assert found <= best + 1e-10 * float(torch.cat(rows).norm())


def test_the_boundary_factor_is_exact_on_faces_and_in_derivatives():
    problem = problems.helmholtz2d(a=2, x=(-1, 1))
    field = hp.Field(head="siren+linear", table_size=64).build(problem.domain, ["u"], (False, False), 4)
    gate = torch.ones(1, dtype=torch.float64)
    field = replace(field.with_tensors(field.tensors() | {"head/gate": gate}), boundary_factor=boundary_factor(problem))
    for axis in (0, 1):
        for side in (0, 1):
            x = problem.domain.interior.random(50, torch.Generator().manual_seed(0), torch.float64).x
            x[axis] = (problem.domain.lower, problem.domain.upper)[side][axis]
            assert float(field.jets(x, Channels.value(2)).abs().max()) == 0.0
    x = problem.domain.interior.random(20, torch.Generator().manual_seed(1), torch.float64).x
    channels, h = Channels.jet(2, 2) + Channels.laplacian(2), 1e-5
    jets = field.jets(x, channels)[0]
    for i in range(2):
        step = torch.zeros(2, 1, dtype=torch.float64)
        step[i] = h
        near = [field.jets(x + s * step, channels)[0] for s in (1, -1)]
        torch.testing.assert_close((near[0][:3] - near[1][:3])[0] / (2 * h), jets[1 + i], rtol=1e-6, atol=1e-7)
        torch.testing.assert_close((near[0] - near[1])[1 + i] / (2 * h), jets[3 + 2 * i], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(jets[3] + jets[5], jets[6])


def test_the_coordinates_are_what_the_network_reads():
    problem = problems.helmholtz2d(a=2, x=(-1, 3))
    field = hp.Field(head="siren+linear", width=8, depth=1).build(problem.domain, ["u"], (False, False), 4)
    field = coordinate_start(field, 5.0, 0)
    x = problem.domain.interior.random(30, torch.Generator().manual_seed(0), torch.float64).x
    features = ops.jets(x, field.table, field.layout, Channels.jet(2, 1))
    torch.testing.assert_close(features[0, 1, 0], (x[0] - 1) / 2)
    torch.testing.assert_close(features[1, 1, 0], 2 * x[1] - 1)
    torch.testing.assert_close(features[0, 1, 1], torch.full((30,), 0.5, dtype=torch.float64))
    assert float(features[2:].abs().max()) == 0.0
    assert float(field.siren.weights[0].abs().max()) <= 5.0 / field.siren.omega


def test_gauss_newton_takes_hashed_levels_and_networks():
    problem = problems.helmholtz2d(a=2)
    hashed = hp.solve(problem, field=hp.Field(table_size=64), levels=4)
    assert hashed.error()["u"]["relative_l2"] < 3e-2
    network = hp.solve(
        problem, field=hp.Field(head="siren+linear", width=128, depth=1, table_size=128), levels=4, method=READOUT
    )
    assert network.error()["u"]["relative_l2"] < 1e-4
    assert network.stats["frequency"] == 8.0
    assert network.status is hp.Status.COMPLETED
    points = np.array([[0.0, 0.3], [1.0, 0.7]])
    assert float(np.abs(network.u(points[:, 0], points[:, 1])).max()) == 0.0


def test_the_tolerance_is_that_of_the_held_out_residual():
    field = hp.Field(head="siren+linear", width=64, depth=1, table_size=128)
    found = [
        hp.solve(problems.helmholtz2d(a=2), field=field, levels=3, method=READOUT, tol=t, throw=False)
        for t in (0.1, 1e-12)
    ]
    assert [s.status for s in found] == [hp.Status.CONVERGED, hp.Status.STALLED]
    assert found[0].stats["held_out"] <= 0.1


def test_a_field_with_a_boundary_factor_survives_saving(tmp_path):
    solution = hp.solve(
        problems.helmholtz2d(a=2),
        field=hp.Field(head="siren+linear", width=16, depth=1, table_size=128),
        levels=3,
        method=READOUT,
    )
    path = tmp_path / "u.h5"
    solution.save(path)
    again = hp.Solution.load(path)
    assert float(again.u(0.3, 0.4)) == float(solution.u(0.3, 0.4))
    assert float(again.u.laplacian(0.3, 0.4)) == float(solution.u.laplacian(0.3, 0.4))


def test_all_stages_lower_the_held_out_residual_of_a_nonlinear_problem():
    exact = lambda x, y: hp.sin(hp.pi * x) * hp.sin(2 * hp.pi * y)
    f = lambda x, y: -5 * hp.pi**2 * exact(x, y) - exact(x, y) ** 3
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        "u",
        lambda u, x, y: u.laplacian - u**3 - f(x, y),
        [hp.Dirichlet(u=0.0)],
        exact={"u": exact},
    )
    stages = (hp.JointStage("readout", 4, 8), hp.JointStage("network", 12, 8), hp.JointStage("all", 2, 12))
    method = hp.JointGaussNewton(stages=stages, frequencies=(6.0,), held_out=500, inner_steps=30)
    solution = hp.solve(
        problem, field=hp.Field(head="siren+linear", width=24, depth=1, table_size=128), levels=3, method=method
    )
    assert solution.error()["u"]["relative_l2"] < 1e-3
    assert solution.stats["held_out"] <= min(solution.history["rms held out"]) * (1 + 1e-12)


@pytest.mark.slow_but("second")
@pytest.mark.parametrize("after", [0, 1], ids=["first stage", "second stage"])
def test_a_resumed_run_is_bit_identical_to_an_uninterrupted_one(tmp_path, one_thread, after):
    exact = lambda x: hp.sin(3 * x)
    xs = np.linspace(0.05, 1.95, 30)[:, None]
    problem = hp.Problem(
        hp.Box(x=(0, 2)),
        "u",
        lambda u, x, c: u.xx + c * u + u**3 - exact(x) ** 3,
        [hp.Data(xs, u=np.sin(3 * xs[:, 0]))],
        parameters=[hp.Parameter("c", 5.0, bounds=(0, 20))],
    )
    stages = (hp.JointStage("readout", 1, 16), hp.JointStage("all", 3, 16))
    method = hp.JointGaussNewton(stages=stages, frequencies=(3.0, 6.0), held_out=200)
    options = {"field": hp.Field(head="siren+linear", width=12, depth=1, table_size=16), "levels": 3, "method": method}

    class Stop(hp.Callback):
        def on_step(self, state):
            return "that is enough" if state.step > after else None

    whole = hp.solve(problem, **options)
    path = tmp_path / "run.h5"
    part = hp.solve(problem, **options, checkpoint=path, callbacks=[Stop()])
    assert part.status is hp.Status.STOPPED
    resumed = hp.solve(problem, **options, resume=path)
    x = np.linspace(0, 2, 50)
    assert resumed.u(x).tobytes() == whole.u(x).tobytes()
    assert resumed.parameters == whole.parameters
    assert resumed.message == whole.message
    assert list(resumed.history["loss"]) == list(whole.history["loss"])
    assert resumed.stats["inner_steps"] == whole.stats["inner_steps"]


@pytest.mark.slow
def test_an_unknown_parameter_on_hashed_levels():
    exact = lambda x: hp.sin(3 * x)
    xs = np.linspace(0.05, 1.95, 30)[:, None]
    problem = hp.Problem(
        hp.Box(x=(0, 2)),
        "u",
        lambda u, x, c: u.xx + c * u,
        [hp.Data(xs, u=np.sin(3 * xs[:, 0]))],
        parameters=[hp.Parameter("c", 5.0, bounds=(0, 20))],
        exact={"u": exact},
    )
    method = hp.JointGaussNewton(stages=(hp.JointStage("table", 30, 32),), held_out=200)
    solution = hp.solve(problem, field=hp.Field(table_size=16), levels=4, method=method)
    assert abs(solution.parameters["c"] - 9) < 0.1


@pytest.mark.filterwarnings("ignore::hermite_pinn.HermitePinnWarning")
def test_what_cannot_work_says_why():
    problem = problems.helmholtz2d(a=2)
    with pytest.raises(InvalidArgumentError, match="train must be one of"):
        hp.JointStage("tables")
    with pytest.raises(InvalidArgumentError, match="oversampling must be"):
        hp.JointGaussNewton(oversampling=0.5)
    with pytest.raises(InvalidArgumentError, match="more features than fields"):
        hp.solve(problem, field=hp.Field(head="siren+linear", features=1), levels=3, method=READOUT)
    with pytest.raises(InvalidArgumentError, match="float64"):
        hp.solve(problem, field=hp.Field(table_size=64), levels=3, dtype="float32")
    third = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u.xxx, [hp.Dirichlet(u=0.0)], max_order=3)
    with pytest.raises(InvalidProblemError, match="up to order 2"):
        hp.solve(third, field=hp.Field(head="siren", basis="quintic"), levels=3, method=READOUT)


def test_held_out_rows_are_not_those_trained_on():
    problem = coupled()
    system = system_of(problem, head="linear")
    blocks = held_out_blocks(system.blocks, problem, 256, seed=0)
    trained = torch.cat([b.x for b in system.blocks], 1).T
    assert min(float(torch.cdist(b.x.T, trained).min()) for b in blocks) > 0
    assert [len(b.terms) for b in blocks] == [2, 1, 1, 1, 1]
