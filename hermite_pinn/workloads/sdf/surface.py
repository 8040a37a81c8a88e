"""Surfaces with normals and curvatures, and their files."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry.mesh.triangles import Triangles
from hermite_pinn.output import check_writable, output_path, staged, write_text
from hermite_pinn.result.vtk import write_polygons

from .curvature import Curvature

__all__ = ["Surface"]


@dataclass(frozen=True)
class Surface:
    """A triangulated zero set.

    Attributes
    ----------
    vertices
        Points on it, float64, (n, 3).
    faces
        Numbers of the vertices of each triangle, int64, (m, 3), counter-clockwise seen from outside.
    normals
        Unit normals at the vertices that point outwards, to where the field is positive, (n, 3); NaN where the field
        has no gradient.
    mean_curvature
        Means of the principal curvatures at the vertices, ``1 / r`` on a sphere of radius r: positive where the inside
        is convex; (n,), NaN where the second derivatives are not known.
    gaussian_curvature
        Their products, ``1 / r**2``; (n,).
    deviation
        Largest distance of a vertex from the zero set, to first order.
    notes
        Sentences about vertices that could not be moved and a surface that leaves the box.

    Examples
    --------
    >>> from hermite_pinn.workloads import sdf
    >>> ball = sdf.FunctionField(lambda x, y, z: x**2 + y**2 + z**2 - 0.25, (-1, -1, -1), (1, 1, 1))
    >>> surface = sdf.extract(ball, resolution=32)
    >>> surface.is_closed, surface.euler_number, bool(abs(surface.mean_curvature - 2).max() < 1e-9)
    (True, 2, True)
    """

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    mean_curvature: np.ndarray
    gaussian_curvature: np.ndarray
    deviation: float = 0.0
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        closed = "closed" if self.is_closed else "open"
        return f"Surface({len(self.vertices):,} vertices, {len(self.faces):,} faces, {closed}, area {self.area:.6g})"

    @cached_property
    def triangles(self) -> Triangles:
        """The triangles, as meshes have them."""
        return Triangles.of(self.vertices, self.faces)

    @cached_property
    def edge_counts(self) -> np.ndarray:
        """How many triangles each edge has, (k,)."""
        edges = np.sort(self.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
        _, counts = np.unique(edges[:, 0] * len(self.vertices) + edges[:, 1], return_counts=True)
        return counts

    @property
    def is_closed(self) -> bool:
        """Whether each edge belongs to two triangles; a surface that leaves the box of its field is open."""
        return bool((self.edge_counts == 2).all())

    @property
    def euler_number(self) -> int:
        """Vertices less edges plus faces: 2 for each sphere, 0 for each torus."""
        return len(self.vertices) - len(self.edge_counts) + len(self.faces)

    @property
    def area(self) -> float:
        """Sum of the areas of the triangles."""
        return float(self.triangles.areas.sum())

    @property
    def volume(self) -> float:
        """What a closed surface encloses; NaN of an open one."""
        return float(self.triangles.volumes().sum()) if self.is_closed else float("nan")

    @property
    def principal_curvatures(self) -> np.ndarray:
        """Both principal curvatures, the larger one first, (2, n)."""
        return Curvature(self.normals, self.mean_curvature, self.gaussian_curvature).principal

    @cached_property
    def vertex_areas(self) -> np.ndarray:
        """A third of the areas of the triangles around each vertex, (n,): weights of integrals over the surface."""
        thirds = np.repeat(self.triangles.areas / 3, 3)
        return np.bincount(self.faces.reshape(-1), thirds, minlength=len(self.vertices))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the surface, all of it or nothing.

        ``.vtp`` (ParaView, PyVista) and ``.ply`` have normals and, if they are known, both curvatures at the vertices,
        ``.obj`` normals.

        Parameters
        ----------
        path
            Where; its ending says in which format.

        Raises
        ------
        InvalidArgumentError
            If the ending is another one.
        OutputError
            If the file cannot be written; an earlier one is then as it was.
        """
        writers: dict[str, Callable[[Path], Path]] = {".vtp": self._vtp, ".ply": self._ply, ".obj": self._obj}
        target = output_path(path)
        ending = target.suffix.lower()
        if ending not in writers:
            raise InvalidArgumentError(
                f"a surface is written to files that end in {', '.join(writers)}, got {target.name!r}"
            )
        return writers[ending](check_writable(target))

    @property
    def _curvatures(self) -> dict[str, np.ndarray]:
        """Both curvatures by name, if they are known anywhere."""
        both = {"mean_curvature": self.mean_curvature, "gaussian_curvature": self.gaussian_curvature}
        return both if any(np.isfinite(values).any() for values in both.values()) else {}

    def _vtp(self, target: Path) -> Path:
        data = {"Normals": self.normals} | self._curvatures
        return write_polygons(target, self.vertices, list(self.faces), "Polys", data, {})

    def _ply(self, target: Path) -> Path:
        import meshio

        data = {f"n{axis}": np.ascontiguousarray(self.normals[:, k]) for k, axis in enumerate("xyz")}
        data |= self._curvatures
        mesh = meshio.Mesh(self.vertices, [("triangle", self.faces.astype(np.int32))], point_data=data)
        with staged(target) as folder:
            meshio.ply.write(folder / target.name, mesh)
        return target

    def _obj(self, target: Path) -> Path:
        lines = [f"v {x!r} {y!r} {z!r}" for x, y, z in self.vertices.tolist()]
        lines += [f"vn {x!r} {y!r} {z!r}" for x, y, z in np.nan_to_num(self.normals).tolist()]
        lines += [f"f {a}//{a} {b}//{b} {c}//{c}" for a, b, c in (self.faces + 1).tolist()]
        return write_text(target, "\n".join([*lines, ""]))
