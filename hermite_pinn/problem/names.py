"""Names of the fields of a problem, and what is given by them."""

from __future__ import annotations

import keyword
from collections.abc import Mapping, Sequence
from typing import Any

from hermite_pinn.checks import instance, number, refuse, spelled
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.expressions.complex_values import PARTS
from hermite_pinn.geometry import Domain

__all__ = ["FIELDS", "RESERVED", "check_names", "checked_exact", "real_fields"]

#: Attributes of a solution, which fields must leave free.
RESERVED = frozenset(
    [
        "domain",
        "periodic",
        "field",
        "fields",
        "status",
        "message",
        "success",
        "history",
        "parameters",
        "stats",
        "residuals",
        "estimated_error",
        "title",
        "settings",
        "problem",
        "on_grid",
        "at_points",
        "inside",
        "vertex_axes",
        "has_equations",
        "exact_values",
        "facts",
        "error",
        "residual",
        "integrate",
        "save",
        "to_hdf5",
        "load",
        "to_vtk",
        "to_xarray",
        "to_pandas",
        "view",
        "plot",
        "plot_history",
    ]
)


FIELDS = "a list of names such as ['u', 'v'], or a dict such as {'u': complex, 'p': float}"


def real_fields(stated: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the real fields that fields consist of, and those of the complex ones among these.

    Examples
    --------
    >>> real_fields({"u": complex, "p": float})
    (('u_real', 'u_imag', 'p'), ('u',))

    Raises
    ------
    InvalidProblemError
        If a field is said to be anything but real or complex.
    """
    if not isinstance(stated, Mapping):
        return (stated,) if isinstance(stated, str) else tuple(stated), ()  # type: ignore[arg-type]
    names: list[str] = []
    for name, kind in stated.items():
        if kind is not complex and kind is not float:
            refuse(f"fields[{name!r}]", kind, "float for a real field or complex", error=InvalidProblemError)
        names.extend(f"{name}_{part}" for part in PARTS) if kind is complex else names.append(name)
    return tuple(names), tuple(str(name) for name, kind in stated.items() if kind is complex)


def check_names(
    domain: Domain,
    fields: Sequence[str],
    parameters: Sequence[str],
    exact: Mapping[str, Any],
    complex_fields: Sequence[str] = (),
) -> None:
    """Every name is one, and means one thing; exact solutions are those of fields.

    Raises
    ------
    InvalidProblemError
        If not.
    """
    if not fields:
        raise InvalidProblemError("a problem needs at least one field, for example fields=['u']")
    taken: dict[str, str] = {}
    for kind, names in (
        ("coordinate", domain.names),
        ("field", fields),
        ("complex field", complex_fields),
        ("parameter", parameters),
    ):
        for name in names:
            if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
                raise InvalidProblemError(f"the name of a {kind} must be usable as an argument, got {spelled(name)}")
            if name in taken:
                raise InvalidProblemError(f"the name {name!r} is used for a {taken[name]} and a {kind}")
            taken[name] = kind
    for face in domain.faces:
        if face.name in taken:
            raise InvalidProblemError(
                f"the name {face.name!r} is used for a {taken[face.name]} and a face of the domain; give the shape another by name="
            )
    stated = [f for f in fields if not any(f == f"{name}_{part}" for name in complex_fields for part in PARTS)]
    for name in (*stated, *complex_fields):
        if name in RESERVED:
            raise InvalidProblemError(f"a field cannot be called {name!r}: a Solution has an attribute of that name")
    for name in exact:
        if name not in fields and name not in complex_fields:
            known = ", ".join((*stated, *complex_fields))
            raise InvalidProblemError(f"exact gives {name!r}, which is no field; the fields are {known}")


def checked_exact(exact: object) -> dict[str, Any]:
    """The known solution by field, each a function or a number."""
    if exact is None:
        return {}
    accepted = "a dict of functions by field such as {'u': lambda x: x**2}"
    known = instance("exact", exact, Mapping, accepted, otherwise="None", error=InvalidProblemError)  # type: ignore[type-abstract]
    for name, value in known.items():
        if not isinstance(name, str):
            refuse("a field in exact", name, "a name", error=InvalidProblemError)
        if isinstance(value, complex):
            continue
        if not callable(value) or isinstance(value, type):
            number(f"exact[{name!r}]", value, otherwise="a function of the coordinates", error=InvalidProblemError)
    return dict(known)
