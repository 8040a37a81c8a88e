"""Tracing, evaluation and exact differentiation of residuals."""

import math

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline

import hermite_pinn as hp
from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError
from hermite_pinn.expressions import elementary
from hermite_pinn.expressions.graph import Expr, constant, coordinate, parameter, wrap
from hermite_pinn.expressions.jets import FieldJet
from hermite_pinn.expressions.program import Program, depends_on, is_smooth, leaves, partials, same, substitute
from hermite_pinn.expressions.spelling import spelled

X, T = coordinate("x"), coordinate("t")
U = FieldJet("u", (0, 0), ("x", "t"), 2)


def field(name="u", max_order=2):
    return FieldJet(name, (0, 0), ("x", "t"), max_order)


FUNCTIONS = [
    lambda x, y: x * y - x / y + 2 * x - y,
    lambda x, y: x**3 - y**2.5 + x**y,
    lambda x, y: hp.sin(x) * hp.cos(y) + hp.tan(0.3 * x),
    lambda x, y: hp.exp(-x) * hp.log(y) + hp.sqrt(x * y),
    lambda x, y: hp.tanh(x) - hp.sinh(0.5 * y) * hp.cosh(0.2 * x) + hp.sech(x),
    lambda x, y: hp.arcsin(0.3 * x) + hp.arccos(0.2 * y) + hp.arctan(x) + hp.arctan2(x, y),
    lambda x, y: hp.where(x > y, x * x, y) + hp.maximum(x, y) * hp.minimum(x, 0.5),
    lambda x, y: abs(x - 1) + hp.sign(x - y) + hp.erf(x) + hp.floor(y),
    lambda x, y: -x + (+y) - (1 - x) / (2 - y * x),
]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_traced_functions_equal_numbers_arrays_and_tensors(function):
    x, y = np.random.default_rng(0).uniform(0.1, 1.0, (2, 50))
    expected = function(x, y)
    traced = function(X, T)
    tensors = {("coordinate", "x"): torch.as_tensor(x), ("coordinate", "t"): torch.as_tensor(y)}
    found = Program([traced]).run(tensors)[0]
    assert np.allclose(found.numpy(), expected, rtol=1e-13, atol=1e-13)
    assert np.allclose(function(torch.as_tensor(x), torch.as_tensor(y)).numpy(), expected, rtol=1e-13, atol=1e-13)
    assert function(float(x[0]), float(y[0])) == pytest.approx(expected[0], rel=1e-12)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_partials_are_exact(function):
    x, y = torch.rand(2, 50, dtype=torch.float64).mul(0.9).add(0.1).unbind()
    x, y = x.requires_grad_(), y.requires_grad_()
    env = {("coordinate", "x"): x, ("coordinate", "t"): y}
    value = Program([function(X, T)]).run(env)[0]
    expected = torch.autograd.grad(value.sum(), (x, y))
    found = partials(function(X, T), lambda leaf: True)
    for name, truth in zip(("x", "t"), expected, strict=True):
        got = Program([found.get(("coordinate", name), constant(0.0))]).run(env)[0]
        assert torch.allclose(torch.as_tensor(got).double().expand_as(truth), truth, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(
    ("function", "slope"),
    [
        (lambda x: hp.where(x > 0, hp.sqrt(x), 0.0), lambda x: np.where(x > 0, 0.5 / np.sqrt(np.maximum(x, 1e-9)), 0)),
        (lambda x: hp.where(x == 0, 1.0, hp.sin(x) / x), lambda x: np.where(x == 0, 0, x * np.cos(x) - np.sin(x))),
        (lambda x: hp.where(x > 0, x * hp.log(x), hp.where(x < -0.5, hp.log(-x), x)), lambda x: [-1.0, 1.0, 1.0]),
        (lambda x: hp.maximum(hp.minimum(hp.log(x + 1.0), 0.0), -9.0), lambda x: [0.0, 1.0, 0.0]),
        (lambda x: x ** hp.where(x > 5, x, 2.0), lambda x: 2 * x),
        (lambda x: (0 * x + abs(x)) ** 2.0 * 2**x, lambda x: (2 * x + x**2 * np.log(2)) * 2**x),
        (lambda x: (x * x) ** (x * x), lambda x: [-2.0, 0.0, 2.0]),
    ],
)
def test_pieces_that_are_not_taken_may_be_undefined(function, slope):
    x = np.array([-1.0, 0.0, 1.0])
    (derivative,) = partials(function(X), lambda leaf: True).values()
    value = Program([derivative]).run({("coordinate", "x"): torch.tensor(x)})[0]
    assert np.allclose(value, slope(x))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda x: x > 0, [0, 0, 1]),
        (lambda x: 1 - (x > 0), [1, 1, 0]),
        (lambda x: (x > 0) + (x > -2), [1, 1, 2]),
        (lambda x: -(x >= 0), [0, -1, -1]),
        (lambda x: (x > 0) * x, [0, 0, 2]),
        (lambda x: ~((x > 0) | (x < -0.5)), [0, 1, 0]),
        (lambda x: (x > 0) & True, [0, 0, 1]),
        (lambda x: False | (x > 0), [0, 0, 1]),
        (lambda x: hp.where((x > -2) & (x != 2), 1, x), [1, 1, 2]),
        (lambda x: hp.where(x, 5, 7), [5, 7, 5]),
    ],
)
def test_conditions_are_one_or_zero_among_numbers(function, expected):
    x = torch.tensor([-1.0, 0.0, 2.0], dtype=torch.float64)
    value = Program([wrap(function(X))]).run({("coordinate", "x"): x})[0]
    assert value.dtype == torch.float64
    assert value.tolist() == expected


