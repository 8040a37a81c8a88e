"""Transport that lacks what flows in ends as undetermined, soon and with the side."""

import pytest

import hermite_pinn as hp

pytestmark = pytest.mark.filterwarnings("ignore::hermite_pinn.HermitePinnWarning")


def test_a_run_without_values_where_it_flows_in_ends_after_coarse_levels():
    problem = hp.Problem(
        hp.Box(x=(0, 2), t=(0, 1)),
        "u",
        lambda u, x: u.t - (1 + x) * u.x + u,
        [hp.Initial(u=lambda x: hp.cos(3 * x)), hp.Dirichlet(u=0.0, on="x-")],
    )
    solution = hp.solve(problem, progress=False)
    assert solution.status is hp.Status.UNDETERMINED
    assert max(solution.stats["resolution"]) <= 32
    assert "x+" in solution.message


def test_a_stationary_flow_names_the_side_from_which_it_comes():
    problem = hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), "u", lambda u: 3 * u.x - u.y - 1.0, [hp.Dirichlet(u=0.0, on="x-")])
    solution = hp.solve(problem, progress=False)
    assert solution.status is hp.Status.UNDETERMINED
    assert "y+" in solution.message


def test_what_flows_in_later_is_seen_in_the_solution():
    problem = hp.Problem(  # u = -sin 2t, so that 1/2 + u changes its sign
        hp.Box(x=(0, 1), t=(0, 1)),
        "u",
        lambda u, t: u.t + (0.5 + u) * u.x + 2 * hp.cos(2 * t),
        [hp.Initial(u=0.0), hp.Dirichlet(u=lambda t: -hp.sin(2 * t), on="x-")],
    )
    assert not problem.unfed
    solution = hp.solve(problem, levels=[(4, 4), (8, 8), (16, 16)], progress=False)
    assert solution.status is hp.Status.UNDETERMINED
    assert "x+" in solution.message


def test_a_flow_with_all_its_conditions_converges():
    problem = hp.Problem(
        hp.Box(x=(0, 1), t=(0, 1)),
        "u",
        lambda u: u.t + u.x,
        [hp.Initial(u=lambda x: hp.sin(x)), hp.Dirichlet(u=lambda t: -hp.sin(t), on="x-")],
    )
    assert hp.solve(problem, tol=1e-4, progress=False).status is hp.Status.CONVERGED
