"""What prescribed values that do not fit together at a corner of the box make of the solution."""

from __future__ import annotations

import math

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import arctan2, cos, exp, pi
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.field.singular_part import SingularPart
from hermite_pinn.residuals.corner_data import known_part

JETS = Channels.of(2, [(0, 0), (1, 0), (0, 1), (2, 0), (0, 2)])


def corner_of(length: float = 1.0, size: float = 1.0, slow: bool = True) -> hp.Problem:
    """Stokes' equations in a square whose upper side moves, from its left corner on slowly or at once."""
    speed = (lambda x: size * x / length * (1 - x / length) ** 2) if slow else (lambda x: size * (1 - x / length) ** 2)
    return hp.Problem(
        hp.Box(x=(0, length), y=(0, length)),
        ["u", "v", "p"],
        lambda u, v, p: (p.x - 3.0 * u.laplacian, p.y - 3.0 * v.laplacian, u.x + v.y),
        [
            hp.Dirichlet(u=speed, on="y+"),
            hp.Dirichlet(u=0.0, on=["x-", "x+", "y-"]),
            hp.Dirichlet(v=0.0),
            hp.Gauge("p"),
        ],
    )


def jets_of(part: SingularPart, points: list[tuple[float, float]]) -> torch.Tensor:
    return part.jets(torch.tensor(points, dtype=torch.float64).T, JETS, ("u", "v", "p"))


@pytest.mark.parametrize("slow", [True, False])
def test_the_functions_of_a_lid_solve_the_equations_of_slow_flow_and_have_its_values(slow):
    part = known_part(corner_of(slow=slow))
    assert part is not None
    inside = [(0.3, 0.9), (0.01, 0.995), (1e-3, 0.9999), (0.7, 0.2)]
    (_, u_x, u_y, u_xx, u_yy), (_, v_x, v_y, v_xx, v_yy), (_, p_x, p_y, _, _) = jets_of(part, inside)
    for terms in ((p_x, -3 * u_xx, -3 * u_yy), (p_y, -3 * v_xx, -3 * v_yy), (u_x, v_y)):
        assert (sum(terms).abs() < 1e-7 * sum(t.abs() for t in terms)).all()
    lid, wall = [(0.2, 1.0), (1e-3, 1.0)], [(0.0, 0.7), (0.0, 0.999)]
    beside = torch.tensor([x if slow else 1.0 - 2.0 * x for x, _ in lid], dtype=torch.float64)
    assert torch.allclose(jets_of(part, lid)[0, 0], beside, atol=1e-8)
    assert jets_of(part, lid)[1, 0].abs().max() < 1e-8
    assert jets_of(part, wall)[:2, 0].abs().max() < 1e-8
    assert min(u_y.abs().max(), v_x.abs().max()) > 0.01


def test_the_functions_follow_a_change_of_units():
    for slow in (True, False):
        one, other = known_part(corner_of(slow=slow)), known_part(corner_of(length=1e-3, size=1e5, slow=slow))
        assert one is not None
        assert other is not None
        at, there = jets_of(one, [(0.2, 0.7)]), jets_of(other, [(0.2e-3, 0.7e-3)])
        assert torch.allclose(there[:2, 0], 1e5 * at[:2, 0], rtol=1e-6, atol=1e-3)
        assert torch.allclose(there[2, 1], 1e11 * at[2, 1], rtol=1e-6)


def test_a_jump_of_a_harmonic_function_is_the_angle():
    exact = lambda x, y: 6 / pi * arctan2(y, x) + exp(x) * cos(y)
    problem = hp.Problem(
        hp.Box(x=(0, 2), y=(0, 2)),
        "u",
        lambda u: u.laplacian,
        [
            hp.Dirichlet(u=lambda x: exp(x), on="y-"),
            hp.Dirichlet(u=lambda y: cos(y) + 3.0, on="x-"),
            hp.Dirichlet(u=exact, on=["x+", "y+"]),
        ],
    )
    part = known_part(problem)
    assert part is not None
    turn = part.jets(torch.tensor([[0.5, 1.0], [1.0, 0.5]], dtype=torch.float64), Channels.value(2), ("u",))[0, 0]
    difference = 3.0 * (math.atan2(1.0, 0.5) - math.atan2(0.5, 1.0)) / (0.5 * math.pi)
    assert float(turn[0] - turn[1]) == pytest.approx(difference, rel=1e-8)


@pytest.mark.parametrize(
    "problem",
    [
        hp.problems.helmholtz2d(),
        hp.problems.cavity(lid="regularised"),
        hp.problems.kovasznay(),
        hp.problems.heat(),
        hp.Problem(hp.Box(x=(0, 1), y=(0, 1)), "u", lambda u: u.laplacian, [hp.Dirichlet(u=lambda x, y: exp(x * y + y))]),
    ],
    ids=lambda problem: problem.name or "smooth values",
)  # fmt: skip
def test_values_that_fit_together_need_no_functions(problem):
    assert known_part(problem) is None