def test_a_condition_is_not_smooth():
    assert not is_smooth(wrap((X > 0) * X))


def test_numbers_fold_as_they_are_evaluated():
    c = constant
    assert [e.data for e in (hp.erf(c(0.0)), hp.sech(c(0.0)), hp.floor(c(1.5)), hp.maximum(c(1.0), c(2.0)))] == [
        0,
        1,
        1,
        2,
    ]
    assert hp.where(c(1.0) > c(2.0), X, U) is U
    assert (c(1.0) / c(0.0)).data == math.inf
    assert math.isnan((c(0.0) / c(0.0)).data)
    assert math.isnan((c(-8.0) ** c(1 / 3)).data)
    assert hp.exp(c(1000.0)).data == math.inf
    below = Program([hp.arctan2(c(0.0), X), hp.arctan2(c(-0.0), X)]).run({("coordinate", "x"): torch.tensor([-1.0])})
    assert [float(v) for v in below] == pytest.approx([math.pi, -math.pi])


def test_a_function_is_one_entry_of_the_table(monkeypatch):
    """Registered, it is traced, folded, evaluated in every precision, differentiated, spelled and listed in errors."""
    monkeypatch.setitem(elementary._TABLE, "softplus", None)
    monkeypatch.delitem(elementary._TABLE, "softplus")  # as it is again when the test ends
    softplus = elementary.register(
        elementary.Elementary(
            "softplus",
            lambda x: np.log1p(np.exp(x)),
            torch.nn.functional.softplus,
            (lambda v, x: 1.0 / (1.0 + hp.exp(-x)),),
            "Smooth ramp",
        )
    )
    points = torch.linspace(-2, 2, 9, dtype=torch.float64)
    expression = softplus(2.0 * X)
    (value,) = Program([expression]).run({("coordinate", "x"): points})
    assert np.allclose(value, softplus(2 * points.numpy()))
    assert softplus(points.float()).dtype == torch.float32
    (slope,) = partials(expression, lambda leaf: True).values()
    assert torch.allclose(Program([slope]).run({("coordinate", "x"): points})[0], 2 * torch.sigmoid(2 * points))
    assert softplus(constant(0.0)).data == pytest.approx(math.log(2))
    assert repr(expression) == "softplus(2*x)"
    assert same(torch.nn.functional.softplus(2.0 * X), expression)
    assert is_smooth(expression)
    with pytest.raises(InvalidProblemError, match="softplus"):
        math.sin(X)
    with pytest.raises(ValueError, match="already"):
        elementary.register(softplus)


