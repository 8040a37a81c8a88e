"""Whole runs on an emulated GPU give the fields of a CPU, wait for nothing, and go on from checkpoints."""

from collections import Counter
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from emulated_gpu import Gpu, emulated, why_not
from emulated_graphs import Graph
from test_captured import OPTIONS, RUNS

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.methods.least_squares import cgls as krylov
from hermite_pinn.methods.least_squares import linear_solver
from hermite_pinn.methods.training import step as training
from hermite_pinn.methods.training.step import TrainingStep

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
    pytest.mark.filterwarnings("ignore::hermite_pinn.problem.problem.HermitePinnWarning"),
]

NETWORK = hp.Field(head="siren", features=2, table_size=2**6, width=8, omega=1.0)


@pytest.fixture
def gpu():
    """An emulated GPU."""
    with emulated() as found:
        yield found


def both(run):
    """What ``run(device)`` gives on the emulated GPU, brought to the host, and on the CPU."""
    with emulated() as gpu:
        there = run("cuda")
        assert there.stats["device"] == "cuda:0"
        assert gpu.launches
        there.field = there.field.to("cpu")
    return there, run("cpu")


def distance(a, b):
    """Largest difference of the fields' values at random points, relative to the largest value."""
    random, domain = np.random.default_rng(0), a.domain
    at = {n: random.uniform(*ends, 40) for n, *ends in zip(domain.names, domain.lower, domain.upper, strict=True)}
    pairs = [(np.asarray(getattr(s, f)(**at)) for s in (a, b)) for f in a.fields]
    return max(float(np.abs(u - v).max() / np.abs(v).max()) for u, v in pairs)


def gauss_newton(problem, levels, field=None, **options):
    return lambda device: hp.solve(
        problem(), method=hp.GaussNewton(**options), levels=levels, field=field, device=device, progress=False
    )


def line(**conditions):
    """Two coupled equations on an interval."""
    return hp.Problem(
        hp.Box(x=(0, 1)),
        ["u", "v"],
        lambda u, v, x: (u.x - v, v.x + u * u - hp.sin(3 * x)),
        [hp.Dirichlet(u=0.0, on="x-"), hp.Dirichlet(v=1.0, on="x+")],
    )


def measured():
    """An unknown coefficient field from noisy data, with penalties whose weights are chosen."""
    random = np.random.default_rng(0)
    x = random.random((15, 1))
    u = x[:, 0] * (1 - x[:, 0]) + 1e-3 * random.standard_normal(15)
    return hp.Problem(
        hp.Box(x=(0, 1)),
        ["u", "a"],
        lambda u, a: a * u.xx + a.x * u.x + 2.0,
        [hp.Data(x, u=u), hp.Dirichlet(a=1.0), hp.Smoothness("u", "a")],
    )


def decay():
    """An unknown rate from data."""
    t = np.linspace(0, 1, 20)[:, None]
    return hp.Problem(
        hp.Box(t=(0, 1)),
        "u",
        lambda u, k: u.t + k * u,
        [hp.Initial(u=1.0), hp.Data(t, u=np.exp(-2 * t[:, 0]))],
        parameters=[hp.Parameter("k", init=1.0, bounds=(0.0, 5.0))],
    )


NARROW = {"features": 3, "table_size": 2**6, "width": 4, "depth": 1}
SMALL = {"outer_steps": 1, "inner_steps": 10, "gauss": 2}
GAUSS_NEWTON = {
    "cubic": gauss_newton(lambda: problems.helmholtz2d(a=2), 3),
    "quintic": gauss_newton(lambda: problems.helmholtz2d(a=2), 2, hp.Field(basis="quintic")),
    "mixed precision": gauss_newton(lambda: problems.helmholtz2d(a=2), 3, precision="mixed"),
    "three axes": gauss_newton(lambda: problems.helmholtz3d(a=1), 1),
    "slabs of a periodic problem": gauss_newton(lambda: problems.convection(c=2), 2, slabs=4),
    "banded factors": gauss_newton(lambda: problems.convection(c=2), 2, inner="banded"),
    "banded factors and a parameter": gauss_newton(decay, 3, inner="banded"),
    "nonlinear": gauss_newton(lambda: problems.burgers(nu=0.1), 2),
    "several fields": gauss_newton(line, 3),
    "parameters": gauss_newton(decay, 2),
    "data and penalties": gauss_newton(measured, 1),
    "a network": gauss_newton(line, 2, hp.Field(head="siren", **NARROW), **SMALL),
    "a network and a sum": gauss_newton(line, 2, hp.Field(head="siren+linear", **NARROW), **SMALL),
    "until the tolerance": lambda device: hp.solve(problems.helmholtz2d(a=1), tol=1e-4, device=device, progress=False),
}


