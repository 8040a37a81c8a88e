"""The normal is a leaf of conditions that samples give a value, also where it is another one at every point."""

import math

import pytest
import torch
from curved import Ringed

import hermite_pinn as hp
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.program import leaves
from hermite_pinn.geometry import Samples
from hermite_pinn.methods.systems.field_system import FieldSystem, Points, collocate, held_out_blocks
from hermite_pinn.methods.training.batches import term_groups
from hermite_pinn.residuals.compiled import compile_term
from hermite_pinn.residuals.evaluation import TermEvaluator, held_out_points

pytestmark = pytest.mark.filterwarnings("ignore::hermite_pinn.problem.problem.HermitePinnWarning")

SQUARE = hp.Box(x=(0, 1), y=(0, 1))
F64 = torch.float64


def problem(*conditions, domain=SQUARE, **changes):
    given = {"fields": "u", "residual": lambda u: u.laplacian, "conditions": conditions} | changes
    return hp.Problem(domain, **given)


def boundary(made):
    return [t for t in made.terms if t.region.on_boundary]


def test_all_faces_of_a_condition_share_its_expression():
    for condition in (
        hp.Dirichlet(u=lambda x, y: x * y),
        hp.Neumann(u=lambda x: x),
        hp.Robin(u=(1, 2, lambda y: y)),
        hp.Condition(lambda u, x: u.x + u.n - x, on=["x-", "y+", "x+", "y-"]),
    ):
        terms = boundary(problem(condition))
        assert len(terms) == 4
        assert len({id(t.expression) for t in terms}) == 1


def test_a_constant_normal_is_folded_so_that_no_more_derivatives_are_computed():
    made = problem(hp.Neumann(u=0.5))
    for term in boundary(made):
        assert any(kind == "normal" for kind, _ in leaves(term.expression))
        assert not any(kind == "normal" for kind, _ in leaves(term.residual))
        compiled = compile_term(made, term)
        along = tuple(int(i == term.region.axis) for i in range(2))
        assert compiled.constant == {("u", along): term.region.normal[term.region.axis]}
        assert not compiled.variable


def test_components_of_the_normal_are_arguments_of_conditions():
    """u.n, n.x u.x + n.y u.y, n . grad u and grad u . n are one and the same."""
    ways = [
        lambda u, x: u.n - x,
        lambda u, n, x: n.x * u.x + n.y * u.y - x,
        lambda u, n, x: n.dot(u.grad) - x,
        lambda u, n, x: u.grad.dot(n) - x,
        lambda u, n, x: n[0] * u.x + n[1] * u.y - x,
    ]
    texts = [
        [
            repr(t.residual).replace("u.x*-1", "-1*u.x").replace("u.y*-1", "-1*u.y")
            for t in boundary(problem(hp.Condition(f)))
        ]
        for f in ways
    ]
    assert texts == [["-1*u.x - x", "u.x - x", "-1*u.y - x", "u.y - x"]] * len(ways)


def test_values_may_depend_on_the_normal():
    """One Neumann condition with the flux of a function stands for four."""
    slope = lambda x, y, n: n.x * (2 * x * y) + n.y * x**2  # of x^2 y
    together = problem(
        hp.Neumann(u=slope, on=["x+", "y+"]),
        hp.Dirichlet(u=0.0, on=["x-", "y-"]),
        residual=lambda u, y: u.laplacian - 2 * y,
    )
    apart = together.replace(
        conditions=[
            hp.Neumann(u=lambda x, y: 2 * x * y, on="x+"),
            hp.Neumann(u=lambda x: x**2, on="y+"),
            hp.Dirichlet(u=0.0, on=["x-", "y-"]),
        ]
    )
    a, b = (hp.solve(p, levels=3, progress=False) for p in (together, apart))
    assert torch.equal(a.field.table, b.field.table)
    robin = problem(hp.Robin(u=(lambda n: n.x**2, 1, lambda n, x: n.x * x)))
    assert [repr(t.residual) for t in boundary(robin)[::3]] == ["u + -1*u.x - -1*x", "u.y"]


