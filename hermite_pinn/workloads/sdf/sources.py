"""What surfaces are given as."""

from __future__ import annotations

from typing import Any

from hermite_pinn.errors import InvalidArgumentError, InvalidProblemError
from hermite_pinn.geometry import Mesh
from hermite_pinn.geometry.shape import Shape

from .mesh_target import ClosedMesh, OpenMesh
from .target import Target

__all__ = ["target_of"]


def target_of(source: Any, sign: str) -> Target:
    """A surface from what a user gives.

    Parameters
    ----------
    source
        A file, arrays (vertices, faces), an object of trimesh, or a :class:`hermite_pinn.Mesh`.
    sign
        ``"signed"`` or ``"unsigned"``.

    Raises
    ------
    InvalidProblemError
        If signs are asked for and the surface has no inside, or it is no surface.
    InvalidArgumentError
        If it is nothing of these, or a shape without a mesh.
    """
    if isinstance(source, Mesh):
        return ClosedMesh(source) if sign == "signed" else OpenMesh(source.triangles)
    if isinstance(source, Shape):
        raise InvalidArgumentError(
            f"distances are fitted to surfaces of triangles, got {source!r}; give a file, (vertices, faces), a trimesh.Trimesh or "
            "a hermite_pinn.Mesh of it"
        )
    if sign == "unsigned":
        return OpenMesh(source)
    try:
        return ClosedMesh(Mesh(source))
    except InvalidProblemError as error:
        OpenMesh(source)  # what is wrong with a surface without an inside, too, is said as it is
        raise InvalidProblemError(
            f"{error}. Without an inside the sign of the distance is undefined: sign='unsigned' fits distances without sign, and "
            "hermite_pinn.Mesh(..., repair='holes') closes a surface with holes"
        ) from error