@pytest.mark.slow_but("periodic", "nonlinear")
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n.startswith("a network") else []) for n in GAUSS_NEWTON]
)
def test_gauss_newton_gives_the_field_of_a_cpu(name):
    there, here = both(GAUSS_NEWTON[name])
    assert there.status is here.status
    assert distance(there, here) < (1e-4 if "network" in name or "data" in name else 1e-7)
    assert there.parameters == pytest.approx(here.parameters, rel=1e-6)


def first_order(name, method=hp.Adam, **changes):
    problem, options, head = RUNS[name]
    field = hp.Field(head=head, features=2, table_size=2**6, width=8, omega=1.0)
    dtype = changes.pop("dtype", "float64")
    given = OPTIONS | {"steps": 24, "balance_every": 7, "warmup": 3, "check_every": 8} | options | changes

    def run(device):
        torch.manual_seed(0)
        return hp.solve(
            problem(), method=method(**given), levels=4, field=field, seed=2, device=device, dtype=dtype, progress=False
        )

    return run


@pytest.mark.slow_but("linear-recorded")
@pytest.mark.parametrize(
    ("name", "graph"),
    [
        pytest.param(name, graph, id=f"{name}-{'recorded' if graph else 'as they are'}")
        for name in RUNS
        for graph in (True, False)
    ],
)
def test_first_order_steps_never_wait_and_give_the_field_of_a_cpu(name, graph, monkeypatch):
    """Drawn with the numbers of a CPU; recorded steps are repeated as a GPU does it.  The first one sends constants."""
    original, begun = TrainingStep.__call__, set()

    def hurried(self, variant):
        hurry = Gpu.current.hurry if id(self) in begun and Gpu.current else nullcontext
        begun.add(id(self))
        with hurry():
            original(self, variant)

    prepare = TrainingStep.prepare

    def prepared(self, step, done):
        with Gpu.current.hurry() if Gpu.current else nullcontext():
            prepare(self, step, done)

    monkeypatch.setattr(TrainingStep, "__call__", hurried)
    monkeypatch.setattr(TrainingStep, "prepare", prepared)
    monkeypatch.setattr(training, "WINDOW", 6)
    there, here = both(first_order(name, cuda_graph=graph))
    assert there.stats["cuda_graph"] is graph
    for k, v in here.field.tensors().items():
        assert torch.allclose(there.field.tensors()[k], v, rtol=1e-9, atol=1e-12), k
    assert there.history[-1]["loss"] == pytest.approx(here.history[-1]["loss"], rel=1e-9)


FLAT, WAVES, SPACE = lambda: problems.convection(c=2), lambda: problems.helmholtz2d(a=1), lambda: problems.helmholtz3d(a=1)  # fmt: skip
COMPARED = {
    "central differences": (WAVES, {"encoder": "trilinear_fd", "table_size": 2**6}),
    "tetrahedral differences": (SPACE, {"encoder": "trilinear_fd", "differences": "tetrahedral", "table_size": 2**6}),
    "smooth": (WAVES, {"encoder": "smooth", "table_size": 2**6}),
    "straight through": (FLAT, {"encoder": "straight_through", "table_size": 2**6}),
    "cubic": (WAVES, {"encoder": "cubic", "table_size": 2**6}),
    "frequencies": (WAVES, {"encoder": "fourier", "frequencies": 8}),
    "coordinates": (WAVES, {"encoder": "coordinates"}),
    "auxiliary inputs": (WAVES, {"aux": ("x",), "table_size": 2**6}),
}


