"""Solutions that are singular at corners, against exact ones."""

import math

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import arctan2, cos, exp, sin

SQUARE = hp.Box(x=(-1, 1), y=(-1, 1))
PLAIN = np.eye(2)


def polygon(angle, start, size=0.9):
    """A part of a disc of some angle as a polygon with a corner at (0.05, 0.02), counter-clockwise."""
    turns = np.linspace(start, start + angle, max(4, round(angle / 0.5)))
    rim = [(0.05 + size * math.cos(t), 0.02 + size * math.sin(t)) for t in turns]
    return hp.Polygon([(0.05, 0.02), *rim])


def power(exponent, start, angle, kind, change=PLAIN):
    """``r**p`` times sine or cosine of ``p`` times the angle from ``start``, after a change of variables."""
    (a, b), (c, d) = change
    middle = start + 0.5 * angle

    def value(x, y):
        x, y = x - 0.05, y - 0.02
        x, y = a * x + b * y, c * x + d * y
        turned = arctan2(cos(middle) * y - sin(middle) * x, cos(middle) * x + sin(middle) * y) + 0.5 * angle
        trig = sin if kind == "D" else cos
        return (x * x + y * y + 1e-300) ** (0.5 * exponent) * trig(exponent * turned)

    return value


def smooth(x, y):
    return exp(0.5 * x) * sin(2 * x + y) + 1


def solved(problem, exact, levels=4):
    solution = hp.solve(problem, levels=levels, progress=False)
    x = problem.domain.interior.random(4000, torch.Generator().manual_seed(0), torch.float64).x.numpy()
    expected = exact(*x)
    return solution, float(np.linalg.norm(solution.u(*x) - expected) / np.linalg.norm(expected))


def case(angle, kinds, start=0.3, extra=0.0):
    """The problem of a corner: values on the rim, and on the sides as the kinds say; its exact solution."""
    domain = SQUARE & polygon(angle, start)
    sides = len(domain.shapes[0][0].pieces)
    exponent = math.pi / angle * (0.5 if kinds == "DN" else 1.0)
    one = power(exponent, start, angle, kinds[0])
    exact = lambda x, y: one(x, y) + 0.3 * smooth(x, y)
    names = [f"polygon:{k}" for k in range(sides)]
    first, last = names[0], names[-1]
    given = {first: kinds[0], last: kinds[1]}
    valued = [n for n in names if given.get(n, "D") == "D"]
    conditions = [hp.Dirichlet(u=exact, on=valued)]
    for name, turn, out in ((first, start, -1.0), (last, start + angle, 1.0)):
        if given[name] == "N":  # the singular part has none
            normal = -out * math.sin(turn), out * math.cos(turn)
            conditions.append(hp.Neumann(u=lambda x, y, n=normal: 0.3 * slope(x, y, n), on=name))
    source = lambda x, y: 0.3 * laplacian(x, y) + extra * exact(x, y)
    problem = hp.Problem(domain, "u", lambda u, x, y: u.xx + u.yy + extra * u - source(x, y), conditions)
    return problem, exact


def slope(x, y, normal):
    e = exp(0.5 * x)
    dx = 0.5 * e * sin(2 * x + y) + 2 * e * cos(2 * x + y)
    return dx * normal[0] + e * cos(2 * x + y) * normal[1]


def laplacian(x, y):
    e = exp(0.5 * x)
    return (0.25 - 4 - 1) * e * sin(2 * x + y) + 2 * e * cos(2 * x + y)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("angle", "kinds", "bound"),
    [
        (1.5 * math.pi, "DD", 3e-6),
        (1.5 * math.pi, "NN", 3e-6),
        (1.5 * math.pi, "DN", 3e-6),
        (1.9 * math.pi, "DD", 1e-5),
        (1.2 * math.pi, "DD", 3e-6),
        (0.75 * math.pi, "DD", 3e-6),
        (0.8 * math.pi, "DN", 3e-6),
    ],
)
def test_corners_of_all_angles_and_kinds_of_conditions(angle, kinds, bound):
    problem, exact = case(angle, kinds)
    _, error = solved(problem, exact)
    assert error < bound


def test_values_of_the_field_in_the_equation():
    problem, exact = case(1.5 * math.pi, "DD", extra=20.0)
    _, error = solved(problem, exact)
    assert error < 1e-5


def test_the_rotated_l_shape_converges_with_the_order_of_smooth_solutions():
    errors = [solved(*case(1.5 * math.pi, "DD", start=0.4), levels)[1] for levels in (3, 4)]
    assert errors[1] < errors[0] / 8


def test_the_l_shape_on_faces_of_the_grid():
    one, two = (power(k * 2 / 3, 0.0, 1.5 * math.pi, "D") for k in (1, 2))
    box = hp.Box(x=(-0.95, 1.05), y=(-0.98, 1.02))
    domain = box - hp.Rectangle((0.05, -0.98), (1.05, 0.02))
    exact = lambda x, y: one(x, y) + 0.5 * two(x, y) + 0.3 * smooth(x, y)
    problem = hp.Problem(domain, "u", lambda u, x, y: u.xx + u.yy - 0.3 * laplacian(x, y), [hp.Dirichlet(u=exact)])
    solution, error = solved(problem, exact)
    assert error < 1e-5
    assert solution.estimated_error is not None
    assert solution.estimated_error < 1e-4


