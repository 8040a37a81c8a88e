"""The elementary functions, each entered once (see :class:`hermite_pinn.expressions.elementary.Elementary`)."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import special

from .elementary import Elementary, Infix, Rule, register

__all__ = ["composite"]


def _is(operand: Any, value: float) -> bool:
    """Whether a symbol is this number."""
    return operand.is_constant and operand.data == value


def _lifted(function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """A PyTorch function that takes tensors only, for numbers among the operands."""

    def lifted(*operands: Any) -> torch.Tensor:
        tensors = [v for v in operands if isinstance(v, torch.Tensor)]
        like = next((v for v in tensors if v.is_floating_point()), tensors[0])
        return function(
            *(
                v if isinstance(v, torch.Tensor) else torch.full((), float(v), dtype=like.dtype, device=like.device)
                for v in operands
            )
        )

    return lifted


# -- arithmetic ---
neg: Elementary = register(
    Elementary(
        "neg",
        operator.neg,
        operator.neg,
        (lambda v, a: -1.0,),
        aliases=("negative",),
        simplify=lambda a: a.args[0] if a.op == "neg" else None,
        infix=Infix("-", 3, (3,)),
    )
)
add: Elementary = register(
    Elementary(
        "add",
        operator.add,
        operator.add,
        (lambda v, a, b: 1.0, lambda v, a, b: 1.0),
        simplify=lambda a, b: b if _is(a, 0) else a if _is(b, 0) else None,
        infix=Infix("+", 1, (1, 1)),
    )
)
sub: Elementary = register(
    Elementary(
        "sub",
        operator.sub,
        operator.sub,
        (lambda v, a, b: 1.0, lambda v, a, b: -1.0),
        aliases=("subtract",),
        simplify=lambda a, b: a if _is(b, 0) else -b if _is(a, 0) else None,
        infix=Infix("-", 1, (1, 2)),
    )
)
mul: Elementary = register(
    Elementary(
        "mul",
        operator.mul,
        operator.mul,
        (lambda v, a, b: b, lambda v, a, b: a),
        aliases=("multiply",),
        simplify=lambda a, b: 0.0 if _is(a, 0) or _is(b, 0) else b if _is(a, 1) else a if _is(b, 1) else None,
        infix=Infix("*", 2, (2, 2)),
    )
)
div: Elementary = register(
    Elementary(
        "div",
        np.divide,
        operator.truediv,
        (lambda v, a, b: 1.0 / b, lambda v, a, b: -(a / (b * b))),
        aliases=("divide", "true_divide"),
        simplify=lambda a, b: 0.0 if _is(a, 0) else a if _is(b, 1) else None,
        infix=Infix("/", 2, (2, 3)),
    )
)


def _slope_of_base(v: Any, a: Any, b: Any) -> Any:
    return b * a ** (b.data - 1.0) if b.is_constant else where(equal(b, 0.0), 0.0, b * a ** (b - 1.0))


pow: Elementary = register(
    Elementary(
        "pow",
        np.power,
        operator.pow,
        (_slope_of_base, lambda v, a, b: where(equal(a, 0.0), 0.0, v * log(a))),
        aliases=("power", "float_power"),
        simplify=lambda a, b: a if _is(b, 1) else 1.0 if _is(b, 0) or _is(a, 1) else None,
        infix=Infix("**", 4, (5, 5)),
    )
)


#: Its nodes mark the derivatives of whole expressions; see :mod:`hermite_pinn.expressions.differentiation`.
positive: Elementary = register(
    Elementary("positive", operator.pos, operator.pos, (lambda v, a: 1.0,), simplify=lambda a: a)
)


# -- conditions and choices ---
def _comparison(name: str, sign: str, compare: Callable[..., Any], *aliases: str) -> Elementary:
    return register(
        Elementary(
            name,
            compare,
            compare,
            (None, None),
            aliases=aliases,
            infix=Infix(sign, 0, (9, 9)),
            smooth=False,
            logical=True,
        )
    )


less: Elementary = _comparison("less", "<", operator.lt, "lt")
less_equal: Elementary = _comparison("less_equal", "<=", operator.le, "le")
greater: Elementary = _comparison("greater", ">", operator.gt, "gt")
greater_equal: Elementary = _comparison("greater_equal", ">=", operator.ge, "ge")
equal: Elementary = _comparison("equal", "==", operator.eq, "eq")
not_equal: Elementary = _comparison("not_equal", "!=", operator.ne, "ne")
logical_and: Elementary = register(
    Elementary(
        "logical_and",
        np.logical_and,
        operator.and_,
        (None, None),
        aliases=("and", "bitwise_and"),
        simplify=lambda a, b: (
            (b if a.data else 0.0) if a.is_constant else (a if b.data else 0.0) if b.is_constant else None
        ),
        infix=Infix("&", 0, (9, 9)),
        smooth=False,
        logical=True,
        conditions=2,
    )
)
logical_or: Elementary = register(
    Elementary(
        "logical_or",
        np.logical_or,
        operator.or_,
        (None, None),
        aliases=("or", "bitwise_or"),
        simplify=lambda a, b: (
            (1.0 if a.data else b) if a.is_constant else (1.0 if b.data else a) if b.is_constant else None
        ),
        infix=Infix("|", 0, (9, 9)),
        smooth=False,
        logical=True,
        conditions=2,
    )
)
logical_not: Elementary = register(
    Elementary(
        "logical_not",
        np.logical_not,
        torch.logical_not,
        (None,),
        aliases=("bitwise_not", "invert"),
        simplify=lambda a: a.args[0] if a.op == "logical_not" else None,
        smooth=False,
        logical=True,
        conditions=1,
    )
)


def _chosen(condition: Any, a: Any, b: Any) -> torch.Tensor:
    return torch.where(torch.as_tensor(condition), a, b)


def _choice(condition: Any, a: Any, b: Any) -> Any:
    if condition.is_constant:
        return a if condition.data else b
    return a if a is b or (a.is_constant and b.is_constant and a.data == b.data) else None


where: Elementary = register(
    Elementary(
        "where",
        np.where,
        _chosen,
        (None, None, None),
        "``a`` where ``condition`` holds, else ``b``",
        ("hp.where(np.array([1.0, -1.0]) > 0, 1.0, 0.0)", "array([1., 0.])"),
        simplify=_choice,
        conditions=1,
        pieces=lambda condition, a, b: (condition, a, b),
        smooth=False,
    )
)
maximum: Elementary = register(
    Elementary(
        "maximum",
        np.maximum,
        _lifted(torch.maximum),
        (None, None),
        "The larger of two values",
        ("hp.maximum(2.0, 3.0)", "3.0"),
        aliases=("fmax",),
        pieces=lambda a, b: (greater_equal(a, b), a, b),
        smooth=False,
    )
)
minimum: Elementary = register(
    Elementary(
        "minimum",
        np.minimum,
        _lifted(torch.minimum),
        (None, None),
        "The smaller of two values",
        ("hp.minimum(2.0, 3.0)", "2.0"),
        aliases=("fmin",),
        pieces=lambda a, b: (less_equal(a, b), a, b),
        smooth=False,
    )
)


# -- functions of one operand ---
def _function(
    name: str,
    slope: Rule | None,
    summary: str,
    example: tuple[str, str],
    *aliases: str,
    numpy: Callable[..., Any] | None = None,
    torch_function: Callable[..., Any] | None = None,
    smooth: bool = True,
) -> Elementary:
    """Enter a function whose names in NumPy and PyTorch are its own, if nothing else is said."""
    return register(
        Elementary(
            name,
            numpy or getattr(np, name),
            torch_function or getattr(torch, name),
            (slope,),
            summary,
            example,
            aliases,
            smooth=smooth,
        )
    )


sin: Elementary = _function("sin", lambda v, x: cos(x), "Sine", ("hp.sin(hp.pi / 2)", "1.0"))
cos: Elementary = _function("cos", lambda v, x: -sin(x), "Cosine", ("hp.cos(hp.pi)", "-1.0"))
tan: Elementary = _function("tan", lambda v, x: 1.0 + v * v, "Tangent", ("round(hp.tan(hp.pi / 4), 12)", "1.0"))
arcsin: Elementary = _function(
    "arcsin", lambda v, x: 1.0 / sqrt(1.0 - x * x), "Inverse sine", ("hp.arcsin(1.0) == hp.pi / 2", "True"), "asin"
)
arccos: Elementary = _function(
    "arccos", lambda v, x: -1.0 / sqrt(1.0 - x * x), "Inverse cosine", ("hp.arccos(-1.0) == hp.pi", "True"), "acos"
)
arctan: Elementary = _function(
    "arctan", lambda v, x: 1.0 / (1.0 + x * x), "Inverse tangent", ("hp.arctan(1.0) == hp.pi / 4", "True"), "atan"
)
sinh: Elementary = _function("sinh", lambda v, x: cosh(x), "Hyperbolic sine", ("round(hp.sinh(1.0), 6)", "1.175201"))
cosh: Elementary = _function("cosh", lambda v, x: sinh(x), "Hyperbolic cosine", ("round(hp.cosh(1.0), 6)", "1.543081"))
tanh: Elementary = _function(
    "tanh", lambda v, x: 1.0 - v * v, "Hyperbolic tangent", ("round(hp.tanh(1.0), 6)", "0.761594")
)
sech: Elementary = _function(
    "sech",
    lambda v, x: -(v * tanh(x)),
    "Hyperbolic secant ``1 / cosh(x)``",
    ("round(hp.sech(1.0), 6)", "0.648054"),
    numpy=lambda x: 1.0 / np.cosh(x),
    torch_function=lambda x: 1.0 / torch.cosh(x),
)
arcsinh: Elementary = _function(
    "arcsinh",
    lambda v, x: 1.0 / sqrt(1.0 + x * x),
    "Inverse hyperbolic sine",
    ("round(hp.arcsinh(1.0), 6)", "0.881374"),
    "asinh",
)
arccosh: Elementary = _function(
    "arccosh",
    lambda v, x: 1.0 / sqrt(x * x - 1.0),
    "Inverse hyperbolic cosine",
    ("round(hp.arccosh(2.0), 6)", "1.316958"),
    "acosh",
)
arctanh: Elementary = _function(
    "arctanh",
    lambda v, x: 1.0 / (1.0 - x * x),
    "Inverse hyperbolic tangent",
    ("round(hp.arctanh(0.5), 6)", "0.549306"),
    "atanh",
)
exp: Elementary = _function("exp", lambda v, x: v, "Exponential", ("round(hp.exp(1.0), 6)", "2.718282"))
expm1: Elementary = _function(
    "expm1", lambda v, x: exp(x), "``exp(x) - 1``, accurate for small ``x``", ("hp.expm1(1e-20)", "1e-20")
)
log: Elementary = _function("log", lambda v, x: 1.0 / x, "Natural logarithm", ("hp.log(1.0)", "0.0"))
log1p: Elementary = _function(
    "log1p", lambda v, x: 1.0 / (1.0 + x), "``log(1 + x)``, accurate for small ``x``", ("hp.log1p(1e-20)", "1e-20")
)
sqrt: Elementary = _function("sqrt", lambda v, x: 0.5 / v, "Square root", ("hp.sqrt(9.0)", "3.0"))
cbrt: Elementary = _function(
    "cbrt",
    lambda v, x: 1.0 / (3.0 * (v * v)),
    "Cube root, real for negative ``x``",
    ("hp.cbrt(-8.0)", "-2.0"),
    torch_function=lambda x: torch.sign(x) * torch.abs(x) ** (1.0 / 3.0),
)
abs: Elementary = _function(
    "abs", lambda v, x: sign(x), "Absolute value", ("hp.abs(-2.0)", "2.0"), "absolute", "fabs", smooth=False
)
sign: Elementary = _function("sign", None, "Sign: -1, 0 or 1", ("hp.sign(-2.0)", "-1.0"), "sgn", smooth=False)
floor: Elementary = _function("floor", None, "Largest integer not above ``x``", ("hp.floor(1.5)", "1.0"), smooth=False)
ceil: Elementary = _function("ceil", None, "Smallest integer not below ``x``", ("hp.ceil(1.5)", "2.0"), smooth=False)
erf: Elementary = _function(
    "erf",
    lambda v, x: (2.0 / math.pi**0.5) * exp(-(x * x)),
    "Error function",
    ("round(hp.erf(1.0), 6)", "0.842701"),
    numpy=special.erf,
)
erfc: Elementary = _function(
    "erfc",
    lambda v, x: (-2.0 / math.pi**0.5) * exp(-(x * x)),
    "Complementary error function ``1 - erf(x)``, accurate for large ``x``",
    ("round(hp.erfc(1.0), 6)", "0.157299"),
    numpy=special.erfc,
)


# -- functions of two operands ---
arctan2: Elementary = register(
    Elementary(
        "arctan2",
        np.arctan2,
        _lifted(torch.arctan2),
        (lambda v, y, x: x / (y * y + x * x), lambda v, y, x: -(y / (y * y + x * x))),
        "The angle of the point with ordinate ``a`` and abscissa ``b``, from -pi to pi",
        ("hp.arctan2(1.0, 0.0) == hp.pi / 2", "True"),
        aliases=("atan2",),
    )
)
hypot: Elementary = register(
    Elementary(
        "hypot",
        np.hypot,
        _lifted(torch.hypot),
        (lambda v, a, b: a / v, lambda v, a, b: b / v),
        "Length ``sqrt(a**2 + b**2)``",
        ("hp.hypot(3.0, 4.0)", "5.0"),
    )
)

#: Functions of NumPy and PyTorch that are written in others: number of operands, and how.
_COMPOSITES: dict[str, tuple[int, Rule]] = {
    "square": (1, lambda x: x**2),
    "reciprocal": (1, lambda x: 1.0 / x),
    "rsub": (2, lambda a, b: b - a),
    "exp2": (1, lambda x: 2.0**x),
    "log2": (1, lambda x: log(x) / math.log(2.0)),
    "log10": (1, lambda x: log(x) / math.log(10.0)),
    "sigmoid": (1, lambda x: 0.5 + 0.5 * tanh(0.5 * x)),
    "relu": (1, lambda x: maximum(x, 0.0)),
}


def composite(name: str) -> tuple[int, Rule] | None:
    """Number of operands and rule of a NumPy or PyTorch function that is written in others, or None."""
    return _COMPOSITES.get(name.removeprefix("special_"))
