"""The plan of a problem: functions are traced, residuals differentiated and programs compiled once."""

import functools
import logging
from collections import Counter

import numpy as np
import pytest

import hermite_pinn as hp
from hermite_pinn import exp, pi, sin
from hermite_pinn.expressions.program import Program
from hermite_pinn.problem import plan
from hermite_pinn.residuals.compiled import compile_term

logger = logging.getLogger(__name__)


@pytest.fixture
def counts(monkeypatch):
    """How often residuals are differentiated and programs are made, and calls of functions that pass through it."""
    counted = Counter()
    differentiate, make = plan.partials, Program.__init__

    def partials(*args):
        counted["differentiated"] += 1
        return differentiate(*args)

    def init(self, outputs):
        counted["programs"] += 1
        make(self, outputs)

    monkeypatch.setattr(plan, "partials", partials)
    monkeypatch.setattr(Program, "__init__", init)
    return counted


def counting(counts, name, function):
    @functools.wraps(function)
    def call(*args, **kwargs):
        counts[name] += 1
        return function(*args, **kwargs)

    return call


def poisson(counts):
    def source(x, y):
        return 2 * pi**2 * sin(pi * x) * sin(pi * y)

    return hp.Problem(
        domain=hp.Box(x=(0, 1), y=(0, 1)),
        fields=["u"],
        residual=counting(counts, "residual", lambda u, x, y: u.xx + u.yy + source(x, y)),
        conditions=[hp.Dirichlet(u=counting(counts, "boundary", lambda x, y: 0.0 * x))],
    )


def heat(counts):
    return hp.Problem(
        domain=hp.Box(x=(0, 1), t=(0, 1)),
        fields=["u"],
        residual=counting(counts, "residual", lambda u: u.t - 0.1 * u.xx),
        conditions=[hp.Dirichlet(u=0.0), hp.Initial(u=counting(counts, "initial", lambda x: sin(pi * x)))],
        exact={"u": lambda x, t: sin(pi * x) * exp(-0.1 * pi**2 * t)},
    )


def test_a_poisson_equation_on_four_levels_is_traced_and_differentiated_once(counts):
    solution = hp.solve(poisson(counts), levels=4, progress=False)
    assert solution.stats["slabs"] == 1
    logger.info("Poisson equation on four levels: %s", dict(counts))
    assert counts["residual"] == counts["boundary"] == 1
    assert counts["differentiated"] == 2  # the equation, and the condition for the residuals in the report
    assert counts["programs"] <= 4


def test_time_slabs_trace_and_compile_nothing(counts):
    levels = [(8, 8), (16, 16), (16, 32), (16, 64), (32, 64)]
    assert hp.solve(heat(counts), levels=levels[:2], progress=False).stats["slabs"] <= 2
    few = counts["programs"]
    counts.clear()
    solution = hp.solve(heat(counts), levels=levels, progress=False)
    assert solution.stats["slabs"] > 4
    logger.info("Heat equation on five levels, %d slabs on the last: %s", solution.stats["slabs"], dict(counts))
    assert counts["residual"] == counts["initial"] == 1
    assert counts["differentiated"] == 3  # the equation and two conditions
    assert counts["programs"] == few


@pytest.mark.parametrize(
    "method",
    [hp.Adam(steps=6, points=64, face_points=16, check_every=2, hard=False), hp.LBFGS(steps=3, points=64)],
    ids=["adam", "lbfgs"],
)
def test_methods_that_train_compile_once(counts, method):
    hp.solve(poisson(counts), method=method, levels=2, progress=False)
    assert counts["residual"] == 1
    assert counts["differentiated"] <= 2
    assert counts["programs"] <= 4


def test_steps_with_conditions_that_hold_exactly_compile_nothing(counts):
    made = []
    for steps in (2, 8):
        counts.clear()
        hp.solve(poisson(counts), method=hp.Adam(steps=steps, points=64, hard=True), levels=2, progress=False)
        made.append(counts["programs"])
    assert made[0] == made[1]


def test_a_second_solve_and_its_reports_compile_nothing(counts):
    problem = heat(counts)
    options = {"levels": [(8, 16), (8, 32)], "progress": False}
    first = hp.solve(problem, **options)
    before = counts.copy()
    second = hp.solve(problem, **options)
    x = np.random.default_rng(0).random((2, 5))
    assert np.array_equal(first.u(*x), second.u(*x))
    assert counts == before


def test_the_part_of_a_problem_is_the_problem_on_that_part():
    problem = heat(Counter())
    part = problem.restricted(t=(0.25, 0.5))
    made = problem.replace(domain=hp.Box(x=(0, 1), t=(0.25, 0.5)))
    assert part.domain == made.domain
    assert [(t.name, t.region, str(t.residual)) for t in part.terms] == [
        (t.name, t.region, str(t.residual)) for t in made.terms
    ]
    assert part.exact.keys() == problem.exact.keys()
    assert problem.domain == hp.Box(x=(0, 1), t=(0, 1))
    levels = [(8, 8)]
    solutions = [hp.solve(p, levels=levels, progress=False) for p in (part, made)]
    assert np.array_equal(*(s.u(np.array([0.3]), np.array([0.4])) for s in solutions))


def test_a_part_shares_what_does_not_depend_on_the_domain():
    problem = heat(Counter())
    part = problem.restricted(t=(0.25, 0.5))
    for whole, own in zip(problem.terms, part.terms, strict=True):
        assert compile_term(problem, whole)._sensitivities is compile_term(part, own)._sensitivities
        assert compile_term(part, own).term is own
    assert problem.plan.own is not part.plan.own


@pytest.mark.parametrize("bounds", [{"t": (0.5, 1.5)}, {"t": (0.5, 0.5)}, {"y": (0.0, 1.0)}])
def test_a_part_must_lie_within_the_domain(bounds):
    with pytest.raises(hp.InvalidProblemError, match=r"does not lie within|no axis"):
        heat(Counter()).restricted(**bounds)


def test_expressions_that_differ_in_a_bit_are_not_shared():
    a, b = 1.0, np.nextafter(1.0, 2.0)
    box = hp.Box(x=(0, 1))
    problem = hp.Problem(box, ["u"], lambda u: u.xx - 1, [hp.Dirichlet(u=a, on="x-"), hp.Dirichlet(u=b, on="x+")])
    left, right = problem.terms[1:]
    assert left.residual is not right.residual
    assert left.trace.value.data == a
    assert right.trace.value.data == b
