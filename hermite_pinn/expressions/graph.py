"""Symbolic pointwise expressions: what a residual becomes when it is traced.

A residual is an ordinary Python function.  It is called once with symbols for its arguments; the result is a graph of
:class:`Expr` nodes whose leaves are coordinates, parameters, normal components and derivatives of fields.  The graph
tells which derivatives are needed, is differentiated exactly, and is evaluated on tensors (see
:mod:`hermite_pinn.expressions.program`).
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Container, Iterator, Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np

from hermite_pinn.checks import spelled as told
from hermite_pinn.errors import InvalidProblemError

from .elementary import named, registered
from .spelling import spelled
from .table import composite

__all__ = [
    "Expr", "apply", "constant", "coordinate", "normal", "parameter", "postorder", "spelled", "unknowns", "wrap",
]  # fmt: skip

_FUNCTIONS = registered()


class Expr:
    """A node of a pointwise expression; build it with the usual operators and the functions of :mod:`hermite_pinn`.

    Attributes
    ----------
    op
        ``"constant"``, ``"coordinate"``, ``"parameter"``, ``"normal"``, ``"data"``, ``"jet"``, ``"opaque"`` (a
        tabulated function), or the name of an elementary function.
    args
        Operands.
    data
        Value of a constant, name of a coordinate, parameter or column of data, axis of a normal component, ``(field,
        orders)`` of a jet, or the tabulated function.
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
        return apply("add", self, other)

    def __radd__(self, other: Any) -> Expr:
        return apply("add", other, self)

    def __sub__(self, other: Any) -> Expr:
        return apply("sub", self, other)

    def __rsub__(self, other: Any) -> Expr:
        return apply("sub", other, self)

    def __mul__(self, other: Any) -> Expr:
        if isinstance(other, tuple):  # a vector, which knows what to do
            return NotImplemented
        return apply("mul", self, other)

    def __rmul__(self, other: Any) -> Expr:
        return apply("mul", other, self)

    def __truediv__(self, other: Any) -> Expr:
        return apply("div", self, other)

    def __rtruediv__(self, other: Any) -> Expr:
        return apply("div", other, self)

    def __pow__(self, other: Any) -> Expr:
        return apply("pow", self, other)

    def __rpow__(self, other: Any) -> Expr:
        return apply("pow", other, self)

    def __neg__(self) -> Expr:
        return apply("neg", self)

    def __pos__(self) -> Expr:
        return self

    def __abs__(self) -> Expr:
        return apply("abs", self)

    def __lt__(self, other: Any) -> Expr:
        return apply("less", self, other)

    def __le__(self, other: Any) -> Expr:
        return apply("less_equal", self, other)

    def __gt__(self, other: Any) -> Expr:
        return apply("greater", self, other)

    def __ge__(self, other: Any) -> Expr:
        return apply("greater_equal", self, other)

    def __eq__(self, other: Any) -> Expr:  # type: ignore[override]
        return apply("equal", self, other)

    def __ne__(self, other: Any) -> Expr:  # type: ignore[override]
        return apply("not_equal", self, other)

    def __and__(self, other: Any) -> Expr:
        return apply("logical_and", self, other)

    def __rand__(self, other: Any) -> Expr:
        return apply("logical_and", other, self)

    def __or__(self, other: Any) -> Expr:
        return apply("logical_or", self, other)

    def __ror__(self, other: Any) -> Expr:
        return apply("logical_or", other, self)

    def __invert__(self) -> Expr:
        return apply("logical_not", self)

    # -- functions ---
    @classmethod
    def __elementary__(cls, name: str, *operands: Any) -> Expr:
        return apply(name, *operands)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Expr:
        if method != "__call__" or kwargs:
            self._foreign(f"numpy.{ufunc.__name__}.{method}")
        return self._named(ufunc.__name__, inputs, f"numpy.{ufunc.__name__}")

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Expr:
        name = getattr(func, "__name__", str(func)).strip("_")
        symbol = next(a for a in args if isinstance(a, Expr))
        if kwargs:
            symbol._foreign(f"torch.{name} with keyword arguments")
        return symbol._named(name, args, f"torch.{name}")

    def _named(self, name: str, operands: Sequence[Any], spelled: str) -> Expr:
        function = named(name)
        if function is not None and function.arity == len(operands):
            return apply(function.name, *operands)
        arity, rule = composite(name) or (-1, None)
        if rule is not None and arity == len(operands):
            return wrap(rule(*map(wrap, operands)))
        return self._foreign(spelled)

    def _foreign(self, name: str, hint: str = "") -> NoReturn:
        raise InvalidProblemError(
            f"the function {name} cannot be applied to {self}, which is a symbol while the problem is traced; use the functions of "
            f"hermite_pinn instead ({', '.join(name for name, f in _FUNCTIONS.items() if f.summary)}){hint}"
        )

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        self._foreign(
            "numpy.asarray (or a NumPy or SciPy function that is no ufunc)",
            "; for a table or an interpolant (numpy.interp, a SciPy spline) make a function by hermite_pinn.tabulated, such as "
            "k = hp.tabulated(lambda x: numpy.interp(x, xs, ks)), and write k(x) in the residual; a material law k(T) takes a "
            "spline, hp.tabulated(scipy.interpolate.CubicSpline(Ts, ks))",
        )

    def __bool__(self) -> bool:
        raise InvalidProblemError(
            f"the truth value of {self} is not known while the problem is traced; replace `if` by hermite_pinn.where(condition, a, b), "
            "`and`/`or`/`not` by &, | and ~, and max/min by hermite_pinn.maximum and minimum"
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
    def symbol(self) -> str:
        """Name of a leaf or of a function."""
        if self.op == "normal":
            return f"n[{self.data}]"
        if self.op == "jet":
            field, orders = self.data
            return f"{field}[{', '.join(map(str, orders))}]"
        if self.op == "opaque":
            return str(self.data.name)
        return self.op if self.args else str(self.data)

    @property
    def is_constant(self) -> bool:
        """Whether the node is a number."""
        return self.op == "constant"

    @property
    def is_condition(self) -> bool:
        """Whether the node is true or false instead of a number."""
        function = _FUNCTIONS.get(self.op)
        return function is not None and function.logical


def wrap(value: Any) -> Expr:
    """``value`` as an expression that is one number at each point; conditions become 1 or 0.

    Raises
    ------
    InvalidProblemError
        For complex numbers, arrays with more than one element and anything else that is no real number.
    """
    if isinstance(value, Expr):
        return _number(value) if value.is_condition else value
    if isinstance(value, numbers.Real):
        try:
            return constant(float(value))
        except OverflowError as error:
            raise InvalidProblemError(
                "an integer is too large for a floating-point number; the largest is 1.8e308"
            ) from error
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
        f"{told(value)} of type {type(value).__name__} cannot enter a residual; use numbers and expressions"
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


def apply(name: str, *operands: Any) -> Expr:
    """Apply an elementary function, folding constants and what :attr:`Elementary.simplify` knows.

    A number where a condition belongs is a comparison with zero, a condition among numbers is 1 or 0.

    Examples
    --------
    >>> x = coordinate("x")
    >>> apply("sin", x), apply("mul", 1.0, x), apply("add", 2.0, 3.0)
    (sin(x), x, 5)
    """
    function = _FUNCTIONS[name]
    args = [a if isinstance(a, Expr) else wrap(a) for a in operands]
    constants = 0
    for i, a in enumerate(args):
        if a.op == "constant":
            constants += 1
        elif a.is_condition != (i < function.conditions):
            args[i] = _number(a) if a.is_condition else apply("not_equal", a, 0.0)
    if constants == len(args):
        return constant(float(function.evaluate(*[a.data for a in args])))
    simple = function.simplify(*args) if function.simplify is not None else None
    if simple is None:
        return Expr(name, tuple(args))
    return simple if isinstance(simple, Expr) else wrap(simple)


def _number(condition: Expr) -> Expr:
    return Expr("where", (condition, constant(1.0), constant(0.0)))


def postorder(*roots: Expr, until: Container[int] = ()) -> Iterator[Expr]:
    """Every node of some expressions once, operands before what uses them.

    Below nodes whose id is in ``until`` nothing is visited.

    Examples
    --------
    >>> x = coordinate("x")
    >>> list(postorder(x * x + 1))
    [1, x, x*x, x*x + 1]
    """
    seen: set[int] = set()
    pending: list[Expr | None] = [*reversed(roots)]
    waiting: list[Expr] = []
    while pending:
        e = pending.pop()
        if e is None:  # all operands of the last node that waits are done
            yield waiting.pop()
            continue
        key = id(e)
        if key in seen:
            continue
        seen.add(key)
        if e.args and key not in until:
            waiting.append(e)
            pending.append(None)
            pending.extend(e.args)
        else:
            yield e


def unknowns(expressions: Sequence[Expr]) -> list[str]:
    """The fields (as jets) and parameters that occur in some expressions, spelled.

    Examples
    --------
    >>> from hermite_pinn.expressions.jets import FieldJet
    >>> unknowns([FieldJet("u", (1, 0), ("x", "y"), 2) * parameter("nu"), coordinate("x") + 1])
    ['nu', 'u.x']
    """
    return list(dict.fromkeys(spelled(e) for e in postorder(*expressions) if e.op in ("jet", "parameter")))