NO_NUMBERS = {
    "nothing": None, "text": "text", "bytes": b"x", "an object": object(), "a class": int, "a mapping": {},
    "a ragged list": [1, [2, 3]], "objects": np.array([object(), None], dtype=object),
}  # fmt: skip


@pytest.mark.parametrize("kind", NO_NUMBERS)
def test_what_is_no_number_is_refused_by_every_function(kind):
    for name, entry in elementary.registered().items():
        if not entry.summary:
            continue
        with pytest.raises(InvalidArgumentError, match=f"^{name} takes"):
            entry(*[NO_NUMBERS[kind]] * entry.arity)


def test_numbers_that_functions_do_not_take_are_refused():
    with pytest.raises(InvalidArgumentError, match="1j"):
        hp.sqrt(1j)
    with pytest.raises(InvalidArgumentError, match="fit together"):
        hp.hypot(np.ones(2), np.ones(3))
    with pytest.raises(InvalidArgumentError, match="exp takes"):
        hp.exp(10**400)
    for operands in ((torch.ones(2), None), (1j, torch.ones(2)), ("a", torch.ones(2))):
        with pytest.raises(InvalidArgumentError):
            hp.maximum(*operands)
    assert np.array_equal(hp.where(np.array([True, False]), np.array([1, 2], dtype=object), 3), [1, 3])


@pytest.mark.parametrize("returned", [None, "a", 1j, object, [[1], [2, 3]], [1.0, 2.0]])
def test_a_tabulated_function_returns_a_number_for_each_point(returned):
    given = hp.tabulated(lambda x: returned, name="law")
    for points in (np.zeros(3), torch.zeros(3)):
        with pytest.raises(InvalidArgumentError, match="law"):
            given(points)


def test_coordinates_of_a_tabulated_function_are_numbers():
    with pytest.raises(InvalidArgumentError, match="the class int"):
        hp.tabulated(int)
    law = hp.tabulated(np.hypot)
    with pytest.raises(InvalidArgumentError, match=r"\(2,\), \(3,\)"):
        law(np.ones(2), np.ones(3))
    with pytest.raises(InvalidArgumentError, match="a coordinate"):
        law("a", 1.0)
    assert law(3, [4.0, 4.0]).tolist() == [5.0, 5.0]


def test_every_function_of_the_package_accepts_everything():
    """Floats, arrays and tensors keep their kind and precision; NumPy and PyTorch know each by its own name, too."""
    for name, entry in elementary.registered().items():
        if not entry.summary or entry.arity > 2:
            continue
        function = getattr(hp, name)
        at = [1.25, 0.5][: entry.arity] if name == "arccosh" else [0.25, 0.5][: entry.arity]
        value = function(*at)
        assert type(value) is float
        array = function(*(np.full(3, v) for v in at))
        assert array.dtype == np.float64
        assert np.allclose(array, value, rtol=1e-14)
        for dtype in (torch.float32, torch.float64):
            tensor = function(*(torch.full((3,), v, dtype=dtype) for v in at))
            assert tensor.dtype == dtype
            assert torch.allclose(tensor, torch.full((3,), value, dtype=dtype), rtol=1e-6)
        symbols = [X, T][: entry.arity]
        for module in (np, torch):
            if hasattr(module, name):
                assert same(getattr(module, name)(*symbols), function(*symbols)), name


def test_the_text_of_powers_and_signs_has_its_parentheses():
    assert repr((X**T) ** 2) == "(x**t)**2"
    assert repr(X ** (T**2)) == "x**(t**2)"
    assert repr(constant(-2.0) ** X - (X - (-1.5))) == "(-2)**x - (x - -1.5)"
    assert repr(X / (T / X) * T) == "x/(t/x)*t"
    assert repr((X > 0) & ~(T < X)) == "(x > 0) & logical_not(t < x)"
    long = sum((i / 3) * X for i in range(1, 99))
    assert len(repr(long)) <= 200
    assert "..." in repr(long)
    assert eval(spelled(long, limit=None), {"x": 2.0}) == pytest.approx(2 * sum(i / 3 for i in range(1, 99)))