def test_an_anisotropic_operator():
    matrix = np.array([[2.0, 0.5], [0.5, 1.0]])
    change = np.linalg.inv(np.linalg.cholesky(matrix))
    start, angle = 0.3, 1.5 * math.pi
    turn = lambda t: math.atan2(*(change @ [math.cos(t), math.sin(t)])[::-1])
    begin = turn(start)
    opening = (turn(start + angle) - begin) % (2 * math.pi)
    one = power(math.pi / opening, begin, opening, "D", change)
    exact = lambda x, y: one(x, y) + 0.3 * x * x
    problem = hp.Problem(
        SQUARE & polygon(angle, start), "u", lambda u: 2 * u.xx + u.xy + u.yy - 1.2, [hp.Dirichlet(u=exact)]
    )
    _, error = solved(problem, exact)
    assert error < 3e-6


def test_a_nonlinear_equation():
    domain = SQUARE & polygon(1.5 * math.pi, 0.3)
    exact = power(2 / 3, 0.3, 1.5 * math.pi, "D")
    problem = hp.Problem(
        domain, "u", lambda u, x, y: u.xx + u.yy - u**3 - u + exact(x, y) ** 3 + exact(x, y), [hp.Dirichlet(u=exact)]
    )
    _, error = solved(problem, exact)
    assert error < 1e-5


@pytest.mark.slow
def test_two_fields_with_functions_of_their_own():
    domain = SQUARE & polygon(1.5 * math.pi, 0.3)
    one, two = power(2 / 3, 0.3, 1.5 * math.pi, "D"), power(4 / 3, 0.3, 1.5 * math.pi, "D")
    problem = hp.Problem(
        domain,
        ["u", "v"],
        lambda u, v, x, y: (u.xx + u.yy - v + two(x, y), v.xx + v.yy + u - one(x, y)),
        [hp.Dirichlet(u=one, v=two)],
    )
    solution, error = solved(problem, one)
    x = domain.interior.random(1000, torch.Generator().manual_seed(0), torch.float64).x.numpy()
    assert error < 1e-5
    assert np.abs(solution.v(*x) - two(*x)).max() < 1e-5


@pytest.mark.slow
def test_several_corners_of_a_hole():
    # harmonic outside the hole but at one corner of it, where it is as near a corner of 3/2 pi
    hole = [(-0.3, -0.2), (0.35, -0.2), (0.35, 0.3), (-0.3, 0.3)]
    domain = SQUARE - hp.Polygon(hole)
    from hermite_pinn.field.singular import Wedge, wedge_functions

    sides = (0.0, -1.0), (-1.0, 0.0)
    corner = Wedge((0.35, 0.3), sides, 1.5 * math.pi, sides, (-math.sqrt(0.5), -math.sqrt(0.5)), 0.2)
    function = wedge_functions(corner, ((1.0, 0.0), (0.0, 1.0)))[0]

    def exact(x, y):
        z = (
            ((x - 0.35) * function.frame[0][0] + (y - 0.3) * function.frame[0][1]),
            ((x - 0.35) * function.frame[1][0] + (y - 0.3) * function.frame[1][1]),
        )
        # w = z / (1 + z) by real and imaginary part
        size = (1 + z[0]) ** 2 + z[1] ** 2
        w = (z[0] * (1 + z[0]) + z[1] ** 2) / size, z[1] / size
        angle = arctan2(w[1], w[0])
        p = function.exponent
        return (w[0] ** 2 + w[1] ** 2 + 1e-300) ** (0.5 * p) * cos(p * angle + function.phase)

    problem = hp.Problem(domain, "u", lambda u: u.xx + u.yy, [hp.Dirichlet(u=exact)])
    _, error = solved(problem, exact, levels=5)
    assert error < 1e-3


def test_unknown_parameters_and_saved_files_do_not_see_the_coefficients(tmp_path):
    problem, exact = case(1.5 * math.pi, "DD")
    solution, error = solved(problem, exact, levels=3)
    assert solution.parameters == {}
    solution.save(tmp_path / "u.h5")
    loaded = hp.Solution.load(tmp_path / "u.h5")
    x = problem.domain.interior.random(100, torch.Generator().manual_seed(1), torch.float64).x.numpy()
    np.testing.assert_array_equal(loaded.u(*x), solution.u(*x))
    np.testing.assert_array_equal(loaded.u.xy(*x), solution.u.xy(*x))
    assert error < 1e-4


def test_a_finished_run_is_continued_from_its_checkpoint(tmp_path):
    problem, _ = case(1.5 * math.pi, "DD")
    path = tmp_path / "run.h5"
    first = hp.solve(problem, levels=3, progress=False, checkpoint=path)
    again = hp.solve(problem, levels=3, progress=False, resume=path)
    x = problem.domain.interior.random(100, torch.Generator().manual_seed(1), torch.float64).x.numpy()
    np.testing.assert_array_equal(again.u(*x), first.u(*x))
