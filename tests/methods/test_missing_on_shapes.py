"""Faces without a condition, and sources without balance: no status promises what is one of many, or nothing."""

import warnings

import pytest

import hermite_pinn as hp
from hermite_pinn.run.status import Status

PLATE = hp.Box(x=(0, 0.3), y=(0, 0.2))
SIDES = [hp.Dirichlet(u=1.0, on="x-"), hp.Dirichlet(u=0.0, on="x+"), hp.Neumann(u=0.0, on=["y-", "y+"])]


@pytest.mark.parametrize(
    "shape", [hp.Disk((0.1, 0.1), 0.03, name="hole"), hp.Polygon([(0.1, 0.05), (0.2, 0.06), (0.15, 0.12)], name="hole")]
)
def test_a_hole_without_condition_leaves_the_solution_open(shape):
    with pytest.warns(hp.HermitePinnWarning, match="none on hole"):
        problem = hp.Problem(PLATE - shape, "u", lambda u: u.laplacian, SIDES)
    assert hp.solve(problem, progress=False).status is Status.UNDETERMINED


def test_an_equation_that_degenerates_at_a_hole_needs_no_condition_there():
    inside = PLATE - hp.Disk((0.1, 0.1), 0.03, name="hole")
    weight = lambda x, y: (x - 0.1) ** 2 + (y - 0.1) ** 2 - 0.03**2
    with warnings.catch_warnings():
        warnings.simplefilter("error", hp.HermitePinnWarning)
        problem = hp.Problem(inside, "u", lambda u, x, y: weight(x, y) * u.laplacian + u.x, SIDES)
    assert problem.bare == ()


@pytest.mark.parametrize("unit", [1.0, 1e-6])
@pytest.mark.parametrize("dim", [1, 2])
def test_a_source_that_nothing_carries_off_contradicts_its_conditions(dim, unit):
    box = hp.Box(**dict.fromkeys("xy"[:dim], (0, 0.3 * unit)))
    problem = hp.Problem(box, "u", lambda u: u.laplacian - 1.0, [hp.Neumann(u=0.0), hp.Gauge("u")])
    solution = hp.solve(problem, progress=False, max_time=100)
    assert solution.status is Status.INCONSISTENT
    assert "do not balance" in solution.message


def test_a_source_that_is_carried_off_is_solved():
    problem = hp.Problem(
        PLATE,
        "u",
        lambda u: u.laplacian - 1.0,
        [hp.Neumann(u=lambda x, y: 0.0 * x, on=["y-", "y+"]), hp.Neumann(u=0.15, on=["x-", "x+"]), hp.Gauge("u")],
    )
    solution = hp.solve(problem, progress=False)
    assert solution.status is Status.CONVERGED
    assert solution.u.xx(0.1, 0.1) == pytest.approx(1.0)
