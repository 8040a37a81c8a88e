"""A parameter that its bound holds is a constant for everything else, and takes no more steps than one."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.methods.systems.block_system import BlockSystem

AT = np.linspace(0.1, 1.9, 30)
MEASURED = {"u": np.exp(-AT) * np.cos(5 * AT)}


def spring(damping, stiffness):
    """u'' + c u' + k u = 0 beside values of the oscillation with c = 2 and k = 26."""
    given = [p for p in (damping, stiffness) if isinstance(p, hp.Parameter)]
    numbers = {"c": damping, "k": stiffness}

    def residual(u, **parameters):
        c, k = (parameters.get(name, numbers[name]) for name in ("c", "k"))
        return u.tt + c * u.t + k * u

    functions = {
        0: lambda u: residual(u),
        1: lambda u, k: residual(u, k=k),
        2: lambda u, c, k: residual(u, c=c, k=k),
    }
    return hp.Problem(
        hp.Box(t=(0, 2)),
        "u",
        functions[len(given)],
        [hp.Initial(u=1.0, u_t=-1.0), hp.Data(AT[:, None], **MEASURED, noise=0.01)],
        parameters=given,
    )


@pytest.mark.parametrize("inner", ["cg", "banded", "auto"])
def test_the_rest_of_the_problem_is_solved_as_beside_a_constant(inner):
    options = {"method": hp.GaussNewton(inner=inner), "levels": [(16,), (32,)], "progress": False}
    bounded = hp.solve(spring(hp.Parameter("c", init=1.0, bounds=(0.1, 1.5)), hp.Parameter("k", init=15.0)), **options)
    constant = hp.solve(spring(1.5, hp.Parameter("k", init=15.0)), **options)
    assert bounded.parameters["c"] == 1.5
    assert bounded.parameters["k"] == pytest.approx(constant.parameters["k"], rel=1e-5)
    t = np.linspace(0, 2, 21)
    np.testing.assert_allclose(bounded.u(t), constant.u(t), atol=1e-5)
    assert len(bounded.history) <= len(constant.history) + 4


def test_a_parameter_on_its_bound_is_not_moved_to_it_again():
    """The distance to a bound, added to where it is measured from, may miss the bound by a rounding error."""
    generator = np.random.default_rng(0)
    missed = 0
    for distance, lower in generator.uniform(0.0, 1.0, (200, 2)):
        before = 1.0 + distance
        parameter = hp.Parameter("c", init=before, bounds=(lower, 3.0))
        system = SimpleNamespace(problem=SimpleNamespace(parameters=(parameter,)), split=lambda vector: (None, vector))
        at = torch.tensor([before], dtype=torch.float64)
        found, move = BlockSystem.beyond(system, at, torch.tensor([-5.0], dtype=torch.float64), ())
        assert found == (0,)
        missed += float(at + move) != lower
        again, further = BlockSystem.beyond(system, at, move, found)
        assert again == ()
        assert float(further) == 0.0
    assert missed > 0


def test_a_parameter_leaves_the_bound_that_it_starts_at():
    problem = spring(hp.Parameter("c", init=0.0, bounds=(0.0, 10.0)), hp.Parameter("k", init=26.0, bounds=(26.0, 30.0)))
    found = hp.solve(problem, tol=1e-5, progress=False).parameters
    assert found["c"] == pytest.approx(2.0, rel=0.02)
    assert found["k"] == pytest.approx(26.0, rel=0.02)


def test_a_source_of_bounded_strength_is_the_strongest_one():
    def heated(strength, *parameters):
        return hp.Problem(
            hp.Box(x=(0, 1)),
            "u",
            strength,
            [hp.Dirichlet(u=0.0), hp.Data([[0.5]], u=[1.0], noise=0.1)],
            parameters=list(parameters),
        )

    options = {"levels": [(8,), (16,)], "progress": False}
    bounded = hp.solve(heated(lambda u, s: u.xx + s, hp.Parameter("s", init=1.0, bounds=(0, 4))), **options)
    constant = hp.solve(heated(lambda u: u.xx + 4.0), **options)
    x = np.linspace(0, 1, 11)
    assert bounded.parameters["s"] == 4.0
    np.testing.assert_allclose(bounded.u(x), constant.u(x), atol=1e-3)  # rows have other scales
