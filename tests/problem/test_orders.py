"""Systems of equations of different order and size: weights, derivatives of residuals, scales, and what they do."""

import itertools
import logging
import math
from math import inf

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import cosh, pi, problems, sin, sinh
from hermite_pinn.expressions.graph import coordinate
from hermite_pinn.expressions.jets import FieldJet
from hermite_pinn.expressions.program import Program, is_smooth, total_derivative
from hermite_pinn.methods.systems.grid_system import GridSystem
from hermite_pinn.residuals import adn_weights as orders
from hermite_pinn.residuals.adn_weights import equation_weights
from hermite_pinn.residuals.scales import source_norms, term_norms

logger = logging.getLogger(__name__)

NONE = -inf
ORDERS = {
    "one equation": ([[2]], [0]),
    "Stokes": ([[2, NONE, 1], [NONE, 2, 1], [1, 1, NONE]], [0, 0, -1]),
    "Stokes, continuity first": ([[1, 1, NONE], [2, NONE, 1], [NONE, 2, 1]], [-1, 0, 0]),
    "Boussinesq": ([[2, NONE, 1, NONE], [NONE, 2, 1, 0], [1, 1, NONE, NONE], [1, 1, NONE, 2]], [0, 0, -1, 0]),
    "fluxes of Poisson": ([[0, NONE, 1], [NONE, 0, 1], [1, 1, NONE]], [-1, -1, 0]),
    "a wave as two equations": ([[1, 0], [2, 1]], [-1, 0]),
    "two second-order equations for a plate": ([[2, 0], [NONE, 2]], [0, 0]),
    "Maxwell": ([[1, 1, 1], [1, 1, NONE], [1, NONE, 1]], [0, 0, 0]),
    "an algebraic equation": ([[2, 0], [0, 0]], [0, 0]),
}


@pytest.mark.parametrize("name", ORDERS)
def test_weights_of_known_systems(name):
    given, expected = np.array(ORDERS[name][0], dtype=float), ORDERS[name][1]
    s, t = equation_weights(given)
    assert s.tolist() == expected
    slack = s[:, None] + t[None, :] - given
    assert slack.min() == 0
    assert any(all(slack[k, j] == 0 for k, j in enumerate(p)) for p in itertools.permutations(range(len(given))))


@pytest.mark.parametrize("given", [[[NONE, NONE], [1, 1]], [[2, 1]], [[1], [2]]])
def test_equations_that_cannot_be_paired_with_fields_have_no_weights(given):
    assert equation_weights(np.array(given, dtype=float)) is None


def test_the_total_derivative_is_that_of_the_composed_function():
    names = ("x", "y")
    u, x, y = FieldJet("u", (0, 0), names, 3), coordinate("x"), coordinate("y")
    residual = sin(u * x) * u.x + y * u.yy / (1 + u**2)
    place = torch.tensor([[0.3, -0.2], [0.7, 0.4]], dtype=torch.float64, requires_grad=True)

    def jet(orders):
        """Derivatives of exp(2 x) sin(3 y)."""
        turned = sin(3 * place[1] + orders[1] * pi / 2)
        return 2.0 ** orders[0] * 3.0 ** orders[1] * torch.exp(2 * place[0]) * turned

    def value(expression):
        program = Program([expression])
        env = {(kind, d): jet(d[1]) if kind == "jet" else place[names.index(d)] for kind, d in program.leaves}
        return program.run(env)[0]

    gradient = torch.autograd.grad(value(residual).sum(), place)[0]
    for axis, name in enumerate(names):
        assert torch.allclose(value(total_derivative(residual, name, axis)), gradient[axis], rtol=1e-12)


def fluxes(source):
    """Poisson's equation as three equations of first order."""
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["p", "q", "u"],
        lambda p, q, u, x, y: {"p": p + u.x, "q": q + u.y, "balance": p.x + q.y - source(x, y)},
        [hp.Dirichlet(u=0.0)],
        exact={"u": lambda x, y: sin(pi * x) * sin(pi * y)},
    )


def smooth_source(x, y):
    return 2 * pi**2 * sin(pi * x) * sin(pi * y)


STEPS = {"stokes": lambda: problems.make("stokes"), "fluxes": lambda: fluxes(smooth_source)}


@pytest.mark.parametrize("name", STEPS)
def test_steps_of_the_linear_solver_do_not_grow(name):
    steps = hp.solve(STEPS[name](), method=hp.GaussNewton(inner="cg"), levels=6, progress=False).history["inner"]
    logger.info("%s: %s steps by level", name, steps.tolist())
    assert steps[-1] <= 1.2 * steps[-3]


@pytest.mark.parametrize(("name", "levels"), [("stokes", 4), ("fluxes", 3)])
def test_derivatives_of_residuals_save_steps(name, levels, monkeypatch):
    def most():
        method = hp.GaussNewton(inner="cg")
        return hp.solve(STEPS[name](), method=method, levels=levels, progress=False).history["inner"].max()

    fewer = most()
    monkeypatch.setattr(orders, "NEEDED", inf)
    more = most()
    logger.info("%s, %d levels: %d steps, %d without derivatives", name, levels, fewer, more)
    assert fewer < 0.4 * more


def system(problem, resolutions=((8, 8), (16, 16))):
    return GridSystem(problem, "cubic", resolutions)


