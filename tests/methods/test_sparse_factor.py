"""A sparse factor of small systems solves what conjugate gradients solve, in any number of axes."""

import math
import warnings

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.methods.gauss_newton import factor_cost, sparse_factor
from hermite_pinn.methods.gauss_newton.normal_factor import NormalFactor, normal_blocks
from hermite_pinn.methods.gauss_newton.sparse_factor import SparseFactor
from hermite_pinn.methods.gauss_newton.stage import Discretization
from hermite_pinn.methods.gauss_newton.time_modes import TimeModes
from hermite_pinn.methods.least_squares.linear_solver import (
    BlockConjugateGradients,
    ConjugateGradients,
    Limits,
)
from hermite_pinn.methods.least_squares.nested_dissection import dissect
from hermite_pinn.residuals.scales import source_scales

LIMITS = Limits(1e-12, 5000, lambda steps, reduction: False)


def one_field():
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)) - hp.Disk((0.5, 0.45), 0.2),
        ["u"],
        lambda u, x, y: u.xx + (1 + x) * u.yy - u + hp.sin(3 * y),
        [hp.Dirichlet(u=lambda x: x, on=["x-", "x+", "y-", "y+"]), hp.Dirichlet(u=0.0, on="disk")],
    )


def measured():
    problem = one_field()
    points = [[0.1, 0.1], [0.8, 0.9], [0.2, 0.7]]
    return problem.replace(conditions=(*problem.conditions, hp.Data(points, u=[0.0, 1.0, 0.5])))


def two_fields():
    return hp.Problem(
        hp.Box(x=(0, 2), y=(0, 1)) & hp.Disk((1.0, 0.5), 0.4),
        ["u", "v"],
        lambda u, v, x: (u.xx + 0.5 * u.yy + 0.3 * v.xy + x, v.yy + 0.5 * v.xx + 0.3 * u.xy - 1),
        [hp.Dirichlet(u=0.0, v=0.0, on="disk")],
    )


def corner():
    return hp.Problem(
        hp.Box(x=(-1, 1), y=(-1, 1)) - hp.Rectangle((0, -2), (2, 0.1)),
        ["u"],
        lambda u: u.xx + u.yy + 1,
        [hp.Dirichlet(u=0.0)],
    )


def cut_in_time():
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, 0.2)) - hp.Disk((0.5, 0.45), 0.2),
        ["u"],
        lambda u, x: u.t - u.xx - (1 + x) * u.yy - 1,
        [hp.Dirichlet(u=0.0), hp.Initial(u=0.0)],
    )


def ball():
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), z=(0, 1)) & hp.Ball((0.5, 0.5, 0.5), 0.4),
        ["u"],
        lambda u: u.laplacian + 1,
        [hp.Dirichlet(u=0.0, on="ball")],
    )


def mixed_sides():
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 2)),
        ["u", "v"],
        lambda u, v, x, y: (u.xx + u.yy + v.x - x, v.xx + v.yy - u.y + y),
        [hp.Dirichlet(u=0.0, v=0.0, on=["x-", "x+"]), hp.Robin(u=(1.0, 2.0, 0.3), v=(2.0, 1.0, 0.0), on=["y-", "y+"])],
    )


def robin_in_time():
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, 0.5)),
        ["u"],
        lambda u, x: u.t - u.xx - (1 + x) * u.yy,
        [hp.Robin(u=(1.0, 1.0, 0.5), on="boundary"), hp.Initial(u=0.2)],
    )


def around():
    return hp.Problem(
        hp.Box(x=(0, 1), t=(0, 0.5)),
        ["u"],
        lambda u, x: u.t + u.x - 0.1 * u.xx - hp.sin(2 * hp.pi * x),
        [hp.Periodic("x"), hp.Initial(u=0.0)],
    )


def three_axes():
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), z=(0, 1)),
        ["u"],
        lambda u, x, z: u.xx + u.yy + (1 + x) * u.zz - z,
        [hp.Periodic("y"), hp.Dirichlet(u=0.0, on=["x-", "z-"]), hp.Neumann(u=0.3, on=["x+", "z+"])],
    )


