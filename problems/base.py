"""What the problem files share."""

from __future__ import annotations

import functools
import inspect
import numbers
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

from hermite_pinn import checks
from hermite_pinn.errors import HermitePinnError, InvalidArgumentError

__all__ = [
    "Bounds",
    "bounds",
    "choice",
    "count",
    "dimension",
    "flag",
    "named",
    "not_negative",
    "number",
    "per_axis",
    "point_count",
    "positive_number",
    "real_numbers",
    "seed_number",
    "settings",
]

Bounds = tuple[float, float]

P = ParamSpec("P")
R = TypeVar("R")
MOST = 1000  # numbers in one setting


def settings(**kinds: checks.Check) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Check the settings of a function that makes a problem, each by a check of :mod:`hermite_pinn.checks`.

    Settings that are not named are passed on.  Numbers with which Python's arithmetic overflows are refused, too.

    Examples
    --------
    >>> @settings(nu=functools.partial(checks.number, above=0))
    ... def twice(nu: float = 1.0) -> float:
    ...     return 2 * nu
    >>> twice(3), inspect.signature(twice).parameters["nu"].default
    (6.0, 1.0)
    >>> twice("a")
    Traceback (most recent call last):
    hermite_pinn.errors.InvalidArgumentError: nu must be a positive finite number, got 'a'
    """

    def checking(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                bound = signature.bind(*args, **kwargs)
            except TypeError as error:
                raise InvalidArgumentError(
                    f"{function.__name__}: {error}; it takes {', '.join(signature.parameters)}"
                ) from error
            for name, value in bound.arguments.items():
                if name in kinds:
                    bound.arguments[name] = kinds[name](name, value)
            try:
                return function(*bound.args, **bound.kwargs)
            except HermitePinnError:
                raise
            except ArithmeticError as error:
                given = ", ".join(f"{k}={checks.spelled(v)}" for k, v in bound.arguments.items())
                raise InvalidArgumentError(
                    f"{function.__name__}({given}) cannot be made: its numbers are too large or too small ({error})"
                ) from error

        return checked

    return checking


number = checks.number
flag = checks.flag
positive_number = functools.partial(checks.number, above=0)
not_negative = functools.partial(checks.number, least=0)
count = functools.partial(checks.integer, least=1, most=10_000)
point_count = functools.partial(checks.integer, least=2, most=3_000)
seed_number = functools.partial(checks.integer, least=0)
dimension = functools.partial(checks.integer, least=1, most=3)


def bounds(name: str, value: Any) -> Bounds:
    """Lower and upper bound of an axis.

    Examples
    --------
    >>> bounds("x", [0, 2])
    (0.0, 2.0)
    """
    lower, upper = checks.items(name, value, "bounds (lower, upper)", least=2, most=2)
    return checks.number(f"the lower bound of {name}", lower), checks.number(f"the upper bound of {name}", upper)


def _is_scalar(value: object) -> bool:
    return isinstance(value, numbers.Number) or getattr(value, "ndim", None) == 0


def real_numbers(name: str, value: float | Sequence[float]) -> tuple[float, ...]:
    """One or more numbers as a tuple.

    Examples
    --------
    >>> real_numbers("waves", 3), real_numbers("waves", (1, 4))
    ((3.0,), (1.0, 4.0))
    """
    if _is_scalar(value):
        return (checks.number(name, value),)
    values = checks.items(name, value, "one or more numbers", least=1, most=MOST)
    return tuple(checks.number(f"each of {name}", v) for v in values)


def per_axis(name: str, value: float | Sequence[float], dim: int) -> tuple[float, ...]:
    """One number per axis from one number or a sequence.

    Examples
    --------
    >>> per_axis("a", 3, 2), per_axis("a", (7, 13), 2)
    ((3.0, 3.0), (7.0, 13.0))
    """
    if _is_scalar(value):
        return (checks.number(name, value),) * dim
    values = checks.items(name, value, f"one number, or one per axis ({dim})", least=dim, most=dim)
    return tuple(checks.number(f"each of {name}", v) for v in values)


def choice(name: str, value: str, known: Sequence[str]) -> None:
    """Check that a setting is one of the known words.

    Examples
    --------
    >>> choice("support", "clamped", ["simple", "clamped"])
    """
    checks.choice(name, value, known)


def named(function: Callable[..., Any], names: Sequence[str]) -> Callable[..., Any]:
    """A function of positional coordinates as one whose arguments are called ``names``.

    Problems bind arguments by name; this serves problems whose number of axes is a setting.

    Examples
    --------
    >>> total = named(lambda *s: sum(s), ["x", "y", "t"])
    >>> total(1, 2, 3), total(x=1, y=2, t=3)
    (6, 6)
    """
    signature = inspect.Signature([inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD) for n in names])

    def with_names(*args: Any, **kwargs: Any) -> Any:
        return function(*signature.bind(*args, **kwargs).args)

    with_names.__signature__ = signature  # type: ignore[attr-defined]
    return with_names
