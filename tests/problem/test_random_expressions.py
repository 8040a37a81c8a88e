"""Random expressions: evaluation, derivatives, text and folding agree with plain NumPy and with autograd."""

import operator

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from hermite_pinn.expressions.elementary import registered
from hermite_pinn.expressions.graph import Expr, constant, coordinate, parameter, postorder, wrap
from hermite_pinn.expressions.jets import FieldJet
from hermite_pinn.expressions.program import Program, leaves, partials, same, substitute, total_derivative
from hermite_pinn.expressions.spelling import spelled

bounded = settings(max_examples=100, derandomize=True, deadline=None, database=None)

U = FieldJet("u", (0, 0), ("x", "t"), 2)
SYMBOLS = {"x": coordinate("x"), "t": coordinate("t"), "nu": parameter("nu"), "u": U, "u.x": U.x}
LEAVES = {name: (symbol.op, symbol.data) for name, symbol in SYMBOLS.items()}
POINTS = dict(zip(SYMBOLS, np.random.default_rng(5).uniform(-2.0, 2.0, (len(SYMBOLS), 40)), strict=True))

OPERATORS = {
    "neg": operator.neg, "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv, "pow": operator.pow,
    "less": operator.lt, "less_equal": operator.le, "greater": operator.gt, "greater_equal": operator.ge, "equal": operator.eq,
    "not_equal": operator.ne, "logical_and": operator.and_, "logical_or": operator.or_, "logical_not": operator.invert,
}  # fmt: skip
WITHOUT_NUMPY = {"erf": special.erf, "erfc": special.erfc, "sech": lambda x: 1 / np.cosh(x)}
COMPARISONS = ["less", "less_equal", "greater", "greater_equal", "equal", "not_equal"]
LOGICAL = ["logical_and", "logical_or", "logical_not"]
ROUNDING = ["floor", "ceil"]
NUMERIC = [
    name for name, f in registered().items() if not f.logical and name not in ("where", "pow") and f.arity < 3
]  # pow has strategies of its own


NUMBERS = [0.0, 1.0, -1.0, 2.0, -2.5, 0.1, 1 / 3, 1e-3]
EXPONENTS = [-2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0]


@st.composite
def trees(draw, depth=4):
    """A name of a symbol, a number, or a function with its operands."""
    kind = draw(st.sampled_from(["leaf", "one", "two", "two", "pow", "where", "number"])) if depth else "leaf"
    below = trees(depth - 1)
    if kind == "leaf":
        return draw(st.sampled_from([*SYMBOLS, *SYMBOLS, *NUMBERS]))
    if kind == "pow":
        return "pow", (draw(below), draw(st.sampled_from(EXPONENTS) | below))
    if kind == "where":
        return "where", (draw(conditions(depth - 1)), draw(below), draw(below))
    if kind == "number":
        return "number", (draw(conditions(depth - 1)),)
    arity = {"one": 1, "two": 2}[kind]
    name = draw(st.sampled_from([n for n in NUMERIC if registered()[n].arity == arity]))
    return name, tuple(draw(below) for _ in range(arity))


@st.composite
def conditions(draw, depth):
    """A comparison, or some of them joined."""
    name = (
        draw(st.sampled_from([*COMPARISONS, *COMPARISONS, *LOGICAL])) if depth else draw(st.sampled_from(COMPARISONS))
    )
    below = trees(depth) if name in COMPARISONS else conditions(depth - 1)
    return name, tuple(draw(below) for _ in range(registered()[name].arity))


def applied(tree, leaf, functions):
    """The value of a tree, given those of its leaves and what its functions do."""
    if isinstance(tree, tuple):
        name, operands = tree
        return functions(name)(*(applied(o, leaf, functions) for o in operands))
    return leaf(tree)


def traced(tree):
    """The tree as a user's function makes it: by operators and functions."""
    return wrap(
        applied(
            tree,
            lambda v: SYMBOLS[v] if isinstance(v, str) else constant(v),
            lambda name: (lambda c: c) if name == "number" else OPERATORS.get(name) or registered()[name],
        )
    )


def plain(tree):
    """The tree by NumPy alone, and at which points it is harmless: finite, moderate, away from kinks and steps."""
    harmless = np.ones(40, dtype=bool)

    def function(name):
        if name == "number":
            return lambda c: np.where(c, 1.0, 0.0)
        by_numpy = OPERATORS.get(name) or WITHOUT_NUMPY.get(name) or getattr(np, name)

        def evaluated(*operands):
            value = by_numpy(*operands)
            if value.dtype != bool:
                harmless[...] &= np.abs(value) < 1e3
            if name in ROUNDING:
                harmless[...] &= np.abs(operands[0] - np.round(operands[0])) > 1e-3
            if name in (*COMPARISONS, "maximum", "minimum"):
                harmless[...] &= np.abs(operands[0] - operands[1]) > 1e-3
            if name in ("abs", "sign", "sqrt", "cbrt", "log", "div", "pow", "hypot", "arctan2"):
                harmless[...] &= np.abs(operands[-1 if name == "div" else 0]) > 1e-3
            return value

        return evaluated

    with np.errstate(all="ignore"):
        value = applied(tree, lambda v: POINTS[v].copy() if isinstance(v, str) else np.full(40, v), function)
    return value, harmless


def environment(dtype=torch.float64, grad=False):
    return {LEAVES[n]: torch.tensor(v, dtype=dtype, requires_grad=grad) for n, v in POINTS.items()}


