"""Problems on domains that shapes cut out of a box: conditions on their faces, what is missing, what contradicts."""

import math
import pickle
import warnings

import numpy as np
import pytest
import torch

import hermite_pinn as hp

SQUARE = hp.Box(x=(0, 1), y=(0, 1))
HOLE = SQUARE - hp.Disk((0.5, 0.5), 0.2)
SIDES = ["x-", "x+", "y-", "y+"]


def exact(x, y):
    return hp.sin(2 * x) * hp.cos(y)


def posed(conditions, domain=HOLE, **more):
    options = {"exact": {"u": exact}} | more
    return hp.Problem(domain, ["u"], lambda u, x, y: u.laplacian + 5 * exact(x, y), conditions, **options)


def flux(u, n, x, y):
    return u.n - 2 * n.x * hp.cos(2 * x) * hp.cos(y) + n.y * hp.sin(2 * x) * hp.sin(y)


# -- where conditions hold ---
def test_the_boundary_is_every_space_face_and_names_are_parts_of_it():
    assert [t.region.name for t in posed([hp.Dirichlet(u=exact)]).terms[1:]] == [*SIDES, "disk"]
    problem = posed([hp.Dirichlet(u=exact, on=SIDES), hp.Condition(flux, on="disk")])
    assert problem.missing == ()
    assert [t.region.name for t in problem.terms[1:]] == [*SIDES, "disk"]
    assert [t.trace is not None for t in problem.terms[1:]] == [True] * 4 + [False]


def test_cut_sides_are_conditions_that_are_not_imposed_exactly():
    domain = SQUARE - hp.Disk((0, 0.5), 0.2)
    traces = {t.region.name: t.trace for t in posed([hp.Dirichlet(u=exact)], domain).terms[1:]}
    assert traces["x-"] is None
    assert traces["disk"] is None
    assert traces["x+"] is not None


def test_an_unknown_face_lists_those_that_there_are():
    with pytest.raises(hp.InvalidProblemError, match=r"no face 'hole'.* disk"):
        posed([hp.Dirichlet(u=exact, on="hole")])


@pytest.mark.parametrize("name", ["u", "x", "k"])
def test_names_of_faces_are_not_used_twice(name):
    domain = SQUARE - hp.Disk((0.5, 0.5), 0.2, name=name)
    with pytest.raises(hp.InvalidProblemError, match=f"the name '{name}' is used for a .* and a face"):
        hp.Problem(domain, ["u"], lambda u, k: k * u.laplacian, [hp.Dirichlet(u=0.0)], parameters=[hp.Parameter("k")])


# -- what is missing ---
@pytest.mark.parametrize(
    ("conditions", "lacking"),
    [
        ([hp.Dirichlet(u=exact)], None),
        ([hp.Neumann(u=0.0)], None),
        ([hp.Dirichlet(u=exact, on=SIDES)], "none on disk"),
        ([hp.Dirichlet(u=exact, on="disk")], r"none on x-, x\+, y-, y\+"),
        ([hp.Dirichlet(u=exact, on=["disk", "x-", "y-", "y+"])], r"none on x\+;"),
        ([hp.Dirichlet(u=exact, on=SIDES), hp.Data([[0.1, 0.1]], u=[0.2])], None),
        ([hp.Dirichlet(u=exact, on=SIDES), hp.Dirichlet(u=exact, on=[[0.5, 0.3], [0.5, 0.7]])], None),
    ],
)
def test_faces_without_a_condition_are_said(conditions, lacking):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", hp.HermitePinnWarning)
        said = posed(conditions).missing
    assert (said == ()) == (lacking is None)
    if lacking is not None:
        with pytest.warns(hp.HermitePinnWarning, match=lacking):
            posed(conditions)


def test_pieces_without_a_condition_are_said():
    domain = SQUARE - hp.Rectangle((0.3, 0.3), (0.6, 0.7))
    pieces = [f"rectangle:{k}" for k in range(4)]
    assert posed([hp.Dirichlet(u=exact, on=[*SIDES, *pieces])], domain).missing == ()
    with pytest.warns(hp.HermitePinnWarning, match="none on rectangle:1, rectangle:3;"):
        posed([hp.Dirichlet(u=exact, on=[*SIDES, "rectangle:0", "rectangle:2"])], domain)


