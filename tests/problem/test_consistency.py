"""Conditions that contradict each other are refused when a problem is made; values that jump are said."""

import itertools

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn import cos, pi, sin

AXES = ("x", "y", "z", "w")


def poisson(dim, *conditions, names=AXES, **options):
    domain = hp.Box(**{name: (-1, 1 + i) for i, name in enumerate(names[:dim])})
    return hp.Problem(domain, "u", lambda u: u.laplacian - 1, conditions, **options)


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
@pytest.mark.parametrize("sign", [-1, 1])
def test_two_values_on_one_face_are_refused_whatever_the_axis_and_the_side(dim, sign):
    for axis, side in itertools.product(range(dim), "-+"):
        face = AXES[axis] + side
        with pytest.raises(
            hp.InvalidProblemError, match=rf"'u on boundary' and 'u on {AXES[axis]}\{side}'.*two values"
        ):
            poisson(dim, hp.Dirichlet(u=0.0), hp.Dirichlet(u=float(sign), on=face))


@pytest.mark.parametrize("names", list(itertools.permutations("xyz")))
def test_the_order_of_the_axes_does_not_matter(names):
    conditions = [hp.Dirichlet(u=lambda x, y: x * y), hp.Dirichlet(u=lambda y: y + 0.5, on="x+")]
    with pytest.raises(hp.InvalidProblemError, match="two values of u on the face x\\+"):
        poisson(3, *conditions, names=names)
    with pytest.raises(hp.InvalidProblemError, match="two values"):
        poisson(3, *reversed(conditions), names=names)


AGREEING = {
    "the same number twice": [hp.Dirichlet(u=1.0), hp.Dirichlet(u=1.0, on="x-")],
    "equal functions written differently": [
        hp.Dirichlet(u=lambda y: sin(pi * y) ** 2),
        hp.Dirichlet(u=lambda y: 0.5 - 0.5 * cos(2 * pi * y), on="x-"),
    ],
    "a sine that is zero but for rounding": [hp.Dirichlet(u=lambda x: sin(pi * x)), hp.Dirichlet(u=0.0, on="x+")],
    "a multiple": [hp.Dirichlet(u=0.5), hp.Condition(lambda u: 4 * u - 2, on="y+")],
    "parts that do not overlap": [
        hp.Dirichlet(u=0.0, on=["x-", "x+", "y-"]),
        hp.Dirichlet(u=1.0, on="y+", where=lambda x: x < 0),
        hp.Neumann(u=0.0, on="y+", where=lambda x: x >= 0),
    ],
    "value and slope on one side, nothing on the other": [
        hp.Dirichlet(u=0.0, on=["x-", "y-", "y+"]),
        hp.Neumann(u=0.0, on="x-"),
    ],
}


@pytest.mark.filterwarnings("ignore::hermite_pinn.HermitePinnWarning")
@pytest.mark.parametrize("name", AGREEING)
def test_conditions_that_agree_are_left_alone(name):
    poisson(2, *AGREEING[name])


