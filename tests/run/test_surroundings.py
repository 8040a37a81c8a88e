"""Whatever a program has set for PyTorch, NumPy or its process, results are the same, and its settings too."""

import copy
import os
import pickle
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from functools import cache

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import torch_state

SMALL = {"points": 32, "face_points": 8}


def nonlinear():
    return hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1)),
        fields=["u"],
        residual=lambda u, x, y: u.xx + u.yy + u**3 - hp.sin(x * y),
        conditions=[hp.Dirichlet(u=0.0)],
    )


def rotation():
    return hp.Problem(
        domain=hp.Box(x=(0, 1), t=(0, 1)),
        fields=["u"],
        residual=lambda u, x, t: u.t - u.xx,
        conditions=[hp.Periodic("x"), hp.Initial(u=lambda x: hp.sin(2 * hp.pi * x))],
    )


def measured():
    points = np.random.default_rng(0).random((20, 2))
    k = hp.Parameter("k", init=1.0)
    return hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1)),
        fields=["u"],
        parameters=[k],
        residual=lambda u, x, y, k: u.xx + k * u.yy - hp.sin(x),
        conditions=[hp.Dirichlet(u=0.0), hp.Data(points, u=0.1 * points[:, 0], noise=0.01), hp.Smoothness("u")],
    )


RUNS = {
    "levels": lambda: hp.solve(nonlinear(), levels=2),
    "slabs": lambda: hp.solve(rotation(), levels=3, method=hp.GaussNewton(slabs=2)),
    "banded": lambda: hp.solve(nonlinear(), levels=2, method=hp.GaussNewton(inner="banded")),
    "data": lambda: hp.solve(measured(), levels=2),
    "joint": lambda: hp.solve(
        nonlinear(), levels=2, field=hp.Field(head="siren", features=2, width=8, depth=1), method=hp.JointGaussNewton()
    ),
    "adam": lambda: hp.solve(nonlinear(), levels=2, method=hp.Adam(steps=3, **SMALL)),
    "chain": lambda: hp.solve(
        nonlinear(), levels=2, dtype="float64", method=hp.Adam(steps=3, **SMALL) >> hp.LBFGS(steps=2, **SMALL)
    ),
}


def numbers(solution, path):
    """What a user may ask of a solution, as bytes."""
    x = np.linspace(0.1, 0.9, 5)
    items = [solution.u(x, x), solution.u.x(x, x), solution.on_grid([x, x])]
    items += [*solution.residual(np.stack([x, x], 1)).values(), *solution.parameters.values()]
    solution.save(path, samples=3)
    items.append(hp.Solution.load(path).u(x, x))
    items += [v.detach().numpy() for v in solution.field.tensors().values()]
    return b"".join(np.ascontiguousarray(item).tobytes() for item in items)


def slope(solution):
    """Gradient by PyTorch, outside every context."""
    x = torch.linspace(0.1, 0.9, 5, dtype=torch.float64, device="cpu").requires_grad_()
    solution.u(x, x).sum().backward()
    return x.grad.numpy().tobytes()


@contextmanager
def default(setter, getter, value):
    before = getter()
    setter(value)
    try:
        yield
        assert getter() == value
    finally:
        setter(before)


def deterministic():
    return default(torch.use_deterministic_algorithms, torch.are_deterministic_algorithms_enabled, True)


CONTEXTS = {
    "no_grad": torch.no_grad,
    "inference": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "float16": lambda: default(torch.set_default_dtype, torch.get_default_dtype, torch.float16),
    "bfloat16": lambda: default(torch.set_default_dtype, torch.get_default_dtype, torch.bfloat16),
    "float64": lambda: default(torch.set_default_dtype, torch.get_default_dtype, torch.float64),
    "device": lambda: default(torch.set_default_device, torch.get_default_device, torch.device("meta")),
    "numpy": lambda: np.errstate(all="raise"),
    "deterministic": deterministic,
    "products": lambda: default(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision, "medium"),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Makes results where nothing is set, each once."""
    folder = tmp_path_factory.mktemp("plain")

    @cache
    def found(name):
        solution = RUNS[name]()
        return numbers(solution, folder / "u.h5"), slope(solution)

    return found


#: Sums of tables are others where algorithms are deterministic.
FEW, DETERMINISTIC = ("levels", "adam", "chain"), ("levels", "slabs")


@pytest.mark.slow_but("no_grad", "autocast", "float", "numpy", "products", "deterministic", "device")
@pytest.mark.parametrize(
    ("context", "names"),
    [(c, DETERMINISTIC if c == "deterministic" else FEW) for c in CONTEXTS]
    + [
        pytest.param(c, tuple(set(RUNS) - set(FEW)), marks=[] if c == "inference" else pytest.mark.slow)
        for c in ("inference", "bfloat16")
    ],
)
def test_results_are_the_same_bits_in_every_context(context, names, plain, tmp_path):
    expected = {name: plain(name) for name in names}
    states = torch.get_rng_state(), np.random.get_state()[1], random.getstate()
    solutions, found = {}, {}
    with CONTEXTS[context]():
        for name in names:
            solutions[name] = RUNS[name]()
            found[name] = numbers(solutions[name], tmp_path / "u.h5")
    for name, solution in solutions.items():
        assert (found[name], slope(solution)) == expected[name], name
    assert torch.equal(states[0], torch.get_rng_state())
    assert np.array_equal(states[1], np.random.get_state()[1])
    assert states[2] == random.getstate()


def jumping():
    """Values on the faces that differ by less than float16 and bfloat16 can tell."""
    return hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1)),
        fields=["u"],
        residual=lambda u: u.laplacian,
        conditions=[hp.Dirichlet(u=1000.1, on=["x-", "x+"]), hp.Dirichlet(u=1000.2, on=["y-", "y+"])],
    )


@pytest.mark.parametrize("context", ["float16", "bfloat16", "float64"])
def test_statements_are_judged_with_all_their_digits_in_every_default_dtype(context):
    told = jumping().notes
    assert told
    with CONTEXTS[context]():
        assert jumping().notes == told


@pytest.mark.parametrize("context", [nullcontext, torch.no_grad, torch.inference_mode])
def test_values_follow_gradients_where_they_are_asked_for(context):
    solution = hp.solve(nonlinear(), levels=1)
    x = torch.linspace(0.1, 0.9, 5, dtype=torch.float64).requires_grad_()
    with context():
        value = solution.u(x, x)
        assert value.requires_grad == torch.is_grad_enabled()
    assert not value.is_inference()


@pytest.mark.slow
def test_threads_give_the_same_bits_and_leave_the_settings(plain, tmp_path):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:

        def one(name):
            solution = RUNS[name]()
            return numbers(solution, tmp_path / f"{name}{threading.get_ident()}.h5")

        names = ["levels", "adam", "chain", "joint"] * 2
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(one, names))
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert found == [plain(name)[0] for name in names]


def test_the_last_to_leave_puts_the_precision_back():
    """Two blocks that overlap, the first of which ends first."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        first, second = torch_state.isolated(), torch_state.isolated()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        products = torch_state._products()
        assert all(p.fp32_precision == "ieee" for p in products)
        second.__exit__(None, None, None)
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)


