"""Elementary functions that work on floats, NumPy arrays, PyTorch tensors and the symbols of a traced problem alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch

from hermite_pinn.checks import real_array, refuse, text
from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError

from .elementary import Elementary, registered
from .graph import Expr, unknowns, wrap

__all__ = [
    "abs", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "cbrt", "ceil", "cos", "cosh", "erf", "erfc",
    "exp", "expm1", "floor", "hypot", "log", "log1p", "maximum", "minimum", "pi", "sech", "sign", "sin", "sinh", "sqrt", "tabulated",
    "tan", "tanh", "where",
]  # fmt: skip

pi = math.pi


def _described(function: Callable[..., Any], entry: Elementary) -> Any:
    """The function under the name of its entry, with documentation and example."""
    call, result = entry.example
    imports = [">>> import hermite_pinn as hp"] + [">>> import numpy as np"] * ("np." in call)
    example = "\n    ".join([*imports, f">>> {call}", result])
    function.__name__ = function.__qualname__ = entry.name
    function.__doc__ = f"""{entry.summary}, elementwise.

    Takes floats, NumPy arrays, PyTorch tensors and the symbols of a traced problem; numbers give a float, the others
    their own kind in their precision.

    Examples
    --------
    {example}
    """
    return function


def _unary(name: str) -> Callable[[Any], Any]:
    entry = registered()[name]

    def function(x: Any) -> Any:
        return entry(x)

    return _described(function, entry)


def _binary(name: str) -> Callable[[Any, Any], Any]:
    entry = registered()[name]

    def function(a: Any, b: Any) -> Any:
        return entry(a, b)

    return _described(function, entry)


def _ternary(name: str) -> Callable[[Any, Any, Any], Any]:
    entry = registered()[name]

    def function(condition: Any, a: Any, b: Any) -> Any:
        return entry(condition, a, b)

    return _described(function, entry)


sin, cos, tan = _unary("sin"), _unary("cos"), _unary("tan")
arcsin, arccos, arctan = _unary("arcsin"), _unary("arccos"), _unary("arctan")
sinh, cosh, tanh, sech = _unary("sinh"), _unary("cosh"), _unary("tanh"), _unary("sech")
arcsinh, arccosh, arctanh = _unary("arcsinh"), _unary("arccosh"), _unary("arctanh")
exp, expm1, log, log1p = _unary("exp"), _unary("expm1"), _unary("log"), _unary("log1p")
sqrt, cbrt, erf, erfc = _unary("sqrt"), _unary("cbrt"), _unary("erf"), _unary("erfc")
abs, sign, floor, ceil = _unary("abs"), _unary("sign"), _unary("floor"), _unary("ceil")
arctan2, hypot = _binary("arctan2"), _binary("hypot")
maximum, minimum, where = _binary("maximum"), _binary("minimum"), _ternary("where")


class Tabulated:
    """A function of coordinates that is evaluated, not traced; made by :func:`tabulated`.

    Attributes
    ----------
    smooth
        Whether it is known to have no kinks nor jumps.
    """

    def __init__(self, function: Callable[..., Any], name: str, smooth: bool = False) -> None:
        self.function = function
        self.name = name
        self.smooth = smooth

    @cached_property
    def derivative(self) -> Tabulated | None:
        """The derivative of a function of one variable that has a method of that name, as SciPy's splines do."""
        made = getattr(self.function, "derivative", None)
        return Tabulated(made(), f"{self.name}'") if callable(made) else None

    def __call__(self, *coordinates: Any) -> Any:
        """Values at points, or a symbol while a problem is traced."""
        kinds = [type(c) for c in coordinates if hasattr(type(c), "__tabulated__")]
        if kinds:
            return kinds[0].__tabulated__(self, *coordinates)
        if any(isinstance(c, Expr) for c in coordinates):
            args = tuple(wrap(c) for c in coordinates)
            fields = unknowns(args)
            if fields and (len(args) != 1 or self.derivative is None):
                raise InvalidProblemError(
                    f"{self.name} is a tabulated function of {', '.join(map(str, args))}, which contains the unknown {fields[0]}, and "
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
            plain = [c.detach().cpu().numpy() if isinstance(c, torch.Tensor) else c for c in coordinates]
            return torch.as_tensor(self._checked(self._points(plain)), dtype=like.dtype, device=like.device)
        return self._checked(self._points(coordinates))

    def _points(self, coordinates: Sequence[Any]) -> list[np.ndarray]:
        """Coordinates as float64 arrays of one shape."""
        arrays = [real_array("a coordinate", c, finite=False) for c in coordinates]
        try:
            return [np.asarray(a) for a in np.broadcast_arrays(*arrays)]
        except ValueError as error:
            shapes = ", ".join(str(a.shape) for a in arrays)
            raise InvalidArgumentError(
                f"coordinates of the shapes {shapes} do not fit together; give {self.name} arrays of one shape"
            ) from error

    def _checked(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        points = arrays[0].shape if arrays else ()
        returned = self.function(*arrays)
        if _is_complex(returned):
            raise InvalidArgumentError(
                f"{self.name} returns complex values, and a tabulated function is real: tabulate the real and the imaginary "
                "part, and write a(x) + 1j * b(x)"
            )
        value = real_array(f"what {self.name} returns", returned, shape="one real number for each point", finite=False)
        if value.shape == points:
            return value
        if value.ndim == 0:
            return np.full(points, float(value))
        raise InvalidArgumentError(
            f"{self.name} returned an array of shape {value.shape} for points of shape {points}; it must return one value "
            "for each point"
        )


def _is_complex(value: Any) -> bool:
    try:
        return bool(np.iscomplexobj(value))
    except ValueError:  # a ragged list
        return False


def tabulated(function: Callable[..., Any], name: str | None = None) -> Tabulated:
    """Wrap a function of coordinates that cannot be traced, such as an interpolant, so that residuals may use it.

    A function of one variable with a method ``derivative()``, as SciPy's splines have, may also be applied to fields
    and parameters, for example a measured material law.  Where fields are complex, arguments and values are real; a
    complex coefficient consists of two such functions, ``a(x) + 1j * b(x)``.

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
    if not callable(function) or isinstance(function, type):
        refuse("tabulated()", function, "given a function of coordinates")
    given = None if name is None else text("the name of a tabulated function", name, otherwise="None")
    return Tabulated(function, given or str(getattr(function, "__name__", type(function).__name__)))