def test_systems_and_first_orders_need_their_own_numbers():
    flow = {
        "a": lambda u, p: u.laplacian - p.x,
        "b": lambda v, p: v.laplacian - p.y,
        "c": lambda u, v: u.x + v.y,
    }

    def stokes(u, v, p):
        return {"a": flow["a"](u, p), "b": flow["b"](v, p), "c": flow["c"](u, v)}

    conditions = [hp.Dirichlet(u=0.0, v=0.0), hp.Gauge("p")]
    assert hp.Problem(HOLE, ["u", "v", "p"], stokes, conditions).missing == ()
    with pytest.warns(hp.HermitePinnWarning, match="2 conditions belong on every face, and there is 1 on disk"):
        hp.Problem(
            HOLE, ["u", "v", "p"], stokes, [hp.Dirichlet(u=0.0, v=0.0, on=SIDES), hp.Dirichlet(u=0.0, on="disk")]
        )
    assert hp.Problem(HOLE, ["u"], lambda u: u.x + u.y, [hp.Dirichlet(u=0.0, on="x-")]).missing == ()


def test_a_start_is_still_missed():
    domain = hp.Box(x=(0, 1), y=(0, 1), t=(0, 1)) - hp.Disk((0.5, 0.5), 0.2)
    with pytest.warns(hp.HermitePinnWarning, match=r"without Initial\(u=...\)"):
        hp.Problem(domain, ["u"], lambda u: u.t - u.laplacian, [hp.Dirichlet(u=0.0)])
    fine = [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x, y: 0 * x)]
    assert hp.Problem(domain, ["u"], lambda u: u.t - u.laplacian, fine).missing == ()


# -- what contradicts ---
def test_two_values_on_a_shape_are_refused():
    with pytest.raises(hp.InvalidProblemError, match="two values of u on the face disk: 1 and 0"):
        posed([hp.Dirichlet(u=1.0), hp.Dirichlet(u=0.0, on="disk")])


def test_more_conditions_on_a_shape_than_the_equation_takes_are_refused():
    with pytest.raises(hp.InvalidProblemError, match="the face disk has 2 conditions for u"):
        posed([hp.Dirichlet(u=1.0), hp.Neumann(u=2.0, on="disk")])
    # the exact solution satisfies both
    posed([hp.Dirichlet(u=exact), hp.Condition(flux, on="disk")])


def test_values_that_jump_where_a_shape_meets_a_side_are_said():
    domain = SQUARE - hp.Disk((0, 0.5), 0.2, name="inlet")
    problem = posed([hp.Dirichlet(u=0.0, on=SIDES), hp.Dirichlet(u=1.0, on="inlet")], domain, exact=None)
    said = [n for n in problem.notes if "jumps" in n]
    assert len(said) == 1
    assert "inlet" in said[0]
    assert "x-" in said[0]
    # the corner of the box is cut away, and so is the jump there
    without = SQUARE - hp.Disk((0, 0), 0.3)
    values = [hp.Dirichlet(u=1.0, on="x-"), hp.Dirichlet(u=0.0, on=["x+", "y-"]), hp.Neumann(u=0.0, on=["y+", "disk"])]
    said = [n for n in posed(values, without, exact=None).notes if "jumps" in n]
    assert said == []


def test_a_start_that_does_not_fit_a_shape_is_said():
    domain = hp.Box(x=(0, 1), y=(0, 1), t=(0, 1)) - hp.Disk((0.5, 0.5), 0.2)
    for start, count in ((lambda x, y: 0 * x, 1), (lambda x, y: 1 + 0 * x, 0)):
        conditions = [hp.Neumann(u=0.0, on=SIDES), hp.Dirichlet(u=1.0, on="disk"), hp.Initial(u=start)]
        notes = hp.Problem(domain, ["u"], lambda u: u.t - u.laplacian, conditions).notes
        assert sum("jumps" in n for n in notes) == count