def values(expression, env=None):
    (value,) = Program([expression]).run(environment() if env is None else env)
    return torch.as_tensor(value, dtype=torch.float64).expand(40).detach().numpy()


def check(actual, expected, where, rtol=1e-8):
    np.testing.assert_allclose(actual[where], expected[where], rtol=rtol, atol=rtol)


@bounded
@given(trees())
def test_programs_evaluate_as_numpy_does(tree):
    expected, harmless = plain(tree)
    check(values(traced(tree)), expected, harmless)


@bounded
@given(trees())
def test_precision_is_that_of_the_leaves(tree):
    for dtype in (torch.float32, torch.float64):
        (value,) = Program([traced(tree)]).run(environment(dtype))
        assert not isinstance(value, torch.Tensor) or value.dtype == dtype


@bounded
@given(trees())
def test_partial_derivatives_agree_with_autograd(tree):
    expression, (_, harmless) = traced(tree), plain(tree)
    env = environment(grad=True)
    (value,) = Program([expression]).run(env)
    slopes = partials(expression, lambda leaf: True)
    assert set(slopes) <= leaves(expression)
    for leaf, x in env.items():
        expected = None
        if isinstance(value, torch.Tensor) and value.requires_grad:
            (expected,) = torch.autograd.grad(value.sum(), x, retain_graph=True, allow_unused=True)
        expected = np.zeros(40) if expected is None else expected.numpy()
        moderate = harmless & (np.abs(expected) < 1e4)
        check(values(slopes.get(leaf, constant(0.0))), expected, moderate, rtol=1e-6)


@bounded
@given(trees())
def test_total_derivatives_agree_with_autograd(tree):
    """Along x with the field u = sin(x) t + x**2, at points where its jets are those of the field."""
    expression = traced(tree)
    x, t, nu = (torch.tensor(POINTS[n], requires_grad=n == "x") for n in ("x", "t", "nu"))
    jets = {(0, 0): torch.sin(x) * t + x**2, (1, 0): torch.cos(x) * t + 2 * x, (2, 0): -torch.sin(x) * t + 2}
    env = {("coordinate", "x"): x, ("coordinate", "t"): t, ("parameter", "nu"): nu}
    env |= {("jet", ("u", orders)): v for orders, v in jets.items()}
    (value,) = Program([expression]).run(env)
    expected = np.zeros(40)
    if isinstance(value, torch.Tensor) and value.requires_grad:
        expected = torch.autograd.grad(value.sum(), x)[0].numpy()
    actual = values(total_derivative(expression, "x", 0), env)
    finite = np.isfinite(torch.as_tensor(value).expand(40).detach().numpy())
    both = finite & np.isfinite(expected) & np.isfinite(actual) & (np.abs(expected) < 1e4)
    check(actual, expected, both, rtol=1e-6)


class Jet(float):
    """A number with derivatives as attributes."""


@bounded
@given(trees())
def test_the_whole_text_evaluates_to_the_same_value(tree):
    expression, (expected, harmless) = traced(tree), plain(tree)
    text = spelled(expression, limit=None)
    for i in np.flatnonzero(harmless)[:5]:
        names = {name: v[i].item() for name, v in POINTS.items()}
        names["u"] = Jet(names["u"])
        names["u"].x = names.pop("u.x")
        names |= registered()
        try:
            value = eval(text, {"__builtins__": {}}, names)
        except (ZeroDivisionError, OverflowError):  # of Python, in a piece that is not chosen
            continue
        if not isinstance(value, complex):
            np.testing.assert_allclose(value, expected[i], rtol=1e-8, atol=1e-8)
    assert len(spelled(expression)) <= 200


@bounded
@given(trees())
def test_the_whole_text_makes_the_same_function(tree):
    """Up to the order of sums and products, which the text of a + (b + c) leaves out."""
    expected, harmless = plain(tree)
    names = {"x": SYMBOLS["x"], "t": SYMBOLS["t"], "nu": SYMBOLS["nu"], "u": U, "nan": np.nan, "inf": np.inf}
    again = wrap(eval(spelled(traced(tree), limit=None), {"__builtins__": {}}, names | dict(registered())))
    check(values(again), expected, harmless)


@bounded
@given(trees(), st.sets(st.sampled_from(list(SYMBOLS))), st.integers(0, 39))
def test_folding_and_substitution_change_no_value(tree, fixed, i):
    """Some leaves given as numbers when the expression is made, substituted later, or given when it is evaluated."""
    expression, (expected, harmless) = traced(tree), plain(tree)
    numbers = {LEAVES[n]: POINTS[n][i].item() for n in fixed}
    replaced = substitute(expression, lambda leaf: numbers.get((leaf.op, leaf.data)))
    assert not leaves(replaced) & set(numbers)
    if fixed == set(SYMBOLS):
        assert replaced.is_constant
    env = environment()
    both = [values(e, env | numbers)[i] for e in (expression, replaced)]
    if harmless[i]:
        np.testing.assert_allclose(both, expected[i], rtol=1e-8, atol=1e-8)


@bounded
@given(trees())
def test_the_same_functions_make_the_same_expressions(tree):
    one, two = traced(tree), traced(tree)
    assert same(one, two)
    assert same(substitute(one, lambda leaf: None), one)
    assert len(Program([one, two]).instructions) == len(Program([one]).instructions)
    assert same(substitute(one, lambda leaf: Expr(leaf.op, (), leaf.data)), one)
    assert len({id(e) for e in postorder(one, two)}) == len(list(postorder(one, two)))