@pytest.mark.slow_but("coordinates")
@pytest.mark.parametrize("name", COMPARED)
def test_the_encoders_for_comparison_give_the_field_of_a_cpu(name):
    """In recorded steps, with a curriculum where there are levels."""
    problem, options = COMPARED[name]
    field = hp.Field(head="siren", width=8, omega=1.0, **options)
    method = hp.Adam(steps=12, points=60, face_points=20, lr=1e-2, lr_end=1e-5, check_every=4, curriculum=((6, 2),))

    def run(device):
        torch.manual_seed(0)
        given = {"levels": 3, "seed": 2, "dtype": "float64", "progress": False}
        return hp.solve(problem(), method=method, field=field, device=device, **given)

    there, here = both(run)
    assert there.stats["cuda_graph"]
    for k, v in here.field.tensors().items():
        assert torch.allclose(there.field.tensors()[k], v, rtol=1e-8, atol=1e-10), k


@pytest.mark.slow
def test_deterministic_steps_are_recorded_too():
    torch.use_deterministic_algorithms(True)
    try:
        there, here = both(first_order("the paper's"))
    finally:
        torch.use_deterministic_algorithms(False)
    assert there.stats["cuda_graph"]
    assert distance(there, here) < 1e-9


@pytest.mark.slow
def test_half_tables_are_trained():
    problem = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u - hp.sin(3 * x))
    field = hp.Field(head="linear", table_size=2**6, half=True)
    method = hp.Adam(steps=20, points=100, lr=3e-2, lr_end=1e-5, ema=0.9)
    run = lambda device: hp.solve(problem, method=method, levels=3, field=field, device=device, progress=False)
    there, here = both(run)
    assert distance(there, here) < 2e-3


@pytest.mark.slow_but("paper")
@pytest.mark.parametrize("problem", ["the paper's", "all that looks at values"])
def test_quasi_newton_steps_give_the_field_of_a_cpu(problem):
    method = hp.LBFGS(steps=4, points=60, face_points=20)

    def run(device):
        torch.manual_seed(0)
        return hp.solve(RUNS[problem][0](), method=method, levels=3, field=NETWORK, device=device, progress=False)

    assert distance(*both(run)) < 1e-8


def test_soap_takes_the_steps_of_a_cpu():
    """A few: rounding decides how it turns gradients that vanish."""
    pytest.importorskip("pytorch_optimizer")
    there, here = both(first_order("the paper's", hp.SOAP, steps=4, warmup=0))
    assert there.history[-1]["loss"] == pytest.approx(here.history[-1]["loss"], rel=1e-2)


@pytest.mark.parametrize("precision", ["float64", "mixed"])
def test_conjugate_gradients_wait_only_where_the_host_looks(gpu, precision, monkeypatch):
    """Matrices are sent when they are first used: before the fifth look."""
    looks, most, solve, fetch = 0, 0, krylov.cgls, krylov._fetched

    def fetched(values):
        nonlocal looks, most
        looks, gpu.patient = looks + 1, True
        found = fetch(values)
        gpu.patient, most = looks < 4, max(looks, most)
        return found

    def hurried(*given, **options):
        nonlocal looks
        looks = 0
        try:
            return solve(*given, **options)
        finally:
            gpu.patient = True

    monkeypatch.setattr(krylov, "_fetched", fetched)
    monkeypatch.setattr(linear_solver, "cgls", hurried)
    method = hp.GaussNewton(precision=precision, inner="cg")
    assert hp.solve(problems.helmholtz2d(a=2), method=method, levels=3, device="cuda", progress=False).status.success
    assert most > 5


ITERATED = {
    "cubic": (lambda: problems.helmholtz2d(a=2), 3, {}),
    "mixed precision": (lambda: problems.helmholtz2d(a=2), 3, {"precision": "mixed"}),
    "three axes": (lambda: problems.helmholtz3d(a=1), 1, {}),
    "nonlinear": (lambda: problems.burgers(nu=0.1), 2, {}),
    "several fields": (line, 3, {}),
    "parameters": (decay, 2, {}),
    "data and penalties": (measured, 1, {}),
}


