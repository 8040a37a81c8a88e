"""What a condition may prescribe."""

from __future__ import annotations

import cmath
from typing import Any

from hermite_pinn.checks import number, refuse
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.graph import Expr

__all__ = ["checked_value"]

ACCEPTED = "a finite number or a function of the coordinates such as lambda x, y: x * y"


def checked_value(what: str, value: Any) -> Any:
    """A number or a function, as a condition takes it.

    Raises
    ------
    InvalidProblemError
        For anything else, and for numbers that are not finite.
    """
    if isinstance(value, Expr) or (callable(value) and not isinstance(value, type)):
        return value
    if isinstance(value, complex) and cmath.isfinite(value):  # a real field refuses it
        return value
    if getattr(value, "shape", ()) or isinstance(value, (list, tuple)):
        refuse(what, value, ACCEPTED, hint="values at scattered points belong into hp.Data", error=InvalidProblemError)
    try:
        return number(what, value, error=InvalidProblemError)
    except InvalidProblemError:
        refuse(what, value, ACCEPTED, error=InvalidProblemError)
