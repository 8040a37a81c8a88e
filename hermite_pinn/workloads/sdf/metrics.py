"""How well two surfaces, or the insides of two, agree."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from hermite_pinn.checks import instance, integer, number, real_array
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.geometry import Mesh
from hermite_pinn.geometry.mesh.distance import search
from hermite_pinn.geometry.mesh.triangles import Triangles

from .signed_field import SignedField, signed_field
from .surface import Surface

__all__ = ["Agreement", "chamfer_distance", "compare", "iou"]

#: Part of the longest edge of a mesh within which values and gradients are compared: 0.01 where that is 0.72.
BAND = 1 / 72


@dataclass(frozen=True)
class Agreement:
    """How well a fitted field and its surface agree with a mesh.

    Attributes
    ----------
    iou
        Volume inside both shapes over the volume inside at least one, between 0 and 1.
    chamfer
        Mean distance of points of one surface to the other, averaged over both directions.
    hausdorff
        Largest of these distances at the sampled points.
    normal_consistency
        Mean product of the normals at points of a surface and at the closest points of the other, mean of both
        directions: 1 for the same surface, -1 if inside and outside are exchanged.
    value_rms
        Root mean square of the error of the field near the surface.
    gradient_mae
        Mean absolute error of the components of its gradient there, against the directions from the closest points.
    band
        Distance from the surface up to which these two are measured.
    """

    iou: float
    chamfer: float
    hausdorff: float
    normal_consistency: float
    value_rms: float
    gradient_mae: float
    band: float

    def as_dict(self) -> dict[str, float]:
        """The numbers by their names."""
        return asdict(self)


def iou(predicted: Any, true: Any) -> float:
    """Measure the intersection over union of two insides, between 0 and 1, from values at the same points.

    Parameters
    ----------
    predicted, true
        Signed distances (n,) or occupancies' signs: negative inside.

    Raises
    ------
    InvalidArgumentError
        If they are not two rows of as many finite numbers, or no point is inside of either.

    Examples
    --------
    >>> iou([-1.0, -0.5, 0.5, 1.0], [-1.0, 0.5, -0.5, 1.0])
    0.3333333333333333
    """
    rows = []
    for name, given in (("predicted", predicted), ("true", true)):
        row = real_array(name, given, shape="values (n,)")
        if row.ndim != 1:
            raise InvalidArgumentError(
                f"{name} must be values (n,), got the shape {row.shape}; points are no values: evaluate the field there"
            )
        rows.append(row)
    if rows[0].shape != rows[1].shape:
        raise InvalidArgumentError(
            f"predicted and true are values at the same points, got {rows[0].size} and {rows[1].size}"
        )
    one, other = rows[0] < 0, rows[1] < 0
    union = int((one | other).sum())
    if not union:
        raise InvalidArgumentError("no point is inside of either; take points where the shapes are")
    return int((one & other).sum()) / union


def chamfer_distance(one: Surface | Mesh, other: Surface | Mesh, points: int = 50_000, seed: int = 0) -> float:
    """Measure the mean distance of random points of one surface to the other, averaged over both directions.

    Distances are to the triangles, not to points on them, so that it vanishes for the same surface.

    Parameters
    ----------
    one, other
        Surfaces, or meshes.
    points
        On each of them.
    seed
        Of the points.

    Raises
    ------
    InvalidArgumentError
        If they are something else.
    """
    there, back = _both_ways(_triangles("one", one), _triangles("other", other), points, seed)
    return float(there[0].mean() + back[0].mean()) / 2


def compare(
    shape: Any,
    surface: Surface,
    mesh: Mesh,
    *,
    points: int = 50_000,
    seed: int = 0,
    band: float | None = None,
    field: str | None = None,
) -> Agreement:
    """Compare a field and its surface with the mesh to which it was fitted.

    Distances, signs and directions of the mesh are exact, from its closest points.

    Parameters
    ----------
    shape
        A solution with a field ``d``, or a :class:`SignedField`.
    surface
        Its surface, see :func:`extract`.
    mesh
        The mesh that the field approximates.
    points
        Random points of each kind: on both surfaces, near the mesh, and in the box of the field.
    seed
        Of the points.
    band
        Distance from the mesh up to which values and gradients are compared; default: its longest edge over 72.
    field
        Name of the field, as in :func:`extract`.

    Raises
    ------
    InvalidArgumentError
        If an argument is something else.
    """
    signed = signed_field(shape, field)
    mesh = instance("mesh", mesh, Mesh, "a hermite_pinn.Mesh")
    points, seed = integer("points", points, least=1), integer("seed", seed, least=0)
    width = mesh.triangles.extent * BAND if band is None else number("band", band, above=0.0)
    there, back = _both_ways(_triangles("surface", surface), mesh.triangles, points, seed)
    generator = np.random.default_rng(seed)
    within = signed.lower + generator.random((points, 3)) * (signed.upper - signed.lower)
    rms, mae = _near(signed, mesh, width, points, generator)
    return Agreement(
        iou=iou(signed.values(within), mesh.signed_distance(within.T)),
        chamfer=float(there[0].mean() + back[0].mean()) / 2,
        hausdorff=float(max(there[0].max(), back[0].max())),
        normal_consistency=float(there[1].mean() + back[1].mean()) / 2,
        value_rms=rms,
        gradient_mae=mae,
        band=width,
    )


def _near(
    field: SignedField, mesh: Mesh, width: float, points: int, generator: np.random.Generator
) -> tuple[float, float]:
    """Errors of values and of the components of gradients at random points near a mesh."""
    x, normal = _sampled(mesh.triangles, points, generator)
    x = x + width * (2 * generator.random((points, 1)) - 1) * normal
    x = x[((x >= field.lower) & (x <= field.upper)).all(1)]
    true, foot = mesh.signed_distance(x.T), mesh.closest(x.T).point
    away = x - foot
    length = np.linalg.norm(away, axis=1)
    defined = (length > 1e-9 * mesh.triangles.extent) & (length < width)
    if not defined.any():
        raise InvalidArgumentError(
            f"no point near the mesh is in the box of the field, from {field.lower.tolist()} to {field.upper.tolist()}"
        )
    direction = np.sign(true[defined])[:, None] * away[defined] / length[defined, None]
    jets = field.in_pieces(x[defined], 1)
    rms = float(np.sqrt(np.mean((jets[0] - true[defined]) ** 2)))
    return rms, float(np.mean(np.abs(jets[1:].T - direction)))


def _triangles(name: str, shape: Any) -> Triangles:
    checked: Any = instance(
        name, shape, (Surface, Mesh), "a surface, such as hp.sdf.extract returns, or a hermite_pinn.Mesh"
    )
    triangles: Triangles = checked.triangles
    return triangles


def _sampled(triangles: Triangles, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Random points, uniform by area, and the normals of their triangles, both (count, 3)."""
    face = generator.choice(triangles.count, count, p=triangles.areas / triangles.areas.sum())
    u, v = generator.random((2, count))
    over = u + v > 1
    u, v = np.where(over, 1 - u, u), np.where(over, 1 - v, v)
    corners = triangles.corners_of(face)
    weights = np.stack([1 - u - v, u, v], 1)
    return np.einsum("nk,nki->ni", weights, corners), triangles.normals[face]


def _both_ways(one: Triangles, other: Triangles, points: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """From the first to the second and back: distances of random points, and products of the normals."""
    points, seed = integer("points", points, least=1), integer("seed", seed, least=0)
    found = []
    for source, target in ((one, other), (other, one)):
        x, normal = _sampled(source, points, np.random.default_rng(seed))
        closest = search(target).closest(x)
        found.append((closest.distance, (normal * target.normals[closest.face]).sum(1)))
    return found