def test_notes_of_the_domain_are_notes_of_the_problem():
    domain = SQUARE - hp.Disk((0.2, 0.5), 0.2)
    assert set(domain.notes) <= set(posed([hp.Dirichlet(u=exact)], domain).notes)


# -- points ---
def test_measured_points_in_a_hole_are_refused():
    with pytest.raises(hp.InvalidProblemError, match=r"1 of 2 points lie outside .*Disk.*the first at \[0.5, 0.5\]"):
        posed([hp.Dirichlet(u=exact), hp.Data([[0.1, 0.1], [0.5, 0.5]], u=[0.0, 0.0])])
    posed([hp.Dirichlet(u=exact), hp.Data([[0.1, 0.1], [0.5, 0.7]], u=[0.0, 0.0])])  # on the circle


def circle(count=100):
    t = 2 * np.pi * np.arange(count) / count
    inward = -np.stack([np.cos(t), np.sin(t)], axis=1)
    return np.array([0.5, 0.5]) - 0.2 * inward, inward


@pytest.mark.parametrize("form", ["pair", "columns", "tensors", "lists"])
def test_points_with_normals_make_the_residuals_of_the_face(form):
    points, normals = circle()
    on = {
        "pair": (points, normals),
        "columns": np.concatenate([points, normals], axis=1),
        "tensors": (torch.as_tensor(points), torch.as_tensor(normals)),
        "lists": (points.tolist(), normals.tolist()),
    }[form]
    term = posed([hp.Dirichlet(u=exact, on=SIDES), hp.Condition(flux, on=on)]).terms[-1]
    samples = term.region.gauss((8, 8), 2)
    assert samples.count == 100 == term.region.gauss_count((8, 8), 2)
    assert np.allclose(samples.x.numpy().T, points)
    assert np.allclose(samples.normals.numpy().T, normals)
    assert float(samples.weights.sum()) == pytest.approx(0.4 * math.pi, rel=1e-3) == term.region.measure


def test_points_in_space_hold_at_all_times():
    domain = hp.Box(x=(0, 1), y=(0, 1), t=(0, 2)) - hp.Disk((0.5, 0.5), 0.2)
    points, normals = circle(20)
    conditions = [hp.Dirichlet(u=0.0, on=SIDES), hp.Neumann(u=0.0, on=(points, normals)), hp.Initial(u=lambda x: 0 * x)]
    problem = hp.Problem(domain, ["u"], lambda u: u.t - u.laplacian, conditions)
    region = next(t.region for t in problem.terms if t.region.fixed is not None)
    samples = region.gauss((4, 4, 3), 2)
    assert samples.count == 20 * 6
    assert samples.normals[2].abs().max() == 0
    assert region.in_space((4, 4, 3)).x.shape == (2, 20)
    assert float(samples.weights.sum()) == pytest.approx(region.measure)


@pytest.mark.parametrize(
    ("on", "words"),
    [
        (lambda: circle()[0][:, :1], "have 1 coordinates; the domain has 2 in space"),
        (lambda: circle()[0] + 5, "100 of 100 points of `on` lie outside"),
        (lambda: [[0.5, 0.5]], "1 of 1 points of `on` lie outside"),
        (lambda: (circle()[0], 2 * circle()[1]), "unit vectors .* length 2"),
        (lambda: (circle()[0], circle()[1][:5]), "`on` must be a face name"),
        (lambda: circle()[0] * np.nan, "must be finite"),
        (lambda: circle()[0], "depends on the outward normal"),
    ],
)
def test_points_that_are_no_part_of_the_boundary_are_errors(on, words):
    with pytest.raises(hp.InvalidProblemError, match=words):
        posed([hp.Dirichlet(u=exact, on=SIDES), hp.Neumann(u=0.0, on=on())])


