"""What the problem files share."""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Sequence
from typing import Any

from hermite_pinn.errors import InvalidArgumentError

__all__ = ["Bounds", "choice", "named", "per_axis", "positive", "real_numbers"]

Bounds = tuple[float, float]


def real_numbers(name: str, value: float | Sequence[float]) -> tuple[float, ...]:
    """One or more numbers as a tuple.

    Examples
    --------
    >>> real_numbers("waves", 3), real_numbers("waves", (1, 4))
    ((3.0,), (1.0, 4.0))
    """
    values = (value,) if isinstance(value, numbers.Real) else tuple(value)  # type: ignore[arg-type]
    if not values or not all(isinstance(v, numbers.Real) for v in values):
        raise InvalidArgumentError(f"{name} must be one or more numbers, got {value!r}")
    return tuple(float(v) for v in values)


def per_axis(name: str, value: float | Sequence[float], dim: int) -> tuple[float, ...]:
    """One number per axis from one number or a sequence.

    Examples
    --------
    >>> per_axis("a", 3, 2), per_axis("a", (7, 13), 2)
    ((3.0, 3.0), (7.0, 13.0))
    """
    values = (value,) * dim if isinstance(value, numbers.Real) else tuple(value)  # type: ignore[arg-type]
    if len(values) != dim or not all(isinstance(v, numbers.Real) for v in values):
        raise InvalidArgumentError(f"{name} must be one number, or one per axis ({dim}), got {value!r}")
    return tuple(float(v) for v in values)


def positive(**settings: float) -> None:
    """Check that numbers are positive.

    Examples
    --------
    >>> positive(nu=0.1)
    """
    for name, value in settings.items():
        if not (isinstance(value, numbers.Real) and value > 0):
            raise InvalidArgumentError(f"{name} must be a positive number, got {value!r}")


def choice(name: str, value: str, known: Sequence[str]) -> None:
    """Check that a setting is one of the known words.

    Examples
    --------
    >>> choice("support", "clamped", ["simple", "clamped"])
    """
    if value not in known:
        raise InvalidArgumentError(f"{name} must be one of {', '.join(known)}, got {value!r}")


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