def test_the_normal_has_components_along_space_only():
    strip = hp.Box(x=(0, 1), t=(0, 1))
    made = problem(hp.Condition(lambda u, n: n.x * u.x), hp.Initial(u=0.0), domain=strip, residual=lambda u: u.t - u.xx)
    assert repr(boundary(made)[1].residual) == "u.x"
    with pytest.raises(InvalidProblemError, match=r"n.t: the normal has no such component; it has n.x"):
        problem(hp.Condition(lambda u, n: n.t * u), domain=strip, residual=lambda u: u.t - u.xx)


def test_the_normal_belongs_to_boundaries():
    with pytest.raises(InvalidProblemError, match="unknown argument 'n'"):
        problem(residual=lambda u, n: u.x * n.x)
    with pytest.raises(InvalidProblemError, match="which exists on boundaries only"):
        problem(residual=lambda u: u.n + u.xx)
    with pytest.raises(InvalidProblemError, match="contains no field on the face y-"):
        problem(hp.Condition(lambda u, n, x: n.x * u.x - x, on=["x-", "y-"]))
    with pytest.raises(InvalidProblemError, match="the normal n but cannot be traced"):
        problem(hp.Neumann(u=lambda n: math.sqrt(float(n.x))))


def test_a_field_or_parameter_called_n_keeps_its_name():
    made = problem(hp.Condition(lambda n, u: n + u.n), fields=["n", "u"], residual=lambda n, u: (n.xx, u.yy))
    assert repr(boundary(made)[1].residual) == "n + u.x"


def test_normals_along_time_enter_neumann_conditions_on_its_faces():
    strip = hp.Box(x=(0, 1), t=(0, 1))
    made = problem(hp.Neumann(u=0.5, on=["t-", "t+"]), domain=strip, residual=lambda u: u.tt + u.xx)
    assert [repr(t.residual) for t in boundary(made)] == ["-1*u.t - 0.5", "u.t - 0.5"]


# -- a region whose normal turns ---

RING = Ringed(hp.Box(x=(-1, 1), y=(-1, 1)), (0.1, -0.2), 0.5)
EXACT = lambda x, y: hp.sin(2 * x) * hp.cos(y)
SOURCE = lambda x, y: -5 * EXACT(x, y)
SLOPE = lambda x, y, n: n.x * 2 * hp.cos(2 * x) * hp.cos(y) - n.y * hp.sin(2 * x) * hp.sin(y)


def ringed(condition):
    """Determined by the sides; the condition on the circle is one more that the solution satisfies."""
    conditions = [hp.Dirichlet(u=EXACT, on=["x-", "x+", "y-", "y+"]), condition]
    residual = lambda u, x, y: u.laplacian - SOURCE(x, y)
    return hp.Problem(RING, "u", residual, conditions, exact={"u": EXACT})


CONDITIONS = {
    "Dirichlet": hp.Dirichlet(u=EXACT, on="circle"),
    "Neumann": hp.Neumann(u=SLOPE, on="circle"),
    "Robin": hp.Robin(u=(2, 3, lambda x, y, n: 2 * EXACT(x, y) + 3 * SLOPE(x, y, n)), on="circle"),
    "restricted": hp.Neumann(u=SLOPE, on="circle", where=lambda x, y: x > 0),
    "normal": hp.Condition(lambda u, x, y, n: n.x * (u.x - 2 * hp.cos(2 * x) * hp.cos(y)), on="circle"),
}


@pytest.mark.parametrize("kind", CONDITIONS)
def test_gauss_newton_solves_on_a_domain_it_does_not_know(kind):
    solution = hp.solve(ringed(CONDITIONS[kind]), levels=[4, 8, 16], progress=False)
    assert solution.error()["u"]["relative_l2"] < 1e-4
    name = list(solution.residuals)[-1]
    assert solution.residuals[name] < 3e-3


def test_a_condition_on_a_curve_counts():
    """The wrong slope on the circle moves the solution: the term is really there."""
    right, wrong = (
        hp.solve(ringed(hp.Neumann(u=value, on="circle")), levels=[4, 8], progress=False)
        for value in (SLOPE, lambda x, y, n: SLOPE(x, y, n) + 1)
    )
    assert wrong.error()["u"]["relative_l2"] > 10 * right.error()["u"]["relative_l2"]