def test_a_restriction_that_keeps_nothing_of_a_shape_is_an_error_when_solved():
    problem = posed([hp.Dirichlet(u=exact, on=SIDES), hp.Dirichlet(u=exact, on="disk", where=lambda x: x > 0.9)])
    with pytest.raises(hp.InvalidProblemError, match=r"none of .* points of the face disk"):
        hp.solve(problem, method=hp.LBFGS(steps=2), levels=2, progress=False)


# -- identity ---
def test_equal_statements_have_one_identity_and_others_do_not():
    points, normals = circle()
    made = {
        "hole": lambda: posed([hp.Dirichlet(u=exact)]),
        "moved": lambda: posed([hp.Dirichlet(u=exact)], SQUARE - hp.Disk((0.5, 0.5 + 1e-15), 0.2)),
        "kept": lambda: posed([hp.Dirichlet(u=exact)], SQUARE & hp.Disk((0.5, 0.5), 0.2)),
        "box": lambda: posed([hp.Dirichlet(u=exact)], SQUARE),
        "points": lambda: posed([hp.Dirichlet(u=exact, on=(points, normals))]),
        "turned": lambda: posed([hp.Dirichlet(u=exact, on=(points, -normals))]),
    }
    names = list(made)
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            assert (made[a]().identity == made[b]().identity) == (i == j), (a, b)


def test_a_problem_can_be_pickled_and_looked_at_before():
    problem = posed([hp.Dirichlet(u=exact)])
    before = problem.identity
    _ = problem.domain.faces, problem.domain.interior.measure, problem.domain.cells((8, 8)), problem.domain.corners
    copy = pickle.loads(pickle.dumps(problem.replace(exact=None, residual=Laplace(), conditions=[hp.Dirichlet(u=0.0)])))
    assert copy.domain == problem.domain
    assert problem.replace().identity == before


class Laplace:
    """A residual that can be pickled."""

    def __call__(self, u):
        return u.laplacian


def test_a_part_of_a_problem_has_the_shapes():
    domain = hp.Box(x=(0, 1), y=(0, 1), t=(0, 2)) - hp.Disk((0.5, 0.5), 0.2)
    problem = hp.Problem(
        domain, ["u"], lambda u: u.t - u.laplacian, [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x, y: x * y)]
    )
    part = problem.restricted(t=(0, 0.5))
    assert part.domain == domain.restricted({"t": (0, 0.5)})
    assert [t.region.name for t in part.terms] == [t.region.name for t in problem.terms]


# -- periodic axes ---
def test_a_shape_may_lie_between_periodic_sides_but_not_on_them():
    conditions = [hp.Periodic("x"), hp.Dirichlet(u=0.0)]
    problem = hp.Problem(HOLE, ["u"], lambda u: u.laplacian + 1, conditions)
    assert [t.region.name for t in problem.terms[1:]] == ["y-", "y+", "disk"]
    assert problem.missing == ()
    for domain in (SQUARE - hp.Disk((0, 0.5), 0.2), SQUARE & hp.Disk((0.5, 0.5), 0.3)):
        with pytest.raises(hp.InvalidProblemError, match=r"periodic axis .* cut x-"):
            hp.Problem(domain, ["u"], lambda u: u.laplacian + 1, conditions)


# -- networks ---
@pytest.mark.parametrize(
    ("method", "field"),
    [
        (hp.LBFGS(steps=60), hp.Field()),
        (
            hp.Adam(steps=300, points=400, face_points=100, lr=2e-2, ema=0.95),
            hp.Field(head="siren", features=2, table_size=2**8, width=16, omega=1.0),
        ),
    ],
    ids=["lbfgs", "adam"],
)
def test_networks_learn_on_a_box_with_a_hole(method, field):
    problem = posed([hp.Dirichlet(u=exact, on=SIDES), hp.Condition(flux, on="disk")])
    solution = hp.solve(problem, method=method, field=field, levels=3, progress=False)
    x = problem.domain.interior.quasi_random(2000, 5).x.numpy()
    truth = np.sin(2 * x[0]) * np.cos(x[1])
    off = solution.u(*x) - truth
    assert math.sqrt((off**2).mean() / (truth**2).mean()) < 0.1
