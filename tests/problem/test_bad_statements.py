"""Nonsense in the statement of a problem ends in the package's errors, whatever takes it."""

import inspect
import math
import operator
from collections import defaultdict

import numpy as np
import pytest
import torch

import hermite_pinn as hp
from hermite_pinn import problems

pytestmark = pytest.mark.filterwarnings("ignore::hermite_pinn.HermitePinnWarning")


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no text")


def generator():
    yield "u"


BAD = {
    "None": None,
    "True": True,
    "-1": -1,
    "0": 0,
    "2**31": 2**31,
    "2**64": 2**64,
    "10**400": 10**400,
    "1.5": 1.5,
    "nan": math.nan,
    "inf": math.inf,
    "-inf": -math.inf,
    "1e300": 1e300,
    "1j": 1j,
    "text": "text",
    "no text": "",
    "text of a number": "1",
    "bytes": b"u",
    "object": object(),
    "without text": Unprintable(),
    "class": int,
    "function": len,
    "lambda": lambda: None,
    "[]": [],
    "[[1], [2, 3]]": [[1], [2, 3]],
    "['a']": ["a"],
    "{}": {},
    "{'u': 1}": {"u": 1},
    "defaultdict": defaultdict(list),
    "set": {1, 2},
    "(1, 0)": (1, 0),
    "(1, 2, 3)": (1, 2, 3),
    "(0, nan)": (0, math.nan),
    "(True, False)": (True, False),
    "('0', '1')": ("0", "1"),
    "array": np.arange(3.0),
    "no array": np.empty(0),
    "array of objects": np.array([None, "a"], dtype=object),
    "array of complex numbers": np.array([1j]),
    "tensor": torch.arange(4.0),
    "tensor without data": torch.empty(3, device="meta"),
    "generator": generator(),
    "range": range(2),
    "Box": hp.Box(x=(0, 1)),
    "Parameter": hp.Parameter("k"),
    "Dirichlet": hp.Dirichlet(u=0.0),
}

BOX = hp.Box(x=(0, 1), y=(0, 1))
TIME = hp.Box(x=(0, 1), t=(0, 1))


def stated(**changes):
    given = {
        "domain": BOX,
        "fields": ["u"],
        "residual": lambda u: u.laplacian - 1,
        "conditions": [hp.Dirichlet(u=0.0)],
    }
    return hp.Problem(**(given | changes))


def posed(condition, domain=BOX):
    return hp.Problem(domain, ["u"], lambda u: u.xx - 1, [condition])


