"""Surfaces extracted from fields: marching cubes, then Newton's method, then exact normals and curvatures."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np

from hermite_pinn.checks import integer, number
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.memory import check_fits

from .curvature import Curvature, averaged_jets, curvature_of
from .marching import Range, march
from .projection import FAR, project
from .signed_field import SignedField, signed_field
from .surface import Surface

__all__ = ["extract"]

logger = logging.getLogger(__name__)

LEAST, MOST = 4, 4096
#: Bytes of a surface for each square of cells, for one that is some times as large as a side of the box.
BYTES = 3000.0


def extract(
    shape: Any,
    resolution: int = 128,
    *,
    field: str | None = None,
    level: float = 0.0,
    scale: float | None = None,
) -> Surface:
    """Extract the zero set of a field as triangles with normals and curvatures.

    Marching cubes find the triangles, in blocks, so that memory grows with the surface and not with the volume.
    Newton's method moves the vertices onto the zero set, by a cell at most.  Normals and curvatures are those of the
    field there, from its exact first and second derivatives, whatever the length of its gradient.

    Parameters
    ----------
    shape
        A solution with a field ``d`` on a box in space, negative inside, such as ``hp.sdf.fit`` returns; or a
        :class:`SignedField`.
    resolution
        Cells along the longest edge of the box, 4 to 4096; cells are about cubes.  Parts that are thinner than a cell
        may be missed.
    field
        Name of the field; default: ``"d"``, or the only one.
    level
        Value on the surface: other than 0 for surfaces at a distance.
    scale
        Radius of balls over which curvatures are averaged (polynomials of degree 4 are fitted to the field in them).
        A field that was fitted to triangles has their facets in its second derivatives; with three times the length of
        their edges, curvatures are those of the smooth surface that they stand for.  By default, curvatures are exact
        at points.  Normals always are.

    Returns
    -------
    Surface
        Outward normals; the mean curvature of a sphere of radius r is ``1 / r``.

    Raises
    ------
    InvalidArgumentError
        If the field has no zero set in the box, is not finite somewhere, is not one on three axes of space, or has no
        second derivatives and no ``scale`` is given; or if an option is out of range.
    OutOfMemoryError
        If the surface does not fit into the memory.

    Examples
    --------
    >>> from hermite_pinn.workloads import sdf
    >>> ring = lambda x, y, z: (((x**2 + y**2) ** 0.5 - 0.6) ** 2 + z**2) ** 0.5 - 0.2
    >>> surface = sdf.extract(sdf.FunctionField(ring, (-1, -1, -0.5), (1, 1, 0.5)), resolution=48)
    >>> surface.is_closed, surface.euler_number, surface.deviation < 1e-9
    (True, 0, True)
    """
    resolution = integer("resolution", resolution, least=LEAST, most=MOST)
    level = number("level", level)
    signed = signed_field(shape, field)
    radius = None if scale is None else number("scale", scale, above=0.0)
    if radius is None and not signed.has_curvature:
        raise InvalidArgumentError(
            "the field is piecewise linear and has no second derivatives, which curvatures need; give scale=, the radius of balls "
            "in which they are averaged, or fit with a basis of a higher degree, such as 'cubic'"
        )
    check_fits(BYTES * resolution**2, f"a surface at resolution {resolution}", "take a lower resolution")
    cell = signed.extent / resolution
    axes = _axes(signed, cell)
    crossings = march(signed, axes, level)
    if not len(crossings.faces):
        raise InvalidArgumentError(_nothing(crossings.values, level, resolution))
    projected = project(signed, crossings, cell, level)
    surface = _described(signed, projected.points, crossings.faces, radius)
    missed = int((~(projected.distance <= FAR * cell)).sum())
    notes = list(surface.notes)
    if missed:
        notes.append(
            f"{missed:,} of {len(surface.vertices):,} vertices are up to {float(projected.distance.max()):.2g} away from the zero set: "
            "the field jumps or has no gradient there"
        )
    if not surface.is_closed:
        notes.append("the surface is open: it leaves the box of the field")
    for note in notes:
        logger.info(note)
    return replace(surface, deviation=float(projected.distance.max()), notes=tuple(notes))


def _axes(field: SignedField, cell: float) -> list[np.ndarray]:
    """Equidistant positions, about a cell apart, ends included."""
    counts = np.maximum(2, np.rint((field.upper - field.lower) / cell).astype(int))
    return [np.linspace(a, b, n + 1) for a, b, n in zip(field.lower, field.upper, counts, strict=True)]


def _nothing(values: Range, level: float, resolution: int) -> str:
    """Why there is no surface."""
    told = f"the field takes values from {values.least:.4g} to {values.most:.4g} on a grid of resolution {resolution}"
    if values.least >= level:
        reason = "nothing is inside; a thinner part needs a higher resolution, and unsigned distances have no surface at 0: give a level"
    else:
        reason = "all is inside; the surface lies outside the box"
    return f"there is no surface where the field is {level:g}: {told}, so {reason}"


def _described(field: SignedField, points: np.ndarray, faces: np.ndarray, radius: float | None) -> Surface:
    """A surface with its normals and curvatures."""
    exact = field.in_pieces(points, 1 if radius is not None else 2)
    if radius is None:
        found = curvature_of(exact)
    else:
        averaged = curvature_of(averaged_jets(field, points, radius))
        normals = exact[1:].T / np.maximum(np.linalg.norm(exact[1:], axis=0), np.finfo(np.float64).tiny)[:, None]
        found = Curvature(normals, averaged.mean, averaged.gaussian)
    unknown = int((~np.isfinite(found.mean)).sum())
    notes: tuple[str, ...] = ()
    if unknown:
        why = "the field has no gradient" if radius is None else "balls of this scale leave the box"
        notes = (f"the curvature is not known at {unknown:,} of {len(points):,} vertices: {why} there",)
    return Surface(points, faces, found.normals, found.mean, found.gaussian, notes=notes)