FORKED = """
import os, sys, threading, time, torch
torch.set_num_threads(2)
import hermite_pinn as hp
def work():
    solution = hp.solve(hp.problems.helmholtz2d(a=2), levels=5, progress=False)
    torch.randn(600, 600).exp().sum()
    return solution.error()["u"]["relative_l2"]
torch.randn(600, 600).exp().sum()
here = work()
read, write = os.pipe()
child = os.fork()
if child == 0:
    os.write(write, repr(work()).encode())
    os._exit(0)
os.close(write)
there = float(os.read(read, 100))
os.waitpid(child, 0)
assert abs(there - here) < 1e-9, (there, here)
"""


def run(code, *options, environment=None, timeout=120, **streams):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(
        command, env=os.environ | (environment or {}), timeout=timeout, check=False, text=True, **streams
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_process_computes():
    """Threads of OpenMP do not survive a fork; without care the child waits for them for ever."""
    done = run(FORKED, environment={"OMP_NUM_THREADS": "2"})
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("forked") == 1


SOLVED = """
import sys
import hermite_pinn as hp
problem = hp.problems.poisson2d()
solution = hp.solve(problem, levels=2, progress=True)
adam = hp.solve(problem, levels=2, progress=True, method=hp.Adam(steps=2, points=16, face_points=8))
assert solution.status.success, solution.status
with open(sys.argv[1] if len(sys.argv) > 1 else "/dev/null", "w") as file:
    file.write(solution.u(0.25, 0.5).hex())
"""


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_or_closed_standard_error_ends_no_run():
    for redirection in ("2>/dev/full", "2>&- >&-"):
        command = ["sh", "-c", f'exec "$0" -c "$1" {redirection}', sys.executable, SOLVED]
        assert subprocess.run(command, check=False, timeout=120).returncode == 0, redirection


def test_without_assertions_documentation_or_home(tmp_path):
    """Optimised code, warnings as errors, and a user whose home folder does not exist."""
    kept = os.environ.get("HERMITE_PINN_CACHE") or str(tmp_path / "cache")
    command = [sys.executable, "-OO", "-W", "error", "-c", SOLVED, str(tmp_path / "found")]
    environment = os.environ | {"HERMITE_PINN_CACHE": kept, "HOME": "/nonexistent/home"}
    done = subprocess.run(command, env=environment, check=False, timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    here = hp.solve(hp.problems.poisson2d(), levels=2, progress=False)
    assert (tmp_path / "found").read_text() == here.u(0.25, 0.5).hex()


def test_solutions_are_pickled_without_their_problem_and_copied_with_it():
    solution = hp.solve(nonlinear(), levels=1)
    sent = pickle.loads(pickle.dumps(solution))
    assert sent.u(0.3, 0.4) == solution.u(0.3, 0.4)
    assert sent.problem is None
    for twin in (copy.copy(solution), copy.deepcopy(solution)):
        assert twin.problem is solution.problem
        assert twin.u.x(0.3, 0.4) == solution.u.x(0.3, 0.4)
    assert copy.deepcopy(solution).field.table is not solution.field.table


LIBRARIES = """
import os, tempfile
import hermite_pinn as hp
before = dict(os.environ)
broken = tempfile.gettempdir
def full(*args): raise FileNotFoundError("No usable temporary directory")
if {fails}:
    tempfile.gettempdir = full
for _ in range(2):
    try:
        hp.solve(hp.problems.poisson2d(), levels=1, method=hp.LBFGS(steps=2, points=32, face_points=8), progress=False)
        print("solved")
    except hp.BackendUnavailableError as error:
        print("new process" in str(error))
    tempfile.gettempdir = broken
assert dict(os.environ) == before
"""


@pytest.mark.parametrize(("fails", "told"), [(False, ["solved"] * 2), (True, ["True"] * 2)])
def test_what_pytorch_needs_is_loaded_before_the_run_without_a_trace_or_refused(fails, told):
    surroundings = {k: v for k, v in os.environ.items() if k != "TORCHINDUCTOR_CACHE_DIR"}  # then nobody asks for one
    code = LIBRARIES.format(fails=fails)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=surroundings
    )  # fmt: skip
    assert done.stdout.split() == told, done.stderr
