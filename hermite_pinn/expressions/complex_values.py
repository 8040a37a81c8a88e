"""Complex expressions as pairs of real ones, for problems with complex fields."""

from __future__ import annotations

import cmath
import numbers
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, NoReturn

from hermite_pinn.errors import InvalidProblemError

from .graph import Expr, apply, constant, wrap
from .jets import NormalVector, Vector
from .vectors import Components

__all__ = ["PARTS", "ComplexJet", "ComplexNormal", "ComplexValue", "ComplexVector", "parts_of"]

PARTS = "real", "imag"  # what the names of the real fields of a complex one end with, after an underscore


class ComplexValue:
    """A complex number at each point, ``real + i imag``.

    Examples
    --------
    >>> from hermite_pinn.expressions.graph import coordinate
    >>> x = ComplexValue(coordinate("x"), 0.0)
    >>> (1 + 2j) * x, abs(3j * x), (x * 1j).conj.imag
    ((x) + i (x*2), sqrt(x*3*x*3), -x)
    """

    __elementary_rank__: ClassVar[int] = 1  # before real symbols
    __array_ufunc__: ClassVar[None] = None  # NumPy's numbers leave products to it
    __hash__ = object.__hash__

    def __init__(self, real: Any, imag: Any) -> None:
        self._real, self._imag = wrap(real), wrap(imag)

    def __repr__(self) -> str:
        return str(self._real) if _zero(self._imag) else f"({self._real}) + i ({self._imag})"

    # -- parts ---
    @property
    def real(self) -> ComplexValue:
        """The real part."""
        return type(self)(self._real, 0.0)

    @property
    def imag(self) -> ComplexValue:
        """The imaginary part."""
        return type(self)(self._imag, 0.0)

    @property
    def conj(self) -> ComplexValue:
        """The conjugate."""
        return ComplexValue(self._real, -self._imag)

    def conjugate(self) -> ComplexValue:
        """The conjugate."""
        return self.conj

    def __abs__(self) -> ComplexValue:
        if _zero(self._imag):
            return ComplexValue(apply("abs", self._real), 0.0)
        return ComplexValue(apply("sqrt", self._real * self._real + self._imag * self._imag), 0.0)

    # -- arithmetic ---
    def __add__(self, other: Any) -> ComplexValue:
        a, b = parts_of(other)
        return ComplexValue(self._real + a, self._imag + b)

    __radd__ = __add__

    def __sub__(self, other: Any) -> ComplexValue:
        return self + (-_valued(other))

    def __rsub__(self, other: Any) -> ComplexValue:
        return -self + other

    def __neg__(self) -> ComplexValue:
        return ComplexValue(-self._real, -self._imag)

    def __pos__(self) -> ComplexValue:
        return self

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, tuple):  # a vector, which knows what to do
            return NotImplemented
        a, b = parts_of(other)
        return ComplexValue(self._real * a - self._imag * b, self._real * b + self._imag * a)

    def __rmul__(self, other: Any) -> Any:
        return self.__mul__(other)

    def __truediv__(self, other: Any) -> ComplexValue:
        a, b = parts_of(other)
        if _zero(b):
            return ComplexValue(self._real / a, self._imag / a)
        size = a * a + b * b
        return ComplexValue((self._real * a + self._imag * b) / size, (self._imag * a - self._real * b) / size)

    def __rtruediv__(self, other: Any) -> ComplexValue:
        return _valued(other) / self

    def __pow__(self, other: Any) -> ComplexValue:
        a, b = parts_of(other)
        if _zero(self._imag) and _zero(b):
            return ComplexValue(self._real**a, 0.0)
        if not (_zero(b) and a.is_constant and float(a.data).is_integer() and abs(a.data) <= 64):
            raise InvalidProblemError(
                f"{self!r} cannot be raised to {other!r}: complex values have integer powers up to 64"
            )
        result = ComplexValue(1.0, 0.0)
        for _ in range(abs(int(a.data))):
            result = result * self
        return result if a.data >= 0 else 1.0 / result

    def __rpow__(self, other: Any) -> ComplexValue:
        base = complex(other) if isinstance(other, numbers.Complex) else 0j
        if not base:
            raise InvalidProblemError(f"{other!r} cannot be raised to {self!r}; write it with hp.exp")
        return _exp(self * cmath.log(base))

    # -- comparisons, of real values ---
    def __lt__(self, other: Any) -> Expr:
        return self._alone("compared") < _valued(other)._alone("compared")

    def __le__(self, other: Any) -> Expr:
        return self._alone("compared") <= _valued(other)._alone("compared")

    def __gt__(self, other: Any) -> Expr:
        return self._alone("compared") > _valued(other)._alone("compared")

    def __ge__(self, other: Any) -> Expr:
        return self._alone("compared") >= _valued(other)._alone("compared")

    def _alone(self, what: str) -> Expr:
        """The real part, where there is no other."""
        if not _zero(self._imag):
            raise InvalidProblemError(f"{self!r} is complex and cannot be {what}; take abs(...), .real or .imag of it")
        return self._real

    def __bool__(self) -> bool:
        return bool(self._alone("true or false"))

    def __float__(self) -> NoReturn:
        raise InvalidProblemError(f"{self!r} stands for one value at each point; use the functions of hermite_pinn")

    # -- functions ---
    @classmethod
    def __elementary__(cls, name: str, *operands: Any) -> Any:
        values = [_valued(v) for v in operands]
        if name == "where":
            condition = operands[0] if isinstance(operands[0], Expr) else values[0]._alone("a condition")
            return ComplexValue(
                *(apply("where", condition, a, b) for a, b in zip(*map(parts_of, values[1:]), strict=True))
            )
        if name == "abs":
            return abs(values[0])
        if all(_zero(v._imag) for v in values):
            return ComplexValue(apply(name, *(v._real for v in values)), 0.0)
        function = _FUNCTIONS.get(name)
        if function is None:
            raise InvalidProblemError(
                f"{name} takes real values here, got {operands[0]!r}; of complex values there are {', '.join(_FUNCTIONS)}, abs and where"
            )
        return function(values[0])

    @classmethod
    def __tabulated__(cls, function: Callable[..., Any], *operands: Any) -> ComplexValue:
        """A function that is evaluated, of real operands."""
        name = getattr(function, "name", "a tabulated function")
        return ComplexValue(function(*(_valued(v)._alone(f"an argument of {name}") for v in operands)), 0.0)