def test_derivatives_of_residuals_are_rows_but_no_results():
    s = system(problems.make("stokes"))
    assert [t.name for t in s.derived.terms] == ["continuity, derivative along x", "continuity, derivative along y"]
    assert list(s.residual_rms(s.linearize(torch.zeros(s.size, dtype=torch.float64)))) == [
        "momentum x", "momentum y", "continuity",
    ]  # fmt: skip


def test_single_equations_and_rough_residuals_are_left_as_they_are():
    assert system(problems.helmholtz2d(a=1)).derived is None
    rough = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["p", "q", "u"],
        lambda p, q, u, x, y: (
            p + hp.where(x < 0.5, 1.0, 3.0) * u.x,
            q + hp.where(x < 0.5, 1.0, 3.0) * u.y,
            p.x + q.y - 1.0,
        ),
        [hp.Dirichlet(u=0.0)],
    )
    assert system(rough).derived is None
    assert not is_smooth(rough.terms[0].residual)


def test_flows_ruled_by_transport_are_left_as_they_are():
    """Where viscosity is small at the size of a cell, the divergence in L2 is enough."""
    assert system(problems.kovasznay(), ((16, 16), (32, 32))).derived is not None
    assert system(problems.kovasznay(reynolds=1e5)).derived is None


# -- equations of different size ---


def chained(factor):
    """A field that is harmonic and drives another one, ``factor`` times as large."""
    spread = 1 / (2 * pi * math.sinh(pi))
    return hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["c", "w"],
        lambda c, w: {"harmonic": c.laplacian, "driven": w.laplacian + factor * c},
        [
            hp.Dirichlet(c=lambda x, y: sin(pi * x) * sinh(pi * y) / math.sinh(pi)),
            hp.Dirichlet(w=lambda x, y: -factor * spread * y * cosh(pi * y) * sin(pi * x)),
        ],
        exact={
            "c": lambda x, y: sin(pi * x) * sinh(pi * y) / math.sinh(pi),
            "w": lambda x, y: -factor * spread * y * cosh(pi * y) * sin(pi * x),
        },
    )


@pytest.mark.parametrize("factor", [1e3, 1e6])
def test_units_do_not_matter(factor):
    """The relative errors are those of fields of the same size."""
    expected = hp.solve(chained(1.0), levels=3, progress=False).error()
    found = hp.solve(chained(factor), levels=3, progress=False).error()
    for name, e in found.items():
        assert e["relative_l2"] < 2 * expected[name]["relative_l2"]


def test_rows_are_scaled_by_the_sizes_of_terms_that_conditions_imply():
    """What is prescribed of both fields tells how large the coefficient makes `driven`."""
    assert source_norms(chained(1e6)) == pytest.approx(
        [source_norms(chained(1.0))[0], 1e6 * source_norms(chained(1.0))[1]]
    )


def test_rows_are_scaled_anew_by_the_sizes_of_terms():
    """What is prescribed says nothing of the waves that a small coefficient of the highest derivatives makes."""
    problem = hp.Problem(
        hp.Box(x=(0, 1)),
        ["u", "v"],
        lambda u, v, x: {"wave": u.xx + 200**2 * u, "slope": v - u.x - 0 * x},
        [hp.Dirichlet(u=0.0, on="x-"), hp.Dirichlet(u=1.0, on="x+")],
    )
    stats = hp.solve(problem, levels=[(64,), (128,)], progress=False).stats
    assert stats["residual_scales"]["wave"] > 100 * source_norms(problem)[0]


def test_term_norms_are_root_mean_squares_of_terms():
    problem = chained(5.0)
    solution = hp.solve(problem, levels=4, progress=False)
    x, y = np.random.default_rng(0).random((2, 200_000))
    s = solution
    expected = [
        math.sqrt(np.mean(s.c.xx(x, y) ** 2) + np.mean(s.c.yy(x, y) ** 2)),
        math.sqrt(np.mean(s.w.xx(x, y) ** 2) + np.mean(s.w.yy(x, y) ** 2) + 25 * np.mean(s.c(x, y) ** 2)),
    ]
    assert term_norms(problem, s.field, {}) == pytest.approx(expected, rel=2e-2)


def test_a_resumed_run_keeps_its_scales(tmp_path):
    problem, path = chained(1e6), tmp_path / "run.h5"

    class Stop(hp.Callback):
        def on_step(self, state):
            return "enough" if state.level == 2 else None

    whole = hp.solve(problem, tol=1e-4, progress=False)
    hp.solve(problem, tol=1e-4, checkpoint=path, callbacks=Stop(), progress=False)
    resumed = hp.solve(problem, tol=1e-4, resume=path, progress=False)
    assert torch.equal(resumed.field.table, whole.field.table)
    assert resumed.stats["residual_scales"] == whole.stats["residual_scales"]


def test_equations_whose_terms_vanish_keep_their_size():
    """Water at rest: no velocity, a pressure that balances the weight."""
    problem = hp.Problem(
        hp.Box(x=(0, 1), y=(0, 1)),
        ["u", "v", "p"],
        lambda u, v, p: {"x": p.x - u.laplacian, "y": p.y - v.laplacian + 1e3, "continuity": u.x + v.y},
        [hp.Dirichlet(u=0.0, v=0.0), hp.Gauge("p")],
    )
    solution = hp.solve(problem, levels=2, progress=False)
    assert list(solution.stats["residual_scales"].values()) == source_norms(problem)
    assert solution.p(0.3, 0.2) == pytest.approx(300.0, rel=1e-6)
    assert abs(solution.u(0.3, 0.2)) < 1e-6
