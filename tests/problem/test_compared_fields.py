"""Residuals that compare fields or round them: their values are needed, though no derivative is."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn.residuals.compiled import compile_term

LINE = hp.Box(x=(0, 1))
RESIDUALS = {
    "a comparison": lambda u: u.x + hp.where(u > 0.5, 2.0, 1.0),
    "a sign": lambda u: u.x + 3 * u + hp.sign(u - 0.2),
    "a rounded value": lambda u: u.x + hp.floor(4 * u),
    "a slope that is compared": lambda u: u.x + hp.where(u.x < -0.1, u, 2.0),
}


@pytest.mark.parametrize("name", RESIDUALS)
def test_fields_that_are_compared_are_not_taken_as_zero(name: str) -> None:
    residual = RESIDUALS[name]
    problem = hp.Problem(LINE, "u", residual, [hp.Dirichlet(u=1.0, on="x-")])
    term = compile_term(problem, problem.terms[0])
    u, slope = torch.rand(2, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 0.5
    jets = {("u", (0,)): u, ("u", (1,)): slope}
    rest, variable, _ = term.evaluate({}, {jet: jets[jet] for jet in term.jets if jet in term.variable})
    rest = rest + sum(c * jets[jet] for jet, c in term.constant.items())
    expected = {
        "a comparison": slope + torch.where(u > 0.5, 2.0, 1.0),
        "a sign": slope + 3 * u + torch.sign(u - 0.2),
        "a rounded value": slope + torch.floor(4 * u),
        "a slope that is compared": slope + torch.where(slope < -0.1, u, 2.0),
    }[name]
    assert variable
    assert not term.affine
    torch.testing.assert_close(torch.as_tensor(rest), expected)


@pytest.mark.parametrize("level", [0.3, 0.7])
def test_levels_follow_a_slope_that_depends_on_a_comparison(level: float) -> None:
    problem = hp.Problem(LINE, "u", lambda u: u.x + hp.where(u > level, 2.0, 0.5), [hp.Dirichlet(u=1.0, on="x-")])
    solution = hp.solve(problem, levels=7, progress=False)
    x, crossed = np.linspace(0, 1, 101), (1 - level) / 2
    truth = np.where(x < crossed, 1 - 2 * x, level - 0.5 * (x - crossed))
    assert np.abs(solution.u(x) - truth).max() < 0.02
