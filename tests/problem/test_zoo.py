"""One test for all problems: the exact solution satisfies residual and conditions.  And each is solved."""

import inspect

import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import problems
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.expressions.program import Program, leaves, total_derivative
from hermite_pinn.residuals.evaluation import held_out_points

#: Several settings of every problem, standard and not.
SETTINGS = {
    "helmholtz2d": [{}, {"a": (7, 13)}, {"a": (2.5, 3.3), "k": 6.0}, {"a": (1, 4), "x": (-1, 1), "y": (-1, 1)}],
    "helmholtz3d": [{}, {"a": (1, 2, 3.5), "k": 2.0, "z": (-1, 2)}],
    "poisson2d": [{}, {"modes": 30, "seed": 4, "x": (-1, 3), "width": 0.1}],
    "poisson3d": [{}, {"modes": 5, "bump": 0.0, "y": (2, 3)}],
    "convection": [{}, {"c": -3.0, "length": 2.0, "time": 0.5, "waves": 3}],
    "taylor_green": [{}, {"nu": 0.3, "time": 0.5, "waves": 2}],
    "flow_mixing": [{}, {"time": 1.0, "v_max": 0.7, "half_width": 2.0}],
    "heat": [
        {},
        {"dim": 2, "condition": "robin", "phase": 0.3, "alpha": 2.0, "beta": -0.5, "bounds": (-1, 2)},
        {"dim": 3, "diffusivity": 0.02, "waves": 2.5, "time": 2.0},
    ],
    "wave": [{}, {"c": 0.5, "waves": (2, 3, 5), "amplitudes": (1, -1, 0.2), "length": 3.0, "time": 2.0}],
    "burgers": [{}, {"nu": 0.2, "time": 2.0}],
    "allen_cahn": [{}, {"diffusivity": 0.01, "reaction": 2.0, "time": 0.5}],
    "klein_gordon": [{}, {"k": 0.7, "time": 2.0, "x": (0, 3)}],
    "kovasznay": [{}, {"reynolds": 10.0, "x": (0, 2), "y": (-1, 0.3)}],
    "stokes": [{}, {"nu": 0.03}],
    "kdv": [
        {},
        {"eta": 2.0, "mu": 0.1},
        {"initial": "soliton"},
        {"initial": "soliton", "eta": 6.0, "speed": 0.2},
        {"form": "auxiliary"},
        {"initial": "soliton", "form": "auxiliary"},
    ],
    "cavity": [{}, {"lid": "parabolic"}, {"lid": "regularised"}, {"lid": "regularised", "reynolds": 10.0}],
    "plate": [
        {},
        {"a": (1, 3), "x": (-1, 2)},
        {"support": "clamped"},
        {"support": "clamped", "a": (2, 1), "y": (1, 3)},
        {"form": "auxiliary", "a": (1, 3)},
        {"form": "auxiliary", "support": "clamped"},
    ],
    "kuramoto_sivashinsky": [{}, {"alpha": 3.0, "gamma": 0.05, "time": 0.3}, {"form": "auxiliary"}],
    "inverse_poisson": [{"noise": 0.0}, {"noise": 0.0, "points": 7, "scattered": False, "seed": 3}],
    "four_discs": [{}, {"scale": 4.0}],
    "poisson2d_cg": [{}, {"k": 2.0, "amplitude": -1.0}],
    "poisson3d_cg": [{}, {"lower": 1.0}],
    "heat2d_cg": [{}, {"time": 0.5}],
    "step": [{}, {"obstacles": 4, "outlet": "traction"}],
    "cylinder": [{}, {"speed": 0.1}],
    "plate_with_hole": [{}, {"radius": 0.5, "poisson": 0.1, "young": 7.0, "half_width": 2.0, "tension": -1.0}],
    "l_shape": [{}, {"scale": 3.0}],
    "poisson_mesh": [
        {},
        {"side": "inside", "solution": "manufactured"},
        {"mesh": "bracket", "solution": "manufactured"},
    ],
    "heat_on_part": [{}, {"part": "gear", "steady": True}],
    "burgers2d": [{}, {"nu": 0.1, "length": 1, "seed": 3}],
    "gray_scott": [{}, {"diffusivity": 1e-3, "time": 5.0}],
    "heat_multiscale": [{}, {"scale": 2.0, "waves": 3, "time": 1.0}],
    "heat_pulsed": [{}, {"strength": -1.0, "time": 1.0}],
    "heat_random": [{"size": 16}, {"size": 9, "seed": 1, "time": 1.0}],
    "heat_ball": [{}, {"dim": 3, "time": 0.5}],
    "poisson_blocks": [{}, {"blocks": 2, "coefficient": [[1, 2], [3, 4]], "half_width": 1.0}],
    "poisson_sines": [{}, {"dim": 1}, {"dim": 4}, {"dim": 6}],
    "pulsed_channel": [{}, {"nu": 0.1, "time": 1.0}],
    "wave_anisotropic": [{}, {"time": 2.0}],
    "wave_random": [{"size": 16}, {"size": 9, "seed": 1, "fast": 2.0}],
    "inverse_heat": [{"noise": 0.0}, {"noise": 0.0, "places": [[0.1, 0.2, 0.3], [-0.5, 0.5, 1.0]]}],
}
CASES = [(name, settings) for name, chosen in SETTINGS.items() for settings in chosen]