@pytest.mark.parametrize("kind", ["Neumann", "Robin", "normal"])
def test_residuals_take_the_normals_of_their_points(kind):
    """Against the formula with the normals written out."""
    made = ringed(CONDITIONS[kind])
    term = boundary(made)[-1]
    samples = held_out_points(made, term, 50, torch.Generator().manual_seed(0))
    field = hp.Field(head="linear", table_std=0.1).build(
        made.domain, made.fields, made.periodic, 2, 0, F64, torch.device("cpu")
    )
    evaluator = TermEvaluator([term], made)
    assert evaluator.turning
    value = evaluator.residuals(field, samples.x, {}, normals=samples.normals)[0]
    jets = field.jets(samples.x, evaluator.channels)[0]
    u = dict(zip((c[0][1] for c in evaluator.channels.channels), jets, strict=True))
    x, y = samples.x
    nx, ny = samples.normals
    slope = nx * 2 * torch.cos(2 * x) * torch.cos(y) - ny * torch.sin(2 * x) * torch.sin(y)
    expected = {
        "Neumann": lambda: nx * u[1, 0] + ny * u[0, 1] - slope,
        "Robin": lambda: 2 * (u[0, 0] - torch.sin(2 * x) * torch.cos(y)) + 3 * (nx * u[1, 0] + ny * u[0, 1] - slope),
        "normal": lambda: nx * (u[1, 0] - 2 * torch.cos(2 * x) * torch.cos(y)),
    }[kind]()
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.slow
def test_training_follows_turning_normals():
    """Batches carry the normals, in their order after sorting and sharing; a few steps of Adam and L-BFGS run."""
    made = ringed(CONDITIONS["Neumann"])
    group = term_groups(made, torch.device("cpu"), F64)[-1]
    centre = torch.tensor(RING.circle.centre, dtype=F64)[:, None]
    batches = [
        group.random(64, torch.Generator().manual_seed(0)),
        group.random(64, torch.Generator().manual_seed(0)).sorted(made.domain),
        group.quasi_random(64, 1),
        group.gauss((4, 4), 2),
        *group.gauss((4, 4), 2).pieces(7),
    ]
    for batch in batches:
        torch.testing.assert_close(batch.normals * -RING.circle.radius, batch.x - centre)
    for method in (hp.Adam(steps=3, points=64, face_points=16), hp.LBFGS(steps=3)):
        solution = hp.solve(made, method=method, levels=2, progress=False)
        assert all(math.isfinite(r) for r in solution.residuals.values())


def test_curves_with_the_same_condition_share_a_group():
    """As their residual is one expression; on a side the normal is a number, and the residual another one."""
    condition = hp.Condition(lambda u, n: u.x + n.x * u, on=["circle", "x-", "inner"])
    made = problem(condition, domain=RING)
    groups = term_groups(made, torch.device("cpu"), F64, together=True)
    assert [g.regions for g in groups] == [1, 2, 1]
    batch = groups[1].random(30, torch.Generator().manual_seed(0))
    toward = torch.tensor(RING.circle.centre, dtype=F64)[:, None] - batch.x
    radii = torch.tensor([0.5, 0.25], dtype=F64).repeat_interleave(30)
    torch.testing.assert_close(batch.normals * radii, toward)


def test_field_systems_take_the_normals_of_their_points():
    """The rows of a linear problem vanish at its solution, whichever the points."""
    made = ringed(CONDITIONS["Neumann"])
    solved = hp.solve(made, levels=[4, 8, 16], progress=False)
    blocks = collocate(made, Points(6, 2))
    held = held_out_blocks(blocks, made, 200, 0)
    system = FieldSystem(made, solved.field, blocks)
    vector = system.vector()
    for rows in (system.linearize(vector), system.residuals(vector, held)):
        assert max(float(r.square().sum()) for r in rows) < 1e-5
        zero = system.residuals(torch.zeros_like(vector), held)
        assert max(float(r.square().sum()) for r in zero) > 1e-2


def test_samples_with_one_normal_give_numbers_to_expressions():
    samples = Samples(torch.zeros(2, 3), normals=(0.0, -1.0))
    assert samples.leaves(("x", "y"))["normal", 1] == -1.0
