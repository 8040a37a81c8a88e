"""What is measured of a fitted distance, at points that no way was fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

import hermite_pinn as hp
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.workloads.sdf import SignedField, Surface, chamfer_distance, extract, iou
from hermite_pinn.workloads.sdf.curvature import averaged_jets, curvature_of
from hermite_pinn.workloads.sdf.signed_field import signed_field
from hermite_pinn.workloads.sdf.sources import target_of

from .contest_surfaces import Subject
from .ray_parity import inside_by_rays

__all__ = ["BAND", "Figures", "HeldOut", "LenientField", "held_out", "measure"]

Array = np.ndarray

#: Half the width of the band, where the longest side of the surface is 0.72.
BAND = 0.01
#: Points near the surface, points in the box, points at which curvatures are averaged, and their seed.
NEAR, FAR, AVERAGED, SEED = 20_000, 60_000, 1_000, 20261127
#: Cells along the box of marching cubes, and points on each surface of the Chamfer distance.
CELLS, ON = 96, 20_000
#: Radius of the balls in which curvatures are averaged, in edges of an equilateral triangle of mean area.
EDGES = 3.0


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Points with what is true there.

    Attributes
    ----------
    near, distance, normal
        Points with ``|d| < 0.01``, exact distances, and directions from the closest points, (n, 3), (n,), (n, 3).
    box, inside
        Points in the whole box, and whether rays from them cross the surface an odd number of times, (m, 3), (m,).
    """

    near: Array
    distance: Array
    normal: Array
    box: Array
    inside: Array


@dataclass(frozen=True)
class Figures:
    """Errors of a fitted distance.

    Attributes
    ----------
    value_rms
        Of the distance in the band ``|d| < 0.01``.
    gradient_mae
        Mean absolute error of the components of the gradient there, against the directions from the closest points.
    wrong_signs
        Share of the points there at which the sign is wrong.
    iou
        Intersection over union of the insides, at points of the whole box.
    chamfer
        Mean distance between the extracted surface and the mesh; None if nothing could be extracted.
    curvature
        Relative L2 error of the mean curvature from the field's second derivatives at points of its surface; None
        where it is not known or the field has none.
    averaged
        The same from polynomials that fit the field's values in balls of three edges.
    """

    value_rms: float
    gradient_mae: float
    wrong_signs: float
    iou: float
    chamfer: float | None
    curvature: float | None
    averaged: float | None


class LenientField(SignedField):
    """A fitted field that says nothing, NaN, where others refuse derivatives that they do not have.

    Parameters
    ----------
    solution
        What was fitted.

    Attributes
    ----------
    curved
        Whether it has second derivatives, or differences in their place.
    """

    def __init__(self, solution: Any) -> None:
        self._field = signed_field(solution)
        self.lower, self.upper = self._field.lower, self._field.upper
        self.curved = solution.field.encoder.order >= 2
        try:
            self._field.jets((self.lower + self.upper)[None] / 2, 2)
        except InvalidArgumentError:
            self.curved = False

    def jets(self, x: Array, order: int) -> Array:
        """Value and derivatives."""
        if order < 2 or self.curved:
            return self._field.jets(x, order)
        first = self._field.jets(x, 1)
        return np.concatenate([first, np.full((6, len(x)), np.nan)])

    def on_grid(self, axes: Any) -> Array:
        """Values on the tensor product of three axes."""
        return self._field.on_grid(axes)


@lru_cache(maxsize=8)
def held_out(subject: Subject) -> HeldOut:
    """The points of a surface, the same for all ways and seeds."""
    generator = np.random.default_rng(SEED)
    target = target_of(subject.mesh, "signed")
    drawn = target.surface(NEAR, generator)
    x = drawn.x + drawn.normals * generator.uniform(-BAND, BAND, NEAR)
    found = target.nearest(x)
    kept = (np.abs(found.distance) < BAND) & found.known
    box = generator.random((FAR, 3))
    triangles = subject.mesh.triangles
    inside = inside_by_rays(np.asarray(triangles.vertices), np.asarray(triangles.faces), box)
    return HeldOut(x.T[kept], found.distance[kept], found.gradient.T[kept], box, inside)


def measure(field: SignedField, subject: Subject) -> Figures:
    """All figures of a fitted field.

    Parameters
    ----------
    field
        On the unit cube, negative inside.
    subject
        The surface to which it was fitted.
    """
    points = held_out(subject)
    jets = field.in_pieces(points.near, 1)
    within = np.where(field.values(points.box) < 0, -1.0, 1.0)
    surface = _surface(field)
    return Figures(
        value_rms=float(np.sqrt(np.mean((jets[0] - points.distance) ** 2))),
        gradient_mae=float(np.mean(np.abs(jets[1:].T - points.normal))),
        wrong_signs=float(np.mean((jets[0] < 0) != (points.distance < 0))),
        iou=iou(within, np.where(points.inside, -1.0, 1.0)),
        chamfer=None if surface is None else chamfer_distance(surface, subject.mesh, ON),
        curvature=None if surface is None else _curvature(surface, subject),
        averaged=None if surface is None else _averaged(field, surface, subject),
    )


def _surface(field: SignedField) -> Surface | None:
    """The zero set, if there is one."""
    try:
        return extract(field, CELLS)
    except InvalidArgumentError:
        return None


def _curvature(surface: Surface, subject: Subject) -> float | None:
    """Error of the mean curvature at the vertices of a surface, by the areas around them."""
    if subject.curvature is None or not np.isfinite(surface.mean_curvature).all():
        return None
    true = subject.curvature(surface.vertices)
    return _relative(surface.mean_curvature - true, true, surface.vertex_areas)


def _averaged(field: SignedField, surface: Surface, subject: Subject) -> float | None:
    """Error of the averaged mean curvature at some vertices of a surface."""
    if subject.curvature is None:
        return None
    chosen = np.random.default_rng(SEED).choice(len(surface.vertices), AVERAGED)
    x, weights = surface.vertices[chosen], surface.vertex_areas[chosen]
    mean = curvature_of(averaged_jets(field, x, EDGES * edge_of(subject.mesh))).mean
    true = subject.curvature(x)
    known = np.isfinite(mean)
    return _relative(mean[known] - true[known], true[known], weights[known]) if known.any() else None


def edge_of(mesh: hp.Mesh) -> float:
    """Edge of an equilateral triangle with the mean area of the triangles of a mesh."""
    return float(np.sqrt(mesh.triangles.areas.mean() * 4 / np.sqrt(3)))


def _relative(error: Array, true: Array, weights: Array) -> float:
    return float(np.sqrt((weights * error**2).sum() / (weights * true**2).sum()))
