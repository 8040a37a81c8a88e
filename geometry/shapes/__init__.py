"""Shapes with a formula, and how shapes are read from files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hermite_pinn.geometry.csg import Complement, Intersection, Moved, Union
from hermite_pinn.geometry.mesh import Mesh
from hermite_pinn.geometry.shape import Shape
from hermite_pinn.schema import Entry

from .ball import Ball
from .cuboid import Cuboid
from .cylinder import Cylinder
from .disk import Disk
from .implicit import Implicit
from .polygon import Polygon, Rectangle
from .torus import Torus

__all__ = ["Ball", "Cuboid", "Cylinder", "Disk", "Implicit", "Polygon", "Rectangle", "Torus", "shape_from_state"]

#: What makes a shape from its state; shapes in it are read by the second argument.
Reader = Callable[[Entry, Callable[[Entry], Shape]], Shape]


def readers() -> dict[str, Reader]:
    """How shapes are read, by the ``"kind"`` of their states."""
    kinds = (
        Ball, Complement, Cuboid, Cylinder, Disk, Implicit, Intersection, Mesh, Moved, Polygon, Rectangle, Torus, Union,
    )  # fmt: skip
    return {kind.__name__.lower(): kind.from_state for kind in kinds}


def shape_from_state(state: Mapping[str, Any] | Entry, depth: int = 0) -> Shape:
    """The shape that a state describes, see :meth:`Shape.state`.

    Parameters
    ----------
    state
        The state, or an entry of a file with one; arrays may be tensors.
    depth
        How many shapes it is in.

    Raises
    ------
    CorruptFileError
        If it does not describe a shape.

    Examples
    --------
    >>> shape_from_state(Disk((0, 0), 1).state())
    Disk((0, 0), 1)
    """
    entry = Entry.of(state, "the state of a shape")
    known = readers()
    kind = entry.at("kind").text(known)
    if depth > DEEPEST:
        raise entry.refuse(f"at most {DEEPEST} shapes inside each other")
    return known[kind](entry, lambda part: shape_from_state(part, depth + 1))


DEEPEST = 100