def derivative(expression, orders, names):
    """An expression of coordinates, differentiated symbolically."""
    for name, order in zip(names, orders, strict=True):
        for _ in range(order):
            expression = total_derivative(expression, name, names.index(name))
    return expression


def test_every_problem_has_settings_here():
    assert set(SETTINGS) == set(problems.PROBLEMS)


#: Fields without a known solution, by problem.
UNKNOWN = {
    "cavity": {"u", "v", "p"},
    "cavity regularised": {"p"},
    **{name: {"u"} for name in ("four_discs", "poisson2d_cg", "poisson3d_cg", "heat2d_cg", "heat_on_part")},
    **{name: {"u", "v", "p"} for name in ("step", "cylinder")},
    **{name: {"u"} for name in ("heat_pulsed", "heat_random", "poisson_blocks", "wave_random")},
    **{name: {"u", "v"} for name in ("burgers2d", "gray_scott")},
    "pulsed_channel": {"u", "v", "p"},
    "poisson_mesh": {"u"},
    "poisson_mesh manufactured": set(),
}
#: Problems whose solution is computed, with the largest residual left by differences of its values, relative to the
#: largest derivative that enters.
COMPUTED = {"burgers": 1e-7, "allen_cahn": 1e-7, "kdv": 1e-7, "kuramoto_sivashinsky": 1e-7}


def is_computed(problem):
    return any(op == "opaque" for e in problem.exact_expressions.values() for op, _, _ in Program([e]).instructions)


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_the_exact_solution_is_complete(name, settings):
    problem = problems.make(name, **settings)
    variant = settings.get("lid", settings.get("solution"))
    unknown = UNKNOWN.get(f"{name} {variant}", UNKNOWN.get(name, set()))
    assert set(problem.exact) | unknown == set(problem.fields)
    assert not set(problem.exact) & unknown
    computed = name in COMPUTED and settings.get("initial") != "soliton"
    assert is_computed(problem) == (computed or settings.get("lid") == "regularised")


def jets_of(problem, term):
    return {data for kind, data in leaves(term.residual) if kind == "jet"}


def residual_at(problem, term, samples, jets):
    """Largest value of a term for given values of its jets, relative to the largest of them."""
    env = samples.leaves(problem.domain.names) | {("jet", j): v for j, v in jets.items()}
    value = torch.as_tensor(Program([term.residual]).run(env)[0])
    return float(value.abs().max()) / max([1.0, *(float(v.abs().max()) for v in jets.values())])


@pytest.mark.parametrize(("name", "settings"), CASES)
def test_the_exact_solution_satisfies_residual_and_conditions(name, settings):
    problem = problems.make(name, **settings)
    names = problem.domain.names
    if is_computed(problem) or set(problem.exact) != set(problem.fields):
        pytest.skip("the solution is computed: see the tests of references")
    generator = torch.Generator().manual_seed(1)
    for term in problem.terms:
        if term.region.penalty is not None:  # small for the solution, not zero
            continue
        samples = held_out_points(problem, term, 500, generator)
        x = samples.x
        env = {("coordinate", n): x[i] for i, n in enumerate(names)}
        jets = {
            (field, orders): torch.as_tensor(
                Program([derivative(problem.exact_expressions[field], orders, names)]).run(env)[0], dtype=x.dtype
            ).expand(x.shape[1])
            for field, orders in jets_of(problem, term)
        }
        assert residual_at(problem, term, samples, jets) < 1e-11, term.name


