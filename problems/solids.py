"""The solids that problems are posed on: mesh files, parts of the project, shapes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import hermite_pinn as hp
from hermite_pinn.checks import spelled
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry.mesh import parts

__all__ = ["PARTS", "centred", "solid"]

#: The parts that the project makes itself, by name.
PARTS: Mapping[str, Callable[[], Any]] = {
    "gear": parts.gear,
    "bracket": parts.bracket,
    "pipe_bend": parts.pipe_bend,
    "torus_knot": parts.torus_knot,
}


def solid(what: str, source: Any) -> tuple[str, Any]:
    """What a setting calls a solid: its label, and the shape.

    Parameters
    ----------
    what
        Name of the setting.
    source
        The name of a part of the project, a mesh file, or a shape in three axes.

    Raises
    ------
    InvalidArgumentError
        For anything else.

    Examples
    --------
    >>> solid("mesh", "gear")[0]
    'gear'
    """
    if isinstance(source, str) and source in PARTS:
        return source, PARTS[source]()
    if isinstance(source, str | os.PathLike):
        return os.path.basename(os.fspath(source)), hp.Mesh(source)
    if getattr(source, "dim", None) == 3 and hasattr(source, "pieces"):
        return source.kind, source
    raise InvalidArgumentError(
        f"{what} must be a mesh file, a shape in three axes, or one of {', '.join(PARTS)}, got {spelled(source)}"
    )


def centred(shape: Any, size: float) -> Any:
    """A shape scaled to a longest side of ``size`` and moved to the middle of the unit cube."""
    lower, upper = shape.bounds
    factor = size / float((upper - lower).max())
    offset = [0.5 - factor * float(a + b) / 2 for a, b in zip(lower, upper, strict=True)]
    return shape.scaled(factor).translated(*offset)