def unknown_number():
    k = hp.Parameter("k", init=0.7)
    x = torch.linspace(0.1, 0.9, 9, dtype=torch.float64)
    points = torch.cartesian_prod(x, x).numpy()
    known = 0.1 * (torch.sin(hp.pi * x)[:, None] * torch.sin(hp.pi * x)).reshape(-1).numpy()
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u"],
        lambda u, x, y, k: u.xx + u.yy + k * hp.sin(hp.pi * x) * hp.sin(hp.pi * y),
        [hp.Dirichlet(u=0.0), hp.Data(points, u=known)],
        parameters=[k],
    )


CUT = [one_field, measured, two_fields, corner, cut_in_time, ball]
BOXES = [mixed_sides, robin_in_time, around, three_axes, unknown_number]


def prepared(problem, basis="cubic", cells=(4, 8)):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hp.HermitePinnWarning)
        grid = Discretization(problem, basis, None, torch.float64, torch.device("cpu"), source_scales(problem))
        system = grid.system([(n,) * problem.domain.dim for n in cells])
        vector = torch.zeros(system.size, dtype=torch.float64)
        rows = system.linearize(system.impose(vector))
    system.settling = lambda: None
    return system, vector, [row.clone() for row in rows]


def values(system, vector):
    """Of the fields at some points of all these domains."""
    domain = system.problem.domain
    inside = torch.tensor([[0.53, 0.61], [0.75, 0.8], [0.6, 0.55]], dtype=torch.float64)
    lower, upper = (torch.tensor(side, dtype=torch.float64) for side in (domain.lower, domain.upper))
    x = lower[:, None] + inside[: domain.dim] * (upper - lower)[:, None]
    return system.at(vector).jets(x, Channels.value(domain.dim))


@pytest.mark.parametrize("statement", CUT + BOXES)
@pytest.mark.parametrize("damping", [0.0, 1e-3])
def test_it_agrees_with_conjugate_gradients(statement, damping):
    system, vector, rows = prepared(statement(), cells=(8,))
    if damping and len(system.corners):
        pytest.skip("singular functions are not damped")
    plain = BlockConjugateGradients() if system.preconditioned else ConjugateGradients()
    step, result = SparseFactor().solve(system, rows, damping, LIMITS)
    other, found = plain.solve(system, rows, damping, LIMITS)
    assert result.converged
    assert result.steps < found.steps or len(system.corners)
    assert torch.allclose(values(system, vector + step), values(system, vector + other), rtol=1e-6, atol=1e-8)
    assert system.parameters(step) == pytest.approx(system.parameters(other), rel=1e-6, abs=1e-8)
    assert result.decrease == pytest.approx(found.decrease, rel=1e-6)


@pytest.mark.parametrize("statement", CUT + BOXES)
@pytest.mark.parametrize("basis", ["cubic", "quintic"])
def test_the_normal_matrix_is_that_of_the_products(statement, basis):
    system, _, _ = prepared(statement(), basis, (2,) if statement in (ball, three_axes) else (4,))
    layout = system.layout
    dissection = dissect(layout.positions, layout.sides, layout.wraps, layout.width)
    blocks = normal_blocks(system, layout, dissection)
    generator = torch.Generator().manual_seed(0)
    direction = torch.zeros(system.size, dtype=torch.float64)
    own = torch.as_tensor(layout.unknowns[dissection.order])
    x = torch.randn(own.shape, generator=generator, dtype=torch.float64)
    direction[own] = x
    image = system.forward(direction.clone())
    exact = system.adjoint([row.clone() for row in image])[own]
    first = torch.repeat_interleave(torch.arange(len(own)), torch.as_tensor(dissection.starts).diff())
    later = torch.as_tensor(dissection.later)
    product = torch.zeros_like(x).index_add_(0, later, torch.einsum("pij,pj->pi", blocks, x[first]))
    off = first != later
    product.index_add_(0, first[off], torch.einsum("pij,pi->pj", blocks[off], x[later[off]]))
    assert float((product - exact).norm()) < 1e-11 * float(exact.norm())


def test_damped_steps_are_those_of_the_damped_problem():
    system, _, rows = prepared(one_field())
    columns = system.column_scale()
    step, result = SparseFactor().solve(system, rows, 0.1, LIMITS)
    weight = torch.where(columns > 0, columns, torch.inf).square().reciprocal() * 0.1
    left = [r + d for r, d in zip(rows, system.forward(step.clone()), strict=True)]
    gradient = system.adjoint(left) + weight * step
    start = system.adjoint([r.clone() for r in rows])
    own = system.pyramid.slices[-1]
    assert float((gradient[own] * columns[own]).norm()) < 1e-9 * float((start[own] * columns[own]).norm())
    fallen = float(system.inner(rows, rows) - system.inner(left, left) - (weight * step * step).sum())
    assert result.decrease == pytest.approx(fallen, rel=1e-6)


