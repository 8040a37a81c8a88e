"""Which singular functions problems have at the corners of their domains."""

import math
import re

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.residuals.corner_functions import corner_functions, singular_part

SQUARE = hp.Box(x=(-1, 1), y=(-1, 1))
ELL = SQUARE - hp.Rectangle((0, -1), (1, 0))
OUTER = ["x-", "x+", "y-", "y+"]


def laplace(u):
    return u.xx + u.yy


def exponents(found, field="u", at=(0.0, 0.0)):
    return sorted(
        round(f.order, 3)
        for f, name in zip(found.basis.functions, found.basis.fields, strict=True)
        if name == field and np.allclose(f.point, at, atol=1e-6)
    )


def found(domain, residual, *conditions, fields="u", **options):
    return corner_functions(hp.Problem(domain, fields, residual, list(conditions), **options))


def test_the_l_shape_has_the_functions_of_its_re_entrant_corner():
    functions = found(ELL, laplace, hp.Dirichlet(u=0.0))
    assert exponents(functions) == [0.667, 1.333, 2.0]
    assert functions.complete
    assert not any(np.allclose(f.point, (-1, 1)) for f in functions.basis.functions)  # a corner of the box alone


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([hp.Dirichlet(u=1.0, on=OUTER), hp.Neumann(u=0.0, on="rectangle")], [0.667, 1.333, 2.0]),
        ([hp.Neumann(u=0.0)], [0.667, 1.333, 2.0]),
        (
            [hp.Dirichlet(u=0.0, on=[*OUTER, "rectangle:3"]), hp.Neumann(u=0.0, on="rectangle:2")],
            [0.333, 1.0, 1.667],
        ),
        (
            [
                hp.Dirichlet(u=0.0, on=OUTER),
                hp.Dirichlet(u=0.0, on="rectangle", where=lambda x, y: x <= 1e-9),
                hp.Neumann(u=0.0, on="rectangle", where=lambda x, y: x > 1e-9),
            ],
            [0.333, 1.0, 1.667],
        ),
        (
            # derivatives along the axes: values, but for a constant
            [
                hp.Dirichlet(u=0.0, on=OUTER),
                hp.Condition(lambda u: u.x, on="rectangle:2"),
                hp.Condition(lambda u: u.y, on="rectangle:3"),
            ],
            [0.667, 1.333, 2.0],
        ),
    ],
)
def test_exponents_follow_from_the_conditions_on_both_sides(conditions, expected):
    functions = found(ELL, laplace, *conditions)
    assert exponents(functions) == expected
    assert functions.complete


def test_a_value_beside_a_derivative_adds_functions_of_the_next_order():
    functions = found(ELL, laplace, hp.Dirichlet(u=0.0, on=OUTER), hp.Robin(u=(2.0, 1.0, 0.0), on="rectangle"))
    assert exponents(functions) == [0.667, 1.333, *[1.667] * 4, 2.0]


@pytest.mark.parametrize(
    ("residual", "following"),
    [
        (lambda u: u.xx + u.yy + 5.0 * u - 1.0, 0),
        (lambda u: -2.0 * (u.xx + u.yy) + u**3, 0),
        (lambda u: u.xx + u.yy + u.x, 4),
        (lambda u: u.xx + u.yy + u * u.x, 4),
        (lambda u, x: (1 + 0.5 * x) * (u.xx + u.yy) + 0.5 * u.x, 4),
        (lambda u, x: (1 + 0.5 * x) * u.xx + u.yy, 6),
    ],
)
def test_functions_of_the_next_order_follow_where_more_than_the_frozen_principal_part_counts(residual, following):
    functions = found(ELL, residual, hp.Dirichlet(u=0.0))
    assert exponents(functions) == [0.667, 1.333, *[1.667] * following, 2.0]


