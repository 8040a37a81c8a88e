"""What faces cut off a point source is told, and an image beyond the face makes good for it."""

import warnings

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn.problem.source import share_within


def at_line(source, *conditions):
    return hp.Problem(hp.Box(x=(0, 1)), "u", lambda u, x: u.xx + source(x), list(conditions))


@pytest.mark.parametrize(("place", "told"), [(0.31, False), (0.1, True), (0.0, True), (0.95, True)])
def test_a_source_within_six_widths_of_a_face_is_told_with_what_is_left_of_it(place, told):
    source = hp.Source([place], width=0.05)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        problem = at_line(source, hp.Dirichlet(u=0.0))
    assert bool(caught) == told
    assert any("of its strength" in note for note in problem.notes) == told


def test_what_is_left_of_a_source_is_its_integral_over_the_domain():
    source = hp.Source([[0.05, 0.2], [0.9, 0.03], [0.5, 0.5]], width=0.06)
    nodes, weights = np.polynomial.legendre.leggauss(200)
    x, y = np.meshgrid(0.5 + 0.5 * nodes, 0.5 + 0.5 * nodes, indexing="ij")
    shares = share_within(source, [(0, 1), (0, 1)])
    for point, share in zip(source.points, shares, strict=True):
        alone = hp.Source([point], width=0.06)(x, y)
        assert share == pytest.approx(0.25 * weights @ alone @ weights, abs=1e-10)


@pytest.mark.parametrize(
    ("sign", "near", "beyond"),
    [(-1.0, hp.Dirichlet(u=0.0, on="x-"), lambda x: 0.1 * (1 - x)), (1.0, hp.Neumann(u=0.0, on="x-"), lambda x: 1 - x)],
)
def test_an_image_beyond_a_face_gives_the_solution_of_the_point(sign, near, beyond):
    source = hp.Source([0.1, -0.1], [1.0, sign], width=0.05)
    with warnings.catch_warnings():
        warnings.simplefilter("error", hp.HermitePinnWarning)
        problem = at_line(source, near, hp.Dirichlet(u=0.0, on="x+"))
    solution = hp.solve(problem, tol=1e-8, progress=False)
    x = np.linspace(0.45, 1, 12)
    np.testing.assert_allclose(solution.u(x), beyond(x), atol=1e-7)
