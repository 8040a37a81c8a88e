"""Sides through which something is carried into the domain need conditions, and the statement says which."""

import warnings

import pytest

import hermite_pinn as hp
from hermite_pinn import problems

pytestmark = pytest.mark.filterwarnings("ignore::hermite_pinn.HermitePinnWarning")

PLANE = hp.Box(x=(0, 2), y=(-1, 1), t=(0, 3))
LINE = hp.Box(x=(0, 1), t=(0, 1))


def carried(residual, *conditions, domain=PLANE, fields=("u",)):
    return hp.Problem(domain, list(fields), residual, [hp.Initial(**dict.fromkeys(fields, 0.0)), *conditions])


@pytest.mark.parametrize(
    ("speeds", "given", "bare"),
    [
        ((1.0, 0.5), ["x-", "y-"], []),
        ((1.0, 0.5), ["x-"], ["y-"]),
        ((-1.0, 0.5), ["x-", "y-"], ["x+"]),
        ((1.0, 0.0), ["x-"], []),
        ((0.0, 1e-8), [], []),
    ],
)
def test_the_sides_where_transport_enters_are_named(speeds, given, bare):
    conditions = [hp.Dirichlet(u=0.0, on=given)] if given else []
    problem = carried(lambda u: u.t + speeds[0] * u.x + speeds[1] * u.y, *conditions)
    assert [side for side in ("x-", "x+", "y-", "y+") if any(side in s for s in problem.unfed)] == bare


def test_an_end_value_is_carried_the_other_way():
    conditions = [hp.Condition(lambda u: u, on="t+"), hp.Dirichlet(u=0.0, on="x+")]
    assert not hp.Problem(LINE, "u", lambda u: u.t + u.x, conditions).unfed


def test_a_system_needs_as_many_conditions_as_speeds_point_inwards():
    def sound(p, v):
        return p.t + 4.0 * v.x, v.t + p.x

    assert not carried(sound, hp.Dirichlet(p=0.0), domain=LINE, fields=("p", "v")).unfed
    (sentence,) = carried(sound, hp.Dirichlet(p=0.0, on="x+"), domain=LINE, fields=("p", "v")).unfed
    assert "x-" in sentence
    blown = carried(lambda p, v: (p.t + 6 * p.x + v.x, v.t + 5 * v.x + p.x), domain=LINE, fields=("p", "v"))
    assert "2 quantities" in blown.unfed[0]
    assert "x-" in blown.unfed[0]


def test_diffusion_across_does_not_replace_what_flows_in():
    sides = hp.Dirichlet(u=0.0, on=["y-", "y+"])
    assert any("x-" in s for s in carried(lambda u: u.t + 2 * u.x - u.yy, sides).unfed)
    assert not carried(lambda u: u.t + 2 * u.x - u.yy - 1e-3 * u.xx, hp.Dirichlet(u=0.0)).unfed


def test_initial_values_decide_where_the_solution_carries_itself():
    outward = hp.Initial(u=lambda x: x - 0.5)
    inward = hp.Initial(u=lambda x: 0.5 - x)
    assert not hp.Problem(LINE, "u", lambda u: u.t + u * u.x, [outward]).unfed
    assert "x- and x+" in hp.Problem(LINE, "u", lambda u: u.t + u * u.x, [inward]).unfed[0]


def test_what_leaves_through_a_hole_needs_no_condition_and_what_comes_from_it_does():
    domain = hp.Box(x=(-1, 1), y=(-1, 1), t=(0, 1)) - hp.Disk((0, 0), 0.3)
    still = hp.Problem(
        domain,
        "u",
        lambda u, x, y: u.t - x * u.x - y * u.y,
        [hp.Initial(u=0.0), hp.Dirichlet(u=0.0, on=["x-", "x+", "y-", "y+"])],
    )
    assert not still.unfed
    source = hp.Problem(domain, "u", lambda u, x, y: u.t + x * u.x + y * u.y, [hp.Initial(u=0.0)])
    assert "disk" in source.unfed[0]


SQUARE = hp.Box(x=(0, 1), y=(0, 1))


def test_characteristics_of_a_stationary_equation_must_meet_a_condition():
    def rays(*sides):
        return hp.Problem(SQUARE, "u", lambda u, y: u.x + 0.5 * y * u.y - u, [hp.Dirichlet(u=1.0, on=list(sides))])

    assert not rays("x-").unfed
    assert not rays("x+", "y+").unfed  # the same characteristics from the other end
    assert "y+" in rays("x+").unfed[0]


def test_what_grows_out_of_a_point_inside_needs_no_side():
    domain = hp.Box(x=(-1, 1), y=(-1, 1))
    assert not hp.Problem(domain, "u", lambda u, x, y: x * u.x + y * u.y + u - x, []).unfed


def test_no_problem_of_the_library_lacks_what_flows_in():
    for name in problems.PROBLEMS:
        with warnings.catch_warnings():
            warnings.simplefilter("error", hp.HermitePinnWarning)
            assert not getattr(problems, name)().unfed