#: Weights of central differences of order 10 for the first and second derivative, at 0 and to the right.
FIRST = [0.0, 5 / 6, -5 / 21, 5 / 84, -5 / 504, 1 / 1260]
SECOND = [-5269 / 1800, 5 / 3, -5 / 21, 5 / 126, -5 / 1008, 1 / 3150]


def difference(function, x, orders, steps):
    """A derivative of a function of points (dim, n) by central differences, axis by axis."""
    for axis, order in enumerate(orders):
        if order:
            taken = min(order, 2)
            rest = [m - taken if i == axis else m for i, m in enumerate(orders)]
            total = torch.zeros(x.shape[1], dtype=x.dtype)
            for k, weight in enumerate(FIRST if taken == 1 else SECOND):
                for sign in (-1, 1) if k else (1,):
                    shifted = x.clone()
                    shifted[axis] += sign * k * steps[axis]
                    share = weight * (sign if taken == 1 else 1) / steps[axis] ** taken
                    total += share * difference(function, shifted, rest, steps)
            return total
    return function(*x)


#: Steps of the differences (x, t) for computed solutions, and the times where they are taken.
STEPS = {
    "burgers": ((3e-4, 1e-3), (0.02, 0.98)),
    "allen_cahn": ((1e-3, 1e-3), (0.3, 0.9)),
    "kdv": ((1.5e-3, 1e-3), (0.05, 0.95)),
    "kuramoto_sivashinsky": ((6e-3, 3e-4), (0.05, 0.95)),
}


@pytest.mark.slow_but("burgers", "kuramoto")
@pytest.mark.parametrize(("name", "settings"), [(n, s) for n, s in CASES if n in STEPS and "initial" not in s])
def test_the_computed_solution_satisfies_residual_and_conditions(name, settings):
    problem = problems.make(name, **settings)
    generator = torch.Generator().manual_seed(1)
    length = problem.domain.lengths[1]
    (dx, dt), (start, end) = STEPS[name]
    for term in problem.terms:
        samples = held_out_points(problem, term, 200, generator)
        x = samples.x
        if term.region.is_interior:
            x[0] = x[0] * 0.98 + 0.01
            x[1] = length * start + (length * (end - start)) * x[1] / length
        jets = {
            (f, orders): difference(problem.exact[f], x, orders, (dx, dt * length))
            for f, orders in jets_of(problem, term)
        }
        tolerance = COMPUTED[name] if term.region.is_interior else 1e-9
        assert residual_at(problem, term, samples, jets) < tolerance, term.name


#: Problems the automatic refinement must finish, with the tolerance asked for.
REFINED = [
    *((name, settings, 3e-3 if name.endswith("3d") else 1e-4) for name, chosen in SETTINGS.items() for settings in chosen
      if name.startswith(("helmholtz", "poisson", "convection")) and "_" not in name),
    ("heat", {}, 1e-4),
    ("heat", {"condition": "robin", "phase": 0.5}, 1e-4),
    ("wave", {"waves": 2, "amplitudes": 1, "c": 0.5}, 1e-4),
    ("plate", {}, 1e-4),
    ("plate", {"support": "clamped", "a": 1}, 1e-3),
    ("plate", {"support": "clamped", "a": 1, "form": "auxiliary"}, 1e-3),
    ("kdv", {"initial": "soliton", "mu": 0.3, "time": 0.5}, 1e-4),
    ("burgers", {"nu": 0.1}, 1e-4),
    ("allen_cahn", {"diffusivity": 0.1, "reaction": 1.0, "time": 0.5}, 1e-2),
]  # fmt: skip
#: Mild settings of the others: options, and the largest error of every field with a known solution.
MILD = [
    ("flow_mixing", {"time": 0.5, "v_max": 1.0, "half_width": 2.0}, {"levels": 1}, 3e-3),
    ("klein_gordon", {"k": 1.0, "time": 1.0}, {"levels": 1}, 1e-4),
    ("kdv", {"initial": "soliton", "mu": 0.3, "time": 0.5, "form": "auxiliary"}, {"levels": 3}, 1e-2),
    ("kuramoto_sivashinsky", {"time": 0.005}, {"levels": [(16, 4)]}, 1e-4),
    ("heat_multiscale", {"scale": 2.0, "waves": 2, "time": 0.5}, {"levels": [8, 16]}, 1e-3),
    ("heat_ball", {"time": 0.5}, {"levels": [4, 8]}, 1e-2),
    ("poisson_sines", {"dim": 2}, {"levels": [4, 8]}, 1e-4),
    ("wave_anisotropic", {"time": 0.5}, {"levels": [8, 16]}, 1e-2),
    (
        "kuramoto_sivashinsky",
        {"time": 0.005, "form": "auxiliary"},
        {"levels": [(8, 4)], "field": hp.Field(basis="quintic")},
        5e-2,
    ),
]


