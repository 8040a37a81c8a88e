"""Fields choose between the pieces of an equation: obstacles are reached, and estimates know of free boundaries."""

import math

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.methods.gauss_newton.even_choices import with_even_choices

EDGE = math.sqrt(0.1)  # where a rope of weight 1 meets a floor at -0.05


def rope(scale=1.0):
    return hp.Problem(
        hp.Box(x=(0, 1)),
        "u",
        lambda u: hp.minimum(scale * (1 - u.xx), u + 0.05),
        [hp.Dirichlet(u=0.0)],
        exact={"u": lambda x: hp.maximum(EDGE - hp.minimum(x, 1 - x), 0.0) ** 2 / 2 - 0.05},
    )


@pytest.mark.parametrize("scale", [1.0, 1e-3, 30.0])
def test_a_rope_over_a_floor_is_found_whatever_the_units_of_its_pieces(scale):
    solution = hp.solve(rope(scale), progress=False)
    assert solution.status is hp.Status.CONVERGED
    assert solution.error()["u"]["relative_l2"] < 1e-6


@pytest.mark.parametrize("levels", [3, 4, 5, 6, 7])
def test_the_estimate_knows_that_free_boundaries_lie_anywhere_in_their_cells(levels):
    solution = hp.solve(rope(), levels=[(2**k,) for k in range(2, 2 + levels)], progress=False)
    assert solution.estimated_error > solution.error()["u"]["relative_l2"] / 3


def test_a_membrane_over_a_sphere_is_found_on_a_coarse_grid():
    edge = 0.5

    def free(x, y):  # without load, from the edge of the contact on
        return -(edge**2) * (1 + hp.log((x**2 + y**2) / edge**2))

    problem = hp.Problem(
        hp.Box(x=(-1, 1), y=(-1, 1)),
        "u",
        lambda u, x, y: hp.maximum(u.laplacian, -(x**2 + y**2) - u),
        [hp.Dirichlet(u=free)],
    )
    solution = hp.solve(problem, levels=[(4, 4), (8, 8), (16, 16)], progress=False)
    x, y = np.meshgrid(*[np.linspace(-0.95, 0.95, 20)] * 2)
    r2 = (x**2 + y**2).ravel()
    exact = np.where(r2 < edge**2, -r2, -(edge**2) * (1 + np.log(r2 / edge**2)))
    error = np.linalg.norm(solution.u(x.ravel(), y.ravel()) - exact) / np.linalg.norm(exact)
    assert error < 5e-3
    assert solution.estimated_error > error / 3


def test_pieces_are_multiplied_by_positive_numbers_only():
    problem = hp.Problem(
        hp.Box(x=(0, 1)),
        "u",
        lambda u: -hp.minimum(hp.maximum(1 - u.xx, u - 1), u + 0.05),
        [hp.Dirichlet(u=0.0)],
    )
    assert str(with_even_choices(problem).terms[0].residual) == "-minimum(maximum(1 - u.xx, 64*(u - 1)), 64*(u + 0.05))"
    smooth = hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u.xx + hp.maximum(x, 0.5), [hp.Dirichlet(u=0.0)])
    assert with_even_choices(smooth) is smooth