POINTS = [[0.5, 0.5], [0.25, 0.5]]
MAKERS = {
    "Box": lambda v: hp.Box(x=v),
    "Box, second axis": lambda v: hp.Box(x=(0, 1), t=v),
    "Problem(domain)": lambda v: stated(domain=v),
    "Problem(fields)": lambda v: stated(fields=v),
    "Problem(fields, one of them)": lambda v: stated(fields=["u", v]),
    "Problem(residual)": lambda v: stated(residual=v),
    "Problem(residual returns)": lambda v: stated(residual=lambda u: (u.xx, v)),
    "Problem(residual adds)": lambda v: stated(residual=lambda u: u.xx + v),
    "Problem(conditions)": lambda v: stated(conditions=v),
    "Problem(conditions, one of them)": lambda v: stated(conditions=[v]),
    "Problem(parameters)": lambda v: stated(parameters=v),
    "Problem(parameters, one of them)": lambda v: stated(parameters=[v]),
    "Problem(exact)": lambda v: stated(exact=v),
    "Problem(exact of u)": lambda v: stated(exact={"u": v}).exact_expressions,
    "Problem(name)": lambda v: str(stated(name=v)),
    "Problem(max_order)": lambda v: stated(max_order=v),
    "Problem.replace": lambda v: stated().replace(conditions=v),
    "Problem.restricted": lambda v: stated().restricted(x=v),
    "Dirichlet": lambda v: posed(hp.Dirichlet(u=v)),
    "Dirichlet(on)": lambda v: posed(hp.Dirichlet(u=0.0, on=v)),
    "Dirichlet(where)": lambda v: posed(hp.Dirichlet(u=0.0, where=v)),
    "Dirichlet(weight)": lambda v: posed(hp.Dirichlet(u=0.0, weight=v)),
    "Neumann": lambda v: posed(hp.Neumann(u=v)),
    "Robin": lambda v: posed(hp.Robin(u=v)),
    "Robin, one of three": lambda v: posed(hp.Robin(u=(1.0, v, 0.0))),
    "Initial": lambda v: posed(hp.Initial(u=v), TIME),
    "Initial(weight)": lambda v: posed(hp.Initial(u=0.0, weight=v), TIME),
    "Periodic": lambda v: posed(hp.Periodic(v)),
    "Gauge": lambda v: posed(hp.Gauge(v)),
    "Condition": lambda v: posed(hp.Condition(v)),
    "Condition(name)": lambda v: posed(hp.Condition(lambda u: u, name=v)),
    "Condition returns": lambda v: posed(hp.Condition(lambda u: v)),
    "Data(points)": lambda v: posed(hp.Data(v, u=1.0)),
    "Data(values)": lambda v: posed(hp.Data(POINTS, u=v)),
    "Data(noise)": lambda v: posed(hp.Data(POINTS, u=1.0, noise=v)),
    "Data(weight)": lambda v: posed(hp.Data(POINTS, u=1.0, weight=v)),
    "Smoothness": lambda v: posed(hp.Smoothness(v)),
    "Smoothness(order)": lambda v: posed(hp.Smoothness(u=1.0, order=v)),
    "Smoothness(weight)": lambda v: posed(hp.Smoothness(u=v)),
    "Parameter(name)": lambda v: hp.Parameter(v),
    "Parameter(init)": lambda v: hp.Parameter("k", init=v),
    "Parameter(bounds)": lambda v: hp.Parameter("k", bounds=v),
    "tabulated": lambda v: posed(hp.Dirichlet(u=hp.tabulated(v))),
    "tabulated(name)": lambda v: hp.tabulated(np.sin, name=v),
}
#: What must not be accepted, among the bad values, by what takes them.
REFUSED = {
    "Box": set(BAD) - {"range"},
    "Parameter(init)": {"None", "True", "nan", "inf", "text", "text of a number", "1j", "array"},
    "Dirichlet": {"None", "True", "nan", "inf", "text", "text of a number", "class", "array", "[]", "1j"},
    "Dirichlet(weight)": {"True", "-1", "0", "nan", "inf", "text", "text of a number", "array"},
    "Problem(max_order)": set(BAD),
    "Problem(name)": set(BAD) - {"None", "text", "no text", "text of a number"},
    "Smoothness(order)": set(BAD),
    "Condition(name)": set(BAD) - {"text", "no text", "text of a number"},
    "Data(noise)": {"True", "-1", "0", "nan", "inf", "text", "array"},
    "Problem(fields)": set(BAD) - {"text"},
}


@pytest.mark.parametrize("maker", MAKERS)
def test_nonsense_ends_in_the_errors_of_the_package(maker):
    for name, value in BAD.items():
        try:
            MAKERS[maker](value)
        except hp.HermitePinnError:
            continue
        except Exception as error:
            pytest.fail(f"{maker} with {name} raised {type(error).__name__}: {error}")
        assert name not in REFUSED.get(maker, ()), f"{maker} accepted {name}"


#: What makes the problems about meshes quickly where another setting is tried.
QUICK = {"poisson_mesh": {"mesh": hp.Ball((0.0, 0.0, 0.0), 1.0)}}
SETTINGS = [(p, s) for p, f in problems.PROBLEMS.items() for s in inspect.signature(f).parameters]


@pytest.mark.parametrize(("problem", "setting"), SETTINGS, ids=lambda v: v)
def test_nonsense_in_the_settings_of_a_problem_of_the_library(problem, setting):
    make = problems.PROBLEMS[problem]
    default = inspect.signature(make).parameters[setting].default
    for name, value in BAD.items():
        try:
            make(**QUICK.get(problem, {}) | {setting: value})
        except hp.HermitePinnError:
            continue
        except Exception as error:
            pytest.fail(f"{problem}({setting}={name}) raised {type(error).__name__}: {error}")
        assert name != "None" or default is None, f"{setting}=None"
        assert name not in {"nan", "inf", "text", "1j", "class", "array of objects"}, f"{setting}={name}"
        assert name != "True" or default is True or default is False, f"{setting}=True"