CONTRADICTORY = {
    "parts that overlap": (
        [
            hp.Dirichlet(u=0.0, on=["x-", "x+", "y-"]),
            hp.Dirichlet(u=1.0, on="y+", where=lambda x: x < 0.1),
            hp.Dirichlet(u=0.0, on="y+", where=lambda x: x >= 0),
        ],
        "two values of u on the face y\\+",
    ),
    "another form of the same": ([hp.Dirichlet(u=0.0), hp.Condition(lambda u: 2 * u - 2, on="x+")], "0 and 1 at x = 1"),
    "two slopes": (
        [hp.Dirichlet(u=0.0, on=["y-", "y+"]), hp.Neumann(u=0.0, on=["x-", "x+"]), hp.Condition(lambda u: u.x - 1, on="x-")],
        "two values of a derivative of u",
    ),
    "a value and a slope": ([hp.Dirichlet(u=0.0), hp.Neumann(u=0.0, on="x-")], "the face x- has 2 conditions for u"),
    "a value and a combination": (
        [hp.Dirichlet(u=0.0), hp.Robin(u=(1, 1, 2), on="y+")],
        "the face y\\+ has 2 conditions for u, 'u on boundary' and 'u \\+ u.n on y\\+'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTRADICTORY)
def test_contradictory_conditions_are_refused_with_names_and_place(name):
    conditions, message = CONTRADICTORY[name]
    with pytest.raises(hp.InvalidProblemError, match=message):
        poisson(2, *conditions)


def test_more_conditions_than_derivatives_may_be_data_of_an_inverse_problem():
    conditions = [hp.Dirichlet(u=0.0), hp.Neumann(u=0.0, on="x-")]
    hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, k: u.xx - k, conditions, parameters=[hp.Parameter("k")])
    hp.Problem(hp.Box(x=(0, 1)), ["u", "f"], lambda u, f: u.xx - f, [*conditions, hp.Smoothness(f=1e-3)])
    poisson(2, *conditions, hp.Data([[0.0, 0.0]], u=[0.1]))


def test_more_conditions_than_derivatives_hold_where_a_known_solution_satisfies_them():
    def made(slope):
        return hp.Problem(
            hp.Box(x=(0, 1), y=(0, 1)),
            "u",
            lambda u: u.laplacian,
            [hp.Dirichlet(u=lambda x, y: x * y), hp.Neumann(u=lambda y: -slope * y, on="x-")],
            exact={"u": lambda x, y: x * y},
        )

    made(1.0)
    with pytest.raises(hp.InvalidProblemError, match="2 conditions for u"):
        made(2.0)


def test_a_clamped_beam_and_a_string_have_two_conditions_at_an_end():
    hp.Problem(hp.Box(x=(0, 1)), "u", lambda u: u.xxxx - 1, [hp.Dirichlet(u=0.0), hp.Neumann(u=0.0)], max_order=4)
    hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)), "u", lambda u: u.tt - u.xx, [hp.Dirichlet(u=0.0), hp.Initial(u=0.0, u_t=1.0)]
    )
    with pytest.raises(hp.InvalidProblemError, match="the face t- has 2 conditions for u"):
        hp.Problem(
            hp.Box(x=(0, 1), t=(0, 1)), "u", lambda u: u.t - u.xx, [hp.Dirichlet(u=0.0), hp.Initial(u=0.0, u_t=1.0)]
        )


def test_two_initial_values_are_refused():
    with pytest.raises(hp.InvalidProblemError, match="two values of u on the face t-"):
        hp.Problem(hp.Box(t=(0, 1)), "u", lambda u: u.t + u, [hp.Initial(u=0.0), hp.Initial(u=1.0)])


def test_values_that_jump_in_a_corner_are_said_once_and_printed():
    sides = hp.Dirichlet(u=0.0, on=["x-", "x+", "y-"])
    problem = poisson(2, sides, hp.Dirichlet(u=1.0, on="y+"))
    assert len(problem.notes) == 2
    assert "u jumps from 0 to 1 where the faces x- and y+ meet (x = -1, y = 2)" in problem.notes[0]
    solution = hp.solve(problem, levels=1, progress=False)
    assert solution.stats["notes"] == list(problem.notes)
    assert str(solution).count("u jumps from 0 to 1") == 2
    assert not poisson(2, sides, hp.Dirichlet(u=lambda x: 1 - x**2, on="y+")).notes


def test_an_initial_value_that_differs_from_the_boundary_is_said():
    conditions = [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: cos(x))]
    problem = hp.Problem(hp.Box(x=(0, 1), t=(0, 1)), "u", lambda u: u.t - u.xx, conditions)
    assert [note.partition(" (")[0] for note in problem.notes] == [
        "u jumps from 0 to 1 where the faces x- and t- meet",
        f"u jumps from 0 to {np.cos(1.0):.6g} where the faces x+ and t- meet",
    ]


def test_a_value_that_cannot_be_evaluated_names_the_condition():
    def broken(x, y):
        raise KeyError("no such point")

    with pytest.raises(
        hp.InvalidProblemError, match=r"value of u .* on='boundary'|'u on boundary' cannot be evaluated"
    ):
        poisson(2, hp.Dirichlet(u=broken))
