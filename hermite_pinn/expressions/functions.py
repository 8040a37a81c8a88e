"""Elementary functions that work on floats, NumPy arrays, PyTorch tensors and the symbols of a traced problem alike."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import torch
from scipy import special

from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError

from . import graph as expressions
from .graph import Expr

__all__ = [
    "abs", "arccos", "arcsin", "arctan", "arctan2", "cos", "cosh", "erf", "exp", "floor", "log", "maximum", "minimum", "pi", "sech",
    "sign", "sin", "sinh", "sqrt", "tabulated", "tan", "tanh", "where",
]  # fmt: skip

pi = math.pi


def _unary(name: str) -> Callable[[Any], Any]:
    in_torch = getattr(torch, name)
    in_numpy = getattr(special, name) if name == "erf" else getattr(np, name)

    def function(x: Any) -> Any:
        if isinstance(x, Expr):
            return expressions.unary(name, x)
        if isinstance(x, torch.Tensor):
            return in_torch(x)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            value = in_numpy(x)
        return float(value) if np.ndim(value) == 0 else value

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"``{name}(x)``, elementwise, for floats, NumPy arrays, tensors and symbols."
    return function


def _binary(name: str) -> Callable[[Any, Any], Any]:
    in_torch = getattr(torch, name)
    in_numpy = getattr(np, name)

    def function(a: Any, b: Any) -> Any:
        if isinstance(a, Expr) or isinstance(b, Expr):
            return expressions.binary(name, a, b)
        if isinstance(a, torch.Tensor) or isinstance(b, torch.Tensor):
            return in_torch(*_tensors(a, b))
        value = in_numpy(a, b)
        return float(value) if np.ndim(value) == 0 else value

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"``{name}(a, b)``, elementwise, for floats, NumPy arrays, tensors and symbols."
    return function


def _tensors(*values: Any) -> list[torch.Tensor]:
    like = next(v for v in values if isinstance(v, torch.Tensor) and v.is_floating_point())
    return [
        v if isinstance(v, torch.Tensor) else torch.full((), v, dtype=like.dtype, device=like.device) for v in values
    ]


sin, cos, tan = _unary("sin"), _unary("cos"), _unary("tan")
arcsin, arccos, arctan = _unary("arcsin"), _unary("arccos"), _unary("arctan")
sinh, cosh, tanh = _unary("sinh"), _unary("cosh"), _unary("tanh")
exp, log, sqrt, erf = _unary("exp"), _unary("log"), _unary("sqrt"), _unary("erf")
abs, sign, floor = _unary("abs"), _unary("sign"), _unary("floor")
arctan2, maximum, minimum = _binary("arctan2"), _binary("maximum"), _binary("minimum")


def sech(x: Any) -> Any:
    """Hyperbolic secant ``1 / cosh(x)``."""
    return 1 / cosh(x)


def where(condition: Any, a: Any, b: Any) -> Any:
    """``a`` where ``condition`` holds, else ``b``, elementwise.

    Examples
    --------
    >>> where(np.array([1.0, -1.0]) > 0, 1.0, 0.0)
    array([1., 0.])
    """
    if any(isinstance(v, Expr) for v in (condition, a, b)):
        return expressions.where(condition, a, b)
    if isinstance(condition, torch.Tensor):
        return torch.where(condition, a, b)
    value = np.where(condition, a, b)
    return float(value) if np.ndim(value) == 0 else value


class Tabulated:
    """A function of coordinates that is evaluated, not traced; made by :func:`tabulated`."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.function = function
        self.name = name

    @cached_property
    def derivative(self) -> Tabulated | None:
        """The derivative of a function of one variable that has a method of that name, as SciPy's splines do."""
        made = getattr(self.function, "derivative", None)
        return Tabulated(made(), f"{self.name}'") if callable(made) else None

    def __call__(self, *coordinates: Any) -> Any:
        """Values at points, or a symbol while a problem is traced."""
        if any(isinstance(c, Expr) for c in coordinates):
            args = tuple(expressions.wrap(c) for c in coordinates)
            unknown = expressions.unknowns(args)
            if unknown and (len(args) != 1 or self.derivative is None):
                raise InvalidProblemError(
                    f"{self.name} is a tabulated function of {', '.join(map(str, args))}, which contains the unknown {unknown[0]}, and "
                    "its derivative is not known; give it coordinates only, or tabulate a spline of one variable with a method "
                    "derivative(), such as scipy.interpolate.CubicSpline"
                )
            return Expr("opaque", args, self)
        if any(isinstance(c, torch.Tensor) and c.requires_grad for c in coordinates):
            slope = self.derivative
            if slope is None or len(coordinates) != 1:
                raise InvalidArgumentError(f"{self.name} is tabulated without its derivative, so it has no gradient")
            x = coordinates[0]
            return self(x.detach()) + slope(x.detach()) * (x - x.detach())
        if any(isinstance(c, torch.Tensor) for c in coordinates):
            like = next(c for c in coordinates if isinstance(c, torch.Tensor))
            arrays = np.broadcast_arrays(
                *[c.detach().cpu().numpy().astype(float) if isinstance(c, torch.Tensor) else c for c in coordinates]
            )
            return torch.as_tensor(self._checked(arrays), dtype=like.dtype, device=like.device)
        return self._checked(np.broadcast_arrays(*[np.asarray(c, dtype=float) for c in coordinates]))

    def _checked(self, arrays: Any) -> np.ndarray:
        value = np.asarray(self.function(*arrays))
        if np.iscomplexobj(value):
            raise InvalidArgumentError(f"{self.name} returned complex values; fields are real")
        if value.shape != arrays[0].shape:
            if value.ndim == 0:
                return np.full(arrays[0].shape, float(value))
            raise InvalidArgumentError(
                f"{self.name} returned an array of shape {value.shape} for points of shape {arrays[0].shape}; it must return one value "
                "for each point"
            )
        return value.astype(float)


def tabulated(function: Callable[..., Any], name: str | None = None) -> Tabulated:
    """Wrap a function of coordinates that cannot be traced, such as an interpolant, so that residuals may use it.

    A function of one variable with a method ``derivative()``, as SciPy's splines have, may also be applied to fields
    and parameters, for example a measured material law.

    Parameters
    ----------
    function
        Takes as many float64 NumPy arrays as it has coordinates, all of one shape, and returns an array of that shape.
    name
        How it is shown in messages.

    Raises
    ------
    InvalidProblemError
        When it is applied to a field or a parameter and its derivative is not known.

    Examples
    --------
    >>> from scipy.interpolate import make_interp_spline
    >>> speed = tabulated(make_interp_spline([0.0, 1.0, 2.0, 3.0], [1.0, 2.0, 1.0, 2.0]), name="speed")
    >>> float(speed(np.array(1.0)))
    2.0
    """
    if not callable(function):
        raise InvalidArgumentError(f"tabulated() takes a function of coordinates, got {function!r}")
    return Tabulated(function, name or str(getattr(function, "__name__", type(function).__name__)))
