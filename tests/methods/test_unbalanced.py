"""What is said of a problem that leaves a constant free: whether its sources balance its fluxes."""

import pytest

import hermite_pinn as hp


def solved(source, flux, sides=(1.0, 1.0)):
    problem = hp.Problem(
        hp.Box(x=(0, sides[0]), y=(0, sides[1])), "u", lambda u, x: u.laplacian + source(x), [hp.Neumann(u=flux)]
    )
    return hp.solve(problem, progress=False)


@pytest.mark.parametrize(
    ("source", "flux", "sides"),
    [(lambda x: 1.0, 0.0, (0.3, 0.2)), (lambda x: 3e4, 0.0, (1.0, 1.0)), (lambda x: 0.0, 1.0, (1.0, 2.0))],
)
def test_sources_that_do_not_balance_are_named(source, flux, sides):
    solution = solved(source, flux, sides)
    assert solution.status is hp.Status.INCONSISTENT
    assert "1 independent change of the fields alters" in solution.message
    assert "do not balance" in solution.message
    assert "satisfy all" not in solution.message


@pytest.mark.parametrize(
    ("source", "flux"), [(lambda x: 1.0, -0.25), (lambda x: hp.cos(hp.pi * x), 0.0), (lambda x: 0.0, 0.0)]
)
def test_sources_that_balance_leave_a_constant(source, flux):
    solution = solved(source, flux)
    assert solution.status is hp.Status.UNDETERMINED
    assert "balance" not in solution.message
