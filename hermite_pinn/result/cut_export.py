"""Files of domains that shapes cut: the volume and its boundary, also at instants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from hermite_pinn.checks import spelled
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry import Domain

from .domain_mesh import BoundaryMesh, boundary_mesh, domain_mesh
from .exportable import Exportable
from .sampling import channels_of, finite, named, sample_points, three, whole_axes
from .vtk import write_cells, write_polygons

__all__ = ["write_boundaries", "write_boundary", "write_volume", "write_volumes"]


def write_volume(solution: Exportable, target: Path, axes: Sequence[np.ndarray], options: Mapping[str, bool]) -> Path:
    """Write a mesh of the domain with samples at its vertices; time is the last axis of it, if there is one."""
    domain = solution.domain
    mesh = domain_mesh(domain, axes)
    t = domain.time_axis
    if t is None:
        points, cells = mesh.points, dict(mesh.cells)
    else:
        points, cells = _extruded(domain, mesh.points, mesh.cells, axes[t])
    return write_cells(target, points, cells, _samples(solution, points, options, whole_axes(domain)), solution.facts)


def write_volumes(
    solution: Exportable, axes: Sequence[np.ndarray], options: Mapping[str, bool]
) -> Callable[[Path, float], Path]:
    """What writes a mesh of the domain at an instant."""
    domain, mesh, facts = solution.domain, domain_mesh(solution.domain, axes), solution.facts

    def write(path: Path, instant: float) -> Path:
        points = _at_instants(domain, mesh.points, np.array([instant]))
        return write_cells(path, mesh.points, mesh.cells, _samples(solution, points, options), facts)

    return write


def write_boundary(solution: Exportable, target: Path, axes: Sequence[np.ndarray], options: Mapping[str, bool]) -> Path:
    """Write the boundary in space, with normals and normal derivatives, and the names of the faces.

    Raises
    ------
    InvalidArgumentError
        If space has one axis, or more than three.
    """
    domain = solution.domain
    space, t = len(domain.space_axes), domain.time_axis
    if space not in (2, 3) or domain.dim > 3:
        raise InvalidArgumentError(
            f"{target.name}: a .vtp has the boundary in two or three axes, time included, and {spelled(domain)} has {domain.dim}, "
            f"{space} of space; write {'.pvd with boundary=True' if t is not None and space > 1 else '.vti'}"
        )
    surface = boundary_mesh(domain, domain_mesh(domain, axes), axes)
    points, normals = surface.points, surface.normals
    cells, owner, kind = _in_space(surface)
    if t is not None:
        points, extruded = _extruded(domain, points, {"line": surface.facets}, axes[t])
        cells, kind = list(extruded["quad"]), "Polys"
        owner, normals = (
            np.repeat(np.arange(len(surface.facets)), len(axes[t]) - 1),
            _level_normals(domain, normals, axes[t]),
        )
    data = _boundary_samples(solution, points, normals, options, whole_axes(domain)) | {"Normals": three(normals)}
    return write_polygons(target, points, cells, kind, data, _face_data(surface, owner), solution.facts)


def write_boundaries(
    solution: Exportable, axes: Sequence[np.ndarray], options: Mapping[str, bool]
) -> Callable[[Path, float], Path]:
    """What writes the boundary in space at an instant, as :func:`write_boundary` does.

    Raises
    ------
    InvalidArgumentError
        If space has one axis.
    """
    domain = solution.domain
    if len(domain.space_axes) == 1:
        raise InvalidArgumentError(
            f"the boundary of {spelled(domain)} is two points at every time; write .vti, which has time as its second axis"
        )
    surface = boundary_mesh(domain, domain_mesh(domain, axes), axes)
    cells, owner, kind = _in_space(surface)
    faces, facts = _face_data(surface, owner), solution.facts

    def write(path: Path, instant: float) -> Path:
        points = _at_instants(domain, surface.points, np.array([instant]))
        normals = _level_normals(domain, surface.normals, np.array([instant]))
        data = _boundary_samples(solution, points, normals, options) | {"Normals": three(surface.normals)}
        return write_polygons(path, surface.points, cells, kind, data, faces, facts)

    return write


def _in_space(surface: BoundaryMesh) -> tuple[list[np.ndarray], np.ndarray, str]:
    """Triangles or lines of a boundary, the facet whose face each has, and what VTK calls them."""
    if surface.points.shape[1] == 3:
        return list(surface.facets), np.arange(len(surface.facets)), "Polys"
    return *_polylines(surface), "Lines"


def _face_data(surface: BoundaryMesh, owner: np.ndarray) -> dict[str, np.ndarray | Sequence[str]]:
    """Number and name of the face by cell, from the numbers of facets."""
    face = surface.face[owner]
    return {"face": face, "face_name": [surface.names[k] for k in face]}


def _boundary_samples(
    solution: Exportable,
    points: np.ndarray,
    normals: np.ndarray,
    options: Mapping[str, bool],
    places: Sequence[int] | None = None,
) -> dict[str, np.ndarray]:
    return _samples(solution, points, options, places) | finite(_normal_derivatives(solution, points, normals), points)


def _samples(
    solution: Exportable, points: np.ndarray, options: Mapping[str, bool], places: Sequence[int] | None = None
) -> dict[str, np.ndarray]:
    data = finite(sample_points(solution, points, **options), points)
    return {name: three(v, places) if v.ndim == 2 else v for name, v in data.items()}


def _normal_derivatives(solution: Exportable, points: np.ndarray, normals: np.ndarray) -> dict[str, np.ndarray]:
    channels, space = channels_of(solution, True), list(solution.domain.space_axes)
    values = named(solution, solution.at_points(points, channels, slack=np.inf), True)
    across = normals if normals.shape[1] == len(space) else normals[:, space]
    return {f"{f}_n": (values[f"{f}_grad"] * across).sum(1) for f in solution.fields}


# -- time ---
def _at_instants(domain: Domain, points: np.ndarray, instants: np.ndarray) -> np.ndarray:
    """Points (n, space axes) at every instant, (n * instants, dim), the instants running fastest."""
    whole = np.empty((len(points), len(instants), domain.dim))
    whole[:, :, list(domain.space_axes)] = points[:, None]
    whole[:, :, domain.time_axis] = instants
    return whole.reshape(-1, domain.dim)


def _level_normals(domain: Domain, normals: np.ndarray, instants: np.ndarray) -> np.ndarray:
    whole = _at_instants(domain, normals, instants)
    whole[:, domain.time_axis] = 0.0
    return whole


def _extruded(
    domain: Domain, points: np.ndarray, cells: Mapping[str, np.ndarray], instants: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Points at all instants, in the order of the domain's axes, and cells between these."""
    count = len(instants)
    extruded = {}
    for kind, corners in cells.items():
        low = (corners[:, None] * count + np.arange(count - 1)[:, None]).reshape(-1, corners.shape[1])
        if kind == "line":
            extruded["quad"] = np.concatenate([low, low[:, ::-1] + 1], 1)
        elif kind == "triangle":  # the first triangle of a wedge of VTK looks outwards
            extruded["wedge"] = np.concatenate([low + 1, low], 1)
        else:
            extruded["hexahedron"] = np.concatenate([low, low + 1], 1)
    turned = _at_instants(domain, points, instants)
    if domain.time_axis != domain.dim - 1 and domain.time_axis == 1:  # an odd order of the axes mirrors the cells
        extruded = {k: _mirrored(v) for k, v in extruded.items()}
    return turned, extruded


def _mirrored(cells: np.ndarray) -> np.ndarray:
    half = cells.shape[1] // 2
    return np.concatenate([cells[:, half:], cells[:, :half]], 1)


# -- lines ---
def _polylines(surface: BoundaryMesh) -> tuple[list[np.ndarray], np.ndarray]:
    """Segments of every smooth part joined to lines, and for each the number of one of its segments."""
    lines: list[np.ndarray] = []
    owners: list[int] = []
    following = {int(a): (int(b), k) for k, (a, b) in enumerate(surface.facets)}
    starts = [int(a) for a in np.setdiff1d(surface.facets[:, 0], surface.facets[:, 1])]
    for first in [*starts, *map(int, surface.facets[:, 0])]:
        if first not in following:
            continue
        line, owner = [first], following[first][1]
        while line[-1] in following:
            line.append(following.pop(line[-1])[0])
        lines.append(np.array(line, dtype=np.int64))
        owners.append(owner)
    return lines, np.array(owners, dtype=np.int64)
