"""One test for all problems: the exact solution satisfies residual and conditions.  And each is solved."""

import inspect

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.conditions import PointSet
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.evaluation import held_out_points
from hermite_pinn.program import Program, leaves, partials, substitute

#: Several settings of every problem, standard and not.
SETTINGS = {
    "helmholtz2d": [{}, {"a": (7, 13)}, {"a": (2.5, 3.3), "k": 6.0}, {"a": (1, 4), "x": (-1, 1), "y": (-1, 1)}],
    "helmholtz3d": [{}, {"a": (1, 2, 3.5), "k": 2.0, "z": (-1, 2)}],
    "poisson2d": [{}, {"modes": 30, "seed": 4, "x": (-1, 3), "width": 0.1}],
    "poisson3d": [{}, {"modes": 5, "bump": 0.0, "y": (2, 3)}],
    "convection": [{}, {"c": -3.0, "length": 2.0, "time": 0.5, "waves": 3}],
}
CASES = [(name, settings) for name, chosen in SETTINGS.items() for settings in chosen]


def derivative(expression, orders, names):
    """An expression of coordinates, differentiated symbolically."""
    for name, order in zip(names, orders, strict=True):
        for _ in range(order):
            found = partials(expression, lambda leaf, name=name: leaf.op == "coordinate" and leaf.data == name)
            expression = found.get(("coordinate", name), hp.expressions.constant(0.0))
    return expression


def test_every_problem_has_settings_here():
    assert set(SETTINGS) == set(problems.PROBLEMS)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_the_exact_solution_satisfies_residual_and_conditions(name, settings):
    problem = problems.make(name, **settings)
    names = problem.domain.names
    assert set(problem.exact) == set(problem.fields)
    generator = torch.Generator().manual_seed(1)
    for term in problem.terms:
        assert not isinstance(term.region, PointSet)
        x, _ = held_out_points(problem, term, 500, generator)
        env = {("coordinate", n): x[i] for i, n in enumerate(names)}
        jets = {
            (field, orders): derivative(problem.exact_expressions[field], orders, names)
            for _, (field, orders) in [leaf for leaf in leaves(term.residual) if leaf[0] == "jet"]
        }
        residual = substitute(term.residual, lambda leaf, jets=jets: jets[leaf.data] if leaf.op == "jet" else None)
        values = Program([residual, *jets.values()]).run(env)
        size = max([1.0, *(float(torch.as_tensor(v).abs().max()) for v in values[1:])])
        assert float(torch.as_tensor(values[0]).abs().max()) < 1e-11 * size, term.name


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_the_solver_reaches_its_tolerance(name, settings):
    problem = problems.make(name, **settings)
    tol = 3e-3 if problem.domain.dim == 3 else 1e-4
    solution = hp.solve(problem, tol=tol)
    assert solution.status is hp.Status.CONVERGED
    assert all(e["relative_l2"] < tol for e in solution.error().values())


@pytest.mark.parametrize("name", problems.PROBLEMS)
def test_every_problem_documents_equation_source_and_numbers(name):
    module = inspect.getmodule(problems.PROBLEMS[name])
    assert "Source:" in module.__doc__
    assert "u" in problems.make(name).exact
    assert problems.PROBLEMS[name].__doc__


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("helmholtz4d", {}, "there are helmholtz2d"),
        ("helmholtz2d", {"b": 1}, "it has a, k"),
        ("helmholtz2d", {"a": (1, 2, 3)}, "one per axis"),
        ("helmholtz2d", {"a": "ten"}, "one per axis"),
        ("poisson2d", {"modes": 0}, "at least 1"),
        ("poisson2d", {"width": 0}, "positive"),
        ("convection", {"length": 0}, "cannot be made|no extent|division"),
    ],
)
def test_bad_settings(name, settings, message):
    with pytest.raises((InvalidArgumentError, ZeroDivisionError), match=message):
        problems.make(name, **settings)