@pytest.mark.parametrize(("name", "settings", "tol"), REFINED)
def test_the_solver_reaches_its_tolerance(name, settings, tol):
    solution = hp.solve(problems.make(name, **settings), tol=tol)
    assert solution.status is hp.Status.CONVERGED
    assert all(e["relative_l2"] < tol for e in solution.error().values())


@pytest.mark.parametrize(("name", "settings", "options", "bound"), MILD)
def test_a_few_levels_suffice_for_mild_settings(name, settings, options, bound):
    solution = hp.solve(problems.make(name, **settings), **options)
    assert solution.status.success
    assert all(e["relative_l2"] < bound for e in solution.error().values())


@pytest.mark.parametrize("name", problems.PROBLEMS)
def test_every_problem_documents_equation_source_and_numbers(name):
    module = inspect.getmodule(problems.PROBLEMS[name])
    assert "Source:" in module.__doc__
    assert any(phrase in module.__doc__ for phrase in ("umber to beat", "umbers to beat", "no number"))
    assert problems.PROBLEMS[name].__doc__


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("helmholtz4d", {}, "There are helmholtz2d"),
        ("helmholtz2d", {"b": 1}, "it has a, k"),
        ("helmholtz2d", {"a": (1, 2, 3)}, "one per axis"),
        ("helmholtz2d", {"a": "ten"}, "one per axis"),
        ("poisson2d", {"modes": 0}, "between 1 and"),
        ("poisson2d", {"width": 0}, "positive"),
        ("taylor_green", {"waves": 1.5}, "waves must be an integer"),
        ("flow_mixing", {"v_max": 0}, "positive"),
        ("heat", {"dim": 4}, "between 1 and 3"),
        ("heat", {"condition": "neumann"}, "'dirichlet' or 'robin'"),
        ("heat", {"waves": -1}, "positive"),
        ("wave", {"waves": (1, 2, 3)}, "as many as"),
        ("burgers", {"nu": -1}, "positive"),
        ("kdv", {"initial": "step"}, "'cosine' or 'soliton'"),
        ("cavity", {"lid": "rough"}, "'classical', 'parabolic', 'reg"),
        ("poisson_blocks", {"blocks": 2, "amplitude": [1, 2]}, "a table of 2 x 2"),
        ("poisson_blocks", {"blocks": 1, "coefficient": [[0.0]]}, "positive in all blocks"),
        ("heat_ball", {"dim": 5}, "dim=2, a disc, or dim=3, a ball; got dim=5"),
        ("inverse_heat", {"places": [[1, 2]]}, "columns x, y, t"),
        ("inverse_heat", {"places": "here"}, "columns x, y, t"),
        ("plate", {"a": 1.5}, "positive integers"),
        ("plate", {"support": "free"}, "'simple' or"),
        ("inverse_poisson", {"points": 1}, "between 2 and"),
        ("convection", {"length": 0}, "length must be a positive finite number"),
    ],
)
def test_bad_settings(name, settings, message):
    with pytest.raises(InvalidArgumentError, match=message):
        problems.make(name, **settings)
