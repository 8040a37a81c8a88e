"""Conjugate gradients: nothing waits for the device, and float32 steps reach float64 accuracy."""

import gc
import math
import weakref

import pytest
import torch
from run_ranks import measured
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.methods.gauss_newton.mixed_precision import chosen_precision, float64_is_slow, single_products
from hermite_pinn.methods.least_squares.cgls import Products, cgls
from hermite_pinn.methods.systems.field_system import FieldSystem, Points, collocate
from hermite_pinn.methods.systems.grid_system import GridSystem

SYNCHRONISING = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "equal", "is_nonzero")
FETCHING = ("item", "tolist", "cpu", "numpy", "__float__", "__bool__", "__int__", "__index__", "__array__", "to_list")


class Operations(TorchDispatchMode):
    """Operations whose result the host must wait for, or whose shape depends on values."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        if name.startswith(SYNCHRONISING):
            self.seen.append(name)
        return function(*args, **(kwargs or {}))


class Transfers(TorchFunctionMode):
    """Calls that bring values to the host."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        name = getattr(function, "__name__", "")
        if name in FETCHING:
            self.seen.append(name)
        return function(*args, **(kwargs or {}))


def grid_system(name):
    problem = measured() if name == "measured" else problems.make(name)
    dim = problem.domain.dim
    return GridSystem(problem, "cubic", [(4,) * dim, (8,) * dim])


def network_system(name):
    problem = problems.helmholtz2d(a=1)
    spec = hp.Field(head="siren+linear", features=2, table_size=64, width=8, depth=1)
    field = spec.build(problem.domain, problem.fields, problem.periodic, 3)
    return FieldSystem(problem, field, collocate(problem, Points(6)))


SYSTEMS = dict.fromkeys(("helmholtz2d", "burgers", "taylor_green", "measured"), grid_system) | {
    "network": network_system
}


@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("damping", [0.0, 1e-3])
def test_a_step_never_waits_for_the_device(name, damping):
    """Of 40 steps with a look every 10, the host sees scalars once per look; the products themselves fetch nothing."""
    system = SYSTEMS[name](name)
    generator = torch.Generator().manual_seed(0)
    rows = system.linearize(0.1 * torch.randn(system.size, generator=generator, dtype=torch.float64))
    columns = system.column_scale()
    with Operations() as operations, Transfers() as transfers:
        result = cgls(
            lambda y: system.forward(y * columns),
            lambda r: system.adjoint(r).mul_(columns),
            [-r for r in rows],
            tol=1e-30,
            max_steps=40,
            damping=damping,
            inner=system.inner,
            check_every=10,
        )
    assert result.steps == 40
    assert operations.seen == []
    assert transfers.seen.count("tolist") <= 1 + 2 * 4 + 1  # start, looks and restarts, decrease
    assert set(transfers.seen) <= {"tolist", "cpu"}


@pytest.mark.parametrize("every", [1, 5, 10])
def test_looking_less_often_changes_nothing_but_the_last_steps(every):
    system = grid_system("helmholtz2d")
    rows, seen = system.linearize(torch.zeros(system.size, dtype=torch.float64)), []
    columns = system.column_scale()
    products = Products(lambda y: system.forward(y * columns), lambda r: system.adjoint(r).mul_(columns))
    b = [-r for r in rows]
    options = {"tol": 1e-9, "max_steps": 200}
    fine = cgls(products.forward, products.adjoint, b, **options)
    coarse = cgls(
        products.forward, products.adjoint, b, check_every=every, on_step=lambda n, _: seen.append(n), **options
    )
    assert 0 <= coarse.steps - fine.steps < every
    assert coarse.converged
    assert float((coarse.y - fine.y).norm()) <= 1e-7 * float(fine.y.norm())
    assert all(n % every == 0 for n in seen)


def dense(condition, size=30, seed=0):
    """A matrix with known singular values from 1 to 1 / condition, its right-hand side and solution."""
    generator = torch.Generator().manual_seed(seed)
    u = torch.linalg.qr(torch.randn(2 * size, size, generator=generator, dtype=torch.float64)).Q
    v = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64)).Q
    a = u @ torch.diag(torch.logspace(0, -math.log10(condition), size, dtype=torch.float64)) @ v.T
    x = torch.randn(size, generator=generator, dtype=torch.float64)
    return a, a @ x + (torch.eye(2 * size, dtype=torch.float64) - u @ u.T)[:, 0], x


def counting(a):
    calls = []

    def forward(y):
        calls.append(1)
        return [a @ y]

    return Products(forward, lambda r: a.T @ r[0]), calls


