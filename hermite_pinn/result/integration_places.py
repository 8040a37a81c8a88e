"""What a user may integrate over, and the rules that belong to it."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hermite_pinn.checks import items, number, refuse
from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError
from hermite_pinn.field.sampling import cell_edges
from hermite_pinn.geometry import Domain, Region

from .evaluable import Evaluable
from .quadrature import CutPlace, Place, Product, UnitedPlace

__all__ = ["place_of"]

ACCEPTED = (
    "None for the whole domain, names of axes such as 'x' or ['x', 'y'], parts of axes such as {'x': (0, 0.5)}, or a face such "
    "as 'x-', or 'boundary', with 't' or without"
)
MOST = 4  # axes of a tensor product of Gauss rules
listed = functools.partial(items, "`over`", otherwise="None")


def place_of(owner: Evaluable, over: Any) -> Place:
    """Over what is integrated.

    Raises
    ------
    InvalidArgumentError
        If it is no part of the domain, or one that has no rule.
    """
    domain = owner.domain
    if over is None:
        return _over_axes(owner, dict.fromkeys(domain.names))
    if isinstance(over, Mapping):
        return _over_axes(owner, {name: _bounds(domain, name, pair) for name, pair in over.items()})
    names = [over] if isinstance(over, str) else listed(over, ACCEPTED, least=1)
    if not all(isinstance(name, str) for name in names):
        refuse("`over`", over, ACCEPTED)
    axes = [name for name in names if name in domain.names]
    faces = [name for name in names if name not in domain.names]
    if not faces:
        return _over_axes(owner, dict.fromkeys(axes))
    if set(axes) - {"t"}:
        raise InvalidArgumentError(
            f"`over` names the face {faces[0]!r} and the axis {next(iter(set(axes) - {'t'}))!r}; a face is integrated over as a "
            "whole, with 't' or without"
        )
    places = [_over_face(owner, face, bool(axes)) for face in _regions(owner, faces)]
    return places[0] if len(places) == 1 else UnitedPlace(places[0].axes, tuple(places))


def _bounds(domain: Domain, name: Any, pair: Any) -> tuple[float, float] | None:
    """The part of an axis, None for the whole."""
    if name not in domain.names:
        raise InvalidArgumentError(f"`over` names {name!r}, which is no axis; the axes are {', '.join(domain.names)}")
    if pair is None:
        return None
    ends = items(f"the part of {name}", pair, "bounds (lower, upper)", least=2, most=2)
    a, b = (number(f"a bound of {name}", end) for end in ends)
    lower, upper = domain.bounds[name]
    if not lower <= a < b <= upper:
        raise InvalidArgumentError(
            f"the part {name}=({a:g}, {b:g}) does not lie within the domain, where {name} is in ({lower:g}, {upper:g})"
        )
    return a, b


def _over_axes(owner: Evaluable, parts: Mapping[str, tuple[float, float] | None]) -> Place:
    domain, edges = owner.domain, cell_edges(owner.field, owner.domain)
    axes = tuple(sorted(domain.names.index(name) for name in parts))
    cut = [_clipped(edges[i], parts[domain.names[i]]) for i in axes]
    space = set(domain.space_axes)
    if not domain.is_cut or not space & set(axes):
        _check_count(len(axes))
        return Product(axes, tuple(cut))
    if not space <= set(axes) or any(parts[domain.names[i]] is not None for i in space):
        names = ", ".join(domain.names[i] for i in domain.space_axes)
        raise InvalidArgumentError(
            f"shapes cut the domain, so that it is integrated over all of {names} together, without bounds; got "
            f"{', '.join(parts)}"
        )
    time = next((e for i, e in zip(axes, cut, strict=True) if i == domain.time_axis), None)
    return CutPlace(axes, domain, domain.interior, _counts(edges), time)


def _check_count(axes: int) -> None:
    """Refuse more axes than a tensor product of rules has points for."""
    if axes > MOST:
        raise InvalidArgumentError(
            f"integrals are over {MOST} axes at most, and here are {axes}; name those in `over`, or take the mean of values at "
            "random points: solution.at_points"
        )


def _clipped(edges: np.ndarray, part: tuple[float, float] | None) -> np.ndarray:
    """Ends of the cells in a part of an axis."""
    if part is None:
        return edges
    a, b = part
    return np.array([a, *edges[(edges > a) & (edges < b)], b])


def _counts(edges: Sequence[np.ndarray]) -> tuple[int, ...]:
    return tuple(len(e) - 1 for e in edges)


def _regions(owner: Evaluable, names: Sequence[str]) -> list[Region]:
    """The faces called so; those of periodic axes have to be named."""
    domain, found = owner.domain, list[Region]()
    for name in names:
        try:
            one = [domain.face(name)] if name != "boundary" else domain.space_faces
        except InvalidProblemError as error:
            raise InvalidArgumentError(
                f"`over` names {name!r}, which is neither an axis ({', '.join(domain.names)}) nor a face "
                f"({', '.join(f.name for f in domain.faces)}, or 'boundary')"
            ) from error
        found.extend(f for f in one if name != "boundary" or f.plane is None or not owner.periodic[f.plane.axis])
    if not found:
        raise InvalidArgumentError("`over` is 'boundary', and all axes are periodic: there is none; name faces")
    return list(dict.fromkeys(found))


def _over_face(owner: Evaluable, face: Region, with_time: bool) -> Place:
    domain, edges = owner.domain, cell_edges(owner.field, owner.domain)
    t = domain.time_axis
    across = None if face.plane is None else face.plane.axis
    instant = t is not None and across == t
    if with_time and instant:
        raise InvalidArgumentError(f"`over` names the face {face.name!r}, which is one instant, and 't'")
    axes = tuple(i for i in range(domain.dim) if i != t or with_time or instant)
    if domain.is_cut and not instant:
        return CutPlace(axes, domain, face, _counts(edges), edges[t] if t is not None and with_time else None)
    if domain.is_cut or face.plane is None:
        raise InvalidArgumentError(
            f"`over` names {face.name!r}; integrate over all axes of space, and call the result at a time"
        )
    _check_count(sum(i != across for i in axes))
    chosen = [np.array([face.plane.position]) if i == across else edges[i] for i in axes]
    return Product(axes, tuple(chosen), face.normal)