NUMERIC = [e for e in elementary.registered().values() if not e.logical and e.arity < 3]


@pytest.mark.parametrize("entry", NUMERIC, ids=lambda e: e.name)
def test_every_slope_is_that_of_autograd(entry):
    first = torch.linspace(1.1, 1.9, 7, dtype=torch.float64) - (0.0 if entry.name == "arccosh" else 1.0)
    points = [first.requires_grad_(), torch.linspace(-1.3, 1.7, 7, dtype=torch.float64).requires_grad_()]
    env = {("coordinate", name): x for name, x in zip("xt", points, strict=True)}
    expression = entry(*[X, T][: entry.arity])
    (value,) = Program([expression]).run(env)
    truth = torch.autograd.grad(value.sum(), points, allow_unused=True)
    slopes = partials(expression, lambda leaf: True)
    for leaf, expected in zip(env, truth, strict=True):
        (slope,) = Program([slopes.get(leaf, constant(0.0))]).run(env)
        expected = torch.zeros(7, dtype=torch.float64) if expected is None else expected
        assert torch.allclose(torch.as_tensor(slope, dtype=torch.float64).expand(7), expected, rtol=1e-12)


@pytest.mark.parametrize("entry", [e for e in NUMERIC if e.arity == 2], ids=lambda e: e.name)
@pytest.mark.parametrize("number", [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])
def test_neutral_elements_change_no_value(entry, number):
    """A node as it was asked for, and what the table makes of it."""
    env = {("coordinate", "x"): torch.linspace(0.3, 2.3, 5, dtype=torch.float64)}
    for operands in [(X, constant(number)), (constant(number), X)]:
        written, simplified = Program([Expr(entry.name, operands), entry(*operands)]).run(env)
        assert np.array_equal(written, np.broadcast_to(simplified, 5), equal_nan=True)


def test_numpy_and_torch_functions_trace_too():
    u = field()
    for traced in (np.log2(u), torch.log2(u), np.exp2(np.log(u) / np.log(2) ** 2)):
        assert float(Program([traced]).run({("jet", ("u", (0, 0))): torch.tensor([0.3])})[0]) > -2
    for traced in (np.sin(u) + np.square(u) - np.float64(2) * u, torch.sin(u) + u * u - 2 * u):
        value = Program([traced]).run({("jet", ("u", (0, 0))): torch.tensor([0.3])})[0]
        assert float(value) == pytest.approx(math.sin(0.3) + 0.09 - 0.6)


def test_derivatives_are_found_by_name():
    u = field()
    residual = u.t + u * u.x - 0.1 * u.xx + u.laplacian + u.xt
    found = {data[1] for kind, data in leaves(residual) if kind == "jet"}
    assert found == {(0, 1), (0, 0), (1, 0), (2, 0), (1, 1)}
    assert same(u.xt, u.tx)
    assert same(u.x.x, u.xx)
    assert [g.data[1] for g in u.grad] == [(1, 0)]  # time is no space axis


def test_axes_with_long_names():
    w = FieldJet("w", (0, 0), ("r", "theta"), 2)
    assert w.rtheta.data == ("w", (1, 1))
    assert w.thetatheta.data == ("w", (0, 2))


def test_common_subexpressions_are_computed_once():
    u = field()
    shared = hp.sin(u * X)
    program = Program([shared + 1, shared * shared, hp.sin(u * X)])
    assert [op for op, _, _ in program.instructions].count("sin") == 1


def test_long_sums_do_not_exhaust_the_stack():
    total = X
    for i in range(5000):
        total = total + hp.sin(i * X)
    assert partials(total, lambda leaf: True)
    assert torch.isfinite(Program([total]).run({("coordinate", "x"): torch.tensor([0.5])})[0]).all()