@pytest.mark.parametrize("condition", [10.0, 100.0, 1e4])
def test_float32_steps_with_float64_corrections_reach_float64(condition):
    """Where float32 alone stops at 1e-7 times the condition; most products are in float32 if that is not large."""
    a, b, x = dense(condition)
    exact, corrections = counting(a)
    low, steps = counting(a.float())
    found = cgls(exact.forward, exact.adjoint, [b], tol=1e-12, max_steps=3000, low=low)
    plain = cgls(exact.forward, exact.adjoint, [b], tol=1e-12, max_steps=3000)
    alone = cgls(low.forward, low.adjoint, [b.float()], tol=1e-12, max_steps=3000)
    error = lambda y: float((y.double() - x).norm() / x.norm())
    assert found.converged
    assert error(found.y) <= 10 * error(plain.y) + 1e-12 * condition
    assert error(found.y) < 1e-2 * error(alone.y)
    assert found.y.dtype == torch.float64
    if condition == 10.0:
        assert len(steps) > 2 * (len(corrections) - plain.steps)


@pytest.mark.parametrize("every", [1, 3, 5])
def test_float32_steps_past_convergence_are_made_good(every):
    """Few unknowns converge between two looks; further float32 steps leave a search direction that leads nowhere."""
    a, b, x = dense(3.0, 4)
    low, _ = counting(a.float())
    exact, _ = counting(a)
    found = cgls(exact.forward, exact.adjoint, [b], tol=1e-11, max_steps=400, low=low, check_every=every)
    assert found.converged
    assert found.steps <= 40
    assert float((found.y - x).norm() / x.norm()) < 1e-10


@pytest.mark.parametrize("name", ["helmholtz2d", "burgers"])
def test_float32_products_are_those_of_the_linearised_system(name):
    system = grid_system(name)
    generator = torch.Generator().manual_seed(1)
    system.linearize(0.1 * torch.randn(system.size, generator=generator, dtype=torch.float64))
    columns = system.column_scale()
    low = single_products(system, columns)
    y = torch.randn(system.size, generator=generator, dtype=torch.float64)
    expected = torch.cat([r.reshape(-1) for r in system.forward(y * columns)])
    rows = low.forward(y.float())
    found = torch.cat([r.reshape(-1) for r in rows])
    assert found.dtype == torch.float32
    assert float((found - expected).norm()) < 1e-5 * float(expected.norm())
    back = system.adjoint([r.double() for r in rows]).mul_(columns)
    assert float((low.adjoint(rows) - back).norm()) < 1e-5 * float(back.norm())


@pytest.mark.parametrize(
    ("problem", "options"),
    [
        (problems.helmholtz2d(a=4), {"levels": 5}),
        (problems.burgers(nu=0.1), {"levels": 4}),
        (measured(), {"levels": 3}),
    ],
    ids=["affine", "nonlinear", "parameters"],
)
def test_mixed_solves_are_as_accurate(problem, options):
    solve = lambda precision: hp.solve(problem, method=hp.GaussNewton(precision=precision), progress=False, **options)
    plain, mixed = solve("float64"), solve("mixed")
    assert (plain.stats["precision"], mixed.stats["precision"]) == ("float64", "mixed")
    assert mixed.status is plain.status
    if problem.exact:
        name = next(iter(problem.exact))
        assert mixed.error()[name]["relative_l2"] == pytest.approx(plain.error()[name]["relative_l2"], rel=1e-2)
    assert mixed.parameters == pytest.approx(plain.parameters, rel=1e-6)
    difference = mixed.field.collapsed().table - plain.field.collapsed().table
    assert float(difference.norm()) <= 1e-6 * float(plain.field.collapsed().table.norm())


@pytest.mark.parametrize(
    ("capability", "slow"),
    [((7, 0), False), ((7, 5), True), ((8, 0), False), ((8, 6), True), ((8, 9), True), ((9, 0), False), ((10, 0), False), ((12, 0), True)],
)  # fmt: skip
def test_precision_follows_the_gpu(monkeypatch, capability, slow):
    """GPUs for computing halve the rate in float64, others divide it by 32 or 64; the user may force either."""
    assert float64_is_slow(capability) is slow
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    gpu = torch.device("cuda", 0)
    assert chosen_precision("auto", gpu) == ("mixed" if slow else "float64")
    assert chosen_precision("float64", gpu) == "float64"
    assert chosen_precision("mixed", torch.device("cpu")) == "mixed"
    assert chosen_precision("auto", torch.device("cpu")) == "float64"


def test_an_unknown_precision_is_refused():
    with pytest.raises(InvalidArgumentError, match="'float64', 'mixed', got 'half'"):
        hp.GaussNewton(precision="half")


def test_a_product_that_is_not_finite_ends_the_solve():
    a, b, _ = dense(10.0)
    result = cgls(lambda y: [a @ y * math.inf], lambda r: a.T @ r[0], [b], tol=1e-9, max_steps=20, check_every=5)
    assert result.reason == "not finite"
    assert torch.isfinite(result.y).all()


def test_nothing_of_a_solve_stays_behind():
    """Vectors and graphs are freed when it ends, not when cycles of references are collected."""
    a, b, _ = dense(10.0)
    made = []

    def forward(y):
        made.append(weakref.ref(y))
        return [a @ y]

    gc.collect()
    gc.disable()
    try:
        cgls(forward, lambda r: a.T @ r[0], [b], tol=1e-8, max_steps=20)
        assert made
        assert all(one() is None for one in made)
    finally:
        gc.enable()
