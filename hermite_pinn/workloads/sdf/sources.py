"""What surfaces are given as."""

from __future__ import annotations

import os
from typing import Any

from hermite_pinn.checks import path
from hermite_pinn.errors import InvalidProblemError
from hermite_pinn.geometry import Mesh
from hermite_pinn.geometry.shape import Shape

from .cloud_files import has_faces
from .cloud_target import CloudTarget
from .mesh_target import ClosedMesh, OpenMesh
from .point_cloud import PointCloud
from .shape_target import ShapeTarget
from .target import Target

__all__ = ["source_of", "target_of"]


def source_of(source: Any) -> Any:
    """A file of points as a :class:`PointCloud`; all else as it is."""
    if isinstance(source, str | os.PathLike):
        file = path("surface", source)
        if file.is_file() and not has_faces(file):
            return PointCloud.read(file)
    return source


def target_of(source: Any, sign: str) -> Target:
    """A surface from what a user gives.

    Parameters
    ----------
    source
        A file of triangles or points, arrays (vertices, faces), an object of trimesh, a :class:`PointCloud`, or a shape
        in space, such as a :class:`hermite_pinn.Mesh`.
    sign
        ``"signed"`` or ``"unsigned"``.

    Raises
    ------
    InvalidProblemError
        If signs are asked for and the surface has no inside, or it is no surface in space.
    InvalidArgumentError
        If it is nothing of these.
    """
    given = source_of(source)
    if isinstance(given, PointCloud):
        return CloudTarget(given, sign == "signed")
    if isinstance(given, Mesh):
        return ClosedMesh(given) if sign == "signed" else OpenMesh(given.triangles)
    if isinstance(given, Shape):
        return ShapeTarget(given, sign == "signed")
    if sign == "unsigned":
        return OpenMesh(given)
    try:
        return ClosedMesh(Mesh(given))
    except InvalidProblemError as error:
        OpenMesh(given)  # what is wrong with a surface without an inside, too, is said as it is
        raise InvalidProblemError(
            f"{error}. Without an inside the sign of the distance is undefined: sign='unsigned' fits distances without sign, and "
            "hermite_pinn.Mesh(..., repair='holes') closes a surface with holes"
        ) from error
