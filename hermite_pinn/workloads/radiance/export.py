"""Densities as grids and surfaces, for programs that show meshes and volumes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hermite_pinn.checks import integer, number, real_array
from hermite_pinn.errors import InvalidArgumentError
from hermite_pinn.memory import check_fits
from hermite_pinn.output import output_path
from hermite_pinn.result.vtk import write_image
from hermite_pinn.workloads.sdf.marching import march
from hermite_pinn.workloads.sdf.projection import project
from hermite_pinn.workloads.sdf.signed_field import SignedField
from hermite_pinn.workloads.sdf.surface import Surface

__all__ = ["DensityField", "density_level", "density_surface", "write_density"]

#: Points whose density is computed at once.
PART = 1 << 16
LEAST, MOST = 4, 2048
#: Bytes of a grid for each of its points, and of a surface for each square of cells.
GRID_BYTES, SURFACE_BYTES = 24.0, 3000.0
#: Part of the box in which a surface holds back half of the light.
THIN = 1 / 8
#: Densities below are as good as none.
NOTHING = 1e-12


class DensityField(SignedField):
    """Where a density is above a level, as a field that is negative there: the logarithm of level over density.

    Parameters
    ----------
    density
        Densities (n,) at points (3, n), differentiable by them.
    lower, upper
        Corners of the box.
    level
        Density on the surface.
    like
        A tensor of the type and on the device that the density takes; default: float32 on the CPU.

    Examples
    --------
    >>> fog = DensityField(lambda x: torch.exp(4 - 8 * x.norm(dim=0)), (-1, -1, -1), (1, 1, 1), 1.0)
    >>> fog.jets(np.array([[0.5, 0.0, 0.0]]), 1).round(5).tolist()
    [[0.0], [8.0], [0.0], [0.0]]
    """

    def __init__(
        self,
        density: Callable[[Tensor], Tensor],
        lower: Any,
        upper: Any,
        level: float = 1.0,
        like: Tensor | None = None,
    ) -> None:
        self.lower, self.upper = _corners(lower, upper)
        self._density, self._level = density, number("level", level, above=0)
        self._like = torch.empty(0) if like is None else like

    @property
    def has_curvature(self) -> bool:
        """Second derivatives are not asked of a density."""
        return False

    def jets(self, x: np.ndarray, order: int) -> np.ndarray:
        """Values, and with order 1 gradients, at points (n, 3) of the box."""
        if order > 1:
            raise InvalidArgumentError("a density has no second derivatives here; take order 0 or 1")
        with torch.set_grad_enabled(order > 0):
            points = torch.as_tensor(np.clip(x, self.lower, self.upper).T.copy()).to(self._like)
            points = points.requires_grad_(order > 0)
            exponent = self._density(points).clamp(min=NOTHING).log()
            rows = [math.log(self._level) - exponent.detach()[None]]
            if order > 0:
                rows.append(-torch.autograd.grad(exponent.sum(), points)[0])
        return torch.cat(rows).to("cpu", torch.float64).numpy()


def density_level(lower: Any, upper: Any) -> float:
    """The density that holds back half of the light within an eighth of the longest edge of a box."""
    low, high = _corners(lower, upper)
    return math.log(2) / (THIN * float((high - low).max()))


def density_surface(
    density: Callable[[Tensor], Tensor],
    lower: Any,
    upper: Any,
    resolution: int = 128,
    level: float | None = None,
    like: Tensor | None = None,
) -> Surface:
    """The surface on which a density takes a value, as triangles with exact normals.

    Marching cubes find the triangles, Newton's method moves their vertices, and normals are those of the gradient of
    the density, not of differences.  Curvatures are not known.

    Parameters
    ----------
    density, like
        As of :class:`DensityField`.
    lower, upper
        Corners of the box.
    resolution
        Cells along its longest edge, 4 to 2048.
    level
        Density on the surface; default: that of :func:`density_level`.

    Raises
    ------
    InvalidArgumentError
        If an option is out of range, the density is not finite, or it does not cross the level.
    OutOfMemoryError
        If the surface does not fit into the memory.

    Examples
    --------
    >>> fog = lambda x: torch.exp(4 - 8 * x.norm(dim=0))
    >>> surface = density_surface(fog, (-1, -1, -1), (1, 1, 1), 24, level=1.0)
    >>> surface.is_closed, bool(np.allclose(surface.normals, 2 * surface.vertices, atol=1e-5))
    (True, True)
    """
    resolution = integer("resolution", resolution, least=LEAST, most=MOST)
    level = density_level(lower, upper) if level is None else number("level", level, above=0)
    field = DensityField(density, lower, upper, level, like)
    check_fits(SURFACE_BYTES * resolution**2, f"a surface at resolution {resolution}", "take a lower resolution")
    crossings = march(field, _axes(field.lower, field.upper, resolution))
    if not len(crossings.faces):
        least, most = (level * math.exp(-value) for value in (crossings.values.most, crossings.values.least))
        raise InvalidArgumentError(
            f"there is no surface of density {level:.4g}: on a grid of resolution {resolution} the density is between {least:.4g} and "
            f"{most:.4g}; give another level"
        )
    projected = project(field, crossings, field.extent / resolution)
    gradient = field.in_pieces(projected.points, 1)[1:].T
    length = np.linalg.norm(gradient, axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        normals = np.where(length > 0, gradient / length, np.nan)
    unknown = np.full(len(normals), np.nan)
    notes = ("the surface is of a density: its level is a choice, and what no camera sees is not known",)
    return Surface(
        projected.points, crossings.faces, normals, unknown, unknown.copy(), float(projected.distance.max()), notes
    )


def write_density(
    path: str | Path,
    density: Callable[[Tensor], Tensor],
    lower: Any,
    upper: Any,
    resolution: int = 128,
    like: Tensor | None = None,
) -> Path:
    """Write a density on an equidistant grid as ``.vti``, which ParaView and PyVista show as a volume.

    Parameters
    ----------
    path
        File to write.
    density, lower, upper, like
        As of :func:`density_surface`.
    resolution
        Cells along the longest edge of the box, 4 to 2048.

    Raises
    ------
    InvalidArgumentError
        If an option is out of range, or the name does not end in ``.vti``.
    OutputError
        If the file cannot be written.
    OutOfMemoryError
        If the grid does not fit into the memory.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_density(Path(folder) / "fog.vti", lambda x: x[0] ** 2, (-1, -1, 0), (1, 1, 1), 8).name
    'fog.vti'
    """
    target = output_path(path)
    if target.suffix.lower() != ".vti":
        raise InvalidArgumentError(f"a grid of densities is written as .vti, got the name {target.name!r}")
    resolution = integer("resolution", resolution, least=LEAST, most=MOST)
    low, high = _corners(lower, upper)
    axes = _axes(low, high, resolution)
    count = math.prod(len(axis) for axis in axes)
    check_fits(GRID_BYTES * count, f"a grid of {count:,} points", "take a lower resolution")
    values = np.empty([len(axis) for axis in axes], dtype=np.float32)
    kind = torch.empty(0) if like is None else like
    flat = values.reshape(-1)
    with torch.no_grad():
        for start in range(0, count, PART):
            numbers = np.unravel_index(np.arange(start, min(start + PART, count)), values.shape)
            points = np.stack([axis[k] for axis, k in zip(axes, numbers, strict=True)])
            flat[start : start + PART] = density(torch.as_tensor(points).to(kind)).to("cpu", torch.float32).numpy()
    return write_image(target, axes, {"density": values})


def _corners(lower: Any, upper: Any) -> tuple[np.ndarray, np.ndarray]:
    corners = []
    for name, given in (("lower", lower), ("upper", upper)):
        corner = real_array(name, given, shape="three numbers")
        if corner.shape != (3,):
            raise InvalidArgumentError(f"{name} must be three numbers, got the shape {corner.shape}")
        corners.append(corner.astype(np.float64))
    if not (corners[0] < corners[1]).all():
        raise InvalidArgumentError(f"lower must be below upper, got {corners[0].tolist()} and {corners[1].tolist()}")
    return corners[0], corners[1]


def _axes(lower: np.ndarray, upper: np.ndarray, resolution: int) -> Sequence[np.ndarray]:
    """Equidistant positions, a cell apart, ends included."""
    counts = np.maximum(2, np.rint(resolution * (upper - lower) / (upper - lower).max()).astype(int))
    return [np.linspace(a, b, n + 1) for a, b, n in zip(lower, upper, counts, strict=True)]