BOUNDS = {
    "no axes": lambda: hp.Box(),
    "seventeen axes": lambda: hp.Box(**dict.fromkeys("abcdefghijklmnopq", (0, 1))),
    "three numbers": lambda: hp.Box(x=(0, 1, 2)),
    "reversed": lambda: hp.Box(x=(1, 0)),
    "below rounding": lambda: hp.Box(x=(1.0, 1.0 + 1e-15)),
    "far from the origin": lambda: hp.Box(t=(1e12, 1e12 + 1e-3)),
    "too small": lambda: hp.Box(x=(0, 1e-200)),
    "too large": lambda: hp.Box(x=(-1e308, 1e308)),
    "a keyword": lambda: hp.Box(**{"lambda": (0, 1)}),
    "a name with a space": lambda: hp.Box(**{"x y": (0, 1)}),
}


@pytest.mark.parametrize("name", BOUNDS)
def test_a_box_that_cannot_be_resolved_is_refused(name):
    with pytest.raises(hp.InvalidProblemError):
        BOUNDS[name]()


NAMES = {
    "no field": [],
    "twice": ["u", "u"],
    "a coordinate": ["u", "x"],
    "no identifier": ["u 1"],
    "a keyword": ["class"],
    "an attribute of a solution": ["status"],
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_fields_that_cannot_be_arguments_are_refused(name):
    with pytest.raises(hp.InvalidProblemError):
        stated(fields=NAMES[name])


RETURNED = {
    "u.xx == 0": (lambda u: u.xx == 0, r"returned the comparison u.xx == 0.*: return u.xx$"),
    "u.xx == x": (lambda u, x: u.xx == x, r"return u.xx - \(x\)"),
    "one of two": (lambda u: {"a": u.xx, "b": u == 1}, r"return u - \(1\)"),
    "!=": (lambda u: u.xx != 0, "returned the condition u.xx != 0"),
    "<": (lambda u: u.xx < 0, "inequalities are not solved"),
    "a truth value": (lambda u: True, "returned True"),
    "nothing": (lambda u: None, "returned nothing"),
    "a generator": (lambda u: (v for v in (u, u.x)), "return a tuple"),
    "a complex number": (lambda u: 1j * u, "complex value"),
    "text": (lambda u: "u.xx", "'u.xx' of type str"),
    "if": (lambda u: 1 if u > 0 else u, "replace `if` by hermite_pinn.where"),
    "and": (lambda u: u and u.x, "`and`/`or`/`not` by &, | and ~"),
    "max": (lambda u: max(u, 0), "max/min by hermite_pinn.maximum"),
    "float": (lambda u: float(u), "use the functions of hermite_pinn"),
    "math.sin": (lambda u: math.sin(u), "use the functions of hermite_pinn"),
    "an unknown name": (lambda u: u + unknown, "NameError"),  # noqa: F821
    "an unknown argument": (lambda u, v: u + v, "unknown argument 'v'; known here are u, x, y"),
    "an infinite number": (lambda u: u.xx + math.inf, "contains the number inf"),
    "NaN": (lambda u: u.xx * math.nan, "contains the number nan"),
    "an array": (lambda u: u.xx + np.ones(3), r"array of shape \(3,\)"),
    "%": (operator.methodcaller("__mod__", 2), "cannot be read|failed|unknown argument"),
}


@pytest.mark.parametrize("name", RETURNED)
def test_a_residual_that_is_none_is_explained(name):
    function, message = RETURNED[name]
    with pytest.raises(hp.InvalidProblemError, match=message):
        stated(residual=function)


def test_functions_of_numpy_and_torch_may_be_applied():
    for function in (np.sin, torch.sin, np.abs, abs, np.exp):
        stated(residual=lambda u, f=function: u.xx + f(u))
