"""Symbolic pointwise expressions: what a residual becomes when it is traced.

A residual is an ordinary Python function.  It is called once with symbols for its arguments; the result is a graph of
:class:`Expr` nodes whose leaves are coordinates, parameters, normal components and derivatives of fields.  The graph
tells which derivatives are needed, is differentiated exactly, and is evaluated on tensors (see
:mod:`hermite_pinn.expressions.program`).
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np

from hermite_pinn.errors import InvalidProblemError

__all__ = ["BINARY", "UNARY", "Expr", "FieldJet", "Vector", "constant", "coordinate", "normal", "parameter"]

UNARY = (
    "neg", "sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh", "exp", "log", "sqrt", "abs", "sign", "erf",
    "floor",
)  # fmt: skip
BINARY = (
    "add", "sub", "mul", "div", "pow", "arctan2", "maximum", "minimum", "less", "less_equal", "greater", "greater_equal", "equal",
    "not_equal", "logical_and", "logical_or",
)  # fmt: skip

_NUMPY = {
    "negative": "neg", "positive": "pos", "absolute": "abs", "fabs": "abs", "subtract": "sub", "multiply": "mul",
    "divide": "div", "true_divide": "div", "power": "pow", "float_power": "pow", "square": "square", "reciprocal": "reciprocal",
    "fmax": "maximum", "fmin": "minimum",
}  # fmt: skip
_TORCH = _NUMPY | {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "lt": "less", "le": "less_equal", "gt": "greater",
    "ge": "greater_equal", "eq": "equal", "ne": "not_equal", "rsub": "rsub",
}  # fmt: skip


class Expr:
    """A node of a pointwise expression; build it with the usual operators and the functions of :mod:`hermite_pinn`.

    Attributes
    ----------
    op
        ``"constant"``, ``"coordinate"``, ``"parameter"``, ``"normal"``, ``"jet"``, ``"where"``, or an entry of
        :data:`UNARY` or :data:`BINARY`.
    args
        Operands.
    data
        Value of a constant, name of a coordinate or parameter, axis of a normal component, or ``(field, orders)`` of
        a jet.
    """

    __slots__ = ("args", "data", "op")
    __array_priority__: ClassVar[int] = 1000
    __hash__ = object.__hash__

    def __init__(self, op: str, args: tuple[Expr, ...] = (), data: Any = None) -> None:
        self.op = op
        self.args = args
        self.data = data

    # -- arithmetic ---
    def __add__(self, other: Any) -> Expr:
        return binary("add", self, other)

    def __radd__(self, other: Any) -> Expr:
        return binary("add", other, self)

    def __sub__(self, other: Any) -> Expr:
        return binary("sub", self, other)

    def __rsub__(self, other: Any) -> Expr:
        return binary("sub", other, self)

    def __mul__(self, other: Any) -> Expr:
        return binary("mul", self, other)

    def __rmul__(self, other: Any) -> Expr:
        return binary("mul", other, self)

    def __truediv__(self, other: Any) -> Expr:
        return binary("div", self, other)

    def __rtruediv__(self, other: Any) -> Expr:
        return binary("div", other, self)

    def __pow__(self, other: Any) -> Expr:
        return binary("pow", self, other)

    def __rpow__(self, other: Any) -> Expr:
        return binary("pow", other, self)

    def __neg__(self) -> Expr:
        return unary("neg", self)

    def __pos__(self) -> Expr:
        return self

    def __abs__(self) -> Expr:
        return unary("abs", self)

    def __lt__(self, other: Any) -> Expr:
        return binary("less", self, other)

    def __le__(self, other: Any) -> Expr:
        return binary("less_equal", self, other)

    def __gt__(self, other: Any) -> Expr:
        return binary("greater", self, other)

    def __ge__(self, other: Any) -> Expr:
        return binary("greater_equal", self, other)

    def __eq__(self, other: Any) -> Expr:  # type: ignore[override]
        return binary("equal", self, other)

    def __ne__(self, other: Any) -> Expr:  # type: ignore[override]
        return binary("not_equal", self, other)

    def __and__(self, other: Any) -> Expr:
        return binary("logical_and", self, other)

    def __or__(self, other: Any) -> Expr:
        return binary("logical_or", self, other)

    # -- foreign functions ---
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Expr:
        if method != "__call__" or kwargs:
            self._foreign(f"numpy.{ufunc.__name__}.{method}")
        return self._named(_NUMPY.get(ufunc.__name__, ufunc.__name__), inputs, f"numpy.{ufunc.__name__}")

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Expr:
        name = getattr(func, "__name__", str(func)).strip("_")
        symbol = next(a for a in args if isinstance(a, Expr))
        if kwargs:
            symbol._foreign(f"torch.{name} with keyword arguments")
        return symbol._named(_TORCH.get(name, name), args, f"torch.{name}")

    def _named(self, op: str, args: Sequence[Any], spelled: str) -> Expr:
        if op == "pos":
            return wrap(args[0])
        if op == "square":
            return wrap(args[0]) ** 2
        if op == "reciprocal":
            return 1 / wrap(args[0])
        if op == "rsub":
            return binary("sub", args[1], args[0])
        if op == "where" and len(args) == 3:
            return where(*args)
        if op in UNARY and len(args) == 1:
            return unary(op, args[0])
        if op in BINARY and len(args) == 2:
            return binary(op, args[0], args[1])
        return self._foreign(spelled)

    def _foreign(self, name: str) -> NoReturn:
        raise InvalidProblemError(
            f"the function {name} cannot be applied to {self}, which is a symbol while the problem is traced; use the functions of "
            f"hermite_pinn instead ({', '.join(u for u in UNARY if u != 'neg')}, maximum, minimum, where)"
        )

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        self._foreign("numpy.asarray (or a NumPy or SciPy function that is no ufunc)")

    def __bool__(self) -> bool:
        raise InvalidProblemError(
            f"the truth value of {self} is not known while the problem is traced; replace `if` by hermite_pinn.where(condition, a, b), "
            "and `and`/`or` by & and |"
        )

    def __float__(self) -> float:
        self._foreign("float() (or a function of the math module)")

    def __complex__(self) -> complex:
        self._foreign("complex()")

    def __int__(self) -> int:
        self._foreign("int()")

    def __iter__(self) -> NoReturn:
        raise InvalidProblemError(f"{self} stands for one value at each point and cannot be iterated or indexed")

    def __getitem__(self, key: Any) -> NoReturn:
        raise InvalidProblemError(f"{self} stands for one value at each point and cannot be indexed with {key!r}")

    # -- text ---
    def __repr__(self) -> str:
        return spelled(self)

    @property
    def is_constant(self) -> bool:
        """Whether the node is a number."""
        return self.op == "constant"


class FieldJet(Expr):
    """A field or a derivative of one; attributes differentiate: ``u.x``, ``u.xy``, ``u.laplacian``, ``u.grad``."""

    __slots__ = ("_axes", "_max_order")

    def __init__(self, field: str, orders: tuple[int, ...], axes: tuple[str, ...], max_order: int) -> None:
        super().__init__("jet", (), (field, orders))
        self._axes = axes
        self._max_order = max_order

    def _space(self) -> list[int]:
        return [i for i, name in enumerate(self._axes) if name != "t"]

    def _raised(self, axes: Sequence[int]) -> FieldJet:
        field, orders = self.data
        raised = tuple(m + list(axes).count(i) for i, m in enumerate(orders))
        if sum(raised) > self._max_order:
            name: str = jet_name(field, raised, self._axes)
            below = tuple(axes)[:-1]
            first = jet_name(field, tuple(m + list(below).count(i) for i, m in enumerate(orders)), self._axes)
            raise InvalidProblemError(
                f"{name} is a derivative of order {sum(raised)}; this problem takes derivatives up to order {self._max_order}. Introduce an "
                f"auxiliary field for a lower derivative, for example fields=[..., 'w'] with the second residual `w - {first}`, and "
                f"write {name} as a derivative of w"
                + (f"; or give the problem max_order={sum(raised)}, for gauss_newton" if sum(raised) <= 4 else "")
            )
        return FieldJet(field, raised, self._axes, self._max_order)

    @property
    def laplacian(self) -> Expr:
        """Sum of the second derivatives along the space axes (all axes but ``t``)."""
        total: Expr = constant(0.0)
        for i in self._space():
            total = total + self._raised([i, i])
        return total

    @property
    def grad(self) -> Vector:
        """First derivatives along the space axes."""
        return Vector(self._raised([i]) for i in self._space())

    @property
    def n(self) -> Expr:
        """Derivative along the outward normal; in boundary conditions only."""
        total: Expr = constant(0.0)
        for i in self._space():
            total = total + normal(i) * self._raised([i])
        return total

    def __getattr__(self, name: str) -> FieldJet:
        if name.startswith("__") or name in ("_axes", "_max_order"):
            raise AttributeError(name)
        axes = _split(name, self._axes)
        if axes is None:
            raise UnknownDerivativeError(
                f"{jet_name(self.data[0], self.data[1], self._axes)}.{name}: no derivative of that name; the coordinates are "
                f"{', '.join(self._axes)}, so write for example .{self._axes[0]} or .{self._axes[0] * 2}; also .laplacian, .grad and .n"
            )
        return self._raised(axes)


class UnknownDerivativeError(InvalidProblemError, AttributeError):
    """A field was asked for a derivative along a coordinate that does not exist."""


class Vector(tuple[Expr, ...]):
    """Components along the space axes, with the products a PDE needs."""

    def dot(self, other: Sequence[Any]) -> Expr:
        """Sum of products of the components."""
        if len(other) != len(self):
            raise InvalidProblemError(f"dot() of a vector with {len(self)} components and one with {len(other)}")
        total: Expr = constant(0.0)
        for a, b in zip(self, other, strict=True):
            total = total + a * b
        return total


def wrap(value: Any) -> Expr:
    """``value`` as an expression; numbers become constants.

    Raises
    ------
    InvalidProblemError
        For complex numbers, arrays with more than one element and anything else that is no real number.
    """
    if isinstance(value, Expr):
        return value
    if isinstance(value, numbers.Real):
        return constant(float(value))
    if isinstance(value, numbers.Complex):
        raise InvalidProblemError(
            f"complex value {value!r}: fields and residuals are real; use one field for each of real and imaginary part"
        )
    if hasattr(value, "shape") and hasattr(value, "item"):
        if math.prod(value.shape) == 1:
            return wrap(value.item())
        raise InvalidProblemError(
            f"an array of shape {tuple(value.shape)} cannot enter a residual: every quantity is one value at each point. "
            "For measured values use hp.Data; for tabulated coefficients write a function of the coordinates with hp.tabulated"
        )
    raise InvalidProblemError(
        f"{value!r} of type {type(value).__name__} cannot enter a residual; use numbers and expressions"
    )


def constant(value: float) -> Expr:
    """A number."""
    return Expr("constant", (), value)


def coordinate(name: str) -> Expr:
    """The coordinate called ``name``."""
    return Expr("coordinate", (), name)


def parameter(name: str) -> Expr:
    """The parameter called ``name``."""
    return Expr("parameter", (), name)


def normal(axis: int) -> Expr:
    """Component of the outward normal along ``axis``."""
    return Expr("normal", (), axis)


_FOLD = {
    "neg": lambda a: -a, "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b,
    "pow": lambda a, b: a**b, "sin": math.sin, "cos": math.cos, "exp": math.exp, "sqrt": math.sqrt, "abs": abs,
    "tanh": math.tanh, "cosh": math.cosh, "sinh": math.sinh, "log": math.log,
}  # fmt: skip


def _folded(op: str, *values: float) -> Expr | None:
    if op == "div":
        return constant(values[0] / values[1]) if values[1] != 0 else None
    if op not in _FOLD:
        return None
    try:
        result = _FOLD[op](*values)  # type: ignore[operator]
    except (ValueError, OverflowError, ZeroDivisionError):
        return None
    return wrap(result)


def unary(op: str, a: Any) -> Expr:
    """Apply a function of one argument, folding constants."""
    a = wrap(a)
    if a.is_constant:
        folded = _folded(op, a.data)
        if folded is not None:
            return folded
    if op == "neg" and a.op == "neg":
        return a.args[0]
    return Expr(op, (a,))


def binary(op: str, a: Any, b: Any) -> Expr:
    """Apply a function of two arguments, folding constants and neutral elements."""
    a, b = wrap(a), wrap(b)
    if a.is_constant and b.is_constant:
        folded = _folded(op, a.data, b.data)
        if folded is not None:
            return folded
    zero_a, zero_b = a.is_constant and a.data == 0, b.is_constant and b.data == 0
    one_a, one_b = a.is_constant and a.data == 1, b.is_constant and b.data == 1
    if op == "add":
        if zero_a:
            return b
        if zero_b:
            return a
    elif op == "sub":
        if zero_b:
            return a
        if zero_a:
            return unary("neg", b)
    elif op == "mul":
        if zero_a or zero_b:
            return constant(0.0)
        if one_a:
            return b
        if one_b:
            return a
    elif op == "div":
        if zero_a:
            return constant(0.0)
        if one_b:
            return a
    elif op == "pow":
        if one_b:
            return a
        if zero_b:
            return constant(1.0)
    return Expr(op, (a, b))


def where(condition: Any, a: Any, b: Any) -> Expr:
    """``a`` where ``condition`` holds, else ``b``."""
    a, b = wrap(a), wrap(b)
    if a.is_constant and b.is_constant and a.data == b.data:
        return a
    return Expr("where", (wrap(condition), a, b))


def jet_name(field: str, orders: Sequence[int], axes: Sequence[str]) -> str:
    """How a user writes a derivative: ``u.xx``."""
    name = "".join(axis * m for axis, m in zip(axes, orders, strict=True))
    return f"{field}.{name}" if name else field


def _split(name: str, axes: tuple[str, ...]) -> list[int] | None:
    """Indices of the axes whose names make up ``name``, or None."""
    if not name:
        return []
    for i, axis in sorted(enumerate(axes), key=lambda pair: -len(pair[1])):
        if name.startswith(axis):
            rest = _split(name[len(axis) :], axes)
            if rest is not None:
                return [i, *rest]
    return None


_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "less": "<", "less_equal": "<=", "greater": ">",
    "greater_equal": ">=", "equal": "==", "not_equal": "!=", "logical_and": "&", "logical_or": "|",
}  # fmt: skip
_BINDING = {"add": 1, "sub": 1, "mul": 2, "div": 2, "neg": 3, "pow": 4}


def spelled(expression: Expr, limit: int = 200) -> str:
    """The expression as text, shortened beyond ``limit`` characters."""

    def text(e: Expr, depth: int) -> str:
        if e.op == "constant":
            return f"{e.data:g}"
        if isinstance(e, FieldJet):
            return jet_name(e.data[0], e.data[1], e._axes)
        if e.op in ("coordinate", "parameter"):
            return str(e.data)
        if e.op == "normal":
            return f"n[{e.data}]"
        if e.op == "opaque":
            return f"{e.data.name}({', '.join(map(str, e.args))})"
        if depth > 12:
            return "..."
        inner = [text(a, depth + 1) for a in e.args]
        strength = _BINDING.get(e.op, 0)
        if e.op in _INFIX or e.op == "neg":
            for i, a in enumerate(e.args):
                weaker = _BINDING.get(a.op, 9) if a.op in _INFIX or a.op == "neg" else 9
                right = e.op in ("sub", "div", "pow") and i == 1
                if weaker < strength or (right and weaker <= strength) or (strength == 0 and weaker < 9):
                    inner[i] = f"({inner[i]})"
            if e.op == "neg":
                return f"-{inner[0]}"
            space = "" if e.op in ("pow", "mul", "div") else " "
            return f"{inner[0]}{space}{_INFIX[e.op]}{space}{inner[1]}"
        return f"{e.op}({', '.join(inner)})"

    found = text(expression, 0)
    return found if len(found) <= limit else found[: limit - 3] + "..."


def unknowns(expressions: Sequence[Expr]) -> list[str]:
    """The fields (as jets) and parameters that occur in some expressions, spelled."""
    found: dict[str, None] = {}
    seen: set[int] = set()
    pending = list(expressions)
    while pending:
        e = pending.pop()
        if id(e) in seen:
            continue
        seen.add(id(e))
        if e.op in ("jet", "parameter"):
            found[spelled(e)] = None
        pending.extend(e.args)
    return list(found)


def leaves_of_linear(expression: Expr) -> list[tuple[float, tuple[int, ...]]]:
    """Weights and orders of a sum of derivatives of one field, as ``u.laplacian`` makes it."""
    if expression.op == "add":
        return [part for a in expression.args for part in leaves_of_linear(a)]
    if expression.op == "jet":
        return [(1.0, expression.data[1])]
    raise InvalidProblemError(
        f"{expression} is no sum of derivatives that can be evaluated; .n exists in boundary conditions only"
    )