@pytest.mark.slow_but("parameters", "nonlinear")
@pytest.mark.parametrize("name", ITERATED)
def test_steps_of_conjugate_gradients_are_recorded(gpu, name, monkeypatch, caplog):
    """From the third of a solve on, and none has to be given up."""
    problem, levels, options = ITERATED[name]
    counts, replay, advance = Counter(), Graph.replay, krylov._Iteration.step

    def replayed(graph):
        counts["replayed"] += 1
        replay(graph)

    def called(iteration):
        counts["called"] += 1
        advance(iteration)

    monkeypatch.setattr(Graph, "replay", replayed)
    monkeypatch.setattr(krylov._Iteration, "step", called)
    there = gauss_newton(problem, levels, inner="cg", **options)("cuda")
    assert there.stats["inner_steps"] > counts["called"] > 0
    assert counts["replayed"] > counts["called"]
    assert "not recorded" not in caplog.text


# -- around a run ---
class Stop(hp.Callback):
    """Ends a run early, after looking at its field."""

    def on_step(self, info):
        assert info.field.table.is_cuda
        return info.step >= 8


@pytest.mark.slow
@pytest.mark.parametrize(
    "method",
    [
        hp.Adam(**(OPTIONS | {"steps": 16, "check_every": 8, "adaptive": hp.RAD(every=6)})),
        hp.LBFGS(steps=10, points=60, face_points=20),
        hp.Adam(**(OPTIONS | {"steps": 4})) >> hp.LBFGS(steps=10, points=60, face_points=20),
    ],
    ids=["adam", "lbfgs", "chain"],
)
def test_runs_are_continued_from_a_checkpoint(gpu, method, tmp_path):
    given = {"method": method, "levels": 3, "field": NETWORK, "progress": False}
    whole = hp.solve(problems.helmholtz2d(a=1), device="cuda", **given)
    path = tmp_path / "run.h5"
    keeper = hp.Checkpoint(path, seconds=0)
    stopped = hp.solve(problems.helmholtz2d(a=1), device="cuda", checkpoint=keeper, callbacks=Stop(), **given)
    assert stopped.status is hp.Status.STOPPED
    resumed = hp.solve(problems.helmholtz2d(a=1), device="cuda", resume=path, **given)
    for k, v in whole.field.tensors().items():
        assert torch.equal(v.cpu(), resumed.field.tensors()[k].cpu()), k
    assert hp.solve(problems.helmholtz2d(a=1), device="cpu", resume=path, **given).status is whole.status


@pytest.mark.slow_but("linear")
@pytest.mark.parametrize("head", ["linear", "siren"])
def test_solutions_are_evaluated_and_written_from_the_gpu(gpu, head, tmp_path):
    method = hp.GaussNewton() if head == "linear" else hp.Adam(**(OPTIONS | {"steps": 8}))
    field = None if head == "linear" else NETWORK
    solution = hp.solve(problems.helmholtz2d(a=1), method=method, field=field, levels=3, device="cuda", progress=False)
    assert solution.field.table.is_cuda
    at = np.linspace(0.1, 0.9, 5)
    solution.save(tmp_path / "solution.h5")
    loaded = hp.Solution.load(tmp_path / "solution.h5")
    assert not loaded.field.table.is_cuda
    for read in (lambda s: s.u(at, 0.3), lambda s: s.u.xy(at, at), lambda s: s.on_grid([at, at])):
        assert np.asarray(read(solution)) == pytest.approx(np.asarray(read(loaded)), rel=1e-4, abs=1e-4)
    x = torch.rand(3, dtype=torch.float64, device="cuda", requires_grad=True)
    (slope,) = torch.autograd.grad(solution.u(x, x).sum(), x)
    assert slope.is_cuda
    assert set(solution.error()) == {"u"}
    assert solution.residual(np.random.default_rng(0).random((4, 2)))["pde"].shape == (4,)
    assert solution.to_vtk(tmp_path / "solution.vtu")