def test_the_principal_part_decides_about_the_exponents():
    # x = 2 X turns the domain into an L again, which has the same angles
    straight = found(ELL, lambda u: 4 * u.xx + u.yy, hp.Dirichlet(u=0.0))
    assert exponents(straight) == [0.667, 1.333, 2.0]
    skew = found(ELL, lambda u: u.xx + u.xy + u.yy, hp.Dirichlet(u=0.0))
    # the change of variables leaves pi / 3 of the right angle that is cut away, where the axes have different signs
    assert exponents(skew)[0] == pytest.approx(0.6, abs=1e-3)


def test_coefficients_are_frozen_at_the_corner():
    functions = found(ELL, lambda u, x, y: u.xx + (1 + x) * u.xy + u.yy + y * u.xx, hp.Dirichlet(u=0.0))
    assert exponents(functions)[0] == pytest.approx(0.6, abs=1e-3)


def test_fields_have_their_own_functions_where_principal_parts_decouple():
    conditions = [
        hp.Dirichlet(u=0.0, v=0.0, on=OUTER),
        hp.Dirichlet(u=0.0, on="rectangle"),
        hp.Dirichlet(v=0.0, on="rectangle:2"),
        hp.Neumann(v=0.0, on="rectangle:3"),
    ]
    functions = found(ELL, lambda u, v: (u.xx + u.yy + v.x, v.xx + v.yy - u * v), *conditions, fields=["u", "v"])
    assert exponents(functions, "u")[:2] == [0.667, 1.333]
    assert exponents(functions, "v")[:2] == [0.333, 1.0]


