"""The inside or the outside of one mesh as a domain."""

from __future__ import annotations

from typing import Any

from hermite_pinn.checks import choice, instance, number
from hermite_pinn.errors import InvalidProblemError

from .box import Box
from .cut import Cut
from .mesh import Mesh

__all__ = ["MeshDomain"]

AXES = "x", "y", "z"
ROOM = {"inside": 0.02, "outside": 0.5}  # around a mesh, of the longest edge of its bounds


def MeshDomain(  # noqa: N802  # made like a class
    mesh: Any,
    *,
    side: str = "inside",
    box: Box | None = None,
    name: str = "surface",
    margin: float | None = None,
    units: str | None = None,
    repair: str | None = None,
) -> Cut:
    """The inside of a mesh, or a box without it, as a domain: short for a :class:`Box` and a :class:`Mesh`.

    Parameters
    ----------
    mesh
        A file or what else :class:`Mesh` takes, or a mesh.
    side
        ``"inside"`` or ``"outside"``.
    box
        In whose axes of space the mesh lies; it may have a time axis.  By default its axes are x, y, z, and its bounds
        those of the mesh with room around it.
    name
        Of the face that is the mesh's surface; a mesh with a name keeps that.
    margin
        Room around the mesh in a box by default, relative to the longest edge of its bounds: 0.02 for the inside, 0.5
        for the outside.
    units, repair
        As for :class:`Mesh`.

    Raises
    ------
    InvalidProblemError
        If the mesh bounds no volume, or does not lie in the box.

    Examples
    --------
    >>> import hermite_pinn as hp
    >>> vertices = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
    >>> part = hp.MeshDomain((vertices, [(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)]))
    >>> [face.name for face in part.faces], round(part.interior.measure, 12)
    (['surface'], 0.166666666667)
    >>> around = hp.MeshDomain((vertices, [(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)]), side="outside")
    >>> [face.name for face in around.faces]
    ['x-', 'x+', 'y-', 'y+', 'z-', 'z+', 'surface']
    """
    side = choice("side", side, ("inside", "outside"), error=InvalidProblemError)
    if isinstance(mesh, Mesh):
        shape = mesh if mesh.name is not None else Mesh.of(mesh.triangles, name, mesh.notes)
    else:
        shape = Mesh(mesh, name, units=units, repair=repair)
    if box is None:
        share = ROOM[side] if margin is None else number("margin", margin, above=0.0, error=InvalidProblemError)
        lower, upper = shape.bounds
        room = share * float((upper - lower).max())
        box = Box(**{axis: (float(a - room), float(b + room)) for axis, a, b in zip(AXES, lower, upper, strict=True)})
    else:
        instance("box", box, Box, "a Box such as Box(x=(0, 1), y=(0, 1), z=(0, 1))", error=InvalidProblemError)
    return box & shape if side == "inside" else box - shape
