"""Call a user's function once with symbols for its arguments, bound by name."""

from __future__ import annotations

import inspect
import math
import numbers
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hermite_pinn.errors import HermitePinnError, InvalidProblemError

from .complex_values import PARTS, ComplexJet, ComplexNormal, ComplexValue, parts_of
from .functions import tabulated
from .graph import Expr, constant, coordinate, parameter, postorder, wrap
from .jets import FieldJet, NormalVector

__all__ = ["Symbols", "bind"]


def bind(function: Callable[..., Any], known: Mapping[str, Any], what: str) -> Any:
    """Call ``function`` with the entries of ``known`` that its parameters name.

    Raises
    ------
    InvalidProblemError
        If a parameter without default is not known, or the signature cannot be read.

    Examples
    --------
    >>> bind(lambda x, y: x - y, {"y": 1, "z": 2, "x": 3}, "the residual")
    2
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise InvalidProblemError(
            f"{what}: the arguments of {function!r} cannot be read; wrap it, for example lambda {', '.join(list(known)[:2])}: ..."
        ) from error
    args, kwargs = [], {}
    for p in signature.parameters.values():
        if p.kind is p.VAR_POSITIONAL:
            raise InvalidProblemError(f"{what}: arguments are bound by name, so *{p.name} has no meaning; name them")
        if p.kind is p.VAR_KEYWORD:
            continue
        if p.name not in known:
            if p.default is p.empty:
                raise InvalidProblemError(f"{what}: unknown argument {p.name!r}; known here are {', '.join(known)}")
            continue
        if p.kind is p.POSITIONAL_ONLY:
            args.append(known[p.name])
        else:
            kwargs[p.name] = known[p.name]
    return function(*args, **kwargs)


NOTHING = "None"


def _remedy(error: Exception) -> str:
    """What to write in place of what failed with symbols."""
    if str(error).endswith("object is not callable"):
        return (
            "in a residual derivatives are written without brackets, such as u.laplacian, u.x and u.xx, and so are "
            "coordinates and fields; only a solution is evaluated at points, solution.u(x, y)"
        )
    return "write it with operators and the functions of hermite_pinn (hp.sin, hp.where, ...)"


def _refuse_truth(value: Any, what: str) -> None:
    """Explain a comparison, or its outcome, in place of a residual.

    Raises
    ------
    InvalidProblemError
        If the value is one.
    """
    if isinstance(value, Expr) and value.is_condition:
        if value.op == "equal":
            left, right = value.args
            difference = f"{left}" if right.is_constant and right.data == 0 else f"{left} - ({right})"
            raise InvalidProblemError(
                f"{what} returned the comparison {value}, which is true or false; a residual is an expression that is zero "
                f"for a solution: return {difference}"
            )
        raise InvalidProblemError(
            f"{what} returned the condition {value}, which is true or false; a residual is an expression that is zero for a "
            "solution. For a choice between two expressions use hermite_pinn.where(condition, a, b); inequalities are not "
            "solved"
        )
    if isinstance(value, (bool, np.bool_)):
        raise InvalidProblemError(
            f"{what} returned {value}, the outcome of a comparison; return an expression that is zero for a solution, such as "
            "u.xx - 1"
        )


def _refuse_infinite(residual: Expr, what: str) -> None:
    """Refuse numbers that are NaN or infinite, but for bounds of minimum and maximum, and in choices.

    Raises
    ------
    InvalidProblemError
        If there is one.
    """
    for e in postorder(residual):
        harmless = e.op in ("minimum", "maximum", "where") or e.is_condition
        for a in () if harmless else e.args:
            if a.is_constant and not math.isfinite(a.data):
                raise InvalidProblemError(f"{what} contains the number {a.data} in {e}, so nothing can make it zero")


@dataclass(frozen=True)
class Symbols:
    """The names a problem's functions may use.

    Examples
    --------
    >>> symbols = Symbols(("u",), ("x", "t"), ("nu",), 2)
    >>> symbols.residuals(lambda u, nu: u.t - nu * u.xx, "the residual", "pde")
    {'pde': u.t - nu*u.xx}
    """

    fields: tuple[str, ...]
    coordinates: tuple[str, ...]
    parameters: tuple[str, ...]
    max_order: int
    complex_fields: tuple[str, ...] = ()

    def field(self, name: str) -> FieldJet:
        """The value of a field; an error that lists the fields if there is no such."""
        if name not in self.fields:
            raise InvalidProblemError(f"there is no field {name!r}; the fields are {', '.join(self.fields)}")
        return FieldJet(name, (0,) * len(self.coordinates), self.coordinates, self.max_order)

    def parts(self, name: str) -> tuple[str, ...]:
        """Names of the real fields that a field consists of: its own, or those of its real and imaginary part."""
        return tuple(f"{name}_{part}" for part in PARTS) if name in self.complex_fields else (name,)

    @property
    def plain(self) -> dict[str, Any]:
        """Coordinates and parameters; values that calculate with complex ones, where a field is complex."""
        known = {c: coordinate(c) for c in self.coordinates} | {p: parameter(p) for p in self.parameters}
        return {n: ComplexValue(e, 0.0) for n, e in known.items()} if self.complex_fields else dict(known)

    @property
    def outward(self) -> dict[str, Any]:
        """The outward normal ``n``, for functions on boundaries."""
        normal = NormalVector(self.coordinates)
        return {"n": ComplexNormal(normal) if self.complex_fields else normal}

    @property
    def unknown(self) -> dict[str, Any]:
        """The fields, complex ones by their own names too."""
        known: dict[str, Any] = {name: self.field(name) for name in self.fields}
        if self.complex_fields:
            known = {name: ComplexJet(jet, 0.0) for name, jet in known.items()}
            known |= {name: ComplexJet(*map(self.field, self.parts(name))) for name in self.complex_fields}
        return known

    def residuals(self, function: Callable[..., Any], what: str, default: str, normal: bool = False) -> dict[str, Expr]:
        """Trace a function that returns one residual, a sequence, or a dict of them; on boundaries with the normal."""
        known: dict[str, Any] = self.unknown | self.plain
        known = self.outward | known if normal else known
        try:
            result = bind(function, known, what)
        except HermitePinnError:
            raise
        except Exception as error:
            raise InvalidProblemError(
                f"{what} failed when it was traced with symbols ({type(error).__name__}: {error}); {_remedy(error)}"
            ) from error
        if isinstance(result, Iterator):
            raise InvalidProblemError(f"{what} returned {result!r}, which is used up when it is read; return a tuple")
        if isinstance(result, Mapping):
            named = {str(k): v for k, v in result.items()}
        elif isinstance(result, Sequence) and not isinstance(result, str):
            named = (
                {f"{default}{i + 1}": v for i, v in enumerate(result)}
                if len(result) > 1
                else dict.fromkeys([default], result[0] if result else None)
            )
        else:
            named = {default: result}
        residuals: dict[str, Expr] = {}
        for name, value in named.items():
            if value is None:
                raise InvalidProblemError(
                    f"{what} returned nothing; it must return the residual, which is zero for a solution"
                )
            _refuse_truth(value, what)
            residuals |= self._real_parts(name, value)
        for residual in residuals.values():
            _refuse_infinite(residual, what)
        return residuals

    def _real_parts(self, name: str, value: Any) -> dict[str, Expr]:
        """A residual, or the real and the imaginary part of one, as far as they are not zero by themselves."""
        if not self.complex_fields:
            return {name: wrap(value)}
        both = dict(zip((f"{name} {part}" for part in PARTS), parts_of(value), strict=True))
        if all(e.is_constant for e in both.values()):
            return {name: parts_of(value)[0]}
        kept = {n: e for n, e in both.items() if not (e.is_constant and e.data == 0)}
        return kept if len(kept) > 1 or next(iter(kept)).endswith(PARTS[1]) else {name: next(iter(kept.values()))}

    def values(self, name: str, value: Any, what: str, normal: bool = False) -> dict[str, Expr]:
        """What is prescribed of a field, by the real fields that it consists of; see :meth:`value`.

        Raises
        ------
        InvalidProblemError
            If there is no such field, or a real one is given a complex value.
        """
        if name not in self.complex_fields:
            return {self.field(name).data[0]: self.value(value, what, normal=normal)}
        return dict(zip(self.parts(name), self._parts_of_value(value, what, normal), strict=True))

    def _parts_of_value(self, value: Any, what: str, normal: bool) -> tuple[Expr, Expr]:
        if not callable(value):
            return parts_of(value)
        try:
            return parts_of(bind(value, self.outward | self.plain if normal else self.plain, what))
        except HermitePinnError:
            raise
        except Exception as error:
            raise InvalidProblemError(
                f"{what} failed when it was traced with symbols ({type(error).__name__}: {error}); values of complex fields "
                "are written with operators and the functions of hermite_pinn, such as hp.exp(1j * x)"
            ) from error

    def _one_real(self, value: Any, what: str) -> Expr:
        real, imag = parts_of(value)
        if not (imag.is_constant and imag.data == 0):
            raise InvalidProblemError(f"{what} is a complex value, and the field is real")
        return real

    def value(self, value: Any, what: str, normal: bool = False) -> Expr:
        """A prescribed value as an expression: a number, or a function of coordinates (and parameters) by name.

        On boundaries the function may take the normal ``n``, too.

        A function that cannot be traced, such as an interpolant, is evaluated on arrays of points instead.
        """
        if isinstance(value, (Expr, numbers.Number)) or (isinstance(value, np.ndarray) and value.ndim == 0):
            return wrap(value)
        if not callable(value):
            raise InvalidProblemError(
                f"{what} must be a number or a function of {', '.join(self.coordinates)}, got {type(value).__name__}"
                + ("; values at scattered points belong into hp.Data" if hasattr(value, "__len__") else "")
            )
        known: dict[str, Any] = self.outward | self.plain if normal else self.plain
        try:
            result = bind(value, known, what)
            if result is None:
                raise InvalidProblemError(f"{what} is a function that returns nothing ({NOTHING}); return the value")
            return self._one_real(result, what) if self.complex_fields else wrap(result)
        except Exception as error:
            if isinstance(error, InvalidProblemError) and (
                "unknown argument" in str(error)
                or "complex value" in str(error)
                or "bound by name" in str(error)
                or "cannot be read" in str(error)
                or NOTHING in str(error)
            ):
                raise
        names = [p for p in inspect.signature(value).parameters if p in self.coordinates]
        fixed = [p for p in inspect.signature(value).parameters if p in known and p not in names]
        if fixed:
            kind = "parameter" if fixed[0] in self.parameters else "normal"
            raise InvalidProblemError(
                f"{what} depends on the {kind} {fixed[0]} but cannot be traced; write it with the functions of hermite_pinn"
            )
        if not names:
            try:
                return constant(float(value()))
            except Exception as error:
                raise InvalidProblemError(
                    f"{what} is a function that cannot be evaluated ({type(error).__name__}: {error})"
                ) from error
        by_name = tabulated(lambda *arrays: value(**dict(zip(names, arrays, strict=True))), name=what)
        return wrap(by_name(*(coordinate(n) for n in names)))
