"""Fields that hold prescribed values exactly."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import cos, pi, sin
from hermite_pinn.cuda.encoder.channels import Channels
from hermite_pinn.errors import CorruptFileError
from hermite_pinn.field.field import Field
from hermite_pinn.field.grid_field import GridField
from hermite_pinn.methods.systems.held_conditions import held_conditions
from hermite_pinn.residuals.evaluation import TermEvaluator

SQUARE = hp.Box(x=(0, 1), y=(0, 1))
BAR = hp.Box(x=(0, 1), t=(0, 2))
CORNERS = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
FACES = [(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)]


def smooth(x, y):
    return sin(2 * x + 1) * cos(3 * y) + x * y


def laplace(u):
    return u.laplacian


PROBLEMS = {
    "a box": (SQUARE, laplace, [hp.Dirichlet(u=smooth)]),
    "two sides": (SQUARE, laplace, [hp.Dirichlet(u=smooth, on=["x-", "y-"]), hp.Neumann(u=0.0, on=["x+", "y+"])]),
    "a string": (
        BAR,
        lambda u: u.tt - u.xx,
        [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x: sin(pi * x), u_t=lambda x: x * (1 - x))],
    ),
    "a disc": (SQUARE & hp.Disk((0.5, 0.5), 0.4), laplace, [hp.Dirichlet(u=smooth)]),
    "a hole": (
        SQUARE - hp.Disk((0.5, 0.5), 0.2),
        laplace,
        [hp.Dirichlet(u=1.0, on="disk"), hp.Dirichlet(u=0.0, on=["x-", "x+", "y-", "y+"])],
    ),
    "a triangle": (SQUARE & hp.Polygon([(0.1, 0.1), (0.9, 0.2), (0.5, 0.9)]), laplace, [hp.Dirichlet(u=1.0)]),
    "a square hole": (SQUARE - hp.Rectangle((0.3, 0.3), (0.6, 0.6)), laplace, [hp.Dirichlet(u=0.0)]),
    "half a disc": (SQUARE - hp.Disk((0.5, 0.0), 0.3), laplace, [hp.Dirichlet(u=0.0)]),
    "a mesh": (hp.MeshDomain((CORNERS, FACES)), laplace, [hp.Dirichlet(u=0.0)]),
    "a disc in time": (
        hp.Box(x=(0, 1), y=(0, 1), t=(0, 1)) & hp.Disk((0.5, 0.5), 0.4),
        lambda u: u.t - u.laplacian,
        [hp.Dirichlet(u=0.0), hp.Initial(u=lambda x, y: 0.16 - (x - 0.5) ** 2 - (y - 0.5) ** 2)],
    ),
}


def problem_of(name):
    domain, residual, conditions = PROBLEMS[name]
    return hp.Problem(domain=domain, fields=["u"], residual=residual, conditions=conditions)


def held_field(problem, seed=0):
    held = held_conditions(problem)
    spec = Field(head="siren", features=2, width=16, depth=1)
    field = spec.build(problem.domain, problem.fields, problem.periodic, 3, seed, torch.float64)
    return held, replace(field, boundary_factor=held.factor)


@pytest.mark.parametrize("name", PROBLEMS)
def test_any_network_meets_every_prescribed_value_to_rounding(name):
    problem = problem_of(name)
    held, field = held_field(problem)
    prescribed = [t for t in problem.terms if not t.region.is_interior and "u.n" not in t.name]
    assert len(held.terms) == len(prescribed)
    for term in held.terms:
        points = term.region.quasi_random(200, 3)
        evaluator = TermEvaluator([term], problem)
        (rows,) = evaluator.residuals(field, points.x.double(), {}, {}, None, points.normals)
        assert float(rows.abs().max()) < 1e-14


@pytest.mark.parametrize("name", PROBLEMS)
def test_derivatives_are_those_of_the_values(name):
    problem = problem_of(name)
    field, dim, step = held_field(problem)[1], problem.domain.dim, 1e-5
    x = problem.domain.interior.quasi_random(40, 1).x.double()
    jets = field.jets(x, Channels.jet(dim, 2))[0]
    order = 1 + dim
    for i in range(dim):
        move = torch.zeros(dim, 1, dtype=torch.float64)
        move[i] = step
        slopes = (field.jets(x + move, Channels.jet(dim, 1)) - field.jets(x - move, Channels.jet(dim, 1)))[0] / (
            2 * step
        )
        size = float(jets.abs().max())
        assert float((slopes[0] - jets[1 + i]).abs().max()) < 1e-6 * size
        assert float((slopes[1 + i] - jets[order]).abs().max()) < 1e-5 * size
        order += dim - i


@pytest.mark.parametrize("name", ["a string", "a square hole", "a mesh"])
def test_a_description_gives_the_same_field(name):
    problem = problem_of(name)
    _, field = held_field(problem)
    again = GridField.from_description(json.loads(json.dumps(field.describe())), field.tensors())
    x = problem.domain.interior.quasi_random(20, 1).x.double()
    assert torch.equal(again.jets(x, Channels.value(len(x))), field.jets(x, Channels.value(len(x))))


def test_a_description_with_an_unknown_operation_is_refused():
    _, field = held_field(problem_of("a string"))
    described = json.loads(json.dumps(field.describe()))
    described["boundary_factor"]["nodes"][-1][0] = "system"
    with pytest.raises(CorruptFileError, match="nodes"):
        GridField.from_description(described, field.tensors())


def reason(domain, conditions, residual=laplace):
    problem = hp.Problem(domain=domain, fields=["u"], residual=residual, conditions=conditions)
    return " ".join(held_conditions(problem).reasons.values())


def test_values_that_contradict_each_other_are_not_held_together():
    why = reason(BAR, [hp.Dirichlet(u=0.0), hp.Initial(u=1.0)], lambda u: u.t - u.xx)
    assert "differ from those of 'u on boundary' where they meet" in why


def test_a_part_of_a_face_is_not_held():
    assert "on a part of a face" in reason(SQUARE, [hp.Dirichlet(u=0.0, where=lambda x, y: x < y)])


def test_a_table_is_not_held():
    table = hp.tabulated(lambda x: x**2)
    assert "no formula" in reason(SQUARE, [hp.Dirichlet(u=lambda x, y: table(x))])


def test_a_boundary_that_goes_on_inside_the_domain_is_not_held():
    two = hp.Disk((0.4, 0.5), 0.2) | hp.Disk((0.6, 0.5), 0.2)
    assert "goes on inside the domain" in reason(SQUARE & two, [hp.Dirichlet(u=0.0)])
    assert reason(SQUARE - two, [hp.Dirichlet(u=0.0)]) == ""


def test_equal_problems_are_held_by_equal_factors():
    first, second = (held_conditions(problem_of("a hole")).factor for _ in range(2))
    assert first.describe() == second.describe()


INSULATED = [hp.Neumann(u=0.0)]


def sigmoid(width):
    return hp.Initial(u=lambda x: 1 / (1 + hp.exp((x - 0.2) / width)))


def test_a_value_whose_derivatives_overflow_is_not_held():
    problem = hp.Problem(BAR, ["u"], lambda u: u.t - u.xx, [*INSULATED, sigmoid(0.005)])
    assert held_conditions(problem, torch.float64).reasons == {}
    assert "not finite in float32" in " ".join(held_conditions(problem, torch.float32).reasons.values())
    narrower = hp.Problem(BAR, ["u"], lambda u: u.t - u.xx, [*INSULATED, sigmoid(0.001)])
    assert "not finite in float64" in " ".join(held_conditions(narrower).reasons.values())


def test_a_pulse_that_has_faded_at_the_sides_is_held():
    pulse = hp.Initial(u=lambda x: hp.exp(-((x - 0.5) ** 2) / 0.012))  # 9e-10 at both sides
    assert reason(BAR, [hp.Dirichlet(u=0.0), pulse], lambda u: u.t - u.xx) == ""
    wider = hp.Initial(u=lambda x: hp.exp(-((x - 0.5) ** 2) / 0.02))  # 4e-6
    assert "where they meet" in reason(BAR, [hp.Dirichlet(u=0.0), wider], lambda u: u.t - u.xx)
