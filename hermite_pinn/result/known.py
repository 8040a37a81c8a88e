"""A known solution as a user gives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hermite_pinn.checks import instance, spelled
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.expressions.graph import Expr
from hermite_pinn.expressions.trace import Symbols

from .complex_function import complex_names

__all__ = ["known_solution"]


def known_solution(fields: Sequence[str], axes: Sequence[str], exact: Any) -> dict[str, Expr]:
    """Expressions of the coordinates by real field, from functions by field, complex ones by their own names.

    Raises
    ------
    InvalidArgumentError
        If it is no mapping, or names what is no field.
    """
    accepted = "a mapping from fields to functions of the coordinates, such as {'u': lambda x, y: ...}"
    given = instance("exact", exact, Mapping, accepted, otherwise="None")  # type: ignore[type-abstract]
    named = complex_names(fields)
    unknown = [f for f in given if f not in (*fields, *named)]
    if unknown or not given:
        known = ", ".join((*named, *fields))
        raise InvalidArgumentError(
            f"exact names {', '.join(map(spelled, unknown)) or 'no field'}; the fields are {known}"
        )
    symbols = Symbols(tuple(fields), tuple(axes), (), 2, tuple(f for f in named if f in given))
    made = [symbols.values(f, g, f"the exact solution {f}") for f, g in given.items()]
    return {f: g for parts in made for f, g in parts.items()}