@pytest.mark.parametrize(
    ("domain", "fields", "residual", "conditions", "why"),
    [
        (ELL, "u", lambda u: u.xx - u.yy, [hp.Dirichlet(u=0.0)], "not elliptic"),
        (ELL, "u", lambda u: u.x + 2 * u.y, [hp.Dirichlet(u=0.0)], "no equation of second order"),
        (ELL, "u", lambda u: (1 + u.x**2) * u.xx + u.yy, [hp.Dirichlet(u=0.0)], "depends on the solution"),
        (ELL, "u", laplace, [hp.Dirichlet(u=0.0, on=OUTER)], "no condition"),
        (
            ELL,
            ["u", "v"],
            lambda u, v: (u.xx + u.yy, v.xx + v.yy),
            [hp.Dirichlet(u=0.0, v=0.0, on=OUTER), hp.Condition(lambda u, v, n: u * n.x + v * n.y, on="rectangle")],
            "the number of conditions on rectangle:[0-9] is 1",
        ),
        (
            hp.Box(x=(-1, 1), y=(-1, 1), t=(0, 1)) - hp.Rectangle((0, -1), (1, 0)),
            "u",
            lambda u: u.t - u.xx - u.yy,
            [hp.Dirichlet(u=0.0), hp.Initial(u=0.0)],
            "time",
        ),
        (
            SQUARE - hp.Rectangle((-0.5, -0.5), (0.5, 0.5)),
            "u",
            laplace,
            [hp.Periodic("x"), hp.Dirichlet(u=0.0)],
            "periodic",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_where_there_are_none_the_reason_is_given(domain, fields, residual, conditions, why):
    functions = found(domain, residual, *conditions, fields=fields)
    assert not functions.complete
    assert functions.reasons
    assert all(np.array(f.point).size == 2 for f in functions.basis.functions)
    assert any(re.search(why, text) for _, text in functions.reasons)


def test_a_nonlinear_factor_of_the_principal_part_does_no_harm():
    functions = found(ELL, lambda u: (1 + u * u) * (u.xx + u.yy) + 1, hp.Dirichlet(u=0.0))
    assert exponents(functions)[:2] == [0.667, 1.333]


def test_boxes_and_smooth_shapes_have_none():
    for domain in (SQUARE, SQUARE - hp.Disk((0.0, 0.0), 0.5), SQUARE & hp.Disk((0.0, 0.0), 0.5)):
        functions = found(domain, laplace, hp.Dirichlet(u=0.0))
        assert len(functions.basis) == 0
        assert not functions.reasons


def test_curved_sides_add_functions_of_the_next_order():
    functions = found(SQUARE - hp.Disk((1.0, 0.0), 0.5), laplace, hp.Dirichlet(u=0.0))
    assert exponents(functions, at=(1.0, 0.5)) == [2.0]  # a right angle between a line and a circle
    functions = found(SQUARE - (hp.Disk((0.0, 0.3), 0.5) & hp.Disk((0.0, -0.3), 0.5)), laplace, hp.Dirichlet(u=0.0))
    angle = 2.0 * math.pi - 2.0 * math.acos(0.3 / 0.5)
    first = round(math.pi / angle, 3)
    assert exponents(functions, at=(0.4, 0.0))[0] == pytest.approx(first, abs=1e-3)
    assert sum(p == pytest.approx(1 + first, abs=2e-3) for p in exponents(functions, at=(0.4, 0.0))) == 4


@pytest.mark.parametrize(
    ("domain", "finite"),
    [
        (ELL, False),
        (SQUARE - hp.Rectangle((-0.3, -0.2), (0.35, 0.3)), True),
        # two arms: a straight cut may run from one into the other
        (
            SQUARE
            & hp.Polygon(
                [(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (0.3, 0.8), (0.3, -0.3), (-0.3, -0.3), (-0.3, 0.8), (-0.8, 0.8)]
            ),
            False,
        ),
    ],
)
def test_functions_are_smooth_in_the_whole_domain_but_at_their_corner(domain, finite):
    functions = found(domain, laplace, hp.Dirichlet(u=0.0)).basis.functions
    singular = [f for f in functions if f.exponent < 1]
    assert singular
    assert {f.finite for f in singular} == {finite}
    generator = torch.Generator().manual_seed(0)
    x = domain.interior.random(4000, generator, torch.float64).x
    step = 1e-6 * torch.randn(x.shape, generator=generator, dtype=torch.float64)
    both = domain.contains(x + step)
    for function in functions:
        away = both & ((x - torch.tensor(function.point, dtype=torch.float64)[:, None]).norm(dim=0) > 0.05)
        first, second = (function.jets(p[:, away], Channels.value(2)) for p in (x, x + step))
        size = max(1.0, float(first.abs().max()))
        assert float((first - second).abs().max()) < 1e-3 * size  # no cut between them


def test_moving_and_scaling_the_domain_moves_and_scales_the_functions():
    hole = hp.Polygon([(-0.3, -0.2), (0.35, -0.1), (0.1, 0.4)])
    plain = found(SQUARE - hole, laplace, hp.Dirichlet(u=0.0))
    factor, offset = 1e-3, np.array([5.0, -2.0])
    lower, upper = (factor * np.array([s, s]) + offset for s in (-1, 1))
    box = hp.Box(x=(lower[0], upper[0]), y=(lower[1], upper[1]))
    moved = found(box - hole.scaled(factor).translated(*offset), laplace, hp.Dirichlet(u=0.0))
    assert len(plain.basis) == len(moved.basis)
    x = (SQUARE - hole).interior.random(200, torch.Generator().manual_seed(0), torch.float64).x
    there = factor * x + torch.tensor(offset)[:, None]
    for g in moved.basis.functions:
        back = (np.array(g.point) - offset) / factor
        (f,) = (
            f
            for f in plain.basis.functions
            if np.allclose(f.point, back, atol=1e-5) and np.allclose([f.order, f.phase], [g.order, g.phase], atol=1e-5)
        )
        if not f.logarithm:
            assert torch.allclose(f.jets(x, Channels.value(2)), g.jets(there, Channels.value(2)), rtol=1e-4, atol=1e-5)


def test_a_state_gives_the_singular_part_of_its_field():
    problem = hp.Problem(ELL, "u", laplace, [hp.Dirichlet(u=0.0)])
    like = torch.zeros(1, dtype=torch.float64)
    part = singular_part(problem, {"corner:0": 2.0, "nu": 3.0}, like)
    assert part.coefficients.tolist()[:2] == [2.0, 0.0]
    assert math.isclose(part.basis.functions[0].exponent, 2 / 3, rel_tol=1e-6)
    assert singular_part(hp.Problem(SQUARE, "u", laplace, [hp.Dirichlet(u=0.0)]), {}, like) is None