def test_constants_fold_and_neutral_elements_vanish():
    u = field()
    assert same(0 * u + 1 * u.x - 0, u.x)
    assert (hp.sin(2.0 * X - 2.0 * X) + 1).op == "add"
    assert (u**1) is u
    assert not depends_on(0 * u, ["jet"])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_choice_between_numbers_has_the_precision_of_the_points(dtype):
    x = torch.tensor([0.2, 0.7], dtype=dtype)
    program = Program([hp.where(X > 0.5, 0.1, 0.3), hp.where(X > 0.5, X, 0.3)])
    for found in program.run({("coordinate", "x"): x}):
        assert found.dtype == dtype
    assert program.run({("coordinate", "x"): x})[0].tolist() == torch.tensor([0.3, 0.1], dtype=dtype).tolist()


def test_substitution_folds():
    u = field()
    found = substitute(parameter("c") * u.x + X, lambda leaf: 0.0 if leaf.op == "parameter" else None)
    assert same(found, X)


def test_tabulated_functions_enter_residuals():
    inside = hp.tabulated(lambda x: np.interp(x, [0, 1], [0, 2]), name="ramp")
    traced = inside(X) * field()
    assert "ramp(x)" in repr(traced)
    env = {("coordinate", "x"): torch.tensor([0.25]), ("jet", ("u", (0, 0))): torch.tensor([3.0])}
    assert float(Program([traced]).run(env)[0]) == 1.5


def test_tabulated_functions_of_unknowns_have_their_true_derivative():
    knots = np.linspace(-1, 1, 9)
    law = hp.tabulated(CubicSpline(knots, knots**3), name="law")  # a cubic spline reproduces a cubic
    found = partials(law(2 * field()), lambda leaf: leaf.op == "jet")[("jet", ("u", (0, 0)))]
    env = {("jet", ("u", (0, 0))): torch.tensor([0.1, -0.3], dtype=torch.float64)}
    torch.testing.assert_close(Program([found]).run(env)[0], 24 * env[("jet", ("u", (0, 0)))] ** 2)
    x = torch.tensor([0.1, -0.3], dtype=torch.float64, requires_grad=True)
    law(x).sum().backward()
    torch.testing.assert_close(x.grad, 3 * x.detach() ** 2)


def test_tabulated_functions_of_unknowns_need_a_derivative():
    ramp = hp.tabulated(lambda x: np.interp(x, [0, 1], [0, 2]), name="ramp")
    with pytest.raises(InvalidProblemError, match=r"ramp is a tabulated function .* contains the unknown u"):
        ramp(field())
    with pytest.raises(InvalidArgumentError, match="ramp is tabulated without its derivative"):
        ramp(torch.ones(2, requires_grad=True))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda u: u.xxx, r"u\.xxx is a derivative of order 3.*auxiliary field.*u_xx - u\.xx"),
        (lambda u: u.y, "coordinates are x, t"),
        (lambda u: u.foo, "no derivative of that name"),
        (lambda u: math.sin(u), "float"),
        (lambda u: 1j * u, "complex value"),
        (lambda u: u if u > 0 else -u, "where"),
        (lambda u: np.cumsum(u), "symbol while the problem is traced"),
        (lambda u: np.linalg.norm(u), "symbol while the problem is traced"),
        (lambda u: torch.nn.functional.gelu(u), "torch.gelu"),
        (lambda u: u + np.ones(3), r"array of shape \(3,\)"),
        (lambda u: u[0], "cannot be indexed"),
        (lambda u: [v for v in u], "cannot be iterated"),  # noqa: C416
        (lambda u: u + "a", "type str"),
        (lambda u: u.grad.dot([1, 2, 3]), "components"),
    ],
)
def test_what_cannot_be_traced_says_what_to_do(function, message):
    with pytest.raises(InvalidProblemError, match=message):
        function(field())


def test_third_derivatives_where_the_problem_allows_them():
    assert field(max_order=3).xxx.data == ("u", (3, 0))


def test_expressions_read_like_mathematics():
    u = field()
    assert repr(u.t + u * u.x - (1 - X) ** 2 / (2 * X)) == "u.t + u*u.x - (1 - x)**2/(2*x)"
    assert repr(-(u - 1) * 3) == "-(u - 1)*3"