class ComplexVector(Components[Any]):
    """Complex components along the space axes, with the sums and products a PDE needs, none of them conjugated."""

    def _made(self, components: Iterable[Any]) -> ComplexVector:
        return ComplexVector(components)


class ComplexNormal(ComplexVector):
    """The outward normal, for the products with complex values; its components are attributes, too: ``n.x``."""

    _normal: NormalVector

    def __new__(cls, normal: NormalVector) -> ComplexNormal:
        """The normal, whose components are real."""
        made = super().__new__(cls, (ComplexValue(c, 0.0) for c in normal))
        made._normal = normal
        return made

    def __getattr__(self, name: str) -> ComplexValue:
        return ComplexValue(getattr(self._normal, name), 0.0)


class ComplexJet(ComplexValue):
    """A complex field or a derivative of one; attributes differentiate: ``u.x``, ``u.laplacian``, ``u.grad``, ``u.n``.

    ``u.real``, ``u.imag`` and ``u.conj`` are what they are of numbers; the parts are fields, and differentiate, too.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        real = getattr(self._real, name)
        if _zero(self._imag):
            imag = tuple(constant(0.0) for _ in real) if isinstance(real, Vector) else constant(0.0)
        else:
            imag = getattr(self._imag, name)
        if isinstance(real, Vector):
            return ComplexVector(ComplexJet(a, b) for a, b in zip(real, imag, strict=True))
        return ComplexJet(real, imag)


def parts_of(value: Any) -> tuple[Expr, Expr]:
    """Real and imaginary part of a number, a symbol or a complex value.

    Examples
    --------
    >>> parts_of(1 + 2j)
    (1, 2)
    """
    if isinstance(value, ComplexValue):
        return value._real, value._imag
    if isinstance(value, numbers.Complex) and not isinstance(value, numbers.Real):
        return constant(float(value.real)), constant(float(value.imag))
    return wrap(value), constant(0.0)


def _valued(value: Any) -> ComplexValue:
    return value if isinstance(value, ComplexValue) else ComplexValue(*parts_of(value))


def _zero(part: Expr) -> bool:
    return bool(part.is_constant) and part.data == 0


def _exp(z: ComplexValue) -> ComplexValue:
    size = apply("exp", z._real)
    return ComplexValue(size * apply("cos", z._imag), size * apply("sin", z._imag))


def _wave(name: str, other: str, sign: float) -> Callable[[ComplexValue], ComplexValue]:
    """Sine and cosine by their sums: ``name(x) cosh(y)`` and ``sign other(x) sinh(y)``."""

    def function(z: ComplexValue) -> ComplexValue:
        real = apply(name, z._real) * apply("cosh", z._imag)
        return ComplexValue(real, sign * apply(other, z._real) * apply("sinh", z._imag))

    return function


def _hyperbolic(name: str, other: str) -> Callable[[ComplexValue], ComplexValue]:
    def function(z: ComplexValue) -> ComplexValue:
        return ComplexValue(apply(name, z._real) * apply("cos", z._imag), apply(other, z._real) * apply("sin", z._imag))

    return function


_FUNCTIONS: dict[str, Callable[[ComplexValue], ComplexValue]] = {
    "exp": _exp,
    "sin": _wave("sin", "cos", 1.0),
    "cos": _wave("cos", "sin", -1.0),
    "sinh": _hyperbolic("sinh", "cosh"),
    "cosh": _hyperbolic("cosh", "sinh"),
}