def nonlinear():
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1), t=(0, 1)),
        ["u"],
        lambda u, x, y: u.t - u.xx - u.yy + u**3 - 5 * x * y,
        [hp.Neumann(u=0.0), hp.Initial(u=1.0)],
    )


@pytest.fixture
def made(monkeypatch):
    """Counts the factors that are made."""
    count = []

    class Counted(NormalFactor):
        def __init__(self, *args, **options):
            count.append(args)
            super().__init__(*args, **options)

    monkeypatch.setattr(sparse_factor, "NormalFactor", Counted)
    monkeypatch.setattr(factor_cost, "OPERATION", 1e-6)  # factors are dear
    return count


def test_a_factor_serves_again_while_its_steps_are_cheap(made):
    system, vector, rows = prepared(nonlinear(), cells=(4,))
    factor, answers = SparseFactor(), []
    for damping in (1e-3, 3e-3):
        step, result = factor.solve(system, rows, damping, LIMITS)
        assert result.converged
        answers.append(step)
    assert len(made) == 1
    rows = [r.clone() for r in system.linearize(vector + 0.01 * answers[1])]
    again, result = factor.solve(system, rows, 0.0, LIMITS)
    assert len(made) == 1
    assert result.converged
    assert torch.allclose(again, SparseFactor().solve(system, rows, 0.0, LIMITS)[0], rtol=1e-6, atol=1e-9)


def test_a_factor_is_made_anew_when_the_system_has_changed(made, monkeypatch):
    system, vector, rows = prepared(nonlinear(), cells=(4,))
    factor = SparseFactor()
    step, _ = factor.solve(system, rows, 1.0, LIMITS)
    monkeypatch.setattr(factor_cost, "OPERATION", 0.0)  # and now they cost next to nothing
    rows = [r.clone() for r in system.linearize(vector + 100.0 * step)]
    again, result = factor.solve(system, rows, 0.0, LIMITS)
    assert len(made) == 2
    assert result.converged
    assert torch.allclose(again, SparseFactor().solve(system, rows, 0.0, LIMITS)[0], rtol=1e-6, atol=1e-9)


def test_an_old_factor_that_would_take_too_many_steps_is_given_up(made, monkeypatch):
    system, vector, rows = prepared(nonlinear(), cells=(4,))
    factor = SparseFactor()
    step, _ = factor.solve(system, rows, 1e3, LIMITS)
    cost = sparse_factor._cost(system)
    monkeypatch.setattr(sparse_factor, "_cost", lambda system: factor_cost.FactorCost(15 * cost.step, cost.step, 0.0))
    rows = [r.clone() for r in system.linearize(vector + step)]
    _, result = factor.solve(system, rows, 0.0, LIMITS)
    assert len(made) == 2
    assert result.converged
    assert result.steps < 10


def test_another_level_has_another_factor(made):
    factor = SparseFactor()
    for cells in ((4,), (4, 8), (8,)):
        system, _, rows = prepared(around(), cells=cells)
        assert factor.solve(system, rows, 0.0, LIMITS)[1].converged
    assert len(made) == 2  # the last two have the same unknowns on their finest level


def test_time_slabs_share_a_factor(made, monkeypatch):
    monkeypatch.setattr(factor_cost, "OPERATION", 5e-11)  # and iterations are dearer
    monkeypatch.setattr(TimeModes, "seconds", lambda *args: math.inf)
    solution = hp.solve(cut_in_time(), method=hp.GaussNewton(slabs=2), levels=1, progress=False)
    assert solution.stats["slabs"] == 2
    assert len(made) == 1


def test_a_saved_state_has_no_factor(made):
    system, _, rows = prepared(around())
    factor = SparseFactor()
    factor.solve(system, rows, 0.0, LIMITS)
    assert factor.state() == {}
    factor.solve(system, rows, 0.0, LIMITS)
    assert len(made) == 2


def test_it_is_taken_where_it_costs_less_and_fits(monkeypatch):
    system, _, _ = prepared(one_field())
    factor = SparseFactor()
    assert factor.seconds(system, None) < BlockConjugateGradients().seconds(system, None)
    box, _, _ = prepared(mixed_sides())
    assert ConjugateGradients().seconds(box, None) < factor.seconds(box, None) < math.inf
    assert factor.seconds(box, 1e5) < ConjugateGradients().seconds(box, 1e5)
    monkeypatch.setattr(sparse_factor, "available_memory", lambda device: 1000)
    assert factor.seconds(box, 1e5) == math.inf


