"""Meshes of a domain and of its boundary, at the resolution of a grid, for exports and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from hermite_pinn.geometry import Domain
from hermite_pinn.geometry.cells import FULL

from .cut_mesh import CutMesh, cut_mesh
from .inside import cut_level

__all__ = ["BoundaryMesh", "boundary_mesh", "domain_mesh"]

SMOOTH = 0.8  # cosine of the angle between neighbouring facets beyond which they meet in an edge
SHARP = 0.3  # radians by which the boundary turns at a crease that is kept
SHORT = 1e-4  # of the longest edge: shorter ones tell nothing about normals


def domain_mesh(domain: Domain, axes: Sequence[np.ndarray]) -> CutMesh:
    """The domain over its two or three space axes, as a mesh of the cells of a grid, which are cut at its boundary.

    Parameters
    ----------
    domain
        What is meshed.
    axes
        Equidistant positions along all axes of the domain, from end to end; those of time do not matter.
    """
    space = domain.space_axes
    spaced = [np.asarray(axes[i], dtype=np.float64) for i in space]
    cells = domain.cells([len(axes[i]) - 1 if i in space else 1 for i in range(domain.dim)])
    if cells is None:
        return cut_mesh(spaced, np.full([len(a) - 1 for a in spaced], FULL, dtype=np.int8), cut_level(domain))
    creases = domain.creases
    sharp = creases.segments[np.abs(creases.angles - np.pi) > SHARP]
    return cut_mesh(spaced, cells.kinds, cut_level(domain), sharp[:, 0], sharp)


@dataclass(frozen=True)
class BoundaryMesh:
    """Segments or triangles of a boundary; where it has an edge, or another face begins, points come twice.

    Attributes
    ----------
    points, normals
        Vertices and unit normals that point out of the domain, float64, (n, dim).
    facets
        Numbers of their vertices, (f, dim); seen from outside, triangles run counter-clockwise.
    face
        Number of its name by facet, (f,).
    names
        Of the faces.
    patch
        Number of the smooth part of a face by facet, (f,).
    """

    points: np.ndarray
    normals: np.ndarray
    facets: np.ndarray
    face: np.ndarray
    names: tuple[str, ...]
    patch: np.ndarray

    def without(self, names: Sequence[str]) -> BoundaryMesh:
        """Without the facets of some faces."""
        kept = ~np.isin(self.face, [k for k, name in enumerate(self.names) if name in names])
        return BoundaryMesh(self.points, self.normals, self.facets[kept], self.face[kept], self.names, self.patch[kept])


def boundary_mesh(domain: Domain, mesh: CutMesh, axes: Sequence[np.ndarray]) -> BoundaryMesh:
    """The boundary of a mesh of a domain, with the names of its faces and normals."""
    facets, vectors = mesh.facets, _facet_vectors(mesh.points, mesh.facets)
    face, names = _faces(domain, mesh, axes)
    lengths = np.linalg.norm(vectors, axis=1)
    units = vectors / np.where(lengths > 0, lengths, 1.0)[:, None]
    patch = _patches(facets, face, units)
    pairs = np.stack([np.repeat(patch, mesh.dim), facets.ravel()], 1)
    parts, number = np.unique(pairs, axis=0, return_inverse=True)
    split = number.reshape(facets.shape)
    points = mesh.points[parts[:, 1]]
    return BoundaryMesh(points, _vertex_normals(points, split, units), split, face, names, patch)


def _facet_vectors(points: np.ndarray, facets: np.ndarray) -> np.ndarray:
    """Outward normals (f, dim) as long as the facets are large."""
    corners = points[facets]
    if points.shape[1] == 2:
        along = corners[:, 1] - corners[:, 0]
        return np.stack([along[:, 1], -along[:, 0]], 1)
    return 0.5 * np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def _faces(domain: Domain, mesh: CutMesh, axes: Sequence[np.ndarray]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers of the faces by facet, and their names: sides of the box by their place, others by the nearest point."""
    face = np.full(len(mesh.facets), -1)
    sides = [(k, side, f"{domain.names[i]}{'-+'[side]}") for k, i in enumerate(domain.space_axes) for side in (0, 1)]
    names = [name for _, _, name in sides]
    for number, (k, side, _) in enumerate(sides):
        end = (domain.lower, domain.upper)[side][domain.space_axes[k]]
        face[(mesh.points[mesh.facets, k] == end).all(1)] = number
    cells = [len(axes[i]) - 1 if i in domain.space_axes else 1 for i in range(domain.dim)]
    others = [f for f in domain.space_faces if f.name not in names]
    samples = [f.in_space(cells).x.numpy() for f in others]
    rest = face < 0
    names += [f.name for f in others]
    if rest.any() and sum(s.shape[1] for s in samples):
        owner = np.repeat(np.arange(len(samples)), [s.shape[1] for s in samples])
        middles = mesh.points[mesh.facets[rest]].mean(1)
        face[rest] = len(sides) + owner[cKDTree(np.concatenate(samples, 1).T).query(middles)[1]]
    elif rest.any():
        face[rest] = len(names)
        names.append("surface")
    used, numbers = np.unique(face, return_inverse=True)
    return numbers, tuple(names[k] for k in used)


def _patches(facets: np.ndarray, face: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Numbers of the smooth parts of faces by facet: neighbours of one face that meet at a small angle are together."""
    count, dim = facets.shape
    if not count:
        return face
    ridges = np.concatenate([np.delete(facets, k, axis=1) for k in range(dim)])
    owner = np.tile(np.arange(count), dim)
    ridges = np.sort(ridges, axis=1)
    order = np.lexsort(ridges.T)
    same = (ridges[order][1:] == ridges[order][:-1]).all(1)
    a, b = owner[order][:-1][same], owner[order][1:][same]
    smooth = (face[a] == face[b]) & (np.einsum("ij,ij->i", units[a], units[b]) > SMOOTH)
    a, b = a[smooth], b[smooth]
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1])


def _vertex_normals(points: np.ndarray, facets: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Means of the normals around vertices, exact on circles and spheres: N. Max, J. Graphics Tools 4 (1999) 1."""
    dim = points.shape[1]
    total = np.zeros_like(points)
    corners = points[facets]
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    floor = SHORT * edges.max(initial=0.0) or 1.0
    for k in range(dim):
        out = [corners[:, j] - corners[:, k] for j in range(dim) if j != k]
        squares = [np.maximum((e**2).sum(1), floor**2) for e in out]
        size = np.linalg.norm(np.cross(*out), axis=1) if dim == 3 else np.sqrt((out[0] ** 2).sum(1))
        weights = size / np.prod(squares, axis=0)
        for i in range(dim):
            total[:, i] += np.bincount(facets[:, k], weights * units[:, i], minlength=len(points))
    lengths = np.linalg.norm(total, axis=1)
    return total / np.where(lengths > 0, lengths, 1.0)[:, None]