def test_unknowns_that_begin_to_have_an_effect_get_a_new_factor(made):
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u", "v"],
        lambda u, v, x: (u.laplacian + 1, u * v - x),
        [hp.Dirichlet(u=0.0), hp.Neumann(v=0.0)],
    )
    system, vector, rows = prepared(problem, cells=(4,))
    rows = [r.clone() for r in system.linearize(torch.zeros_like(vector))]  # v has none yet
    factor = SparseFactor()
    step, _ = factor.solve(system, rows, 0.0, LIMITS)
    rows = [r.clone() for r in system.linearize(step)]
    again, result = factor.solve(system, rows, 0.0, LIMITS)
    assert len(made) == 2
    assert result.converged
    assert bool(again[: system.grid_size].view(2, -1)[1].any())


def test_sensitivities_that_are_not_finite_end_without_a_step():
    problem = hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), ["u"], lambda u: u.laplacian + hp.sqrt(u.x), [hp.Dirichlet(u=0.0)])
    system, _, rows = prepared(problem)
    step, result = SparseFactor().solve(system, rows, 0.0, LIMITS)
    assert (result.converged, result.reason) == (False, "not finite")
    assert not step.any()


# -- singular matrices ---
def fluxes_all_around():
    source = lambda x, y: 8 * hp.pi**2 * hp.cos(2 * hp.pi * x) * hp.cos(2 * hp.pi * y)
    square = hp.Box(x=(0, 1), y=(0, 1))
    return hp.Problem(square, ["u"], lambda u, x, y: u.laplacian + source(x, y), [hp.Neumann(u=0.0)])


def periodic_all_around():
    source = lambda x, y: 8 * hp.pi**2 * hp.sin(2 * hp.pi * x) * hp.cos(2 * hp.pi * y)
    square = hp.Box(x=(0, 1), y=(0, 1))
    conditions = [hp.Periodic("x"), hp.Periodic("y")]
    return hp.Problem(square, ["u"], lambda u, x, y: u.laplacian + source(x, y), conditions)


def pressure_without_gauge():
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u", "v", "p"],
        lambda u, v, p, x, y: (p.x - u.laplacian - hp.sin(hp.pi * y), p.y - v.laplacian - hp.cos(x), u.x + v.y),
        [hp.Dirichlet(u=0.0, v=0.0)],
    )


SINGULAR = [fluxes_all_around, periodic_all_around, pressure_without_gauge]


@pytest.mark.parametrize("basis", ["cubic", "quintic"])
@pytest.mark.parametrize("make", SINGULAR)
def test_a_singular_matrix_leaves_open_directions_alone(make, basis):
    system, _, rows = prepared(make(), basis)
    step, result = SparseFactor().solve(system, rows, 0.0, LIMITS)
    assert result.converged
    assert float(step.abs().max()) < 10.0
    own = ConjugateGradients().solve(system, rows, 0.0, Limits(1e-9, 5000, LIMITS.stop))[0]
    losses = []
    for found in (step, own):
        left = [r + d for r, d in zip(rows, system.forward(found.clone()), strict=True)]
        losses.append(float(system.inner(left, left)))
    assert losses[0] <= losses[1] * (1 + 1e-6) + 1e-24


def test_a_second_singular_matrix_is_known_from_the_first():
    solver = SparseFactor()
    for cells in ((4,), (4, 8)):
        system, _, rows = prepared(fluxes_all_around(), cells=cells)
        result = solver.solve(system, rows, 0.0, LIMITS)[1]
    assert result.converged
    assert result.steps <= 5


def test_a_singular_matrix_that_no_shift_mends_is_refused(monkeypatch):
    monkeypatch.setattr(sparse_factor, "SHIFT", 1e-15)  # no more than rounding
    system, _, rows = prepared(fluxes_all_around())
    solver = SparseFactor()
    assert solver.seconds(system, None) < math.inf
    step, result = solver.solve(system, rows, 0.0, LIMITS)
    assert result.reason == "unsuitable"
    assert not bool(step.any())
    assert solver.seconds(system, None) == math.inf
    solver.state()
    assert solver.seconds(system, None) < math.inf
